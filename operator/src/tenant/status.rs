//! What the resource says of the tenant: phase and conditions. Pure.

use crate::plan::Problem;
use eoffice_crds::{
    ConditionType, EOfficeTenantStatus, Lifecycle, Phase, Reason, TenantCertificateStatus,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

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
    /// Why nothing could be done at all.
    pub gate: Option<Problem>,
    /// Each part, as far as this pass looked at it.
    pub parts: Vec<(ConditionType, Part)>,
    /// What is open for a person to decide, and holds nothing else back.
    pub open: Option<Problem>,
    /// Whether everything is as asked; else the worst difference.
    pub synced: Part,
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
        | Reason::DeleteNotAllowed => Nature::Person,
    }
}

/// Parts that the agency cannot work without.
const VITAL: [ConditionType; 4] = [
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
    status.observed_generation = Some(findings.generation);
    status.phase = Some(verdict.phase);
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
    let worst = findings
        .parts
        .iter()
        .filter_map(|(_, part)| part.as_ref().err())
        .chain(&findings.gate)
        // Of several alike the first counts: the later ones wait for it.
        .rev()
        .max_by_key(|problem| nature(problem.reason));
    let vital_fails = findings.gate.as_ref().is_none_or(|_| !findings.proved)
        && findings
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
        let shown = worst
            .filter(|problem| nature(problem.reason) != Nature::Progress)
            .unwrap_or(&closing);
        return of(Phase::Closing, Truth::Unknown, false, true, false, shown);
    }
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
            (_, Reason::Queued) => of(
                Phase::Queued,
                Truth::Unknown,
                available,
                true,
                false,
                problem,
            ),
            (Nature::Person, _) => of(Phase::Failed, Truth::False, available, false, true, problem),
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
    let closed = match findings.lifecycle {
        Lifecycle::Active => None,
        Lifecycle::Suspended => Some((Phase::Suspended, Reason::Suspended)),
        Lifecycle::Archived => Some((Phase::Archived, Reason::Archived)),
    };
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
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
struct Conditions<'a> {
    generation: i64,
    now: Timestamp,
    previous: &'a [Condition],
    list: Vec<Condition>,
}

impl Conditions<'_> {
    fn put(&mut self, kind: ConditionType, truth: Truth, reason: Reason, message: &str) {
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
    fn keep_the_rest(&mut self) {
        let closing = [
            ConditionType::Synced,
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let fine = |kind| (kind, Ok("as expected".to_owned()));
        Findings {
            generation: 1,
            lifecycle: Lifecycle::Active,
            deleting: false,
            proved: true,
            gate: None,
            parts: vec![
                fine(ConditionType::NamespaceReady),
                fine(ConditionType::DatabaseReady),
                fine(ConditionType::StorageReady),
                fine(ConditionType::CertificateReady),
                fine(ConditionType::IngressReady),
                fine(ConditionType::Verified),
            ],
            open: None,
            synced: Ok("nothing differs".into()),
            facts: None,
        }
    }

    fn with(kind: ConditionType, reason: Reason) -> impl Fn(&mut Findings) {
        move |findings| {
            for (part, state) in &mut findings.parts {
                if *part == kind {
                    *state = Err(Problem::new(reason, "why"));
                }
            }
        }
    }

    fn unproved(change: impl Fn(&mut Findings)) -> impl Fn(&mut Findings) {
        move |findings| {
            findings.proved = false;
            change(findings);
        }
    }

    type Change = Box<dyn Fn(&mut Findings)>;

    /// The table of the API page: phase, Ready, Available, Reconciling, Stalled.
    #[test]
    fn phases_and_conditions_are_those_of_the_api() {
        use ConditionType::{CertificateReady, DatabaseReady, Verified};
        let gate = |reason| {
            move |findings: &mut Findings| {
                findings.parts.clear();
                findings.gate = Some(Problem::new(reason, "why"));
            }
        };
        let rows: Vec<(&str, Change, &str)> = vec![
            ("all well", Box::new(|_| ()), "Active True True False False"),
            (
                "waits for approval",
                Box::new(unproved(gate(Reason::AwaitingApproval))),
                "AwaitingApproval Unknown False True False",
            ),
            (
                "no room",
                Box::new(unproved(gate(Reason::Queued))),
                "Queued Unknown False True False",
            ),
            (
                "certificate on its way",
                Box::new(unproved(with(CertificateReady, Reason::NotIssued))),
                "Provisioning Unknown False True False",
            ),
            (
                "server down at first",
                Box::new(unproved(with(DatabaseReady, Reason::Unreachable))),
                "Provisioning Unknown False True False",
            ),
            (
                "server down later",
                Box::new(with(DatabaseReady, Reason::Unreachable)),
                "Degraded False False True False",
            ),
            (
                "issuer down later",
                Box::new(with(CertificateReady, Reason::CertificateInvalid)),
                "Degraded False True True False",
            ),
            (
                "a later proof fails",
                Box::new(with(Verified, Reason::ProofFailed)),
                "Degraded False False True False",
            ),
            (
                "unknown class",
                Box::new(unproved(gate(Reason::ClassNotFound))),
                "Failed False False False True",
            ),
            (
                "class gone later",
                Box::new(gate(Reason::ClassNotFound)),
                "Failed False True False True",
            ),
            (
                "data missing",
                Box::new(with(DatabaseReady, Reason::DataMissing)),
                "Failed False False False True",
            ),
            (
                "custom host refused",
                Box::new(|f| f.open = Some(Problem::new(Reason::HostConflict, "why"))),
                "Active False True False False",
            ),
            (
                "suspended",
                Box::new(|f| f.lifecycle = Lifecycle::Suspended),
                "Suspended True False False False",
            ),
            (
                "archived",
                Box::new(|f| f.lifecycle = Lifecycle::Archived),
                "Archived True False False False",
            ),
            (
                "being deleted",
                Box::new(|f| f.deleting = true),
                "Closing Unknown False True False",
            ),
        ];
        for (case, change, expected) in rows {
            let mut findings = findings();
            change(&mut findings);
            let status = status(
                &findings,
                &EOfficeTenantStatus::default(),
                Timestamp::UNIX_EPOCH,
            );
            let get = |kind: &str| {
                let found = status.conditions.iter().find(|c| c.type_ == kind);
                found.unwrap().status.clone()
            };
            let found = format!(
                "{} {} {} {} {}",
                status.phase.unwrap(),
                get("Ready"),
                get("Available"),
                get("Reconciling"),
                get("Stalled")
            );
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn a_pass_that_changes_nothing_writes_the_same_status() {
        let first = status(
            &findings(),
            &EOfficeTenantStatus::default(),
            Timestamp::UNIX_EPOCH,
        );
        let second = status(&findings(), &first, Timestamp::MAX);
        assert_eq!(first, second);
    }

    #[test]
    fn parts_that_were_not_looked_at_stay_as_they_were() {
        let first = status(
            &findings(),
            &EOfficeTenantStatus::default(),
            Timestamp::UNIX_EPOCH,
        );
        let mut gated = findings();
        gated.parts.clear();
        gated.gate = Some(Problem::new(Reason::ClassNotFound, "why"));
        let second = status(&gated, &first, Timestamp::UNIX_EPOCH);
        let types = |s: &EOfficeTenantStatus| {
            s.conditions
                .iter()
                .map(|c| c.type_.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(types(&first), types(&second));
    }
}
