#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod keys;
mod losses;
mod people;
mod told;
mod windows;
mod world;

use super::*;
use crate::objectstore::observe::Bucket;
use eoffice_crds::{Reason, Retention, RetentionMode, StoreCapabilities};
use std::collections::BTreeMap;
use world::*;

fn shown(desired: &Desired, world: &Observed) -> Vec<String> {
    steps(desired, world)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn reason(desired: &Desired, world: &Observed) -> Reason {
    plan(desired, world).unwrap_err().reason
}

#[test]
fn a_new_tenant_gets_everything_in_order() {
    assert_eq!(
        shown(&new(), &Observed::default()),
        [
            "create user eo-1 under /eoffice/korat/f1/",
            "create bucket eo-1-documents with object lock",
            "set retention of bucket eo-1-documents to Governance 3650 days",
            "write the policy of user eo-1",
            "create a key of user eo-1",
        ]
    );
    let Some(bucket) = settled().bucket else {
        panic!("no bucket")
    };
    assert_eq!(bucket.mark(), Some(new().mark));
    assert_eq!(bucket.identity(), Some("id1"));
    assert_eq!(bucket.tags["eoffice-code-dla"], "4302101");
    assert_eq!(bucket.tags["eoffice-retention-since"], NOW.to_string());
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    assert_eq!(shown(&desired(), &settled()), [""; 0]);
}

/// A process dies after any number of steps, with or without having written the key into the Secret.
#[test]
fn every_interruption_ends_in_the_same() {
    let all = steps(&new(), &Observed::default());
    for done in 0..=all.len() {
        let mut world = Observed::default();
        for step in &all[..done] {
            carry_out(&mut world, step);
        }
        // The reply of the last step was lost, so nobody knows a key; another identity is offered.
        let mut again = new();
        again.fresh_identity = "id2".into();
        for step in steps(&again, &world) {
            carry_out(&mut world, &step);
        }
        again.current_key = Some(KEY.into());
        assert_eq!(shown(&again, &world), [""; 0], "after {done} steps");
        let identity = world.bucket.unwrap().identity().unwrap().to_owned();
        assert_eq!(identity, if done < 2 { "id2" } else { "id1" });
    }
}

/// A store that writes tags by a second call dies between the two.
#[test]
fn an_unmarked_bucket_is_ours_only_if_nobody_can_lose_by_it() {
    let bare = Observed {
        bucket: Some(Bucket {
            empty: true,
            ..Bucket::default()
        }),
        user: settled().user,
        ..Observed::default()
    };
    let mut world = bare.clone();
    let steps = steps(&new(), &world);
    assert!(matches!(steps[0], Step::PutTags { .. }));
    for step in &steps {
        carry_out(&mut world, step);
    }
    assert_eq!(shown(&desired(), &world), [""; 0]);

    let spoil: [fn(&mut Observed); 4] = [
        |world| bucket(world).empty = false,
        |world| bucket(world).policy = Some("f".into()),
        |world| drop(bucket(world).tags.insert("owner".into(), "x".into())),
        |world| world.user = None,
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        let mut world = bare.clone();
        spoil(&mut world);
        assert_eq!(reason(&new(), &world), Reason::ForeignObject, "{number}");
    }
    assert_eq!(reason(&desired(), &bare), Reason::DataMissing);
}

#[test]
fn every_drift_gets_exactly_its_correction() {
    type Case = (fn(&mut Observed), &'static [&'static str]);
    let cases: &[Case] = &[
        (
            |world| drop(bucket(world).tags.remove("eoffice-state")),
            &["write the tags of bucket eo-1-documents"],
        ),
        (
            |world| {
                drop(
                    bucket(world)
                        .tags
                        .insert("eoffice-code-cgd".into(), "1".into()),
                )
            },
            &["write the tags of bucket eo-1-documents"],
        ),
        (
            |world| bucket(world).policy = Some("f".into()),
            &["remove the policy of bucket eo-1-documents"],
        ),
        (
            |world| bucket(world).versioning = false,
            &["enable versioning of bucket eo-1-documents"],
        ),
        (
            |world| bucket(world).retention = None,
            &["set retention of bucket eo-1-documents to Governance 3650 days"],
        ),
        (
            |world| bucket(world).retention = Some(rule(1)),
            &["set retention of bucket eo-1-documents to Governance 3650 days"],
        ),
        (
            |world| *user(world).keys.get_mut(KEY).unwrap() = false,
            &["activate key AKIA1 of user eo-1"],
        ),
        (
            |world| user(world).keys.clear(),
            &["create a key of user eo-1"],
        ),
        (
            |world| assert!(user(world).keys.insert("AKIA2".into(), true).is_none()),
            &["delete key AKIA2 of user eo-1"],
        ),
        (
            |world| user(world).policies.clear(),
            &["write the policy of user eo-1"],
        ),
        (
            |world| {
                let all = serde_json::json!({"Statement": []});
                user(world).policies.insert("bucket".into(), Some(all));
            },
            &["write the policy of user eo-1"],
        ),
        (
            |world| {
                let garbled = user(world).policies.get_mut("bucket").unwrap();
                *garbled = None;
            },
            &["write the policy of user eo-1"],
        ),
        (
            |world| drop(user(world).policies.insert("more".into(), None)),
            &["remove policy more of user eo-1"],
        ),
        (
            |world| user(world).attached.push("arn:admin".into()),
            &["detach policy arn:admin from user eo-1"],
        ),
        (
            |world| world.user = None,
            &[
                "create user eo-1 under /eoffice/korat/f1/",
                "write the policy of user eo-1",
                "create a key of user eo-1",
            ],
        ),
    ];
    for (drift, expected) in cases {
        let mut world = settled();
        drift(&mut world);
        let steps = steps(&desired(), &world);
        let texts: Vec<_> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(texts, *expected);
        for step in &steps {
            carry_out(&mut world, step);
        }
        assert_eq!(shown(&desired(), &world), [""; 0]);
    }
}

#[test]
fn what_is_stronger_or_another_s_tag_is_left_alone() {
    let mut world = settled();
    bucket(&mut world)
        .tags
        .insert("cost-centre".into(), "7".into());
    bucket(&mut world).retention = Some(Retention {
        mode: RetentionMode::Compliance,
        days: 4000,
    });
    assert_eq!(shown(&desired(), &world), [""; 0]);
    // Longer, and weaker in its mode: the longer time stays.
    let mut strict = desired();
    strict.retention = Some(Retention {
        mode: RetentionMode::Compliance,
        days: 10,
    });
    bucket(&mut world).retention = Some(rule(4000));
    assert_eq!(
        shown(&strict, &world),
        ["set retention of bucket eo-1-documents to Compliance 4000 days"]
    );
}

#[test]
fn a_new_incarnation_takes_over_and_the_witness_stays() {
    let mut again = desired();
    again.mark.uid = "u2".into();
    again.mark.twin = None;
    let mut world = settled();
    let steps = steps(&again, &world);
    assert_eq!(steps.len(), 1);
    carry_out(&mut world, &steps[0]);
    let mark = world.bucket.unwrap().mark().unwrap();
    assert_eq!(
        (mark.uid.as_str(), mark.twin.as_deref()),
        ("u2", Some("16384"))
    );
}

#[test]
fn lost_or_foreign_things_stop_everything() {
    let mut gone = settled();
    gone.bucket = None;
    assert_eq!(reason(&desired(), &gone), Reason::DataMissing);
    let mut other = settled();
    bucket(&mut other)
        .tags
        .insert("eoffice-identity".into(), "id9".into());
    assert_eq!(reason(&desired(), &other), Reason::DataMissing);
    let mut nameless = settled();
    bucket(&mut nameless).tags.remove("eoffice-identity");
    assert_eq!(reason(&desired(), &nameless), Reason::DataMissing);
    for (key, value) in [
        ("eoffice-installation", "test"),
        ("eoffice-fingerprint", "f2"),
    ] {
        let mut foreign = settled();
        bucket(&mut foreign).tags.insert(key.into(), value.into());
        assert_eq!(reason(&new(), &foreign), Reason::ForeignObject);
    }
    let mut foreign = settled();
    user(&mut foreign).path = "/".into();
    assert_eq!(reason(&new(), &foreign), Reason::ForeignObject);
}

#[test]
fn without_a_record_the_codes_tell_the_agency() {
    let world = settled();
    let claim = |codes: &[(&str, &str)]| Desired {
        code_tags: codes
            .iter()
            .map(|(scheme, code)| (format!("eoffice-code-{scheme}"), (*code).into()))
            .collect(),
        ..new()
    };
    for other in [&[][..], &[("dla", "9")], &[("cgd", "4302101")]] {
        assert_eq!(
            reason(&claim(other), &world),
            Reason::OtherAgency,
            "{other:?}"
        );
    }
    let more = claim(&[("dla", "4302101"), ("cgd", "1")]);
    assert!(plan(&more, &world).is_ok());
    // A record that names this very bucket is a better witness than a tag edited by hand.
    let known = Desired {
        code_tags: BTreeMap::new(),
        ..desired()
    };
    assert!(plan(&known, &world).is_ok());
}

#[test]
fn closing_comes_first_and_opens_again_with_the_same_key() {
    let mut world = settled();
    bucket(&mut world).policy = Some("f".into());
    user(&mut world).keys.insert("AKIA2".into(), true);
    let closed = Desired {
        access: Access::Closed,
        ..desired()
    };
    let steps = steps(&closed, &world);
    let texts: Vec<_> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "deactivate key AKIA1 of user eo-1",
            "delete key AKIA2 of user eo-1",
            "remove the policy of bucket eo-1-documents",
        ]
    );
    for step in &steps {
        carry_out(&mut world, step);
    }
    assert_eq!(shown(&closed, &world), [""; 0]);
    assert_eq!(
        shown(&desired(), &world),
        ["activate key AKIA1 of user eo-1"]
    );
}

#[test]
fn a_store_that_cannot_keep_the_promise_is_not_used() {
    for change in [
        (|able| able.object_lock = false) as fn(&mut StoreCapabilities),
        |able| able.versioning = false,
    ] {
        let mut unable = new();
        change(&mut unable.capabilities);
        assert_eq!(reason(&unable, &Observed::default()), Reason::Unsupported);
    }
}
