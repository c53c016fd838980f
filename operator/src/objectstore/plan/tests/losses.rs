//! Data that is gone, came back, or was replaced, and what a person accepts.

use super::world::*;
use crate::identity::derived_identity;
use crate::objectstore::desired::{Access, Circumstances, Desired, desired as desired_of};
use crate::objectstore::observe::Observed;
use crate::objectstore::plan::{loss, plan, plan_close};
use crate::plan::Loss;
use eoffice_crds::{Plane, Reason, RecordState, StoreCapabilities, TenantRecordSpec};
use serde_json::json;

const BUCKET: &str = "eo-1-documents";

fn successor(lost: &str) -> String {
    derived_identity(&"korat".parse().unwrap(), lost)
}

fn lost(lost: &str, found: Option<String>) -> Option<Loss> {
    Some(Loss {
        name: BUCKET.into(),
        lost: lost.into(),
        found,
    })
}

fn message(desired: &Desired, world: &Observed) -> String {
    let problem = plan(desired, world).unwrap_err();
    assert_eq!(problem.reason, Reason::DataMissing);
    problem.message
}

/// The tenant's record, as it is after its first pass.
fn record() -> TenantRecordSpec {
    serde_json::from_value(json!({
        "installationId": "korat", "fingerprint": "f1", "state": "live",
        "tenant": {"namespace": "province-30", "name": "town", "uid": "u1"},
        "frozen": {
            "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
            "versioning": true, "allowDelete": false,
            "retention": {"mode": "Governance", "days": 3650},
            "retain": {"days": 3650, "restore": "Automatic"},
        },
        "hosts": [],
        "database": {
            "server": "pg-a", "systemIdentifier": "1", "name": "eo_1", "role": "eo_1_owner",
            "login": "eo_1_a", "oid": 16384, "connectionLimit": 20,
        },
        "storage": {
            "store": "objects", "storeIdentity": "one", "bucket": BUCKET, "user": "eo-1",
            "bucketIdentity": "id1",
        },
        "settled": {"Storage": "0123456789abcdef"},
        "tenantSpec": {
            "agency": {"nameTh": "ก", "nameEn": "A", "kind": "TownMunicipality", "province": "30"},
            "users": 1,
        },
    }))
    .unwrap()
}

fn of(record: &TenantRecordSpec) -> Desired {
    let circumstances = Circumstances {
        database: None,
        codes: &[],
        access: Access::Open,
        current_key: Some(KEY.into()),
        capabilities: StoreCapabilities {
            versioning: true,
            object_lock: true,
            ..StoreCapabilities::default()
        },
        now: jiff::Timestamp::from_second(NOW).unwrap(),
        fresh_identity: "fresh".into(),
    };
    desired_of(record, circumstances)
}

/// What is written down when a person accepts.
fn accept(record: &mut TenantRecordSpec, lost: &str, found: Option<&str>) {
    record.storage.superseded.push(lost.into());
    record.storage.bucket_identity = found.map(Into::into);
    record.settled.remove(&Plane::Storage);
}

#[test]
fn what_is_there_with_its_identity_is_no_loss() {
    assert_eq!(loss(&desired(), &settled()), None);
    assert_eq!(loss(&new(), &Observed::default()), None);
    // Tags of the mark that were taken off are put back.
    for key in ["installation", "fingerprint", "uid", "state", "twin"] {
        let mut world = settled();
        bucket(&mut world).tags.remove(&format!("eoffice-{key}"));
        assert_eq!(loss(&desired(), &world), None);
        for step in steps(&desired(), &world) {
            carry_out(&mut world, &step);
        }
        assert_eq!(world, settled(), "{key}");
    }
}

#[test]
fn another_s_bucket_is_left_to_its_owner() {
    for key in ["eoffice-installation", "eoffice-fingerprint"] {
        let mut world = settled();
        bucket(&mut world).tags.insert(key.into(), "other".into());
        for desired in [desired(), new()] {
            assert_eq!(loss(&desired, &world), None);
            let problem = plan(&desired, &world).unwrap_err();
            assert_eq!(problem.reason, Reason::ForeignObject);
        }
    }
}

#[test]
fn each_loss_names_the_annotations_that_end_it() {
    let gone = Observed {
        bucket: None,
        ..settled()
    };
    assert_eq!(loss(&desired(), &gone), lost("id1", None));
    let text = message(&desired(), &gone);
    let no_longer = "eoffice.gdcc.go.th/accept-data-loss: eo-1-documents/id1";
    assert!(text.ends_with(no_longer), "{text}");
    assert!(!text.contains("accept-restored"), "{text}");

    let mut replaced = settled();
    let tags = &mut bucket(&mut replaced).tags;
    tags.insert("eoffice-identity".into(), "id9".into());
    let mut nameless = settled();
    bucket(&mut nameless).tags.remove("eoffice-identity");
    let mut bare = settled();
    bucket(&mut bare).tags.clear();
    // An identity without a mark is nobody's word.
    let mut claimed = bare.clone();
    let tags = &mut bucket(&mut claimed).tags;
    tags.insert("eoffice-identity".into(), "id9".into());
    for (world, found) in [
        (replaced, "id9".to_owned()),
        (nameless, successor("id1")),
        (bare, successor("id1")),
        (claimed, successor("id1")),
    ] {
        assert_eq!(loss(&desired(), &world), lost("id1", Some(found.clone())));
        let text = message(&desired(), &world);
        let restored = format!("eoffice.gdcc.go.th/accept-restored: eo-1-documents/{found},");
        assert!(text.contains(&restored), "{text}");
        assert!(text.ends_with(no_longer), "{text}");
    }
}

#[test]
fn a_superseded_identity_witnesses_nothing() {
    let mut record = record();
    let gone = Observed {
        bucket: None,
        ..settled()
    };
    assert_eq!(loss(&of(&record), &gone), lost("id1", None));
    accept(&mut record, "id1", None);
    let twin = desired().mark;
    let twin = crate::identity::Mark {
        twin: Some("id1".into()),
        order: None,
        ..twin
    };
    let mut circumstances = of(&record);
    assert_eq!(circumstances.witnesses, []);
    // The database's mark still names it until the other plane has rewritten it.
    circumstances = desired_of(
        &record,
        Circumstances {
            database: Some(&twin),
            codes: &[],
            access: Access::Open,
            current_key: None,
            capabilities: circumstances.capabilities,
            now: circumstances.now,
            fresh_identity: "fresh".into(),
        },
    );
    assert_eq!(circumstances.witnesses, []);
    let mut world = gone;
    for step in steps(&circumstances, &world) {
        carry_out(&mut world, &step);
    }
    assert_eq!(bucket(&mut world).identity(), Some("fresh"));
}

#[test]
fn one_that_came_back_bare_is_taken_up_once() {
    let mut record = record();
    let asked = of(&record).asked();
    let mut restored = settled();
    bucket(&mut restored).tags = [("cost-centre".to_owned(), "7".to_owned())].into();
    bucket(&mut restored).policy = Some("f".into());
    restored.user = None;
    let found = loss(&of(&record), &restored).unwrap().found.unwrap();
    accept(&mut record, "id1", Some(&found));
    assert_eq!(
        of(&record).asked(),
        asked,
        "an acceptance asks for nothing else"
    );

    let all = steps(&of(&record), &restored);
    // Whenever it is interrupted, it goes on.
    for done in 0..=all.len() {
        let mut world = restored.clone();
        for step in &all[..done] {
            carry_out(&mut world, step);
        }
        for step in steps(&of(&record), &world) {
            carry_out(&mut world, &step);
        }
        assert_eq!(steps(&of(&record), &world), [], "after {done} steps");
        let bucket = bucket(&mut world);
        assert_eq!(bucket.identity(), Some(found.as_str()));
        assert_eq!(bucket.mark().unwrap(), of(&record).mark);
        assert_eq!(bucket.tags["cost-centre"], "7");
        assert_eq!(bucket.tags["eoffice-retention-since"], NOW.to_string());
    }
    // Brought to it, the next loss is another, though the annotation may still be there.
    record.settled.insert(Plane::Storage, asked);
    let next = lost(&found, Some(successor(&found)));
    assert_eq!(loss(&of(&record), &restored), next);
    assert_eq!(
        plan(&of(&record), &restored).unwrap_err().reason,
        Reason::DataMissing
    );
}

#[test]
fn an_acceptance_takes_up_nothing_but_what_it_names() {
    let mut record = record();
    accept(&mut record, "id1", Some("id9"));
    let mut bare = settled();
    bucket(&mut bare).tags.clear();
    assert_eq!(
        loss(&of(&record), &bare),
        lost("id9", Some(successor("id9")))
    );
    let mut other = settled();
    let tags = &mut bucket(&mut other).tags;
    tags.insert("eoffice-identity".into(), "id9".into());
    assert_eq!(loss(&of(&record), &other), None);
    assert!(plan(&of(&record), &other).is_ok());

    let mut record = self::record();
    accept(&mut record, "id1", Some(&successor("id1")));
    let mut foreign = bare;
    let tags = &mut bucket(&mut foreign).tags;
    tags.insert("eoffice-installation".into(), "other".into());
    let problem = plan(&of(&record), &foreign).unwrap_err();
    assert_eq!(problem.reason, Reason::ForeignObject);
}

#[test]
fn a_twin_is_rewritten_only_once_its_loss_is_accepted() {
    let mut record = record();
    record.database.oid = Some(2);
    let twin = |record: &TenantRecordSpec| {
        let mut world = settled();
        for step in steps(&of(record), &world) {
            carry_out(&mut world, &step);
        }
        world.bucket.unwrap().mark().unwrap().twin
    };
    assert_eq!(twin(&record).as_deref(), Some("16384"));
    record.database.superseded.push(16384);
    assert_eq!(twin(&record).as_deref(), Some("2"));
    // Until there is another, the old one stays.
    record.database.oid = None;
    assert_eq!(twin(&record).as_deref(), Some("16384"));
}

#[test]
fn what_is_asked_has_no_random_value_time_or_witness() {
    let record = record();
    let asked = of(&record).asked();
    assert_eq!(asked.len(), 16);
    let same: [fn(&mut Desired); 7] = [
        |it| it.fresh_identity = "x".into(),
        |it| it.now = jiff::Timestamp::UNIX_EPOCH,
        |it| it.current_key = None,
        |it| it.witnesses.clear(),
        |it| it.capabilities = StoreCapabilities::default(),
        |it| it.superseded.push("x".into()),
        |it| it.mark.twin = None,
    ];
    for change in same {
        let mut changed = of(&record);
        change(&mut changed);
        assert_eq!(changed.asked(), asked);
    }
    let other: [fn(&mut Desired); 9] = [
        |it| it.bucket.push('x'),
        |it| it.user.push('x'),
        |it| it.policy = json!({}),
        |it| it.versioning = false,
        |it| it.retention = None,
        |it| it.mark.uid.push('x'),
        |it| it.mark.state = RecordState::Retained,
        |it| drop(it.code_tags.insert("eoffice-code-dla".into(), "1".into())),
        |it| it.access = Access::Closed,
    ];
    for change in other {
        let mut changed = of(&record);
        change(&mut changed);
        assert_ne!(changed.asked(), asked);
    }
}

/// A user is known by its path: what stands in the bucket's place keeps nobody in.
#[test]
fn access_ends_whatever_became_of_the_bucket() {
    type Case = (
        Reason,
        fn(&mut Observed),
        fn(&mut Desired),
        &'static [&'static str],
    );
    const BOTH: &[&str] = &[
        "deactivate key AKIA1 of user eo-1",
        "delete key AKIA2 of user eo-1",
    ];
    let (lost, foreign) = (Reason::DataMissing, Reason::ForeignObject);
    let cases: &[Case] = &[
        (lost, |s| s.bucket = None, |_| (), BOTH),
        (lost, |s| bucket(s).tags.clear(), |_| (), BOTH),
        (
            foreign,
            |s| bucket(s).tags.clear(),
            |d| d.witnesses.clear(),
            BOTH,
        ),
        (
            foreign,
            |s| {
                drop(
                    bucket(s)
                        .tags
                        .insert("eoffice-installation".into(), "test".into()),
                )
            },
            |_| (),
            BOTH,
        ),
        (
            Reason::Unsupported,
            |_| (),
            |d| d.capabilities = StoreCapabilities::default(),
            BOTH,
        ),
        (
            lost,
            |s| {
                s.bucket = None;
                *user(s).keys.get_mut(KEY).unwrap() = false;
            },
            |_| (),
            &BOTH[1..],
        ),
        (lost, |s| (s.bucket, s.user) = (None, None), |_| (), &[]),
        // The user is another's.
        (foreign, |s| user(s).path = "/".into(), |_| (), &[]),
        // A tenant that stays open loses nothing.
        (lost, |s| s.bucket = None, |d| d.access = Access::Open, &[]),
    ];
    for (number, (reason, place, words, expected)) in cases.iter().enumerate() {
        let (mut world, mut closed) = (settled(), desired());
        closed.access = Access::Closed;
        user(&mut world).keys.insert("AKIA2".into(), true);
        place(&mut world);
        words(&mut closed);
        let problem = plan(&closed, &world).unwrap_err();
        assert_eq!(problem.reason, *reason, "case {number}: {problem}");
        let closing = plan_close(&closed, &world).into_iter();
        let steps: Vec<_> = closing.map(|change| change.step.to_string()).collect();
        assert_eq!(steps, *expected, "case {number}");
    }
}
