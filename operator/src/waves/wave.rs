//! Who is in the making, and whether the newest wave fails.

use super::{Entry, Matter, matter};
use crate::tenant::status::{Nature, nature};
use eoffice_crds::Reason;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A wave shorter than this says too little to stop the next one.
const SHORTEST: usize = 3;

/// A failure that is gone within this time is none: a new certificate is not served everywhere at once.
const PASSING: SignedDuration = SignedDuration::from_secs(10);

/// How many at once, and when that is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many new tenants are made at once.
    pub size: usize,
    /// With more than this share of a wave failing, in percent, no further tenants are begun.
    pub failed_percent: usize,
    /// Whoever is in the making for longer than this counts as failing: what it waits for may never come.
    pub patience: Duration,
}

impl Rules {
    /// How many of those that settled last are judged together.
    fn judged(&self) -> usize {
        self.size.max(SHORTEST)
    }
}

/// How far a tenant is that had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On its way by itself, or failing for a moment only; it counts as failing from this time on.
    Making(Timestamp),
    /// It cannot go on as it is; it is tried again, but holds up nobody.
    Failing,
    /// It was proved once, or closed as asked.
    Done,
}

impl Stage {
    fn is_making(self) -> bool {
        matches!(self, Self::Making(_))
    }
}

/// What is seen of a tenant that had its turn.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When it had its turn.
    pub at: Timestamp,
    /// Whether it was proved once.
    pub proved: bool,
    /// Whether a person stopped changes to it.
    pub paused: bool,
    /// Whether it is Ready, and the reason, where that is one we know.
    pub ready: Option<(bool, Reason)>,
    /// Whether all that is missing is the certificate of a host of its own: that is its agency's DNS, not our issuer.
    pub own_host: bool,
    /// Since when it fails with something that is tried again, or waits for its own host alone.
    pub failing_since: Option<Timestamp>,
}

/// How far a tenant is; none for one that is set aside, as what stands against it is its own: it neither takes up a
/// turn nor counts as failing.
pub fn stage(seen: &Seen, now: Timestamp, rules: &Rules) -> Option<Stage> {
    let reason = match seen.ready {
        _ if seen.proved => return Some(Stage::Done),
        Some((true, _)) => return Some(Stage::Done),
        _ if seen.paused => return None,
        Some((_, reason)) => reason,
        None => Reason::Progressing,
    };
    let until = time_is_up(seen, rules);
    match matter(reason) {
        Matter::Tenant => None,
        Matter::Platform if nature(reason) == Nature::Person => Some(Stage::Failing),
        Matter::Platform | Matter::Underway if now <= until => Some(Stage::Making(until)),
        Matter::Underway if seen.own_host => None,
        Matter::Platform | Matter::Underway => Some(Stage::Failing),
    }
}

/// When a tenant that is on its way counts as failing, if nothing is seen of it until then.
fn time_is_up(seen: &Seen, rules: &Rules) -> Timestamp {
    let patience = SignedDuration::try_from(rules.patience).unwrap_or(SignedDuration::MAX);
    let overdue = seen.at.checked_add(patience).unwrap_or(Timestamp::MAX);
    let failing = seen.failing_since.map(|since| since + PASSING);
    failing.map_or(overdue, |failing| failing.min(overdue))
}

/// A tenant that had its turn.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub entry: Entry,
    /// When it had its turn.
    pub at: Timestamp,
    /// How far it is.
    pub stage: Stage,
}

/// How the making of new tenants stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wave {
    /// In the making now.
    pub making: usize,
    /// Failing, among those that settled last.
    pub failing: usize,
    /// Whether that is too many: nobody is begun until it is fewer.
    pub stopped: bool,
    /// How many may be begun now.
    pub room: usize,
}

impl Wave {
    /// How it stands with these, in any order.
    ///
    /// Judged are those that settled, not those in the making: each that fails lets another in, and would else be
    /// pushed out of sight by it.
    pub fn of(members: &[Member], rules: &Rules) -> Self {
        let making = members.iter().filter(|it| it.stage.is_making());
        let making = making.count();
        let settled = members.iter().filter(|it| !it.stage.is_making());
        let mut settled: Vec<&Member> = settled.collect();
        settled.sort_by(|a, b| (b.at, &b.entry.uid).cmp(&(a.at, &a.entry.uid)));
        settled.truncate(rules.judged());
        let failing = settled.iter().filter(|it| it.stage == Stage::Failing);
        let failing = failing.count();
        let too_many = failing * 100 > rules.failed_percent * rules.judged();
        let stopped = too_many && settled.len() >= SHORTEST;
        Self {
            making,
            failing,
            stopped,
            room: match stopped {
                true => 0,
                false => rules.size.saturating_sub(making),
            },
        }
    }

    /// How many of those that wait, the next one first, have their turn now, where so many at once are worth it. One
    /// more may always come whose creator has nobody in the making: nobody's work waits until another's is done.
    pub fn turns(&self, members: &[Member], waiting: &[Entry], at_once: usize) -> usize {
        let given = at_once.saturating_sub(self.making);
        let given = given.min(self.room).min(waiting.len());
        let in_the_making = self.making + given;
        let who = |entry: &Entry| (entry.province.clone(), entry.creator.clone());
        let makes = |entry: &Entry| {
            let making = members.iter().filter(|it| it.stage.is_making());
            let begun = making.map(|it| &it.entry).chain(&waiting[..given]);
            begun.into_iter().any(|it| who(it) == who(entry))
        };
        let one_more = in_the_making <= at_once && given < self.room;
        let next = waiting.get(given).filter(|next| one_more && !makes(next));
        given + usize::from(next.is_some())
    }

    /// When the first of those in the making counts as failing; none where nobody is.
    pub fn next_overdue(members: &[Member]) -> Option<Timestamp> {
        let making = members.iter().filter_map(|it| match it.stage {
            Stage::Making(until) => Some(until),
            Stage::Failing | Stage::Done => None,
        });
        making.min()
    }
}
