//! A user: its making, its policies and its keys.

use super::change;
use super::guard::Standing;
use crate::objectstore::desired::{Access, Desired, Retiring};
use crate::objectstore::observe::User;
use crate::objectstore::policy;
use crate::objectstore::step::Step;
use crate::plan::{Change, Difference};
use serde_json::Value;

/// Keys that a user may have at once.
const KEYS: usize = 2;

/// A user as it should be.
pub(super) struct Account<'a> {
    pub name: &'a str,
    pub path: &'a str,
    pub policy: &'a Value,
    /// Whether its keys work.
    pub open: bool,
    /// Whether what it lacks is made.
    pub made: bool,
    /// The key that whoever has the user knows.
    pub current: Option<&'a String>,
    /// The key that a rotation takes away.
    pub retiring: Option<&'a Retiring>,
}

impl<'a> Account<'a> {
    /// The tenant's own. One that has left gets nothing any more.
    pub(super) fn tenant(desired: &'a Desired) -> Self {
        Self {
            name: &desired.user,
            path: &desired.user_path,
            policy: &desired.policy,
            open: desired.access == Access::Open,
            made: !desired.left(),
            current: desired.current_key.as_ref(),
            retiring: desired.retiring.as_ref(),
        }
    }

    fn object(&self) -> String {
        of_user(self.name)
    }
}

fn of_user(name: &str) -> String {
    format!("user {name}")
}

/// The user comes before the bucket, see [`bucket`](super::guard::bucket).
pub(super) fn make(
    account: &Account<'_>,
    user: Option<&User>,
    bucket: &Standing<'_>,
) -> Vec<Change<Step>> {
    let nothing_to_use = !account.made || matches!(bucket, Standing::Unmarked(_));
    if user.is_some() || nothing_to_use {
        return Vec::new();
    }
    let step = Step::CreateUser {
        user: account.name.to_owned(),
        path: account.path.to_owned(),
    };
    vec![change(step, vec![Difference::create(account.object())])]
}

/// It has one policy, and none that others gave it.
pub(super) fn policies(account: &Account<'_>, user: Option<&User>) -> Vec<Change<Step>> {
    let absent = User::default();
    let user = match user {
        None if !account.made => return Vec::new(),
        None => &absent,
        Some(user) => user,
    };
    let name = account.name;
    let mut changes = Vec::new();
    let present = user.policies.get(policy::NAME);
    if present.and_then(Option::as_ref) != Some(account.policy) {
        let step = Step::PutUserPolicy {
            user: name.to_owned(),
            document: account.policy.clone(),
        };
        let mut difference = of_policy(name, policy::NAME, user);
        difference.after = Some(policy::fingerprint(account.policy));
        changes.push(change(step, vec![difference]));
    }
    let others = user.policies.keys();
    let others = others.filter(|policy| *policy != policy::NAME);
    changes.extend(others.map(|policy| remove_policy(name, policy, user)));
    changes.extend(user.attached.iter().map(|arn| detach(name, arn)));
    changes
}

fn of_policy(name: &str, policy: &str, user: &User) -> Difference {
    let mut difference = Difference::update(of_user(name), format!("policy {policy}"));
    difference.before = user.policies.get(policy).map(|found| match found {
        Some(document) => policy::fingerprint(document),
        None => "(no JSON)".to_owned(),
    });
    difference
}

fn remove_policy(name: &str, policy: &str, user: &User) -> Change<Step> {
    let step = Step::RemoveUserPolicy {
        user: name.to_owned(),
        policy: policy.to_owned(),
    };
    change(step, vec![of_policy(name, policy, user)])
}

fn detach(name: &str, arn: &str) -> Change<Step> {
    let step = Step::DetachUserPolicy {
        user: name.to_owned(),
        arn: arn.to_owned(),
    };
    let difference = Difference::update(of_user(name), format!("attached policy {arn}"));
    change(step, vec![difference.before("attached")])
}

/// What a key is to its user.
enum Role {
    /// Somebody has it, or is to have it for a while yet.
    Held { works: bool },
    /// It was taken away for good, and does not work: it stays until its place is needed.
    Idle,
    /// Of no use to anyone who should have one: its reply was lost, or somebody else made it.
    Stray,
}

fn role(account: &Account<'_>, key: &String, active: bool) -> Role {
    match account.retiring {
        Some(retiring) if retiring.key == *key => Role::Held {
            works: account.open && !retiring.retired,
        },
        _ if account.current == Some(key) => Role::Held {
            works: account.open,
        },
        _ if active => Role::Stray,
        _ => Role::Idle,
    }
}

/// Each key as its role says, and a new one where nobody has one or a successor is to be made.
pub(super) fn keys(account: &Account<'_>, user: Option<&User>) -> Vec<Change<Step>> {
    let absent = User::default();
    let keys = &user.unwrap_or(&absent).keys;
    let mut changes = Vec::new();
    let mut idle = Vec::new();
    let mut kept = 0;
    for (key, active) in keys {
        match role(account, key, *active) {
            Role::Stray => changes.push(delete_key(account.name, key, *active)),
            Role::Idle => idle.push(key),
            Role::Held { works } => {
                kept += 1;
                changes.extend((*active != works).then(|| set_status(account, key, works)));
            }
        }
    }
    let current = account.current.filter(|key| keys.contains_key(*key));
    let retiring = account.retiring.map(|retiring| &retiring.key);
    let in_hand = current.is_some() && current != retiring;
    if account.open && account.made && !in_hand {
        let over = (kept + idle.len() + 1).saturating_sub(KEYS);
        let in_the_way = idle.into_iter().take(over);
        changes.extend(in_the_way.map(|key| delete_key(account.name, key, false)));
        let step = Step::CreateKey {
            user: account.name.to_owned(),
        };
        let difference = Difference::create(format!("key of user {}", account.name));
        changes.push(change(step, vec![difference]));
    }
    changes
}

fn of_key(user: &str, key: &str) -> String {
    format!("key {key} of user {user}")
}

fn status(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

fn set_status(account: &Account<'_>, key: &str, active: bool) -> Change<Step> {
    let step = Step::SetKeyStatus {
        user: account.name.to_owned(),
        key: key.to_owned(),
        active,
    };
    let difference = Difference::update(of_key(account.name, key), "status");
    let difference = difference.before(status(!active)).after(status(active));
    change(step, vec![difference])
}

fn delete_key(user: &str, key: &str, active: bool) -> Change<Step> {
    let step = Step::DeleteKey {
        user: user.to_owned(),
        key: key.to_owned(),
    };
    let difference = Difference::delete(of_key(user, key));
    change(step, vec![difference.before(status(active))])
}

/// What removes a user.
#[derive(Default)]
pub(super) struct Removal {
    /// Its keys, which come first.
    pub keys: Vec<Change<Step>>,
    /// The rest, which comes last.
    pub rest: Vec<Change<Step>>,
}

impl Removal {
    /// All of it, in order.
    pub(super) fn whole(self) -> impl Iterator<Item = Change<Step>> {
        self.keys.into_iter().chain(self.rest)
    }
}

/// Removes the user of this name, as it was found.
pub(super) fn remove(name: &str, user: &User) -> Removal {
    let keys = user.keys.iter();
    let keys = keys.map(|(key, active)| delete_key(name, key, *active));
    let policies = user.policies.keys();
    let policies = policies.map(|policy| remove_policy(name, policy, user));
    let attached = user.attached.iter().map(|arn| detach(name, arn));
    let step = Step::DeleteUser {
        user: name.to_owned(),
        path: user.path.clone(),
    };
    let user = change(step, vec![Difference::delete(of_user(name))]);
    Removal {
        keys: keys.collect(),
        rest: policies.chain(attached).chain([user]).collect(),
    }
}
