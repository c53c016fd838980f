//! The table of the API page, and what stays as it is.

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
        paused: None,
        held: None,
        approval: None,
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
            "its spec does not fit its class",
            Box::new(|f| f.gate = Some(Problem::new(Reason::ClassNotAllowed, "why"))),
            "Failed False True False True",
        ),
        (
            "its spec does not fit its class, and its server is down",
            Box::new(|f| {
                f.gate = Some(Problem::new(Reason::ClassNotAllowed, "why"));
                with(DatabaseReady, Reason::Unreachable)(f);
            }),
            "Failed False False False True",
        ),
        (
            "suspended while its spec does not fit its class",
            Box::new(|f| {
                f.gate = Some(Problem::new(Reason::ClassNotAllowed, "why"));
                f.lifecycle = Lifecycle::Suspended;
            }),
            "Suspended False False False True",
        ),
        (
            "not yet suspended while its spec does not fit its class",
            Box::new(|f| {
                f.gate = Some(Problem::new(Reason::ClassNotAllowed, "why"));
                f.lifecycle = Lifecycle::Suspended;
                with(DatabaseReady, Reason::Unreachable)(f);
            }),
            "Failed False False False True",
        ),
        (
            "being deleted",
            Box::new(|f| f.deleting = true),
            "Closing Unknown False True False",
        ),
        (
            "its end is held",
            Box::new(move |f| {
                gate(Reason::Held)(f);
                f.deleting = true;
            }),
            "Closing Unknown True True False",
        ),
        (
            "its end is held, and it did not work before",
            Box::new(unproved(move |f| {
                gate(Reason::Delayed)(f);
                f.deleting = true;
            })),
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
