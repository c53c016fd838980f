//! From what should be and what is to the changes between them. Pure.

mod auditors;
mod bucket;
mod guard;
mod loss;
#[cfg(test)]
mod tests;
mod user;

use super::desired::{Access, Desired};
use super::observe::{Observed, User};
use super::step::Step;
use crate::plan::{Change, Difference, Problem, Step as _};
use user::Account;

pub use loss::loss;

/// What a difference says should be there where a rule as asked is set anew, in time.
const RENEWED: &str = "renewed";
/// Its field.
const RETENTION: &str = "retention";

/// Whether a difference is nobody's doing: the window of a rule is renewed, as is due from time to time.
pub fn is_renewal(difference: &Difference) -> bool {
    difference.field == RETENTION && difference.after.as_deref() == Some(RENEWED)
}

/// The changes that make a tenant's storage as it should be, in order. Whatever prefix of them was
/// carried out, the plan made from what is there then ends in the same.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Vec<Change<Step>>, Problem> {
    guard::capable(desired)?;
    let own = guard::user(desired, observed)?;
    guard::auditors(desired, observed)?;
    let bucket = guard::bucket(desired, observed)?;
    let account = Account::tenant(desired);
    let mut ended = auditors::end(desired, observed);
    ended.extend(inherited(desired, own));
    let user = own.filter(|user| !desired.inherited(user));
    let keys = user::keys(&account, user);
    let mut rest = user::make(&account, user, &bucket);
    rest.extend(bucket::bring(desired, &bucket));
    rest.extend(user::policies(&account, user));
    let auditors = auditors::bring(desired, observed, &bucket);
    // Closing comes before all else, opening after it.
    Ok(match desired.access {
        Access::Closed => [keys, ended, rest, auditors].concat(),
        Access::Open => [ended, rest, keys, auditors].concat(),
    })
}

/// The changes that end the access of a tenant that is to have none, whatever became of its bucket: a user is
/// known by its path.
pub fn plan_close(desired: &Desired, observed: &Observed) -> Vec<Change<Step>> {
    let mut changes = match (desired.access, guard::user(desired, observed)) {
        (Access::Closed, Ok(Some(user))) if desired.inherited(user) => {
            inherited(desired, Some(user))
        }
        (Access::Closed, Ok(user)) => user::keys(&Account::tenant(desired), user),
        _ => Vec::new(),
    };
    changes.extend(auditors::end(desired, observed));
    changes
}

/// What removes the user of the tenant whose data was taken over: its path cannot be rewritten.
fn inherited(desired: &Desired, user: Option<&User>) -> Vec<Change<Step>> {
    let user = user.filter(|user| desired.inherited(user));
    let removal = user.map(|user| user::remove(&desired.user, user));
    removal.unwrap_or_default().whole().collect()
}

/// The changes that remove a user of this name, as it was found.
pub(super) fn remove_user(name: &str, user: &User) -> Vec<Change<Step>> {
    user::remove(name, user).whole().collect()
}

/// A step with what it ends. Where it closes or destroys, so does each of its differences.
fn change(step: Step, differences: Vec<Difference>) -> Change<Step> {
    let differences = match step.destructive() {
        true => differences.into_iter().map(Difference::destructive),
        false => return Change { step, differences },
    };
    Change {
        differences: differences.collect(),
        step,
    }
}
