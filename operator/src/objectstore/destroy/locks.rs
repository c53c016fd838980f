//! Until when a bucket's law keeps what is in it.

use super::Halt;
use super::prove::Proved;
use crate::effect::Effects;
use crate::objectstore::client::{Refusal, Store};
use crate::objectstore::desired::since_tag;
use crate::objectstore::empty::Refused;
use crate::objectstore::size::{Pages, Size, time};
use crate::objectstore::{observe, sites};
use crate::plan::Problem;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockMode};
use eoffice_crds::{Reason, Retention, RetentionMode};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

/// Objects asked about at once.
const AT_ONCE: usize = 8;

/// Nothing is begun while a rule still keeps what is there: one in Compliance mode, or any where nobody ordered to go past
/// it. Nor while an object has a lock of its own: what can be destroyed beside it would be, and it would be left alone.
pub(super) async fn over(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    size: &Size,
    now: Timestamp,
) -> Result<(), Halt> {
    let (lockable, rule) = observe::lock(store, effects, proved.bucket).await?;
    if let Some(rule) = rule.filter(|rule| !proved.passes(rule.mode)) {
        if !proved.past_locks {
            return Err(under_retention(store, proved).into());
        }
        let until = match size.objects {
            0 => None,
            _ => end(&rule, proved, size.newest),
        };
        if let Some(until) = until.filter(|until| *until > now) {
            return Err(kept(store, proved, until));
        }
    }
    match lockable {
        true => none_locked(store, effects, proved, now).await,
        false => Ok(()),
    }
}

/// Asks for the lock of every version.
async fn none_locked(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    now: Timestamp,
) -> Result<(), Halt> {
    let mut pages = Pages::default();
    while let Some(page) = pages.next(store, effects, proved.bucket).await? {
        let versions: Vec<(String, Option<String>)> = page
            .into_iter()
            .filter_map(|version| Some((version.key?, version.version_id)))
            .collect();
        let found = locks(store, effects, proved, &versions).await?;
        if let Some(halt) = stands_against(store, proved, &found, now) {
            return Err(halt);
        }
    }
    Ok(())
}

/// The locks of these versions that are not passed.
async fn locks(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    versions: &[(String, Option<String>)],
) -> Result<Vec<Lock>, Refusal> {
    // Made before they are awaited: a stream with a closure over references in it could not be sent to another thread.
    let asked: Vec<_> = versions
        .iter()
        .map(|(key, version)| lock(store, effects, proved, key, version.clone()))
        .collect();
    let asked = stream::iter(asked).buffer_unordered(AT_ONCE);
    asked.try_collect().await
}

fn stands_against(
    store: &Store,
    proved: &Proved<'_>,
    locks: &[Lock],
    now: Timestamp,
) -> Option<Halt> {
    if locks.iter().any(|lock| lock.held) {
        return Some(held(store, proved).into());
    }
    let until = locks.iter().filter_map(|lock| lock.until).max();
    let until = until.filter(|until| *until > now)?;
    Some(kept(store, proved, until))
}

/// Why the store would not delete these: a lock and its end, if one lies on them.
pub(super) async fn explain(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    refused: &[Refused],
    now: Timestamp,
) -> Result<Halt, Halt> {
    let asked = refused.iter().filter(|it| it.item.bytes.is_some());
    let asked: Vec<_> = asked
        .map(|it| (it.item.key.clone(), it.item.version.clone()))
        .collect();
    let locks = locks(store, effects, proved, &asked).await?;
    if let Some(halt) = stands_against(store, proved, &locks, now) {
        return Ok(halt);
    }
    let (_, rule) = observe::lock(store, effects, proved.bucket).await?;
    let rule = rule.filter(|rule| !proved.passes(rule.mode));
    let until = rule.and_then(|rule| end(&rule, proved, None));
    if let Some(until) = until.filter(|until| *until > now) {
        return Ok(kept(store, proved, until));
    }
    let answer = refused.first();
    let problem = answer.map(|it| it.problem(store, proved.bucket));
    Ok(problem.unwrap_or_else(|| held(store, proved)).into())
}

/// What keeps one version.
struct Lock {
    until: Option<Timestamp>,
    held: bool,
}

async fn lock(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    key: &str,
    version: Option<String>,
) -> Result<Lock, Refusal> {
    let bucket = proved.bucket;
    let head = store
        .call(effects, sites::HEAD_OBJECT, bucket, || {
            let request = store.s3.head_object().bucket(bucket).key(key);
            request.set_version_id(version.clone()).send()
        })
        .await?;
    let passed = head.object_lock_mode() == Some(&ObjectLockMode::Governance)
        && proved.passes(RetentionMode::Governance);
    let until = head.object_lock_retain_until_date().and_then(time);
    Ok(Lock {
        until: until.filter(|_| !passed),
        held: head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On),
    })
}

/// The end of the bucket's own rule. Where the store has one window for all, it runs from when the rule was set, as its
/// tag says; elsewhere from when an object was written.
fn end(rule: &Retention, proved: &Proved<'_>, newest: Option<Timestamp>) -> Option<Timestamp> {
    let since = proved.tags.get(&since_tag());
    let since = since.and_then(|text| Timestamp::from_second(text.parse().ok()?).ok());
    let window = SignedDuration::from_hours(24 * i64::from(rule.days));
    since.or(newest)?.checked_add(window).ok()
}

fn under_retention(store: &Store, proved: &Proved<'_>) -> Problem {
    Problem::new(
        Reason::DeleteNotAllowed,
        format!(
            "bucket {} in store {} holds records under retention, which are never destroyed with their tenant; ask for deletionPolicy Retain",
            proved.bucket,
            store.name()
        ),
    )
}

fn kept(store: &Store, proved: &Proved<'_>, until: Timestamp) -> Halt {
    let (bucket, store) = (proved.bucket, store.name());
    Halt {
        problem: Problem::new(
            Reason::RetentionNotOver,
            format!(
                "bucket {bucket} in store {store} keeps what is in it under a lock until {until}: nothing can lift it before, and it is destroyed then, by itself"
            ),
        ),
        until: Some(until),
    }
}

fn held(store: &Store, proved: &Proved<'_>) -> Problem {
    let (bucket, store) = (proved.bucket, store.name());
    Problem::new(
        Reason::LegalHold,
        format!(
            "a legal hold lies on objects in bucket {bucket} in store {store}: they are not destroyed while it does; have whoever ordered it lift it in the store"
        ),
    )
}
