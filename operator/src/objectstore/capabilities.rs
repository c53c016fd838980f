//! What a store can do, found out by trying on the marker bucket.

use super::apply::{create_bucket, enable_versioning, set_lock};
use super::client::{Refusal, Store};
use super::step::Tags;
use super::{empty, observe, sites};
use crate::effect::{Effects, Site};
use crate::plan::Problem;
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{Retention, RetentionMode, StoreCapabilities};

/// What tenants' keys must not be able to read.
pub(super) const CANARY_OBJECT: &str = "canary";
const STAMPED_OBJECT: &str = "stamped";
/// Of the form of an access key id, and nobody's.
const NOBODYS_KEY: &str = "AKIAEOFFICEOPERATOR0";
/// Lifted by the operator itself right after.
const PROBE_RULE: Retention = Retention {
    mode: RetentionMode::Governance,
    days: 1,
};

/// Makes the marker bucket, with object lock if the store has it.
pub(super) async fn make_marker(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    tags: &Tags,
) -> Result<(), Problem> {
    match create_bucket(store, effects, bucket, tags, true).await {
        Err(problem) if problem.reason == eoffice_crds::Reason::Unsupported => {
            create_bucket(store, effects, bucket, tags, false).await
        }
        made => made,
    }
}

/// Tries everything. Leaves the marker bucket with one object, however often it is done and
/// wherever it was interrupted before.
pub(super) async fn probe(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<StoreCapabilities, Problem> {
    let (object_lock, _) = observe::lock(store, effects, bucket).await?;
    let versioning = versioning(store, effects, bucket).await?;
    let retention_per_object = object_lock && stamps(store, effects, bucket).await?;
    empty::empty(store, effects, bucket).await?;
    put(store, effects, bucket, CANARY_OBJECT).await?;
    Ok(StoreCapabilities {
        versioning,
        object_lock,
        retention_per_object,
        lifecycle: lifecycle(store, effects, bucket).await?,
        encryption: encryption(store, effects, bucket).await?,
        last_used: last_used(store, effects).await?,
    })
}

async fn versioning(store: &Store, effects: &Effects, bucket: &str) -> Result<bool, Refusal> {
    if observe::versioning(store, effects, bucket).await? {
        return Ok(true);
    }
    match enable_versioning(store, effects, bucket).await {
        Ok(()) => observe::versioning(store, effects, bucket).await,
        Err(refusal) if refusal.is_unknown_call() => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// Whether an object put under a default retention carries its own date.
async fn stamps(store: &Store, effects: &Effects, bucket: &str) -> Result<bool, Refusal> {
    set_lock(store, effects, bucket, Some(&PROBE_RULE)).await?;
    put(store, effects, bucket, STAMPED_OBJECT).await?;
    let head = store
        .call(effects, sites::HEAD_OBJECT, bucket, || {
            let request = store.s3.head_object().bucket(bucket);
            request.key(STAMPED_OBJECT).send()
        })
        .await?;
    set_lock(store, effects, bucket, None).await?;
    Ok(head.object_lock_retain_until_date.is_some())
}

async fn put(store: &Store, effects: &Effects, bucket: &str, key: &str) -> Result<(), Refusal> {
    store
        .call(effects, sites::PUT_OBJECT, bucket, || {
            let request = store.s3.put_object().bucket(bucket).key(key);
            request
                .body(ByteStream::from_static(b"kept by the operator\n"))
                .send()
        })
        .await?;
    Ok(())
}

async fn lifecycle(store: &Store, effects: &Effects, bucket: &str) -> Result<bool, Refusal> {
    let site: Site = sites::GET_BUCKET_LIFECYCLE;
    let asked = store
        .call(effects, site, bucket, || {
            let request = store.s3.get_bucket_lifecycle_configuration();
            request.bucket(bucket).send()
        })
        .await;
    known(asked, &["NoSuchLifecycleConfiguration"])
}

async fn encryption(store: &Store, effects: &Effects, bucket: &str) -> Result<bool, Refusal> {
    let asked = store
        .call(effects, sites::GET_BUCKET_ENCRYPTION, bucket, || {
            store.s3.get_bucket_encryption().bucket(bucket).send()
        })
        .await;
    known(asked, &["ServerSideEncryptionConfigurationNotFoundError"])
}

async fn last_used(store: &Store, effects: &Effects) -> Result<bool, Refusal> {
    let asked = store
        .call(effects, sites::GET_KEY_LAST_USED, "nobody's key", || {
            let request = store.iam.get_access_key_last_used();
            request.access_key_id(NOBODYS_KEY).send()
        })
        .await;
    known(asked, &["NoSuchEntity", "AccessDenied"])
}

/// Whether the store knows a call: it answered, or said that there is nothing to answer.
fn known<T>(asked: Result<T, Refusal>, nothing_there: &[&str]) -> Result<bool, Refusal> {
    match asked {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.is(nothing_there) => Ok(true),
        Err(refusal) if refusal.is_unknown_call() => Ok(false),
        Err(refusal) => Err(refusal),
    }
}
