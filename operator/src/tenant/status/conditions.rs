//! A list of conditions, each keeping its time while its status stays.

use eoffice_crds::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Writes a list of conditions, each keeping its time while its status stays.
pub(super) struct Conditions<'a> {
    pub(super) generation: i64,
    pub(super) now: Timestamp,
    pub(super) previous: &'a [Condition],
    pub(super) list: Vec<Condition>,
}

impl Conditions<'_> {
    pub(super) fn put(&mut self, kind: ConditionType, truth: Truth, reason: Reason, message: &str) {
        self.list.push(condition(
            self.previous,
            kind.as_str(),
            truth.as_str(),
            reason,
            message,
            self.generation,
            self.now,
        ));
    }

    /// Parts that this pass did not look at stay as they were.
    pub(super) fn keep_the_rest(&mut self) {
        let closing = [
            ConditionType::Synced,
            ConditionType::Paused,
            ConditionType::Held,
            ConditionType::Reconciling,
            ConditionType::Stalled,
        ];
        for before in self.previous {
            let written = self
                .list
                .iter()
                .any(|condition| condition.type_ == before.type_);
            let follows = closing.iter().any(|kind| kind.as_str() == before.type_);
            if !written && !follows {
                self.list.push(before.clone());
            }
        }
    }
}

/// A condition that keeps its time while its status stays the same.
pub fn condition(
    previous: &[Condition],
    kind: &str,
    truth: &str,
    reason: Reason,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let since = previous
        .iter()
        .find(|before| before.type_ == kind && before.status == truth)
        .map_or(Time(now), |before| before.last_transition_time.clone());
    Condition {
        type_: kind.to_owned(),
        status: truth.to_owned(),
        reason: reason.to_string(),
        message: message.to_owned(),
        observed_generation: Some(generation),
        last_transition_time: since,
    }
}
