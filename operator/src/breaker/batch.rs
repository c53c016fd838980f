//! A batch as the breaker works with it, read from a FleetHold and written back to it.

use super::{Act, Origin, Rules};
use crate::tenant::status::condition;
use eoffice_crds::{
    ConditionType, Decision, FleetHold, FleetHoldStatus, HeldTenant, HoldState, Impact, Reason,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use std::collections::HashSet;

/// Acts in one FleetHold at most: more would not fit into one object.
pub const ROOM: usize = 2000;

/// One batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Name of its FleetHold.
    pub name: String,
    /// What a person decided.
    pub decision: Option<Decision>,
    /// How it stands, as written last.
    pub state: HoldState,
    /// Since when it stands so.
    pub since: Timestamp,
    /// The acts in it.
    pub entries: Vec<HeldTenant>,
}

impl Batch {
    /// A batch of nothing yet.
    pub fn new(name: String, now: Timestamp) -> Self {
        Self {
            name,
            decision: None,
            state: HoldState::Watching,
            since: now,
            entries: Vec::new(),
        }
    }

    /// What a FleetHold says. One whose status was never written is a batch of nothing.
    pub fn of(hold: &FleetHold, now: Timestamp) -> Self {
        let status = hold.status.clone().unwrap_or_default();
        let since = status.conditions.first();
        Self {
            name: hold.name_any(),
            decision: hold.spec.decision,
            state: status.state.unwrap_or(HoldState::Watching),
            since: since.map_or(now, |condition| condition.last_transition_time.0),
            entries: status.tenants,
        }
    }

    /// The status of its FleetHold.
    pub fn status(&self, rules: &Rules) -> FleetHoldStatus {
        let count = i64::try_from(self.tenants().len()).unwrap_or(i64::MAX);
        let limit = i64::try_from(rules.limit).unwrap_or(i64::MAX);
        let (truth, reason, message) = self.told(count, limit);
        let mut held = condition(
            &[],
            ConditionType::Held.as_str(),
            truth,
            reason,
            &message,
            1,
            self.since,
        );
        held.observed_generation = None;
        FleetHoldStatus {
            state: Some(self.state),
            count: Some(count),
            limit: Some(limit),
            tenants: self.entries.clone(),
            conditions: vec![held],
        }
    }

    fn told(&self, count: i64, limit: i64) -> (&'static str, Reason, String) {
        match self.state {
            HoldState::Watching => (
                "False",
                Reason::AsExpected,
                format!("each is done when its delay is over; more than {limit} tenants would be held"),
            ),
            HoldState::Held => (
                "True",
                Reason::Held,
                format!(
                    "{count} tenants would be closed, deleted, moved or lose a credential, and the limit is {limit}: nothing of it is done until a person decides with kubectl eoffice resume {name} (do it) or recover {name} (undo it), which set spec.decision",
                    name = self.name
                ),
            ),
            HoldState::Resumed => (
                "False",
                Reason::AsExpected,
                "a person let it happen: each is done now".to_owned(),
            ),
            HoldState::Recovered => (
                "False",
                Reason::AsExpected,
                "a person had it undone: what is being deleted is made again, what a spec asked for is put back, and what a class, a server or a store causes waits until the cause is taken away".to_owned(),
            ),
        }
    }

    /// UIDs of the tenants in it.
    pub fn tenants(&self) -> HashSet<&str> {
        self.entries
            .iter()
            .map(|entry| entry.uid.as_str())
            .collect()
    }

    /// Whether anything in it is neither done nor undone.
    pub fn is_pending(&self) -> bool {
        self.entries.iter().any(|entry| entry.done_at.is_none())
    }

    /// Whether no person has decided about it.
    pub fn is_undecided(&self) -> bool {
        self.decision.is_none()
    }

    /// Whether it waits for a person.
    pub fn is_held(&self) -> bool {
        self.is_undecided() && self.state == HoldState::Held
    }

    /// This act on the tenant of this UID.
    pub fn entry(&self, uid: &str, act: &Act) -> Option<&HeldTenant> {
        self.entries.iter().find(|entry| is(entry, uid, act))
    }
}

/// Whether an entry is of this act on the tenant of this UID.
pub fn is(entry: &HeldTenant, uid: &str, act: &Act) -> bool {
    entry.uid == uid && entry.impact == act.impact && entry.cause == act.cause
}

/// The act of an entry. Where it came from is not kept: whoever asks again says so.
pub fn act_of(entry: &HeldTenant) -> Act {
    Act {
        impact: entry.impact,
        origin: Origin::Inherited,
        cause: entry.cause.clone(),
    }
}

/// Whether what an entry stands for can still come: what was done is asked for anew. A resource is deleted only once: a
/// pass that has not seen its end asks for no other deletion.
pub fn counts_still(entry: &HeldTenant) -> bool {
    entry.done_at.is_none() || entry.impact == Impact::Delete
}

/// The whole second that is not over yet at `now`: a stored time has no fraction, and one cut off would shorten a delay.
pub fn up(now: Timestamp) -> Time {
    Time(
        Timestamp::from_second(down(now).0.as_second() + i64::from(now.subsec_nanosecond() > 0))
            .unwrap_or(now),
    )
}

/// The second that `now` is in.
pub fn down(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}
