use super::*;
use crate::doctor::Grade;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn clock(ours: i64, servers: i64) -> Clock {
    Clock {
        ours: at(ours),
        servers: at(servers),
    }
}

fn lease(holder: Option<&str>, renewed: i64, audits: Option<Value>) -> Lease {
    let annotations = audits.map(|audits| json!({annotations::AUDITS: audits.to_string()}));
    serde_json::from_value(json!({
        "metadata": {"name": "eoffice-operator", "annotations": annotations},
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 15,
            "renewTime": at(renewed).strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
        },
    }))
    .unwrap()
}

#[test]
fn clocks_may_be_five_seconds_apart() {
    for (servers, grade) in [
        (0, Grade::Fine),
        (5, Grade::Fine),
        (6, Grade::Wrong),
        (-6, Grade::Wrong),
    ] {
        assert_eq!(clocks(clock(0, servers)).grade, grade, "{servers}");
    }
    assert!(
        clocks(clock(0, -60))
            .what
            .contains("60 s behind this machine's")
    );
}

#[test]
fn a_lease_is_judged_by_the_api_servers_clock() {
    let operator: Operator = "eoffice-system/eoffice-operator".parse().unwrap();
    let cases = [
        (
            lease(Some("pod-a"), 0, None),
            10,
            false,
            Grade::Fine,
            "pod-a leads",
        ),
        (
            lease(None, 0, None),
            10,
            false,
            Grade::Wrong,
            "nobody leads",
        ),
        (
            lease(Some("pod-a"), 0, None),
            615,
            false,
            Grade::Wrong,
            "led until 10m ago",
        ),
        (
            lease(Some("pod-a"), 0, None),
            615,
            true,
            Grade::Wrong,
            "behind the API server's",
        ),
        (
            lease(Some("pod-a"), 60, None),
            0,
            false,
            Grade::Wrong,
            "60 s ahead",
        ),
    ];
    for (lease, now, renewed, grade, words) in cases {
        let finding = leading(&lease, clock(now, now), renewed, &operator);
        assert_eq!(finding.grade, grade, "{finding:?}");
        assert!(finding.what.contains(words), "{finding:?}");
    }
}

#[test]
fn an_audit_is_too_old_after_half_an_hour() {
    let backends: Backends = [
        ("pg-a".to_owned(), Some(at(-9_999))),
        ("objects".to_owned(), Some(at(-9_999))),
    ]
    .into();
    let told = |pg: i64| json!({"pg-a": at(pg), "objects": at(-60)});
    let grades = |lease: &Lease, backends: &Backends| -> Vec<Grade> {
        audits(lease, backends, at(0))
            .iter()
            .map(|it| it.grade)
            .collect()
    };
    assert_eq!(
        grades(&lease(None, 0, Some(told(-1_800))), &backends),
        [Grade::Fine]
    );
    assert_eq!(
        grades(&lease(None, 0, Some(told(-1_801))), &backends),
        [Grade::Wrong]
    );
    assert_eq!(
        grades(&lease(None, 0, None), &backends),
        [Grade::Wrong, Grade::Wrong]
    );
    let new: Backends = [("pg-a".to_owned(), Some(at(-60)))].into();
    assert_eq!(grades(&lease(None, 0, None), &new), [Grade::Note]);
    assert_eq!(
        grades(&lease(None, 0, Some(json!("x"))), &new),
        [Grade::Unknown]
    );
}
