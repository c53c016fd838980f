//! What people are told when a tenant's status changes. Pure.

use crate::plan::Problem;
use crate::tenant::stages::StageChange;
use crate::tenant::store::Tone;
use eoffice_crds::{ConditionType, Drift, DriftAction, EOfficeTenantStatus, FIELD_MANAGER, Phase};

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether to worry.
    pub tone: Tone,
    /// One word.
    pub reason: &'static str,
    /// What was done about what.
    pub action: String,
    /// A sentence.
    pub note: String,
}

impl Told {
    /// Something to tell of the tenant as a whole.
    pub fn new(tone: Tone, reason: &'static str, note: impl Into<String>) -> Self {
        Self {
            tone,
            reason,
            action: "Reconcile".to_owned(),
            note: note.into(),
        }
    }
}

/// What a change of status is worth telling: a new phase, with who asked for it, and a new reason while it is failing.
pub fn of_change(
    before: &EOfficeTenantStatus,
    after: &EOfficeTenantStatus,
    stage: Option<&StageChange>,
) -> Option<Told> {
    let (reason, message) = ready(after)?;
    let phase = after.phase?;
    let same_phase = before.phase == after.phase;
    let same_reason = ready(before).is_some_and(|(known, _)| known == reason);
    let failing = matches!(phase, Phase::Degraded | Phase::Failed | Phase::Queued);
    if same_phase && (same_reason || !failing) {
        return None;
    }
    let (tone, word, note) = match (before.phase, phase) {
        (_, Phase::Degraded) => (Tone::Warning, "Degraded", message),
        (_, Phase::Failed) => (Tone::Warning, "Failed", message),
        (_, Phase::Queued) => (Tone::Normal, "Queued", message),
        (_, Phase::AwaitingApproval) => (Tone::Normal, "AwaitingApproval", message),
        (_, Phase::Suspended) => (Tone::Normal, "Suspended", message),
        (_, Phase::Archived) => (Tone::Normal, "Archived", message),
        (_, Phase::Closing) => (Tone::Normal, "Closing", message),
        (Some(Phase::Suspended | Phase::Archived), Phase::Active | Phase::Provisioning) => (
            Tone::Normal,
            "Reopened",
            "the tenant is open again with the same credentials".to_owned(),
        ),
        (Some(Phase::Degraded | Phase::Failed), Phase::Active) => {
            (Tone::Normal, "Recovered", message)
        }
        (_, Phase::Active) => (Tone::Normal, "Provisioned", message),
        (Some(Phase::AwaitingApproval), Phase::Provisioning) => (
            Tone::Normal,
            "Approved",
            "it is approved, and being made".to_owned(),
        ),
        (Some(Phase::Queued), Phase::Provisioning) => {
            (Tone::Normal, "Provisioning", "it is being made".to_owned())
        }
        (_, Phase::Provisioning) => return None,
    };
    let by = stage.filter(|stage| stage.by != FIELD_MANAGER);
    let by = by.map_or_else(String::new, |stage| format!(" (asked for by {})", stage.by));
    Some(Told::new(tone, word, note + &by))
}

/// A tenant that waits in a batch is told of once.
pub fn of_hold(before: &EOfficeTenantStatus, held: Option<&Problem>) -> Option<Told> {
    let known = before
        .conditions
        .iter()
        .any(|condition| condition.type_ == ConditionType::Held.as_str());
    let held = held.filter(|_| !known)?;
    Some(Told::new(Tone::Warning, "Held", &held.message))
}

/// What is worth telling of the list of drift: each that is new, or came anew.
pub fn of_drift(before: &[Drift], after: &[Drift]) -> Vec<Told> {
    let known = |drift: &&Drift| {
        before.iter().any(|known| {
            known.plane == drift.plane
                && known.object == drift.object
                && known.field == drift.field
                && known.count == drift.count
                && known.action == drift.action
        })
    };
    after
        .iter()
        .filter(|drift| !known(drift))
        .map(told)
        .collect()
}

fn told(drift: &Drift) -> Told {
    let Drift {
        plane,
        object,
        field,
        actor,
        ..
    } = drift;
    let (tone, reason, done) = match drift.action {
        DriftAction::Corrected => (Tone::Normal, "DriftCorrected", "was put right"),
        DriftAction::Reported => (Tone::Warning, "DriftReported", "is only reported"),
        DriftAction::Held => (Tone::Warning, "DriftHeld", "is left as it is for now"),
    };
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let note = format!(
        "{plane}: {object} {field} was {} instead of {}, changed by {actor}; it {done}",
        value(&drift.observed),
        value(&drift.expected),
    );
    Told {
        tone,
        reason,
        // Events of one object, reason and action are counted as one: each difference is told of by itself.
        action: format!("{object} {field}").chars().take(128).collect(),
        note,
    }
}

fn ready(status: &EOfficeTenantStatus) -> Option<(String, String)> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
        .map(|condition| (condition.reason.clone(), condition.message.clone()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::tenant::status::condition;
    use eoffice_crds::Reason;
    use jiff::Timestamp;

    fn at(phase: Phase, reason: Reason) -> EOfficeTenantStatus {
        EOfficeTenantStatus {
            phase: Some(phase),
            conditions: vec![condition(
                &[],
                "Ready",
                "Unknown",
                reason,
                "why",
                1,
                Timestamp::UNIX_EPOCH,
            )],
            ..EOfficeTenantStatus::default()
        }
    }

    #[test]
    fn each_change_is_told_once_and_progress_is_not() {
        use Phase::{Active, Degraded, Provisioning, Suspended};
        let rows = [
            (
                (Provisioning, Reason::NotIssued),
                (Provisioning, Reason::Waiting),
                None,
            ),
            (
                (Provisioning, Reason::NotIssued),
                (Active, Reason::AsExpected),
                Some("Provisioned"),
            ),
            (
                (Active, Reason::AsExpected),
                (Active, Reason::NotIssued),
                None,
            ),
            (
                (Active, Reason::AsExpected),
                (Degraded, Reason::Unreachable),
                Some("Degraded"),
            ),
            (
                (Degraded, Reason::Unreachable),
                (Degraded, Reason::Unreachable),
                None,
            ),
            (
                (Degraded, Reason::Unreachable),
                (Degraded, Reason::BackendError),
                Some("Degraded"),
            ),
            (
                (Degraded, Reason::Unreachable),
                (Active, Reason::AsExpected),
                Some("Recovered"),
            ),
            (
                (Active, Reason::AsExpected),
                (Suspended, Reason::Suspended),
                Some("Suspended"),
            ),
            (
                (Suspended, Reason::Suspended),
                (Active, Reason::AsExpected),
                Some("Reopened"),
            ),
            (
                (Suspended, Reason::Suspended),
                (Provisioning, Reason::ProofFailed),
                Some("Reopened"),
            ),
        ];
        for (before, after, expected) in rows {
            let told = of_change(&at(before.0, before.1), &at(after.0, after.1), None);
            assert_eq!(
                told.map(|told| told.reason),
                expected,
                "{before:?} -> {after:?}"
            );
        }
    }
}
