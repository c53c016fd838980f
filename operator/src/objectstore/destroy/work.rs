//! One destructive thing.

use super::prove::Proved;
use super::{Done, Doomed, Halt, locks};
use crate::effect::Effects;
use crate::objectstore::client::{Refusal, Store};
use crate::objectstore::{apply, auditors, empty, observe, plan, sites};
use jiff::Timestamp;
use std::collections::HashSet;

/// Uploads first, then what is in it, page by page, then itself.
pub(super) async fn on_bucket(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    now: Timestamp,
) -> Result<Done, Halt> {
    let bucket = proved.bucket;
    let count = empty::abort_uploads(store, effects, bucket).await?;
    if count > 0 {
        return Ok(Done::Uploads { count });
    }
    let items = empty::page(store, effects, bucket).await?;
    if !items.is_empty() {
        return objects(store, effects, proved, &items, now).await;
    }
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

/// Deletes a page. Where some of it is locked the rest goes first: only a page that is locked altogether is waited for.
async fn objects(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    items: &[empty::Item],
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

/// The tenant's user and those of its auditors, one at a time. They are known by their paths, which are read just now.
pub(super) async fn on_users(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
) -> Result<Done, Halt> {
    let Some((name, path)) = users(store, effects, doomed).await?.into_iter().next() else {
        return Ok(Done::Gone);
    };
    if let Some(user) = observe::user(store, effects, &name, Some(&path)).await? {
        for change in plan::remove_user(&name, &user) {
            apply::apply(store, effects, &change.step).await?;
        }
    }
    Ok(Done::User { name })
}

/// Name and path of each.
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
