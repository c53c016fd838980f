//! What is there: the whole store by lists, one tenant in depth.

mod user;

use super::client::{Refusal, Store};
use super::desired::{self, identity_tag, installation_path};
use super::{auditors, policy, sites};
use crate::effect::Effects;
use crate::identity::{InstallationId, Mark};
use crate::plan::Problem;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode,
};
use eoffice_crds::{RecordedStorage, Retention, RetentionMode, TenantRecordSpec};
use futures::future::{join3, try_join, try_join4};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) use user::{user, user_path};

/// What the lists of a store say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Names of all buckets that the admin key can see, foreign ones included.
    pub buckets: BTreeSet<String>,
    /// The installation's users, with their IAM paths.
    pub users: BTreeMap<String, String>,
}

impl Inventory {
    /// Whether bucket and user of a tenant are there. What they are like needs [`tenant`].
    pub fn has(&self, storage: &RecordedStorage) -> bool {
        self.buckets.contains(&storage.bucket) && self.users.contains_key(&storage.user)
    }
}

/// What one tenant has in its store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The bucket, if there is one of its name.
    pub bucket: Option<Bucket>,
    /// The user, if there is one of its name.
    pub user: Option<User>,
    /// Users with the names of its auditors, wanted or not. Empty where they were not looked for.
    pub auditors: BTreeMap<String, User>,
}

/// A bucket under a tenant's name: its own, or a foreign one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// All its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it keeps old versions.
    pub versioning: bool,
    /// Whether versions can be locked.
    pub lock: bool,
    /// Its default retention.
    pub retention: Option<Retention>,
    /// Fingerprint of its own policy, if it has one.
    pub policy: Option<String>,
    /// Whether nothing is in it, no old version and no begun upload. Only looked at where there
    /// is no tag at all.
    pub empty: bool,
}

impl Bucket {
    /// The mark in its tags.
    pub fn mark(&self) -> Option<Mark> {
        Mark::from_tags(&self.tags)
    }

    /// The identity given at its making.
    pub fn identity(&self) -> Option<&str> {
        self.tags.get(&identity_tag()).map(String::as_str)
    }
}

/// An IAM user under a tenant's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Its IAM path, which is its mark.
    pub path: String,
    /// Its inline policies by name; None where the text is no JSON.
    pub policies: BTreeMap<String, Option<Value>>,
    /// ARNs of managed policies attached to it.
    pub attached: Vec<String>,
    /// Its access key ids, and whether each is active.
    pub keys: BTreeMap<String, bool>,
}

/// Lists the whole store.
pub async fn inventory(
    store: &Store,
    effects: &Effects,
    installation: &InstallationId,
) -> Result<Inventory, Problem> {
    let (buckets, users) = try_join(
        list_buckets(store, effects),
        list_users(store, effects, installation),
    )
    .await?;
    Ok(Inventory { buckets, users })
}

async fn list_buckets(store: &Store, effects: &Effects) -> Result<BTreeSet<String>, Refusal> {
    let mut names = BTreeSet::new();
    let mut token = None;
    loop {
        let page = store
            .call(effects, sites::LIST_BUCKETS, "all", || {
                let request = store.s3.list_buckets();
                request.set_continuation_token(token.clone()).send()
            })
            .await?;
        names.extend(page.buckets().iter().filter_map(|b| b.name.clone()));
        token = page.continuation_token;
        if token.as_deref().is_none_or(str::is_empty) {
            return Ok(names);
        }
    }
}

async fn list_users(
    store: &Store,
    effects: &Effects,
    installation: &InstallationId,
) -> Result<BTreeMap<String, String>, Refusal> {
    users_under(store, effects, &installation_path(installation.as_str())).await
}

/// The users under an IAM path, by name.
pub(super) async fn users_under(
    store: &Store,
    effects: &Effects,
    path: &str,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut users = BTreeMap::new();
    let mut marker = None;
    loop {
        let page = store
            .call(effects, sites::LIST_USERS, path, || {
                let request = store.iam.list_users().path_prefix(path);
                request.set_marker(marker.clone()).send()
            })
            .await?;
        users.extend(
            page.users
                .into_iter()
                .map(|user| (user.user_name, user.path)),
        );
        marker = page.marker;
        if !page.is_truncated || marker.is_none() {
            return Ok(users);
        }
    }
}

/// Looks at all that one tenant has.
pub async fn tenant(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    user: &str,
) -> Result<Observed, Problem> {
    look(store, effects, bucket, (user, &BTreeMap::new())).await
}

/// Looks at all that the tenant of this record has, and its auditors: one list more.
pub async fn audited_tenant(
    store: &Store,
    effects: &Effects,
    record: &TenantRecordSpec,
) -> Result<Observed, Problem> {
    let RecordedStorage { bucket, user, .. } = &record.storage;
    let fingerprints = [&record.fingerprint].into_iter();
    let predecessor = record.predecessor.iter().map(|it| &it.fingerprint);
    let mut listed = BTreeMap::new();
    for fingerprint in fingerprints.chain(predecessor) {
        let path = desired::user_path(&record.installation_id, fingerprint);
        listed.extend(users_under(store, effects, &path).await?);
    }
    look(store, effects, bucket, (user, &listed)).await
}

/// The same, without asking for what the lists have just said.
pub async fn listed_tenant(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    user: &str,
    listed: &Inventory,
) -> Result<Observed, Problem> {
    look(store, effects, bucket, (user, &listed.users)).await
}

async fn look(
    store: &Store,
    effects: &Effects,
    bucket_name: &str,
    (user_name, listed): (&str, &BTreeMap<String, String>),
) -> Result<Observed, Problem> {
    // All to their end: where several fail, the same one of them is told of each time.
    let (bucket, own, auditors) = join3(
        bucket(store, effects, bucket_name),
        user(store, effects, user_name, listed.get(user_name)),
        auditors(store, effects, user_name, listed),
    )
    .await;
    Ok(Observed {
        bucket: bucket?,
        user: own?,
        auditors: auditors?,
    })
}

/// Looks at those of the listed users that have names of this tenant's auditors.
async fn auditors(
    store: &Store,
    effects: &Effects,
    tenant_user: &str,
    listed: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, User>, Refusal> {
    let stem = auditors::stem(tenant_user);
    let of_tenant = listed.range(stem.clone()..);
    let of_tenant = of_tenant.take_while(|(name, _)| name.starts_with(&stem));
    let mut found = BTreeMap::new();
    for (name, path) in of_tenant {
        if let Some(user) = user(store, effects, name, Some(path)).await? {
            found.insert(name.clone(), user);
        }
    }
    Ok(found)
}

async fn bucket(store: &Store, effects: &Effects, name: &str) -> Result<Option<Bucket>, Refusal> {
    let Some(tags) = tags(store, effects, name).await? else {
        return Ok(None);
    };
    let empty = async {
        match tags.is_empty() {
            true => is_empty(store, effects, name).await,
            false => Ok(false),
        }
    };
    let look = try_join4(
        versioning(store, effects, name),
        lock(store, effects, name),
        bucket_policy(store, effects, name),
        empty,
    );
    let (versioning, (lock, retention), policy, empty) = match look.await {
        // It was removed while we looked.
        Err(refusal) if refusal.is(&["NoSuchBucket"]) => return Ok(None),
        found => found?,
    };
    Ok(Some(Bucket {
        versioning,
        lock,
        retention,
        policy,
        empty,
        tags,
    }))
}

/// A bucket's tags. None: there is no such bucket.
pub(super) async fn tags(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<Option<BTreeMap<String, String>>, Refusal> {
    let found = store
        .call(effects, sites::GET_BUCKET_TAGGING, bucket, || {
            store.s3.get_bucket_tagging().bucket(bucket).send()
        })
        .await;
    match found {
        Ok(found) => Ok(Some(
            found
                .tag_set
                .into_iter()
                .map(|tag| (tag.key, tag.value))
                .collect(),
        )),
        Err(refusal) if refusal.is(&["NoSuchTagSet", "NoSuchTagSetError"]) => {
            Ok(Some(BTreeMap::new()))
        }
        Err(refusal) if refusal.is(&["NoSuchBucket"]) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

pub(super) async fn versioning(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<bool, Refusal> {
    let found = store
        .call(effects, sites::GET_BUCKET_VERSIONING, bucket, || {
            store.s3.get_bucket_versioning().bucket(bucket).send()
        })
        .await;
    match found {
        Ok(found) => Ok(found.status == Some(BucketVersioningStatus::Enabled)),
        Err(refusal) if refusal.is_unknown_call() => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// Whether versions can be locked, and for how long each is by default.
pub(super) async fn lock(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<(bool, Option<Retention>), Refusal> {
    let found = store
        .call(effects, sites::GET_BUCKET_LOCK, bucket, || {
            let request = store.s3.get_object_lock_configuration();
            request.bucket(bucket).send()
        })
        .await;
    match found {
        Ok(found) => Ok(lock_of(found.object_lock_configuration)),
        Err(refusal)
            if refusal.is(&["ObjectLockConfigurationNotFoundError"])
                || refusal.is_unknown_call() =>
        {
            Ok((false, None))
        }
        Err(refusal) => Err(refusal),
    }
}

fn lock_of(configuration: Option<ObjectLockConfiguration>) -> (bool, Option<Retention>) {
    let Some(configuration) = configuration else {
        return (false, None);
    };
    let enabled = configuration.object_lock_enabled == Some(ObjectLockEnabled::Enabled);
    let rule = configuration.rule.and_then(|rule| rule.default_retention);
    (enabled, rule.and_then(|rule| retention(&rule)))
}

const DAYS_IN_YEAR: i32 = 365;

fn retention(rule: &DefaultRetention) -> Option<Retention> {
    let days = rule
        .days
        .or(rule.years.map(|years| years.saturating_mul(DAYS_IN_YEAR)))?;
    let mode = match rule.mode.as_ref()? {
        ObjectLockRetentionMode::Compliance => RetentionMode::Compliance,
        ObjectLockRetentionMode::Governance => RetentionMode::Governance,
        _ => return None,
    };
    Some(Retention { mode, days })
}

async fn bucket_policy(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<Option<String>, Refusal> {
    let found = store
        .call(effects, sites::GET_BUCKET_POLICY, bucket, || {
            store.s3.get_bucket_policy().bucket(bucket).send()
        })
        .await;
    match found {
        Ok(found) => {
            let text = found.policy.unwrap_or_default();
            let document = policy::parse(&text).unwrap_or(Value::String(text));
            Ok(Some(policy::fingerprint(&document)))
        }
        Err(refusal) if refusal.is(&["NoSuchBucketPolicy"]) || refusal.is_unknown_call() => {
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

async fn is_empty(store: &Store, effects: &Effects, bucket: &str) -> Result<bool, Refusal> {
    let versions = store
        .call(effects, sites::LIST_VERSIONS, bucket, || {
            let request = store.s3.list_object_versions().bucket(bucket);
            request.max_keys(1).send()
        })
        .await?;
    let uploads = store
        .call(effects, sites::LIST_UPLOADS, bucket, || {
            let request = store.s3.list_multipart_uploads().bucket(bucket);
            request.max_uploads(1).send()
        })
        .await?;
    Ok(versions.versions().is_empty()
        && versions.delete_markers().is_empty()
        && uploads.uploads().is_empty())
}
