//! What a plan says of each change.

use super::world::*;
use crate::objectstore::desired::{Access, Desired};
use crate::objectstore::observe::Observed;
use crate::objectstore::plan::{is_renewal, plan};
use crate::objectstore::policy;
use crate::objectstore::step::Step;
use crate::plan::{Change, Difference};
use eoffice_crds::{RecordState, Retention, RetentionMode};
use serde_json::json;

/// Each difference in one line: action, object, field, before, after, and `!` where it closes or destroys.
fn lines(changes: &[Change<Step>]) -> Vec<String> {
    let all = changes.iter().flat_map(|change| {
        assert!(!change.differences.is_empty(), "{}", change.step);
        &change.differences
    });
    all.map(line).collect()
}

fn line(difference: &Difference) -> String {
    let Difference {
        object,
        field,
        action,
        destructive,
        before,
        after,
        actor,
    } = difference;
    assert_eq!(*actor, None, "a store does not tell who did it");
    let value = |value: &Option<String>| value.clone().unwrap_or("-".into());
    let closes = if *destructive { " !" } else { "" };
    let (before, after) = (value(before), value(after));
    format!("{action} {object} [{field}] {before} -> {after}{closes}")
}

fn told(desired: &Desired, world: &Observed) -> Vec<String> {
    lines(&plan(desired, world).unwrap())
}

#[test]
fn a_new_tenant_s_plan_has_no_random_value() {
    let document = policy::fingerprint(&new().policy);
    let expected = [
        "Create user eo-1 [] - -> -".to_owned(),
        "Create bucket eo-1-documents [] - -> -".into(),
        "Update bucket eo-1-documents [retention] - -> Governance 3650 days".into(),
        format!("Update user eo-1 [policy bucket] - -> {document}"),
        "Create key of user eo-1 [] - -> -".into(),
    ];
    let nothing = Observed::default();
    assert_eq!(told(&new(), &nothing), expected);
    let mut another = new();
    another.fresh_identity = "id2".into();
    assert_eq!(told(&another, &nothing), expected);
    // Nor where it goes onto a bucket whose making was interrupted.
    let mut world = settled();
    let mut unmarked = new();
    unmarked.fresh_identity = "id2".into();
    bucket(&mut world).tags.clear();
    bucket(&mut world).empty = true;
    let told = told(&unmarked, &world);
    let identity =
        "Update bucket eo-1-documents [tags.eoffice-identity] - -> (chosen when it is made)";
    assert!(told.contains(&identity.to_owned()), "{told:#?}");
}

#[test]
fn every_drift_is_told_with_what_was_and_what_should_be() {
    type Case = (fn(&mut Observed), &'static [&'static str]);
    let wide = || json!({"Statement": [], "Version": "2012-10-17"});
    let cases: &[Case] = &[
        (
            |world| drop(bucket(world).tags.remove("eoffice-state")),
            &["Update bucket eo-1-documents [tags.eoffice-state] - -> live"],
        ),
        (
            |world| {
                let tags = &mut bucket(world).tags;
                tags.remove("eoffice-installation");
                tags.insert("eoffice-code-dla".into(), "9".into());
                tags.insert("eoffice-code-cgd".into(), "1".into());
                tags.insert("eoffice-uid".into(), "x".into());
            },
            &[
                "Update bucket eo-1-documents [tags.eoffice-code-cgd] 1 -> -",
                "Update bucket eo-1-documents [tags.eoffice-code-dla] 9 -> 4302101",
                "Update bucket eo-1-documents [tags.eoffice-installation] - -> korat",
                "Update bucket eo-1-documents [tags.eoffice-uid] x -> u1",
            ],
        ),
        (
            |world| bucket(world).policy = Some("0123456789abcdef".into()),
            &["Delete policy of bucket eo-1-documents [] 0123456789abcdef -> -"],
        ),
        (
            |world| bucket(world).versioning = false,
            &["Update bucket eo-1-documents [versioning] false -> true"],
        ),
        (
            |world| bucket(world).retention = None,
            &["Update bucket eo-1-documents [retention] - -> Governance 3650 days"],
        ),
        (
            |world| {
                bucket(world).retention = Some(Retention {
                    mode: RetentionMode::Compliance,
                    days: 1,
                });
            },
            &["Update bucket eo-1-documents [retention] Compliance 1 days -> Compliance 3650 days"],
        ),
        (
            |world| *user(world).keys.get_mut(KEY).unwrap() = false,
            &["Update key AKIA1 of user eo-1 [status] Inactive -> Active"],
        ),
        (
            |world| assert!(user(world).keys.insert("AKIA2".into(), true).is_none()),
            &["Delete key AKIA2 of user eo-1 [] Active -> - !"],
        ),
        (
            |world| user(world).attached.push("arn:admin".into()),
            &["Update user eo-1 [attached policy arn:admin] attached -> -"],
        ),
        (
            |world| drop(user(world).policies.insert("more".into(), None)),
            &["Update user eo-1 [policy more] (no JSON) -> -"],
        ),
    ];
    for (drift, expected) in cases {
        let mut world = settled();
        drift(&mut world);
        assert_eq!(told(&desired(), &world), *expected);
    }
    let mut world = settled();
    let policies = &mut user(&mut world).policies;
    policies.insert("bucket".into(), Some(wide()));
    let (found, asked) = (wide(), desired().policy);
    assert_eq!(
        told(&desired(), &world),
        [format!(
            "Update user eo-1 [policy bucket] {} -> {}",
            policy::fingerprint(&found),
            policy::fingerprint(&asked)
        )]
    );
}

#[test]
fn closing_is_destructive() {
    let closed = Desired {
        access: Access::Closed,
        ..desired()
    };
    assert_eq!(
        told(&closed, &settled()),
        ["Update key AKIA1 of user eo-1 [status] Active -> Inactive !"]
    );
}

#[test]
fn a_renewal_is_told_apart_from_drift() {
    let mut later = desired();
    later.now = jiff::Timestamp::from_second(NOW + 31 * 86_400).unwrap();
    let changes = plan(&later, &settled()).unwrap();
    assert_eq!(
        lines(&changes),
        ["Update bucket eo-1-documents [retention] Governance 3650 days -> renewed"]
    );
    assert!(is_renewal(&changes[0].differences[0]));
    let mut world = settled();
    bucket(&mut world).retention = None;
    let changes = plan(&later, &world).unwrap();
    assert!(!is_renewal(&changes[0].differences[0]));
    // Whoever leaves gets the window anew, and the mark says so.
    later.mark.state = RecordState::Retained;
    later.access = Access::Closed;
    assert_eq!(
        told(&later, &settled()),
        [
            "Update key AKIA1 of user eo-1 [status] Active -> Inactive !",
            "Update bucket eo-1-documents [retention] Governance 3650 days -> renewed",
            "Update bucket eo-1-documents [tags.eoffice-state] live -> retained",
        ]
    );
}
