//! A tenant, and a store in memory that does what a step says.

use crate::identity::Mark;
use crate::objectstore::desired::{Access, Desired, Witness};
use crate::objectstore::observe::{Bucket, Observed, User};
use crate::objectstore::plan::plan;
use crate::objectstore::policy;
use crate::objectstore::step::Step;
use eoffice_crds::{RecordState, Retention, RetentionMode, StoreCapabilities};
use std::collections::BTreeMap;

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const KEY: &str = "AKIA1";
pub(super) const USER: &str = "eo-1";

pub(super) fn rule(days: i32) -> Retention {
    Retention {
        mode: RetentionMode::Governance,
        days,
    }
}

pub(super) fn desired() -> Desired {
    Desired {
        store: "objects".into(),
        bucket: "eo-1-documents".into(),
        user: USER.into(),
        user_path: "/eoffice/korat/f1/".into(),
        predecessor_path: None,
        predecessor: None,
        policy: policy::document("eo-1-documents", true),
        versioning: true,
        retention: Some(rule(3650)),
        order: crate::identity::Order::Is(None),
        mark: Mark {
            installation: "korat".into(),
            fingerprint: "f1".into(),
            uid: "u1".into(),
            state: RecordState::Live,
            twin: Some("16384".into()),
            order: None,
        },
        code_tags: BTreeMap::from([("eoffice-code-dla".into(), "4302101".into())]),
        witnesses: vec![Witness {
            who: "its record",
            identity: "id1".into(),
        }],
        take_up: None,
        superseded: Vec::new(),
        superseded_twins: Vec::new(),
        access: Access::Open,
        current_key: Some(KEY.into()),
        retiring: None,
        auditors: Vec::new(),
        spared: Vec::new(),
        capabilities: StoreCapabilities {
            versioning: true,
            object_lock: true,
            ..StoreCapabilities::default()
        },
        now: jiff::Timestamp::from_second(NOW).unwrap(),
        fresh_identity: "id1".into(),
    }
}

/// A tenant that nothing was ever made for.
pub(super) fn new() -> Desired {
    Desired {
        witnesses: Vec::new(),
        current_key: None,
        ..desired()
    }
}

pub(super) fn steps(desired: &Desired, world: &Observed) -> Vec<Step> {
    let changes = plan(desired, world).unwrap().into_iter();
    changes.map(|change| change.step).collect()
}

pub(super) fn settled() -> Observed {
    let mut world = Observed::default();
    for step in steps(&new(), &world) {
        carry_out(&mut world, &step);
    }
    world
}

/// What a store that takes tags with a bucket's creation does. The first key of each user is called [`KEY`].
pub(super) fn carry_out(world: &mut Observed, step: &Step) {
    match step {
        Step::CreateUser { user, path } => {
            let made = User {
                path: path.clone(),
                ..User::default()
            };
            match user == USER {
                true => assert_eq!(world.user.replace(made), None),
                false => assert_eq!(world.auditors.insert(user.clone(), made), None),
            }
        }
        Step::CreateBucket { tags, lock, .. } => {
            world.bucket = Some(Bucket {
                tags: tags.clone(),
                versioning: *lock,
                lock: *lock,
                ..Bucket::default()
            });
        }
        Step::PutTags { set, remove, .. } => {
            let tags = &mut bucket(world).tags;
            tags.retain(|key, _| !remove.contains(key));
            tags.extend(set.clone());
        }
        Step::EnableVersioning { .. } => bucket(world).versioning = true,
        Step::SetRetention {
            retention, since, ..
        } => {
            bucket(world).tags.extend(since.clone());
            assert!(bucket(world).versioning, "a lock needs versions");
            bucket(world).lock = true;
            bucket(world).retention = Some(retention.clone());
        }
        Step::RemoveBucketPolicy { .. } => bucket(world).policy = None,
        Step::PutUserPolicy { user, document } => {
            let policies = &mut named(world, user).policies;
            policies.insert(policy::NAME.into(), Some(document.clone()));
        }
        Step::RemoveUserPolicy { user, policy } => {
            drop(named(world, user).policies.remove(policy));
        }
        Step::DetachUserPolicy { user, arn } => named(world, user).attached.retain(|a| a != arn),
        Step::SetKeyStatus { user, key, active } => {
            *named(world, user).keys.get_mut(key).unwrap() = *active;
        }
        Step::DeleteKey { user, key } => assert!(named(world, user).keys.remove(key).is_some()),
        Step::CreateKey { user } => {
            let keys = &mut named(world, user).keys;
            assert!(keys.len() < 2, "two keys at most");
            let mut free = [KEY, "AKIA2", "AKIA3"].into_iter();
            let free = free.find(|key| !keys.contains_key(*key));
            keys.insert(free.unwrap().into(), true);
        }
        Step::DeleteUser { user, path } => {
            let found = named(world, user);
            assert_eq!(found.path, *path);
            let bare = found.policies.is_empty() && found.keys.is_empty();
            assert!(bare && found.attached.is_empty());
            match user == USER {
                true => world.user = None,
                false => drop(world.auditors.remove(user)),
            }
        }
    }
}

pub(super) fn bucket(world: &mut Observed) -> &mut Bucket {
    world.bucket.as_mut().unwrap()
}

/// The user of this name: the tenant's or an auditor's.
pub(super) fn named<'a>(world: &'a mut Observed, name: &str) -> &'a mut User {
    match name == USER {
        true => user(world),
        false => world.auditors.get_mut(name).unwrap(),
    }
}

pub(super) fn user(world: &mut Observed) -> &mut User {
    world.user.as_mut().unwrap()
}
