//! Until when a bucket's law keeps what is in it.

use super::Halt;
use super::prove::Proved;
use crate::effect::Effects;
use crate::objectstore::client::{Refusal, Store};
use crate::objectstore::desired::since_tag;
use crate::objectstore::empty::{Item, Refused};
use crate::objectstore::size::{Size, time};
use crate::objectstore::{observe, sites};
use crate::plan::Problem;
use aws_sdk_s3::types::ObjectLockLegalHoldStatus;
use eoffice_crds::{Reason, Retention, RetentionMode};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

/// Objects asked about at once.
const AT_ONCE: usize = 8;

/// Nothing is begun while a rule still keeps what is there: one in Compliance mode, or any where nobody ordered to go past
/// it.
pub(super) async fn over(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
    size: &Size,
    now: Timestamp,
) -> Result<(), Halt> {
    let Some(rule) = rule(store, effects, proved).await? else {
        return Ok(());
    };
    if !proved.past_locks {
        return Err(under_retention(store, proved).into());
    }
    let until = match size.objects {
        0 => None,
        _ => end(&rule, proved, size.newest),
    };
    match until.filter(|until| *until > now) {
        Some(until) => Err(kept(store, proved, until)),
        None => Ok(()),
    }
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
    // Made before they are awaited: a stream with a closure over references in it could not be sent to another thread.
    let asked: Vec<_> = asked
        .map(|it| lock(store, effects, proved.bucket, &it.item))
        .collect();
    let asked = stream::iter(asked).buffer_unordered(AT_ONCE);
    let locks: Vec<Lock> = asked.try_collect().await?;
    if locks.iter().any(|lock| lock.held) {
        return Ok(held(store, proved).into());
    }
    let dated = locks.iter().filter_map(|lock| lock.until).max();
    let until = match dated {
        Some(until) => Some(until),
        None => {
            let rule = rule(store, effects, proved).await?;
            rule.and_then(|rule| end(&rule, proved, None))
        }
    };
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
    bucket: &str,
    item: &Item,
) -> Result<Lock, Refusal> {
    let head = store
        .call(effects, sites::HEAD_OBJECT, bucket, || {
            let request = store.s3.head_object().bucket(bucket).key(&item.key);
            request.set_version_id(item.version.clone()).send()
        })
        .await?;
    Ok(Lock {
        until: head.object_lock_retain_until_date().and_then(time),
        held: head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On),
    })
}

/// The bucket's own rule, if it is one that holds here.
async fn rule(
    store: &Store,
    effects: &Effects,
    proved: &Proved<'_>,
) -> Result<Option<Retention>, Refusal> {
    let (_, rule) = observe::lock(store, effects, proved.bucket).await?;
    let passed = |rule: &Retention| proved.past_locks && rule.mode == RetentionMode::Governance;
    Ok(rule.filter(|rule| !passed(rule)))
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
