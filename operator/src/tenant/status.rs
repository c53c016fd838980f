//! What the resource says of the tenant: phase and conditions. Pure.

mod conditions;

pub use self::conditions::condition;
use self::conditions::{Conditions, Truth};
use crate::plan::Problem;
use eoffice_crds::{
    ApprovalStatus, ConditionType, EOfficeTenantStatus, Lifecycle, Phase, Reason,
    TenantCertificateStatus,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How one part of the tenant stands; the sentence is shown where it is in order.
pub type Part = Result<String, Problem>;

/// Everything that a pass found out.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Generation of the spec that was looked at.
    pub generation: i64,
    /// What the spec asks for.
    pub lifecycle: Lifecycle,
    /// Whether the resource is being deleted.
    pub deleting: bool,
    /// Whether the tenant has been Ready before, in this incarnation.
    pub proved: bool,
    /// Why nothing could be done at all, or, where parts were looked at, why nothing was opened.
    pub gate: Option<Problem>,
    /// Each part, as far as this pass looked at it.
    pub parts: Vec<(ConditionType, Part)>,
    /// What is open for a person to decide, and holds nothing else back.
    pub open: Option<Problem>,
    /// Whether everything is as asked; else the worst difference.
    pub synced: Part,
    /// Why nothing may be changed, where a person stopped it.
    pub paused: Option<Problem>,
    /// What waits in a batch for a person's decision.
    pub held: Option<Problem>,
    /// How the tenant stands with its approval; absent where this pass did not come to it.
    pub approval: Option<ApprovalStatus>,
    /// Facts for people; absent where this pass did not get that far.
    pub facts: Option<EOfficeTenantStatus>,
}

/// What a reason asks of the operator and of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// It comes by itself.
    Progress,
    /// It failed, and is tried again.
    Retry,
    /// Only a person can help.
    Person,
}

/// The nature of each reason.
pub fn nature(reason: Reason) -> Nature {
    match reason {
        Reason::AsExpected
        | Reason::Progressing
        | Reason::AwaitingApproval
        | Reason::Queued
        | Reason::Suspended
        | Reason::Archived
        | Reason::Closing
        | Reason::NotIssued
        | Reason::Waiting
        | Reason::Delayed
        | Reason::Planned
        | Reason::AwaitingTurn
        | Reason::Cooling
        | Reason::Purging
        | Reason::RetentionNotOver
        | Reason::Destroyed
        | Reason::Succeeded
        | Reason::Corrected => Nature::Progress,
        Reason::BackendError
        | Reason::Unreachable
        | Reason::BackendNotReady
        | Reason::KubernetesError
        | Reason::CertificateInvalid
        | Reason::ProofFailed
        | Reason::ProofInconclusive
        | Reason::Drifted => Nature::Retry,
        Reason::ClassNotFound
        | Reason::ClassNotAllowed
        | Reason::ClassInvalid
        | Reason::ClassChanged
        | Reason::NoServerMatches
        | Reason::StoreNotFound
        | Reason::ProvinceMismatch
        | Reason::NameConflict
        | Reason::OtherAgency
        | Reason::CodeConflict
        | Reason::HostConflict
        | Reason::ForeignObject
        | Reason::DataMissing
        | Reason::IdentityChanged
        | Reason::HeldByOtherCluster
        | Reason::Unsupported
        | Reason::CredentialsInvalid
        | Reason::InvalidSpec
        | Reason::InUse
        | Reason::Contested
        | Reason::Paused
        | Reason::Held
        | Reason::ApprovalOutdated
        | Reason::RestoreRefused
        | Reason::LegalHold
        | Reason::PurgeRefused
        | Reason::DeleteNotAllowed => Nature::Person,
    }
}

/// Parts that the agency cannot work without.
pub const VITAL: [ConditionType; 4] = [
    ConditionType::DatabaseReady,
    ConditionType::StorageReady,
    ConditionType::IngressReady,
    ConditionType::Verified,
];

/// The status of this pass; conditions that did not change keep their time.
pub fn status(
    findings: &Findings,
    previous: &EOfficeTenantStatus,
    now: Timestamp,
) -> EOfficeTenantStatus {
    let verdict = verdict(findings);
    let mut status = findings.facts.clone().unwrap_or_else(|| previous.clone());
    // While changes are stopped, what was looked at last is what counts.
    if findings.paused.is_none() {
        status.observed_generation = Some(findings.generation);
    } else {
        status.observed_generation = previous.observed_generation;
    }
    status.phase = Some(verdict.phase);
    status.approval = findings
        .approval
        .clone()
        .or_else(|| previous.approval.clone());
    let mut writer = Conditions {
        generation: findings.generation,
        now,
        previous: &previous.conditions,
        list: Vec::new(),
    };
    writer.put(
        ConditionType::Ready,
        verdict.ready,
        verdict.reason,
        &verdict.message,
    );
    writer.put(
        ConditionType::Available,
        verdict.available,
        verdict.reason,
        &verdict.message,
    );
    for (kind, part) in &findings.parts {
        match part {
            Ok(message) => writer.put(*kind, Truth::True, Reason::AsExpected, message),
            Err(problem) => {
                let truth = match nature(problem.reason) {
                    Nature::Progress if *kind != ConditionType::IngressReady => Truth::Unknown,
                    _ => Truth::False,
                };
                writer.put(*kind, truth, problem.reason, &problem.message);
            }
        }
    }
    writer.keep_the_rest();
    match &findings.synced {
        Ok(message) => writer.put(
            ConditionType::Synced,
            Truth::True,
            Reason::AsExpected,
            message,
        ),
        Err(problem) => writer.put(
            ConditionType::Synced,
            Truth::False,
            problem.reason,
            &problem.message,
        ),
    }
    let flag = |set: bool| if set { Truth::True } else { Truth::False };
    for (kind, problem) in [
        (ConditionType::Paused, &findings.paused),
        (ConditionType::Held, &findings.held),
    ] {
        if let Some(problem) = problem {
            writer.put(kind, Truth::True, problem.reason, &problem.message);
        }
    }
    writer.put(
        ConditionType::Reconciling,
        flag(verdict.reconciling),
        verdict.reason,
        &verdict.message,
    );
    writer.put(
        ConditionType::Stalled,
        flag(verdict.stalled),
        verdict.reason,
        &verdict.message,
    );
    status.conditions = writer.list;
    status
}

/// The certificate of the default host, for people.
pub fn certificate(not_after: Option<Timestamp>) -> TenantCertificateStatus {
    TenantCertificateStatus {
        secret_ref: eoffice_crds::LocalRef {
            name: eoffice_crds::TLS_SECRET.into(),
        },
        not_after: not_after.map(Time),
    }
}

struct Verdict {
    phase: Phase,
    ready: Truth,
    available: Truth,
    reconciling: bool,
    stalled: bool,
    reason: Reason,
    message: String,
}

fn verdict(findings: &Findings) -> Verdict {
    let failed = findings.parts.iter();
    let failed = failed.filter_map(|(_, part)| part.as_ref().err());
    let worst = findings
        .gate
        .iter()
        .chain(failed)
        // Of several alike the first counts: the later ones wait for it.
        .rev()
        .max_by_key(|problem| nature(problem.reason));
    let vital_fails = findings
        .parts
        .iter()
        .any(|(kind, part)| VITAL.contains(kind) && part.is_err());
    let available = findings.proved && findings.lifecycle == Lifecycle::Active && !vital_fails;
    let of = |phase, ready, available: bool, reconciling, stalled, problem: &Problem| Verdict {
        phase,
        ready,
        available: if available { Truth::True } else { Truth::False },
        reconciling,
        stalled,
        reason: problem.reason,
        message: problem.message.clone(),
    };
    if findings.deleting {
        let closing = Problem::new(
            Reason::Closing,
            "access is being closed; the data is kept as the deletion policy says",
        );
        let untouched =
            worst.is_some_and(|problem| matches!(problem.reason, Reason::Delayed | Reason::Held));
        let shown = worst
            .filter(|problem| untouched || nature(problem.reason) != Nature::Progress)
            .unwrap_or(&closing);
        let available = untouched && available;
        return of(
            Phase::Closing,
            Truth::Unknown,
            available,
            true,
            false,
            shown,
        );
    }
    let closed = match findings.lifecycle {
        Lifecycle::Active => None,
        Lifecycle::Suspended => Some((Phase::Suspended, Reason::Suspended)),
        Lifecycle::Archived => Some((Phase::Archived, Reason::Archived)),
    };
    // What is wrong with the spec alone keeps nothing open.
    let is_closed =
        !findings.parts.is_empty() && findings.parts.iter().all(|(_, part)| part.is_ok());
    if let Some(problem) = worst {
        return match (nature(problem.reason), problem.reason) {
            (_, Reason::AwaitingApproval) => of(
                Phase::AwaitingApproval,
                Truth::Unknown,
                available,
                true,
                false,
                problem,
            ),
            (_, Reason::Queued | Reason::AwaitingTurn) => of(
                Phase::Queued,
                Truth::Unknown,
                available,
                true,
                false,
                problem,
            ),
            // Whatever waits for a decision leaves what stands as it is.
            (_, Reason::Paused | Reason::Held | Reason::Contested) if findings.proved => of(
                Phase::Active,
                Truth::False,
                available,
                false,
                false,
                problem,
            ),
            (_, Reason::Paused | Reason::Held) => of(
                Phase::Provisioning,
                Truth::Unknown,
                false,
                false,
                false,
                problem,
            ),
            (Nature::Person, _) => {
                let phase = match closed {
                    Some((phase, _)) if is_closed => phase,
                    _ => Phase::Failed,
                };
                of(phase, Truth::False, available, false, true, problem)
            }
            (Nature::Retry, _) if findings.proved => of(
                Phase::Degraded,
                Truth::False,
                available,
                true,
                false,
                problem,
            ),
            (_, _) if findings.proved && findings.lifecycle == Lifecycle::Active => of(
                Phase::Active,
                Truth::Unknown,
                available,
                true,
                false,
                problem,
            ),
            _ => of(
                Phase::Provisioning,
                Truth::Unknown,
                false,
                true,
                false,
                problem,
            ),
        };
    }
    if let Some((phase, reason)) = closed {
        let problem = Problem::new(
            reason,
            "every access is closed as spec.lifecycle asks; all data is kept",
        );
        return of(phase, Truth::True, false, false, false, &problem);
    }
    match &findings.open {
        Some(problem) => of(Phase::Active, Truth::False, true, false, false, problem),
        None => of(
            Phase::Active,
            Truth::True,
            true,
            false,
            false,
            &Problem::new(
                Reason::AsExpected,
                "everything is as asked and was proved by use",
            ),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
