//! One destructive thing.

use super::prove::{self, Proved};
use super::{Done, Doomed, Halt, locks};
use crate::effect::Effects;
use crate::objectstore::client::{Refusal, Store};
use crate::objectstore::empty::Item;
use crate::objectstore::{apply, auditors, empty, observe, plan, sites};
use crate::plan::Problem;
use aws_sdk_s3::types::MultipartUpload;
use eoffice_crds::Reason;
use jiff::Timestamp;
use std::collections::HashSet;

/// What is to be done next.
pub(super) enum Next {
    /// Begun uploads, a page of them.
    Uploads(Vec<MultipartUpload>),
    /// What is in the bucket, a page of it.
    Objects(Vec<Item>),
    /// The bucket itself, which is empty.
    Bucket,
    /// A user, with its path.
    User(String, String),
}

/// Uploads first, then what is in the bucket, then itself, then the users, one at a time; none where nothing is left.
pub(super) async fn next(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
    no_uploads: bool,
) -> Result<Option<Next>, Halt> {
    let bucket = doomed.bucket.as_str();
    if prove::bucket(store, effects, doomed).await?.is_none() {
        let users = users(store, effects, doomed).await?;
        let first = users.into_iter().next();
        return Ok(first.map(|(name, path)| Next::User(name, path)));
    }
    if !no_uploads {
        let uploads = empty::uploads(store, effects, bucket).await?;
        if !uploads.is_empty() {
            return Ok(Some(Next::Uploads(uploads)));
        }
    }
    let items = empty::page(store, effects, bucket).await?;
    Ok(Some(match items.is_empty() {
        true => Next::Bucket,
        false => Next::Objects(items),
    }))
}

pub(super) async fn uploads(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    uploads: &[MultipartUpload],
) -> Result<Done, Halt> {
    let count = empty::abort(store, effects, proved.bucket, uploads).await?;
    Ok(Done::Uploads { count })
}

/// Deletes a page. Where some of it is locked the rest goes first: only a page that is locked altogether is waited for.
pub(super) async fn objects(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    items: &[Item],
    now: Timestamp,
) -> Result<Done, Halt> {
    let refused = empty::delete(store, effects, proved.bucket, items, proved.past_locks).await?;
    if refused.len() >= items.len() {
        return Err(locks::explain(store, effects, proved, &refused, now).await?);
    }
    let kept: HashSet<_> = refused
        .iter()
        .map(|it| (&it.item.key, &it.item.version))
        .collect();
    let gone = items.iter();
    let gone = gone.filter(|item| !kept.contains(&(&item.key, &item.version)));
    let versions: Vec<u64> = gone.filter_map(|item| item.bytes).collect();
    Ok(Done::Objects {
        count: versions.len() as u64,
        bytes: versions.iter().sum(),
    })
}

/// It said that it deleted a page, and lists it as before.
pub(super) fn stands_still(store: &Store, proved: &Proved<'_>) -> Problem {
    Problem::new(
        Reason::BackendError,
        format!(
            "store {} says that it deleted objects of bucket {}, and still lists them; see the store's own log. It is tried again by itself",
            store.name(),
            proved.bucket
        ),
    )
}

pub(super) async fn bucket(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
) -> Result<Done, Halt> {
    let bucket = proved.bucket;
    let deleted = store
        .call(effects, sites::DELETE_BUCKET, bucket, || {
            store.s3.delete_bucket().bucket(bucket).send()
        })
        .await;
    apply::unless(deleted, &["NoSuchBucket"])?;
    Ok(Done::Bucket {
        name: bucket.to_owned(),
        identity: proved.identity.clone(),
    })
}

pub(super) async fn user(
    store: &Store,
    effects: &Effects,
    name: String,
    path: &String,
) -> Result<Done, Halt> {
    if let Some(user) = observe::user(store, effects, &name, Some(path)).await? {
        for change in plan::remove_user(&name, &user) {
            apply::apply(store, effects, &change.step).await?;
        }
    }
    Ok(Done::User { name })
}

/// Name and path of the tenant's user and of its auditors'. They are known by their paths, which are read just now.
pub(super) async fn users(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
) -> Result<Vec<(String, String)>, Refusal> {
    let stem = auditors::stem(&doomed.user);
    let mut users = Vec::new();
    for path in doomed.paths() {
        let listed = observe::users_under(store, effects, &path).await?;
        users.extend(
            listed.into_iter().filter(|(name, at)| {
                *at == path && (*name == doomed.user || name.starts_with(&stem))
            }),
        );
    }
    Ok(users)
}
