//! The bucket: its making, its tags, what it keeps and for how long.

use super::guard::Standing;
use super::{RENEWED, RETENTION, change};
use crate::identity::{Mark, tag};
use crate::objectstore::desired::{Desired, code_tag_prefix, identity_tag, since_tag, stronger};
use crate::objectstore::observe::Bucket;
use crate::objectstore::step::{Step, Tags, rule};
use crate::plan::{Change, Difference};
use eoffice_crds::Retention;
use std::collections::BTreeSet;

/// What a plan says of an identity that is random.
const CHOSEN: &str = "(chosen when it is made)";

fn object(desired: &Desired) -> String {
    format!("bucket {}", desired.bucket)
}

/// Makes it, and makes it as it should be. One that has left gets none any more.
pub(super) fn bring(desired: &Desired, standing: &Standing<'_>) -> Vec<Change<Step>> {
    let absent = Bucket::default();
    let bucket = standing.there().unwrap_or(&absent);
    let tags = tags(desired, bucket);
    let made = standing.there().is_none();
    if made && desired.left() {
        return Vec::new();
    }
    let versioning = versioning(desired, bucket, made);
    let retention = retention(desired, bucket, made);
    let rule = versioning.into_iter().chain(retention);
    let policy = policy(desired, bucket);
    match standing {
        Standing::Absent => [create(desired)].into_iter().chain(rule).collect(),
        // The mark first: what bears it is not taken for another's any more.
        Standing::Unmarked(_) | Standing::Returned(_) => {
            tags.into_iter().chain(rule).chain(policy).collect()
        }
        // The state in the mark last: it says that one that leaves has got its full window.
        Standing::Ours(_) => rule.chain(tags).chain(policy).collect(),
    }
}

/// Its rule is set right after, and what the rule is tells whether it was.
fn create(desired: &Desired) -> Change<Step> {
    let mut tags = target_tags(desired, &Bucket::default());
    if desired.retention.is_some() {
        tags.extend(since(desired));
    }
    change(
        Step::CreateBucket {
            bucket: desired.bucket.clone(),
            tags,
            lock: desired.retention.is_some(),
        },
        vec![Difference::create(object(desired))],
    )
}

fn versioning(desired: &Desired, bucket: &Bucket, made: bool) -> Option<Change<Step>> {
    // A bucket made with object lock keeps old versions from its first moment.
    let made_with_lock = made && desired.retention.is_some();
    if !desired.versioning || bucket.versioning || made_with_lock {
        return None;
    }
    let step = Step::EnableVersioning {
        bucket: desired.bucket.clone(),
    };
    let difference = Difference::update(object(desired), "versioning");
    Some(change(step, vec![difference.before(false).after(true)]))
}

fn retention(desired: &Desired, bucket: &Bucket, made: bool) -> Option<Change<Step>> {
    let asked = desired.retention.as_ref()?;
    let target = match &bucket.retention {
        Some(present) => stronger(asked, present),
        None => asked.clone(),
    };
    let mut difference = Difference::update(object(desired), RETENTION);
    difference.before = bucket.retention.as_ref().map(rule);
    let as_asked = bucket.lock && bucket.retention.as_ref() == Some(&target);
    let after = match as_asked {
        false => rule(&target),
        true if renewal_due(desired, bucket, &target) => RENEWED.to_owned(),
        true => return None,
    };
    let step = Step::SetRetention {
        bucket: desired.bucket.clone(),
        retention: target,
        since: if made { Tags::new() } else { since(desired) },
    };
    Some(change(step, vec![difference.after(after)]))
}

/// The tag with the time at which the rule is set, where the store has one window for all.
fn since(desired: &Desired) -> Tags {
    let per_bucket = !desired.capabilities.retention_per_object;
    let since = per_bucket.then(|| (since_tag(), desired.now.as_second().to_string()));
    since.into_iter().collect()
}

const DAY: i64 = 24 * 60 * 60;
const LONGEST_BETWEEN_RENEWALS: i64 = 30 * DAY;

/// Where a store has one window for the whole bucket, an object written at its end would be locked
/// for no time at all. Renewed after a tenth of it or 30 days, whichever is less, every object is
/// locked for nine tenths of what was asked, or all of it but 30 days, at least. When the tenant
/// leaves, nothing more is written: once more then, and never again, as the window must end.
fn renewal_due(desired: &Desired, bucket: &Bucket, rule: &Retention) -> bool {
    if desired.capabilities.retention_per_object {
        return false;
    }
    if desired.left() {
        let left_before = desired.mark.to_tags().get(&tag("state")).cloned();
        return bucket.tags.get(&tag("state")) != left_before.as_ref();
    }
    let since = bucket.tags.get(&since_tag());
    let Some(since) = since.and_then(|text| text.parse::<i64>().ok()) else {
        return true;
    };
    let limit = (i64::from(rule.days) * DAY / 10).min(LONGEST_BETWEEN_RENEWALS);
    // A time to come is no time at which it was set.
    (desired.now.as_second() - since).abs() > limit
}

/// The tags that are not as they should be. When the rule was set is written with the rule.
fn tags(desired: &Desired, bucket: &Bucket) -> Option<Change<Step>> {
    let target = target_tags(desired, bucket);
    let mut differences = Vec::new();
    let (mut set, mut remove) = (Tags::new(), BTreeSet::new());
    let keys: BTreeSet<_> = bucket.tags.keys().chain(target.keys()).collect();
    for key in keys {
        let (before, after) = (bucket.tags.get(key), target.get(key));
        if before == after {
            continue;
        }
        let mut difference = Difference::update(object(desired), format!("tags.{key}"));
        difference.before = before.cloned();
        difference.after = after.map(|value| shown(desired, key, value));
        differences.push(difference);
        match after {
            Some(value) => drop(set.insert(key.clone(), value.clone())),
            None => drop(remove.insert(key.clone())),
        }
    }
    let step = Step::PutTags {
        bucket: desired.bucket.clone(),
        set,
        remove,
    };
    (!differences.is_empty()).then(|| change(step, differences))
}

fn shown(desired: &Desired, key: &str, value: &str) -> String {
    let random = key == identity_tag() && value == desired.fresh_identity;
    if random { CHOSEN } else { value }.to_owned()
}

/// The tags a bucket should have: those that others have put there, and ours.
fn target_tags(desired: &Desired, bucket: &Bucket) -> Tags {
    let mut tags = bucket.tags.clone();
    if !desired.witnesses.is_empty() {
        // The record knows the codes: others were put there by hand.
        tags.retain(|key, _| !key.starts_with(&code_tag_prefix()));
    }
    let found = tags.remove(&tag("order"));
    let mark = Mark {
        order: desired.order.over(found),
        ..desired.mark.clone()
    };
    tags.extend(mark.to_tags());
    tags.extend(desired.code_tags.clone());
    // Whom the mark names as its twin stays the witness: another twin is the other plane's finding,
    // until a person accepts the loss of the one named.
    if let Some(twin) = bucket.tags.get(&tag("twin"))
        && (desired.mark.twin.is_none() || !desired.superseded_twins.contains(twin))
    {
        tags.insert(tag("twin"), twin.clone());
    }
    let identity = desired.identity_of(bucket);
    let identity = identity.unwrap_or(&desired.fresh_identity).to_owned();
    tags.insert(identity_tag(), identity);
    tags
}

/// Rights come from the user's policy alone.
fn policy(desired: &Desired, bucket: &Bucket) -> Option<Change<Step>> {
    let found = bucket.policy.as_ref()?;
    let step = Step::RemoveBucketPolicy {
        bucket: desired.bucket.clone(),
    };
    let difference = Difference::delete(format!("policy of bucket {}", desired.bucket));
    Some(change(step, vec![difference.before(found)]))
}
