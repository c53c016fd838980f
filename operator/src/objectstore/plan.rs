//! From what should be and what is to the changes between them. Pure.

mod guard;
#[cfg(test)]
mod tests;

use super::desired::{Access, Desired, code_tag_prefix, identity_tag, since_tag, stronger};
use super::observe::{Bucket, Observed, User};
use super::policy;
use super::step::{Owner, Step, Tags};
use crate::identity::tag;
use crate::plan::Problem;
use eoffice_crds::{Reason, Retention};
use guard::Standing;

/// The changes that make a tenant's storage as it should be, in order. Whatever prefix of them was
/// carried out, the plan made from what is there then ends in the same.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Vec<Step>, Problem> {
    guard::capable(desired)?;
    let user = guard::user(desired, observed)?;
    let bucket = guard::bucket(desired, observed)?;
    let keys = key_steps(desired, user);
    let mut rest = user_steps(desired, user, &bucket);
    rest.extend(bucket_steps(desired, &bucket));
    rest.extend(policy_steps(desired, user));
    // Closing comes before all else, opening after it.
    Ok(match desired.access {
        Access::Closed => [keys, rest].concat(),
        Access::Open => [rest, keys].concat(),
    })
}

/// The changes that destroy a tenant's storage. Never where records are under retention.
pub fn plan_drop(desired: &Desired, observed: &Observed) -> Result<Vec<Step>, Problem> {
    let user = guard::user(desired, observed)?;
    let bucket = match observed.bucket {
        // Half dropped already, however much of it is on record.
        None => Standing::Absent,
        Some(_) => guard::bucket(desired, observed)?,
    };
    let locked = match &bucket {
        Standing::Absent => false,
        Standing::Unmarked(bucket) | Standing::Ours(bucket) => bucket.retention.is_some(),
    };
    if desired.retention.is_some() || locked {
        return Err(Problem::new(
            Reason::DeleteNotAllowed,
            format!(
                "bucket {} in store {} holds records under retention, which are never destroyed with their tenant; ask for deletionPolicy Retain",
                desired.bucket, desired.store
            ),
        ));
    }
    let mut steps = Vec::new();
    let keys = user.map(|user| &user.keys).into_iter().flatten();
    steps.extend(keys.map(|(key, _)| Step::DeleteKey {
        user: desired.user.clone(),
        key: key.clone(),
    }));
    steps.extend(drop_bucket(desired, &bucket));
    if let Some(user) = user {
        let policies = user.policies.keys();
        steps.extend(policies.map(|policy| remove_policy(desired, policy)));
        steps.extend(user.attached.iter().map(|arn| detach(desired, arn)));
        steps.push(Step::DeleteUser {
            user: desired.user.clone(),
            path: desired.user_path.clone(),
        });
    }
    Ok(steps)
}

fn drop_bucket(desired: &Desired, standing: &Standing<'_>) -> Vec<Step> {
    let bucket = match standing {
        Standing::Absent => return Vec::new(),
        Standing::Ours(bucket) | Standing::Unmarked(bucket) => bucket,
    };
    let name = &desired.bucket;
    let tags = target_tags(desired, bucket);
    let owner = Owner {
        installation: desired.mark.installation.clone(),
        fingerprint: desired.mark.fingerprint.clone(),
        identity: tags.get(&identity_tag()).cloned().unwrap_or_default(),
    };
    let mut steps = Vec::new();
    if bucket.identity().is_none() {
        steps.push(Step::PutTags {
            bucket: name.clone(),
            tags,
        });
    }
    steps.push(Step::EmptyBucket {
        bucket: name.clone(),
        owner: owner.clone(),
    });
    steps.push(Step::DeleteBucket {
        bucket: name.clone(),
        owner,
    });
    steps
}

/// The user comes before the bucket, see [`guard::bucket`]. One that has left gets none any more.
fn user_steps(desired: &Desired, user: Option<&User>, bucket: &Standing<'_>) -> Vec<Step> {
    let nothing_to_use = desired.left() || matches!(bucket, Standing::Unmarked(_));
    if user.is_some() || nothing_to_use {
        return Vec::new();
    }
    vec![Step::CreateUser {
        user: desired.user.clone(),
        path: desired.user_path.clone(),
    }]
}

fn bucket_steps(desired: &Desired, standing: &Standing<'_>) -> Vec<Step> {
    let name = &desired.bucket;
    let absent = Bucket::default();
    let (bucket, first) = match standing {
        Standing::Absent if desired.left() => return Vec::new(),
        Standing::Absent => {
            let tags = new_tags(desired, &absent);
            let lock = desired.retention.is_some();
            let step = Step::CreateBucket {
                bucket: name.clone(),
                tags,
                lock,
            };
            (&absent, Some(step))
        }
        Standing::Unmarked(bucket) => {
            let tags = new_tags(desired, bucket);
            let step = Step::PutTags {
                bucket: name.clone(),
                tags,
            };
            (*bucket, Some(step))
        }
        Standing::Ours(bucket) => (*bucket, None),
    };
    let mut steps = Vec::from_iter(first);
    let marked = steps.is_empty();
    // A bucket made with object lock keeps old versions from its first moment.
    let made_with_lock = matches!(standing, Standing::Absent) && desired.retention.is_some();
    if desired.versioning && !bucket.versioning && !made_with_lock {
        steps.push(Step::EnableVersioning {
            bucket: name.clone(),
        });
    }
    let retention = retention_due(desired, bucket);
    if let Some(retention) = &retention {
        steps.push(Step::SetRetention {
            bucket: name.clone(),
            retention: retention.clone(),
        });
    }
    if marked {
        // After the rule: a tag that claims a window before it begins would leave it too short.
        let mut tags = target_tags(desired, bucket);
        if retention.is_some() {
            tags.extend(since(desired));
        }
        if tags != bucket.tags {
            steps.push(Step::PutTags {
                bucket: name.clone(),
                tags,
            });
        }
    }
    if bucket.has_policy {
        steps.push(Step::RemoveBucketPolicy {
            bucket: name.clone(),
        });
    }
    steps
}

/// Tags of a bucket just made. Its rule is set right after, and what the rule is tells whether it was.
fn new_tags(desired: &Desired, bucket: &Bucket) -> Tags {
    let mut tags = target_tags(desired, bucket);
    if desired.retention.is_some() {
        tags.extend(since(desired));
    }
    tags
}

/// The tags a bucket should have: those that others have put there, and ours.
fn target_tags(desired: &Desired, bucket: &Bucket) -> Tags {
    let mut tags = bucket.tags.clone();
    if !desired.witnesses.is_empty() {
        // The record knows the codes: others were put there by hand.
        tags.retain(|key, _| !key.starts_with(&code_tag_prefix()));
    }
    tags.extend(desired.mark.to_tags());
    tags.extend(desired.code_tags.clone());
    // Whom the mark names as its twin stays the witness: another twin is the other plane's finding.
    if let Some(twin) = bucket.tags.get(&tag("twin")) {
        tags.insert(tag("twin"), twin.clone());
    }
    tags.entry(identity_tag())
        .or_insert_with(|| desired.fresh_identity.clone());
    tags
}

fn since(desired: &Desired) -> Option<(String, String)> {
    let per_bucket = !desired.capabilities.retention_per_object;
    per_bucket.then(|| (since_tag(), desired.now.as_second().to_string()))
}

/// The rule to be set now, if one is.
fn retention_due(desired: &Desired, bucket: &Bucket) -> Option<Retention> {
    let asked = desired.retention.as_ref()?;
    let target = match &bucket.retention {
        Some(present) => stronger(asked, present),
        None => asked.clone(),
    };
    let as_asked = bucket.lock && bucket.retention.as_ref() == Some(&target);
    (!as_asked || renewal_due(desired, bucket, &target)).then_some(target)
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

fn policy_steps(desired: &Desired, user: Option<&User>) -> Vec<Step> {
    let absent = User::default();
    let user = match user {
        None if desired.left() => return Vec::new(),
        None => &absent,
        Some(user) => user,
    };
    let mut steps = Vec::new();
    let present = user.policies.get(policy::NAME).and_then(Option::as_ref);
    if present != Some(&desired.policy) {
        steps.push(Step::PutUserPolicy {
            user: desired.user.clone(),
            document: desired.policy.clone(),
        });
    }
    let others = user.policies.keys().filter(|name| *name != policy::NAME);
    steps.extend(others.map(|name| remove_policy(desired, name)));
    steps.extend(user.attached.iter().map(|arn| detach(desired, arn)));
    steps
}

fn remove_policy(desired: &Desired, policy: &str) -> Step {
    Step::RemoveUserPolicy {
        user: desired.user.clone(),
        policy: policy.into(),
    }
}

fn detach(desired: &Desired, arn: &str) -> Step {
    Step::DetachUserPolicy {
        user: desired.user.clone(),
        arn: arn.into(),
    }
}

/// A key whose secret is not in the tenant's Secret is of no use to anyone who should have one: its
/// reply was lost, or somebody else made it.
fn key_steps(desired: &Desired, user: Option<&User>) -> Vec<Step> {
    let active = desired.access == Access::Open;
    let current = desired.current_key.as_ref();
    let keys = user.map(|user| &user.keys).into_iter().flatten();
    let mut steps = Vec::new();
    let mut current_exists = false;
    for (key, is_active) in keys {
        let (user, key) = (desired.user.clone(), key.clone());
        if Some(&key) != current {
            steps.push(Step::DeleteKey { user, key });
            continue;
        }
        current_exists = true;
        if *is_active != active {
            steps.push(Step::SetKeyStatus { user, key, active });
        }
    }
    if active && !current_exists && !desired.left() {
        steps.push(Step::CreateKey {
            user: desired.user.clone(),
        });
    }
    steps
}
