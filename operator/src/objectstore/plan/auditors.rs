//! The users of auditors.

use super::guard::Standing;
use super::user::{self, Account};
use crate::objectstore::desired::Desired;
use crate::objectstore::observe::{Observed, User};
use crate::objectstore::policy;
use crate::objectstore::step::Step;
use crate::plan::Change;

/// Removes those that nobody wants, so far as that is certain, and those whose path is of the tenant that was taken over.
pub(super) fn end(desired: &Desired, observed: &Observed) -> Vec<Change<Step>> {
    let owned = owned(desired, observed);
    let ended = owned.filter(|(name, user)| {
        let mut known = desired
            .auditors
            .iter()
            .map(|it| &it.user)
            .chain(&desired.spared);
        let wanted = !desired.left() && known.any(|user| user == *name);
        !wanted || desired.inherited(user)
    });
    ended
        .flat_map(|(name, user)| user::remove(name, user).whole())
        .collect()
}

/// Makes those that are wanted.
pub(super) fn bring(
    desired: &Desired,
    observed: &Observed,
    bucket: &Standing<'_>,
) -> Vec<Change<Step>> {
    if desired.left() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for auditor in &desired.auditors {
        let policy = policy::audit(&desired.bucket, auditor.until);
        let account = Account {
            name: &auditor.user,
            path: &desired.user_path,
            policy: &policy,
            open: true,
            made: true,
            current: auditor.current_key.as_ref(),
            retiring: None,
        };
        let found = observed.auditors.get(&auditor.user);
        let found = found.filter(|user| !desired.inherited(user));
        changes.extend(user::make(&account, found, bucket));
        changes.extend(user::policies(&account, found));
        changes.extend(user::keys(&account, found));
    }
    changes
}

/// Those that bear the mark.
fn owned<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a String, &'a User)> {
    let auditors = observed.auditors.iter();
    auditors.filter(|(_, user)| desired.owns_user(user))
}
