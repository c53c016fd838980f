//! Who stands at the gate of a plane: what may be done about each difference, and a note of what became of it.

use crate::audit::{self, Cause};
use crate::controller::world::World;
use crate::plan::{Difference, Gate, Problem};
use crate::tenant::drift;
use eoffice_crds::{Drift, DriftAction, DriftPolicy, Plane, Reason};
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What became of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The change was made.
    Made,
    /// It was not made, and why.
    Withheld(Problem),
    /// Only a person can end it.
    Left(Problem),
    /// It would be made.
    Planned,
    /// Another controller, whose matter it is, puts it right.
    Elsewhere,
}

/// A difference, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub plane: Plane,
    /// What differed.
    pub difference: Difference,
    /// Why it differed.
    pub cause: Cause,
    /// What became of it.
    pub fate: Fate,
}

impl Note {
    /// What this difference is to people, where somebody else made it.
    pub fn drift(&self) -> Option<DriftAction> {
        if self.cause != Cause::Drift {
            return None;
        }
        match &self.fate {
            Fate::Made | Fate::Elsewhere => Some(DriftAction::Corrected),
            Fate::Withheld(problem) if problem.reason == Reason::Drifted => {
                Some(DriftAction::Reported)
            }
            Fate::Withheld(_) | Fate::Left(_) => Some(DriftAction::Held),
            Fate::Planned => None,
        }
    }
}

/// What stands in the way of every change of a plane, in the order in which it counts.
#[derive(Clone, Debug, Default)]
pub struct Obstacles {
    /// A person stopped changes.
    pub paused: Option<Problem>,
    /// A batch waits for a person, or the change for its time.
    pub held: Option<Problem>,
    /// What the class and the tenant say about drift.
    pub policy: Option<DriftPolicy>,
}

impl Obstacles {
    /// Why changes of this cause are withheld, if they are.
    pub fn withhold(&self, plane: Plane, cause: Cause) -> Option<Problem> {
        let reported = || {
            (cause == Cause::Drift && self.policy == Some(DriftPolicy::Report))
                .then(|| only_told(plane))
        };
        self.paused
            .clone()
            .or_else(|| self.held.clone())
            .or_else(reported)
    }
}

/// Whether what stands in the way of changes leaves the end of an auditor's access alone: that was decided about him,
/// and waits for no batch and for no delay. A person who stops all changes stops it, too.
fn keeps_no_access(problem: &Problem) -> bool {
    matches!(problem.reason, Reason::Held | Reason::Delayed)
}

fn only_told(plane: Plane) -> Problem {
    Problem::new(
        Reason::Drifted,
        format!(
            "driftPolicy.{} is Report: it is told of and not put right",
            camel(plane)
        ),
    )
}

fn camel(plane: Plane) -> String {
    plane.as_str().to_lowercase()
}

/// Lets everything pass, and writes the audit.
pub struct Told<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// Where.
    pub plane: Plane,
    /// Why.
    pub cause: Cause,
}

impl Gate for Told<'_> {
    fn allows(&self, _: &[Difference]) -> bool {
        true
    }

    fn made(&self, differences: &[Difference]) {
        for difference in differences {
            audit::made(self.tenant, self.plane, difference, self.cause);
        }
    }
}

/// Stands at the gate of one plane during one look at a tenant.
pub struct Keeper<'a> {
    world: &'a World,
    tenant: &'a str,
    plane: Plane,
    cause: Cause,
    withheld: OnceLock<Problem>,
    planning: bool,
    known: &'a [Drift],
    /// Whether drift is only reported.
    reports: bool,
    notes: Mutex<Vec<Note>>,
}

impl<'a> Keeper<'a> {
    /// A keeper that lets changes of this cause pass, unless they are withheld or only planned.
    /// `known` is the drift that was told of before.
    pub fn new(
        world: &'a World,
        (tenant, plane, cause): (&'a str, Plane, Cause),
        withheld: Option<Problem>,
        planning: bool,
        (known, reports): (&'a [Drift], bool),
    ) -> Self {
        Self {
            world,
            tenant,
            plane,
            cause,
            withheld: withheld.map(OnceLock::from).unwrap_or_default(),
            planning,
            known,
            reports,
            notes: Mutex::default(),
        }
    }

    /// Whether nothing may be changed, whatever differs.
    pub fn is_shut(&self) -> bool {
        self.planning || self.withheld.get().is_some()
    }

    /// From now on nothing passes.
    pub fn shut(&self, why: Problem) {
        self.withheld.get_or_init(|| why);
    }

    /// Whether a person's acceptance has to wait, as everything has.
    pub fn stops_all(&self) -> bool {
        let withheld = self.withheld.get();
        withheld.is_some_and(|problem| problem.reason != Reason::Drifted)
    }

    /// Whether changes are only planned.
    pub fn is_planning(&self) -> bool {
        self.planning
    }

    /// Notes a difference that is not ours to end: another controller's, or a person's.
    pub fn leave(&self, difference: &Difference, by_another: bool, why: &Problem) {
        let (fate, action) = match by_another {
            true => (Fate::Elsewhere, DriftAction::Corrected),
            false => (Fate::Left(why.clone()), DriftAction::Held),
        };
        let told = by_another && self.told_of(difference);
        self.note(difference, fate);
        if self.cause == Cause::Drift && !told {
            self.tell(difference, action);
        }
    }

    /// Whether what another controller is to put right was told of in this look, or just before.
    fn told_of(&self, difference: &Difference) -> bool {
        let now = Timestamp::now();
        let noted = |note: &Note| {
            note.difference.object == difference.object && note.difference.field == difference.field
        };
        let known = |known: &Drift| {
            self.is_of(known, difference)
                && known.observed == difference.before
                && known.expected == difference.after
                && drift::is_recent(known, now)
        };
        self.lock().iter().any(noted) || self.known.iter().any(known)
    }

    /// What became of each difference.
    pub fn notes(self) -> Vec<Note> {
        self.notes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is only reported stays so when something else is asked of the plane.
    fn reported_before(&self, differences: &[Difference]) -> Option<Problem> {
        if self.cause == Cause::Rotation {
            return None;
        }
        let all = differences.iter().all(|it| self.is_reported(it));
        (all && !differences.is_empty()).then(|| only_told(self.plane))
    }

    fn is_reported(&self, difference: &Difference) -> bool {
        self.reports
            && self
                .known
                .iter()
                .any(|known| self.is_of(known, difference) && known.action == DriftAction::Reported)
    }

    /// Whether what was told of before is about the same thing.
    fn is_of(&self, known: &Drift, difference: &Difference) -> bool {
        known.plane == self.plane
            && known.object == difference.object
            && known.field == difference.field
    }

    fn cause_of(&self, difference: &Difference) -> Cause {
        match self.cause {
            Cause::SpecChange if self.is_reported(difference) => Cause::Drift,
            cause => cause,
        }
    }

    fn contested(&self, differences: &[Difference]) -> Option<Problem> {
        if self.cause != Cause::Drift {
            return None;
        }
        differences.iter().find_map(|difference| {
            self.world
                .memory
                .contested(self.tenant, &difference.object, &difference.field)
        })
    }

    fn note(&self, difference: &Difference, fate: Fate) {
        let note = Note {
            plane: self.plane,
            difference: difference.clone(),
            cause: self.cause_of(difference),
            fate,
        };
        let mut notes = self.lock();
        let same = |known: &Note| {
            known.difference.object == difference.object
                && known.difference.field == difference.field
                && known.fate == note.fate
        };
        if note.fate == Fate::Made || !notes.iter().any(same) {
            notes.push(note);
        }
    }

    /// Writes the audit line of a drift, unless it is one that was told of before.
    fn tell(&self, difference: &Difference, action: DriftAction) {
        let told = |known: &&Drift| {
            known.action != DriftAction::Corrected
                && self.is_of(known, difference)
                && known.observed == difference.before
                && known.action == action
        };
        if !self.known.iter().any(|known| told(&known)) {
            audit::found(self.tenant, self.plane, difference, action);
            self.world.metrics.drifted(self.plane, action);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Keeper<'_> {
    fn allows(&self, differences: &[Difference]) -> bool {
        let withheld = self
            .withheld
            .get()
            .cloned()
            .or_else(|| self.contested(differences))
            .or_else(|| self.reported_before(differences));
        let fate = match (withheld, self.planning) {
            (None, false) => None,
            (None, true) => Some(Fate::Planned),
            (Some(problem), _) => Some(Fate::Withheld(problem)),
        };
        for difference in differences {
            if let Some(fate) = &fate {
                self.note(difference, fate.clone());
            }
            let action = match &fate {
                _ if self.planning || self.cause_of(difference) != Cause::Drift => continue,
                None => DriftAction::Corrected,
                Some(Fate::Withheld(problem)) if problem.reason == Reason::Drifted => {
                    DriftAction::Reported
                }
                Some(_) => DriftAction::Held,
            };
            self.tell(difference, action);
        }
        fate.is_none()
    }

    fn may_end(&self, differences: &[Difference]) -> bool {
        let waits = self.withheld.get().is_some_and(keeps_no_access);
        (waits && !self.planning) || self.allows(differences)
    }

    fn may_renew(&self, differences: &[Difference]) -> bool {
        match self.planning {
            true => self.allows(differences),
            false => !self.stops_all(),
        }
    }

    fn renewed(&self, differences: &[Difference]) {
        for difference in differences {
            audit::made(self.tenant, self.plane, difference, Cause::Rotation);
            self.lock().push(Note {
                plane: self.plane,
                difference: difference.clone(),
                cause: Cause::Rotation,
                fate: Fate::Made,
            });
        }
    }

    fn skipped(&self, differences: &[Difference]) {
        let waiting = || {
            Problem::new(
                Reason::Waiting,
                "something that comes before it is withheld",
            )
        };
        let fate = match (self.withheld.get(), self.planning) {
            (Some(problem), _) => Fate::Withheld(problem.clone()),
            (None, true) => Fate::Planned,
            (None, false) => Fate::Withheld(waiting()),
        };
        for difference in differences {
            self.note(difference, fate.clone());
        }
    }

    fn made(&self, differences: &[Difference]) {
        for difference in differences {
            audit::made(self.tenant, self.plane, difference, self.cause);
            if self.cause == Cause::Drift {
                let memory = &self.world.memory;
                memory.corrected(self.tenant, difference);
                self.world.metrics.repaired(difference);
            }
            self.note(difference, Fate::Made);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
