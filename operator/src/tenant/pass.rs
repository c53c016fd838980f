//! One look at one tenant: what is wanted, what was found so far, and who stands at each plane's gate.

mod inherited;

use crate::audit::Cause;
use crate::breaker::{Act, Origin, Verdict};
use crate::controller::breaker::told;
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::kubernetes::desired::Wanted;
use crate::plan::Problem;
use crate::tenant::auditors::Admission;
use crate::tenant::keeper::{Fate, Keeper, Note, Obstacles};
use crate::tenant::ledger::{Entry, amend};
use crate::tenant::parse::Tenant;
use crate::tenant::status::{Nature, Part, nature};
use data_encoding::HEXLOWER;
use eoffice_crds::{
    AuditAccess, ConditionType, Drift, DriftPolicy, Impact, Plane, Reason, RotationCause, Settled,
    TenantRecordSpec,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What one look at a tenant does and learns.
pub struct Pass<'a> {
    /// The controller's world.
    pub world: &'a World,
    /// The tenant.
    pub tenant: &'a Tenant,
    /// What is wanted in its namespace.
    pub wanted: Wanted,
    /// Its record, with what this look adds.
    pub record: TenantRecordSpec,
    /// Its record as it was written last.
    stored: TenantRecordSpec,
    /// Nothing is changed: what would be done is noted.
    pub planning: bool,
    /// Nothing that was seen before counts: everything is looked at live.
    pub fresh: bool,
    /// What waits in a batch for a person's decision, or for its time.
    pub held: Option<Problem>,
    /// Each part, as far as this look got. Their order is their own: which came first in a look changes no status.
    pub parts: BTreeMap<ConditionType, Part>,
    /// What became of each difference.
    pub notes: Vec<Note>,
    /// Planes that are whole, and what they were brought to.
    pub settled: Settled,
    /// What should have been restarted and was not.
    pub unrestarted: Option<Problem>,
    /// When to look again.
    pub next: Option<Duration>,
    /// Who else may read the data now.
    pub auditors: Vec<Admission>,
    /// Those who should be among them, and could not be seen to.
    pub spared: Vec<AuditAccess>,
    /// What this look asked the breaker about.
    acts: Mutex<Vec<(Act, Option<Plane>)>>,
    /// What waits, plane by plane.
    holds: Mutex<BTreeMap<Plane, Problem>>,
    /// When the breaker is to be asked again.
    wait: Mutex<Option<Duration>>,
}

/// What bringing a plane to order gave.
pub struct Brought<T> {
    /// Fingerprint of what was asked of it.
    pub asked: String,
    /// What became of each difference.
    pub notes: Vec<Note>,
    /// What was found in the end.
    pub result: Result<T, Problem>,
}

impl<T> Brought<T> {
    /// It could not even be begun.
    pub fn failed(problem: Problem) -> Self {
        Self {
            asked: String::new(),
            notes: Vec::new(),
            result: Err(problem),
        }
    }
}

impl<'a> Pass<'a> {
    /// A look that begins with this entry in the records.
    pub fn new(world: &'a World, tenant: &'a Tenant, wanted: Wanted, entry: &Entry) -> Self {
        Self {
            world,
            tenant,
            wanted,
            record: entry.record.clone(),
            stored: entry.record.clone(),
            planning: false,
            fresh: false,
            held: entry.held.clone(),
            parts: BTreeMap::new(),
            notes: Vec::new(),
            settled: entry.record.settled.clone(),
            unrestarted: None,
            next: entry.wait,
            auditors: Vec::new(),
            spared: Vec::new(),
            acts: Mutex::new(entry.acts.iter().map(|act| (act.clone(), None)).collect()),
            holds: Mutex::default(),
            wait: Mutex::default(),
        }
    }

    /// Writes what this look found out into the record. Where that fails the record is as it was written last.
    pub async fn amend(&mut self) -> Result<(), Problem> {
        let written = match self.world.leadership.held() {
            true => amend(self.world, &self.stored, &self.record).await,
            false => Err(not_leading()),
        };
        if let Ok(stored) = &written {
            self.stored.clone_from(stored);
        }
        // What follows goes by what is stored: another process that goes on from here knows no fractions of a second.
        self.record.clone_from(&self.stored);
        written.map(drop)
    }

    /// Who stands at the gate of a plane of which this is asked.
    pub fn keeper(&self, plane: Plane, asked: &str) -> Keeper<'_> {
        let cause = match self.settled_as(plane) {
            Some((settled, _)) if settled == asked => Cause::Drift,
            _ if self.is_rotated(plane) => Cause::Rotation,
            _ => Cause::SpecChange,
        };
        let class = self.tenant.class.spec.drift_policy.as_ref();
        let own = self.tenant.object.spec.drift_policy.as_ref();
        let says = |policies: Option<&eoffice_crds::DriftPolicies>| policies?.of(plane);
        let delayed = || self.delayed(plane, asked).map(|(problem, _)| problem);
        let obstacles = Obstacles {
            paused: self.tenant.paused.clone(),
            held: match self.hurries(plane) {
                true => None,
                false => self.hold_of(plane).or_else(delayed),
            },
            policy: says(own).or_else(|| says(class)),
        };
        let reports = obstacles.policy == Some(DriftPolicy::Report);
        Keeper::new(
            self.world,
            (&self.tenant.name, plane, cause),
            obstacles.withhold(plane, cause),
            self.planning,
            (self.known_drift(), reports),
        )
    }

    fn is_rotated(&self, plane: Plane) -> bool {
        matches!(plane, Plane::Database | Plane::Storage)
            && self.record.rotation.under_way.is_some()
    }

    /// Whether the credentials of a plane are renewed in an emergency. That was decided by a person about this tenant: it
    /// waits for no batch, and for no delay, and what else is asked of the plane goes with it.
    pub fn hurries(&self, plane: Plane) -> bool {
        let under_way = self.record.rotation.under_way.as_ref();
        self.is_rotated(plane) && under_way.is_some_and(|it| it.cause == RotationCause::Emergency)
    }

    /// Asks the breaker about an act. What must wait is noted for the plane.
    pub async fn ask(&self, plane: Plane, act: &Act) -> Result<(), Problem> {
        lock(&self.acts).push((act.clone(), Some(plane)));
        let verdict = self.world.breaker.ask(&self.record.tenant, act).await?;
        if let Verdict::Wait(left) = verdict {
            let mut soonest = lock(&self.wait);
            *soonest = Some(soonest.map_or(left, |known| known.min(left)));
        }
        if let Some(problem) = told(&verdict) {
            lock(&self.holds).insert(plane, problem);
        }
        Ok(())
    }

    /// Asks whether credentials that are in use may be replaced, and shuts the gate where they may not.
    pub async fn ask_about_credential(
        &self,
        plane: Plane,
        gate: &Keeper<'_>,
    ) -> Result<(), Problem> {
        let new = !self.record.settled.contains_key(&plane);
        if gate.is_shut() || new || self.hurries(plane) {
            return Ok(());
        }
        let act = Act {
            impact: Impact::Credential,
            origin: Origin::Asked,
            cause: format!(
                "the credentials in its Secret of the plane {plane} are gone or were edited"
            ),
        };
        self.ask(plane, &act).await?;
        if let Some(problem) = self.hold_of(plane) {
            gate.shut(problem);
        }
        Ok(())
    }

    fn hold_of(&self, plane: Plane) -> Option<Problem> {
        lock(&self.holds).get(&plane).cloned()
    }

    /// What waits in a batch for a person.
    pub fn held_in_a_batch(&self) -> Option<Problem> {
        let holds = lock(&self.holds);
        let mut held = holds.values().chain(&self.held);
        held.find(|problem| problem.reason == Reason::Held).cloned()
    }

    /// Tells the breaker which acts are still wanted. Where a part failed, this look may not have come to all of them.
    pub fn tell_breaker(&self) {
        if self.tenant.paused.is_some() || self.parts.values().any(Result::is_err) {
            return;
        }
        let uid = &self.record.tenant.uid;
        let wanted: Vec<Act> = lock(&self.acts)
            .iter()
            .map(|(act, _)| act.clone())
            .collect();
        self.world.breaker.keep_only(uid, &wanted);
    }

    /// Tells the breaker that these of the acts it was asked about were carried out.
    pub fn done_with(&self, which: impl Fn(&Act, Option<Plane>) -> bool) {
        let uid = &self.record.tenant.uid;
        for (act, plane) in lock(&self.acts).iter() {
            if which(act, *plane) {
                self.world.breaker.done(uid, act);
            }
        }
    }

    /// The drift that people were told of before.
    pub fn known_drift(&self) -> &[Drift] {
        let status = self.tenant.object.status.as_ref();
        status.map_or(&[], |status| &status.drift)
    }

    /// Whether it is too early to try a part again; if so its last problem stays.
    pub fn waits(&mut self, part: ConditionType) -> bool {
        if self.planning {
            return false;
        }
        match self.world.memory.waiting(&self.tenant.name, part) {
            Some((problem, left)) => {
                self.parts.insert(part, Err(problem));
                self.sooner(left);
                true
            }
            None => false,
        }
    }

    /// Notes how a plane came out.
    pub fn take_in<T>(
        &mut self,
        plane: Plane,
        part: ConditionType,
        brought: Brought<T>,
        fine: &str,
    ) -> Option<T> {
        let Brought {
            asked,
            notes,
            result,
        } = brought;
        let waits = [
            self.delayed(plane, &asked).map(|(_, left)| left),
            *lock(&self.wait),
        ];
        waits
            .into_iter()
            .flatten()
            .for_each(|left| self.sooner(left));
        // What is only reported was asked for by nobody: the plane is what it was to be brought to.
        let withheld = notes.iter().find_map(|note| match &note.fate {
            Fate::Withheld(problem) if problem.reason != Reason::Drifted => Some(problem.clone()),
            _ => None,
        });
        let known = self.record.settled.contains_key(&plane);
        if let Some(left) = notes
            .iter()
            .filter_map(|note| {
                self.world
                    .memory
                    .until_next_try(&self.tenant.name, &note.difference)
            })
            .min()
        {
            self.sooner(left);
        }
        self.notes.extend(notes);
        let (found, outcome) = match (result, withheld) {
            (Ok(found), None) => {
                self.done_with(|_, of| of == Some(plane));
                self.settle_as(plane, &asked);
                (Some(found), Ok(()))
            }
            // What was whole before stands, though not all of it is as it should be. What is to be closed is not
            // closed before all of it is.
            (Ok(found), Some(_)) if known && self.wanted.open => (Some(found), Ok(())),
            (Ok(found), Some(problem)) => (Some(found), Err(problem)),
            (Err(problem), _) => (None, Err(problem)),
        };
        self.settle(part, outcome, fine);
        found
    }

    /// Notes how a part came out.
    pub fn settle(&mut self, part: ConditionType, result: Result<(), Problem>, fine: &str) {
        let memory = &self.world.memory;
        let name = &self.tenant.name;
        let outcome = match result {
            Ok(()) => Ok(fine.to_owned()),
            Err(problem) => Err(problem),
        };
        if !self.planning {
            match &outcome {
                Ok(_) => memory.clear(name, part),
                Err(problem) if nature(problem.reason) == Nature::Retry => {
                    let wait = memory.failed(name, part, problem);
                    self.sooner(wait);
                }
                Err(_) => {}
            }
        }
        self.parts.insert(part, outcome);
    }

    /// Whether both backends were brought, in this look, to all that is asked of them. Drift that is only told of
    /// holds up nothing.
    pub fn brought(&self) -> bool {
        let told = [Reason::Drifted, Reason::Contested];
        let withheld = self.notes.iter().any(|note| {
            matches!(note.plane, Plane::Database | Plane::Storage)
                && matches!(&note.fate, Fate::Withheld(why) if !told.contains(&why.reason))
        });
        let fine = |part| self.parts.get(part).is_some_and(Result::is_ok);
        let parts = [ConditionType::DatabaseReady, ConditionType::StorageReady];
        parts.iter().all(fine) && !withheld
    }

    /// Has the next look come after this time at the latest.
    pub fn sooner(&mut self, wait: Duration) {
        self.next = Some(self.next.map_or(wait, |next| next.min(wait)));
    }

    /// Has the next look come at this time at the latest.
    pub fn sooner_at(&mut self, at: Timestamp) {
        let left = at.duration_since(self.world.clock.now());
        let left = Duration::try_from(left).unwrap_or_default();
        // A moment later, so that it has come then.
        self.sooner(left + Duration::from_millis(20));
    }

    /// Whether this look changed anything.
    pub fn changed(&self) -> bool {
        self.notes.iter().any(|note| note.fate == Fate::Made)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One fingerprint of several: 16 hexadecimal digits.
pub fn hash(parts: &[&str]) -> String {
    HEXLOWER.encode(&Sha256::digest(parts.join("\n"))[..8])
}
