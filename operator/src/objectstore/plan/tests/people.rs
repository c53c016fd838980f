//! Auditors, and a tenant that takes over another's data.

use super::world::*;
use super::{reason, shown};
use crate::objectstore::auditors::{Auditor, auditor_user};
use crate::objectstore::desired::{Access, Desired};
use crate::objectstore::observe::{Observed, User};
use crate::objectstore::plan::plan_close;
use crate::plan::Step as _;
use eoffice_crds::{Reason, RecordState};

fn auditor(name: &str, key: Option<&str>) -> Auditor {
    Auditor {
        user: auditor_user(USER, name),
        until: jiff::Timestamp::from_second(NOW + 3600).unwrap(),
        current_key: key.map(Into::into),
    }
}

/// An archived tenant with these auditors.
fn archived(auditors: Vec<Auditor>) -> Desired {
    Desired {
        access: Access::Closed,
        ..desired()
    }
    .with_auditors(auditors)
}

/// The store of an archived tenant.
fn closed() -> Observed {
    let mut world = settled();
    user(&mut world).keys.insert(KEY.into(), false);
    world
}

#[test]
fn an_auditor_comes_and_goes_after_every_interruption() {
    let name = auditor_user(USER, "oag-somchai");
    assert!(name.len() <= 64 && !name.contains("somchai"), "{name}");
    let asked = archived(vec![auditor("oag-somchai", None)]);
    let all = steps(&asked, &closed());
    let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            format!("create user {name} under /eoffice/korat/f1/"),
            format!("write the policy of user {name}"),
            format!("create a key of user {name}"),
        ]
    );
    let mut there = closed();
    for done in 0..=all.len() {
        let mut world = closed();
        for step in &all[..done] {
            carry_out(&mut world, step);
        }
        for step in steps(&asked, &world) {
            carry_out(&mut world, &step);
        }
        let key = world.auditors[&name].keys.keys().next().unwrap().clone();
        let settled = archived(vec![auditor("oag-somchai", Some(&key))]);
        assert_eq!(shown(&settled, &world), [""; 0], "after {done} steps");
        there = world;
    }
    assert_eq!(there.user, closed().user, "the tenant's own stays closed");

    // Over: all of it goes, keys first, also where the bucket is another's by now.
    let over = archived(Vec::new());
    let removal = shown(&over, &there);
    assert_eq!(removal.len(), 3);
    assert!(removal[0].starts_with("delete key "), "{removal:?}");
    // Nothing is known of him: he stays as he is.
    let undecided = archived(Vec::new()).sparing(vec![name.clone()]);
    assert_eq!(shown(&undecided, &there), [""; 0]);
    let mut stray = there.clone();
    let keys = &mut stray.auditors.get_mut(&name).unwrap().keys;
    keys.insert("AKIA7".into(), true);
    let asked_of = [(&over, 4), (&asked, 0)];
    for (desired, expected) in asked_of {
        let ends = steps(desired, &stray);
        let ends = ends.iter().filter(|step| desired.ends_auditor(step));
        assert_eq!(ends.count(), expected, "a stray key of one who stays");
    }
    let tenants = steps(&archived(Vec::new()), &settled());
    assert!(!tenants.iter().any(|step| over.ends_auditor(step)) && !tenants.is_empty());
    let mut forged = there.clone();
    let tags = &mut bucket(&mut forged).tags;
    tags.insert("eoffice-fingerprint".into(), "f9".into());
    let closing = plan_close(&over, &forged).into_iter();
    let closing: Vec<_> = closing.map(|change| change.step.to_string()).collect();
    assert_eq!(closing, removal);
    for done in 0..=3 {
        let mut world = there.clone();
        for step in &steps(&over, &there)[..done] {
            carry_out(&mut world, step);
        }
        for step in steps(&over, &world) {
            carry_out(&mut world, &step);
        }
        assert_eq!(world, closed(), "after {done} steps");
    }
    // One that has left has none, whoever is asked for.
    let mut left = archived(vec![auditor("oag-somchai", None)]);
    left.mark.state = RecordState::Retained;
    assert_eq!(shown(&left, &there)[..3], removal);
}

#[test]
fn what_is_done_to_an_auditor_s_user_is_undone() {
    let name = auditor_user(USER, "oag-somchai");
    let asked = archived(vec![auditor("oag-somchai", Some(KEY))]);
    let mut there = closed();
    for step in steps(&asked, &there) {
        carry_out(&mut there, &step);
    }
    type Drift = fn(&mut User);
    let rows: [(Drift, &str); 5] = [
        (
            |it| it.keys = [(KEY.into(), false)].into(),
            "activate key AKIA1",
        ),
        (
            |it| it.keys.extend([("AKIA7".into(), true)]),
            "delete key AKIA7",
        ),
        (|it| it.policies.clear(), "write the policy"),
        (
            |it| drop(it.policies.insert("more".into(), None)),
            "remove policy more",
        ),
        (
            |it| it.attached.push("arn:admin".into()),
            "detach policy arn:admin",
        ),
    ];
    for (drift, expected) in rows {
        let mut world = there.clone();
        drift(named(&mut world, &name));
        let steps = steps(&asked, &world);
        assert_eq!(steps.len(), 1);
        assert!(steps[0].to_string().starts_with(expected), "{}", steps[0]);
        carry_out(&mut world, &steps[0]);
        assert_eq!(world, there);
    }
    // A foreign user of such a name is left alone; it is only in the way where it is wanted.
    named(&mut there, &name).path = "/".into();
    assert_eq!(reason(&asked, &there), Reason::ForeignObject);
    assert_eq!(shown(&archived(Vec::new()), &there), [""; 0]);
}

#[test]
fn what_was_taken_over_gets_new_marks_and_a_new_user() {
    let mut heir = desired();
    heir.mark.fingerprint = "f2".into();
    heir.mark.uid = "u2".into();
    heir.user_path = "/eoffice/korat/f2/".into();
    heir.current_key = None;
    assert_eq!(
        reason(&heir, &settled()),
        Reason::ForeignObject,
        "not without a claim"
    );
    heir.predecessor = Some("f1".into());
    heir.predecessor_path = Some("/eoffice/korat/f1/".into());

    let mut start = settled();
    let audit = User {
        path: "/eoffice/korat/f1/".into(),
        ..User::default()
    };
    start.auditors.insert(auditor_user(USER, "x"), audit);
    let all = steps(&heir, &start);
    let destroyed = all.iter().filter(|step| step.destructive());
    assert!(
        destroyed
            .clone()
            .all(|step| !step.to_string().contains("bucket"))
    );
    assert_eq!(destroyed.count(), 3, "a key and two users");
    for done in 0..=all.len() {
        let mut world = start.clone();
        for step in &all[..done] {
            carry_out(&mut world, step);
        }
        for step in steps(&heir, &world) {
            carry_out(&mut world, &step);
        }
        let mut settled = heir.clone();
        settled.current_key = Some(KEY.into());
        assert_eq!(shown(&settled, &world), [""; 0], "after {done} steps");
        assert_eq!(user(&mut world).path, "/eoffice/korat/f2/");
        assert_eq!(world.auditors.len(), 0);
        let bucket = world.bucket.unwrap();
        let mark = bucket.mark().unwrap();
        assert_eq!((mark.fingerprint.as_str(), mark.uid.as_str()), ("f2", "u2"));
        assert_eq!(bucket.identity(), Some("id1"));
    }
    // A third tenant's stays a third tenant's.
    let tags = &mut bucket(&mut start).tags;
    tags.insert("eoffice-fingerprint".into(), "f3".into());
    assert_eq!(reason(&heir, &start), Reason::ForeignObject);
}
