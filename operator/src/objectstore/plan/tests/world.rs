//! A tenant, and a store in memory that does what a step says.

use crate::identity::Mark;
use crate::objectstore::desired::{Access, Desired, Witness};
use crate::objectstore::observe::{Bucket, Observed, User};
use crate::objectstore::plan::{plan, plan_drop};
use crate::objectstore::policy;
use crate::objectstore::step::Step;
use eoffice_crds::{RecordState, Retention, RetentionMode, StoreCapabilities};
use std::collections::BTreeMap;

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const KEY: &str = "AKIA1";

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
        user: "eo-1".into(),
        user_path: "/eoffice/korat/f1/".into(),
        policy: policy::document("eo-1-documents", true),
        versioning: true,
        retention: Some(rule(3650)),
        mark: Mark {
            installation: "korat".into(),
            fingerprint: "f1".into(),
            uid: "u1".into(),
            state: RecordState::Live,
            twin: Some("16384".into()),
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

pub(super) fn drop_steps(desired: &Desired, world: &Observed) -> Vec<Step> {
    let changes = plan_drop(desired, world).unwrap().into_iter();
    changes.map(|change| change.step).collect()
}

pub(super) fn settled() -> Observed {
    let mut world = Observed::default();
    for step in steps(&new(), &world) {
        carry_out(&mut world, &step);
    }
    world
}

/// What a store that takes tags with a bucket's creation does. Its keys are all called [`KEY`].
pub(super) fn carry_out(world: &mut Observed, step: &Step) {
    match step {
        Step::CreateUser { path, .. } => {
            world.user = Some(User {
                path: path.clone(),
                ..User::default()
            });
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
        Step::PutUserPolicy { document, .. } => {
            let policies = &mut user(world).policies;
            policies.insert(policy::NAME.into(), Some(document.clone()));
        }
        Step::RemoveUserPolicy { policy, .. } => drop(user(world).policies.remove(policy)),
        Step::DetachUserPolicy { arn, .. } => user(world).attached.retain(|a| a != arn),
        Step::SetKeyStatus { key, active, .. } => {
            *user(world).keys.get_mut(key).unwrap() = *active;
        }
        Step::DeleteKey { key, .. } => assert!(user(world).keys.remove(key).is_some()),
        Step::CreateKey { .. } => {
            assert!(user(world).keys.len() < 2, "two keys at most");
            user(world).keys.insert(KEY.into(), true);
        }
        Step::EmptyBucket { owner, .. } | Step::DeleteBucket { owner, .. } => {
            assert_eq!(bucket(world).identity(), Some(owner.identity.as_str()));
            if matches!(step, Step::DeleteBucket { .. }) {
                world.bucket = None;
            }
        }
        Step::DeleteUser { .. } => {
            let user = user(world);
            assert!(user.policies.is_empty() && user.keys.is_empty() && user.attached.is_empty());
            world.user = None;
        }
    }
}

pub(super) fn bucket(world: &mut Observed) -> &mut Bucket {
    world.bucket.as_mut().unwrap()
}

pub(super) fn user(world: &mut Observed) -> &mut User {
    world.user.as_mut().unwrap()
}
