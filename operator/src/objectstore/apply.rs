//! Carries out one step.

mod tags;

use super::client::{Refusal, Store};
use super::credential::Key;
use super::step::{Step, Tags};
use super::{observe, policy, sites};
use crate::effect::Effects;
use crate::identity::tag;
use crate::plan::Problem;
use aws_sdk_iam::types::StatusType;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, DefaultRetention,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
    VersioningConfiguration,
};
use eoffice_crds::{Reason, Retention, RetentionMode};
use std::collections::BTreeSet;

pub(super) use tags::put_tags;
use tags::{change_tags, tag_set};

/// The region that may not be named when a bucket is made.
const UNNAMED_REGION: &str = "us-east-1";

/// What carrying out a step gave.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is done, or had been done before.
    Done,
    /// The new key. It is nowhere else: write it into the tenant's Secret at once.
    Key(Key),
}

/// Carries out one step. Safe to repeat after a lost reply.
pub async fn apply(store: &Store, effects: &Effects, step: &Step) -> Result<Outcome, Problem> {
    match step {
        Step::CreateKey { user } => return create_key(store, effects, user).await,
        Step::CreateBucket { bucket, tags, lock } => {
            create_bucket(store, effects, bucket, tags, *lock).await?;
        }
        Step::PutTags {
            bucket,
            set,
            remove,
        } => change_tags(store, effects, bucket, set, remove).await?,
        Step::EnableVersioning { bucket } => enable_versioning(store, effects, bucket).await?,
        Step::SetRetention {
            bucket,
            retention,
            since,
        } => {
            set_lock(store, effects, bucket, Some(retention)).await?;
            change_tags(store, effects, bucket, since, &BTreeSet::new()).await?;
        }
        Step::RemoveBucketPolicy { bucket } => {
            let removed = store
                .call(effects, sites::DELETE_BUCKET_POLICY, bucket, || {
                    store.s3.delete_bucket_policy().bucket(bucket).send()
                })
                .await;
            unless(removed, &["NoSuchBucketPolicy"])?;
        }
        of_user => apply_to_user(store, effects, of_user).await?,
    }
    Ok(Outcome::Done)
}

async fn apply_to_user(store: &Store, effects: &Effects, step: &Step) -> Result<(), Problem> {
    match step {
        Step::CreateUser { user, path } => {
            let created = store
                .call(effects, sites::CREATE_USER, user, || {
                    store.iam.create_user().user_name(user).path(path).send()
                })
                .await;
            match created {
                Ok(_) => Ok(()),
                Err(refusal) if refusal.is(&["EntityAlreadyExists"]) => {
                    // A lost reply, unless somebody was quicker: another's gets no policy of ours.
                    let found = observe::user_path(store, effects, user).await?;
                    match found.as_ref() == Some(path) {
                        true => Ok(()),
                        false => Err(foreign(store, "user", user)),
                    }
                }
                Err(refusal) => Err(refusal.into()),
            }
        }
        Step::PutUserPolicy { user, document } => {
            let text = document.to_string();
            store
                .call(effects, sites::PUT_USER_POLICY, user, || {
                    let request = store.iam.put_user_policy().user_name(user);
                    request
                        .policy_name(policy::NAME)
                        .policy_document(&text)
                        .send()
                })
                .await?;
            Ok(())
        }
        Step::RemoveUserPolicy { user, policy } => {
            let removed = store
                .call(effects, sites::DELETE_USER_POLICY, user, || {
                    let request = store.iam.delete_user_policy().user_name(user);
                    request.policy_name(policy).send()
                })
                .await;
            unless(removed, &["NoSuchEntity"])
        }
        Step::DetachUserPolicy { user, arn } => {
            let detached = store
                .call(effects, sites::DETACH_USER_POLICY, user, || {
                    let request = store.iam.detach_user_policy().user_name(user);
                    request.policy_arn(arn).send()
                })
                .await;
            unless(detached, &["NoSuchEntity"])
        }
        Step::SetKeyStatus { user, key, active } => {
            let status = if *active {
                StatusType::Active
            } else {
                StatusType::Inactive
            };
            store
                .call(effects, sites::UPDATE_ACCESS_KEY, user, || {
                    let request = store.iam.update_access_key().user_name(user);
                    request.access_key_id(key).status(status.clone()).send()
                })
                .await?;
            Ok(())
        }
        Step::DeleteKey { user, key } => {
            let deleted = store
                .call(effects, sites::DELETE_ACCESS_KEY, user, || {
                    let request = store.iam.delete_access_key().user_name(user);
                    request.access_key_id(key).send()
                })
                .await;
            unless(deleted, &["NoSuchEntity"])
        }
        Step::DeleteUser { user, path } => {
            match observe::user_path(store, effects, user).await? {
                None => return Ok(()),
                Some(found) if found != *path => return Err(changed(store, "user", user)),
                Some(_) => {}
            }
            let deleted = store
                .call(effects, sites::DELETE_USER, user, || {
                    store.iam.delete_user().user_name(user).send()
                })
                .await;
            unless(deleted, &["NoSuchEntity"])
        }
        // Steps of the bucket and the key are carried out in `apply`.
        _ => Ok(()),
    }
}

/// Answers that say it had been done before are no errors.
pub(super) fn unless<T>(result: Result<T, Refusal>, fine: &[&str]) -> Result<(), Problem> {
    match result {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.is(fine) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn changed(store: &Store, kind: &str, name: &str) -> Problem {
    Problem::new(
        Reason::ForeignObject,
        format!(
            "{kind} {name} in store {} does not carry this tenant's mark any more: it is not destroyed; find out who changed it",
            store.name()
        ),
    )
}

async fn create_key(store: &Store, effects: &Effects, user: &str) -> Result<Outcome, Problem> {
    let made = store
        .call(effects, sites::CREATE_ACCESS_KEY, user, || {
            store.iam.create_access_key().user_name(user).send()
        })
        .await?;
    match made.access_key {
        Some(key) => Ok(Outcome::Key(Key {
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key.into(),
        })),
        None => Err(Problem::new(
            Reason::BackendError,
            format!(
                "store {} made a key of user {user} and did not show it; it is made again by itself",
                store.name()
            ),
        )),
    }
}

/// Makes a bucket with its tags. Where a store does not take them together, they are written by a
/// second call, but only onto the bucket that was made just now.
pub(super) async fn create_bucket(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    tags: &Tags,
    lock: bool,
) -> Result<(), Problem> {
    let region = (store.region() != UNNAMED_REGION).then(|| store.region());
    let configuration = CreateBucketConfiguration::builder()
        .set_location_constraint(region.map(BucketLocationConstraint::from))
        .set_tags(Some(tag_set(tags)?))
        .build();
    let created = store
        .call(effects, sites::CREATE_BUCKET, bucket, || {
            let request = store.s3.create_bucket().bucket(bucket);
            request
                .object_lock_enabled_for_bucket(lock)
                .create_bucket_configuration(configuration.clone())
                .send()
        })
        .await;
    match created {
        Ok(_) if store.takes_tags() => Ok(()),
        Ok(_) => match observe::tags(store, effects, bucket).await? {
            Some(found) if found.is_empty() => put_tags(store, effects, bucket, tags).await,
            _ => {
                store.remember_that_it_takes_tags();
                Ok(())
            }
        },
        Err(refusal) if refusal.is(&["BucketAlreadyOwnedByYou", "BucketAlreadyExists"]) => {
            // A lost reply, unless somebody was quicker: nothing more is done to another's.
            let found = observe::tags(store, effects, bucket).await.ok().flatten();
            let same =
                |key: &str| found.as_ref().and_then(|f| f.get(&tag(key))) == tags.get(&tag(key));
            if found.is_some() && same("installation") && same("fingerprint") {
                Ok(())
            } else {
                Err(foreign(store, "bucket", bucket))
            }
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn foreign(store: &Store, kind: &str, name: &str) -> Problem {
    Problem::new(
        Reason::ForeignObject,
        format!(
            "{kind} {name} in store {} exists and does not carry our mark: it is left untouched; if it is nobody's, remove it",
            store.name()
        ),
    )
}

pub(super) async fn enable_versioning(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<(), Refusal> {
    let enabled = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    store
        .call(effects, sites::PUT_BUCKET_VERSIONING, bucket, || {
            let request = store.s3.put_bucket_versioning().bucket(bucket);
            request.versioning_configuration(enabled.clone()).send()
        })
        .await?;
    Ok(())
}

/// Enables object lock with this default retention, or with none.
pub(super) async fn set_lock(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    retention: Option<&Retention>,
) -> Result<(), Refusal> {
    let rule = retention.map(|retention| {
        let mode = match retention.mode {
            RetentionMode::Governance => ObjectLockRetentionMode::Governance,
            RetentionMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        let default = DefaultRetention::builder().mode(mode).days(retention.days);
        ObjectLockRule::builder()
            .default_retention(default.build())
            .build()
    });
    let configuration = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .set_rule(rule)
        .build();
    store
        .call(effects, sites::PUT_BUCKET_LOCK, bucket, || {
            let request = store.s3.put_object_lock_configuration().bucket(bucket);
            request
                .object_lock_configuration(configuration.clone())
                .send()
        })
        .await?;
    Ok(())
}
