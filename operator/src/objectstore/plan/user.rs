//! The user: its making, its policies and its keys.

use super::change;
use super::guard::Standing;
use crate::objectstore::desired::{Access, Desired};
use crate::objectstore::observe::User;
use crate::objectstore::policy;
use crate::objectstore::step::Step;
use crate::plan::{Change, Difference};

fn object(desired: &Desired) -> String {
    format!("user {}", desired.user)
}

/// The user comes before the bucket, see [`bucket`](super::guard::bucket). One that has left gets none any more.
pub(super) fn make(
    desired: &Desired,
    user: Option<&User>,
    bucket: &Standing<'_>,
) -> Vec<Change<Step>> {
    let nothing_to_use = desired.left() || matches!(bucket, Standing::Unmarked(_));
    if user.is_some() || nothing_to_use {
        return Vec::new();
    }
    let step = Step::CreateUser {
        user: desired.user.clone(),
        path: desired.user_path.clone(),
    };
    vec![change(step, vec![Difference::create(object(desired))])]
}

/// It has one policy, and none that others gave it.
pub(super) fn policies(desired: &Desired, user: Option<&User>) -> Vec<Change<Step>> {
    let absent = User::default();
    let user = match user {
        None if desired.left() => return Vec::new(),
        None => &absent,
        Some(user) => user,
    };
    let mut changes = Vec::new();
    let present = user.policies.get(policy::NAME);
    if present.and_then(Option::as_ref) != Some(&desired.policy) {
        let step = Step::PutUserPolicy {
            user: desired.user.clone(),
            document: desired.policy.clone(),
        };
        let mut difference = of_policy(desired, policy::NAME, user);
        difference.after = Some(policy::fingerprint(&desired.policy));
        changes.push(change(step, vec![difference]));
    }
    let others = user.policies.keys().filter(|name| *name != policy::NAME);
    changes.extend(others.map(|name| remove_policy(desired, name, user)));
    changes.extend(user.attached.iter().map(|arn| detach(desired, arn)));
    changes
}

fn of_policy(desired: &Desired, name: &str, user: &User) -> Difference {
    let mut difference = Difference::update(object(desired), format!("policy {name}"));
    difference.before = user.policies.get(name).map(|found| match found {
        Some(document) => policy::fingerprint(document),
        None => "(no JSON)".to_owned(),
    });
    difference
}

fn remove_policy(desired: &Desired, name: &str, user: &User) -> Change<Step> {
    let step = Step::RemoveUserPolicy {
        user: desired.user.clone(),
        policy: name.to_owned(),
    };
    change(step, vec![of_policy(desired, name, user)])
}

fn detach(desired: &Desired, arn: &str) -> Change<Step> {
    let step = Step::DetachUserPolicy {
        user: desired.user.clone(),
        arn: arn.to_owned(),
    };
    let difference = Difference::update(object(desired), format!("attached policy {arn}"));
    change(step, vec![difference.before("attached")])
}

/// A key whose secret is not in the tenant's Secret is of no use to anyone who should have one: its
/// reply was lost, or somebody else made it.
pub(super) fn keys(desired: &Desired, user: Option<&User>) -> Vec<Change<Step>> {
    let open = desired.access == Access::Open;
    let current = desired.current_key.as_ref();
    let mut changes = Vec::new();
    let mut current_exists = false;
    for (key, active) in user.into_iter().flat_map(|user| &user.keys) {
        if Some(key) != current {
            changes.push(delete_key(desired, key, *active));
            continue;
        }
        current_exists = true;
        if *active != open {
            let step = Step::SetKeyStatus {
                user: desired.user.clone(),
                key: key.clone(),
                active: open,
            };
            let difference = Difference::update(of_key(desired, key), "status");
            let difference = difference.before(status(*active)).after(status(open));
            changes.push(change(step, vec![difference]));
        }
    }
    if open && !current_exists && !desired.left() {
        let step = Step::CreateKey {
            user: desired.user.clone(),
        };
        let difference = Difference::create(format!("key of user {}", desired.user));
        changes.push(change(step, vec![difference]));
    }
    changes
}

fn of_key(desired: &Desired, key: &str) -> String {
    format!("key {key} of user {}", desired.user)
}

fn status(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

fn delete_key(desired: &Desired, key: &str, active: bool) -> Change<Step> {
    let step = Step::DeleteKey {
        user: desired.user.clone(),
        key: key.to_owned(),
    };
    let difference = Difference::delete(of_key(desired, key));
    change(step, vec![difference.before(status(active))])
}

/// Removes it: its keys, which comes first, and the rest, which comes last.
pub(super) fn remove(
    desired: &Desired,
    user: Option<&User>,
) -> (Vec<Change<Step>>, Vec<Change<Step>>) {
    let Some(user) = user else {
        return Default::default();
    };
    let keys = user.keys.iter();
    let keys = keys.map(|(key, active)| delete_key(desired, key, *active));
    let policies = user.policies.keys();
    let policies = policies.map(|name| remove_policy(desired, name, user));
    let attached = user.attached.iter().map(|arn| detach(desired, arn));
    let step = Step::DeleteUser {
        user: desired.user.clone(),
        path: desired.user_path.clone(),
    };
    let user = change(step, vec![Difference::delete(object(desired))]);
    (
        keys.collect(),
        policies.chain(attached).chain([user]).collect(),
    )
}
