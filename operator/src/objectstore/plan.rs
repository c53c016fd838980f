//! From what should be and what is to the changes between them. Pure.

mod bucket;
mod guard;
mod loss;
#[cfg(test)]
mod tests;
mod user;

use super::desired::{Access, Desired};
use super::observe::Observed;
use super::step::Step;
use crate::plan::{Change, Difference, Problem, Step as _};
use eoffice_crds::Reason;
use guard::Standing;

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
    let user = guard::user(desired, observed)?;
    let bucket = guard::bucket(desired, observed)?;
    let keys = user::keys(desired, user);
    let mut rest = user::make(desired, user, &bucket);
    rest.extend(bucket::bring(desired, &bucket));
    rest.extend(user::policies(desired, user));
    // Closing comes before all else, opening after it.
    Ok(match desired.access {
        Access::Closed => [keys, rest].concat(),
        Access::Open => [rest, keys].concat(),
    })
}

/// The changes that end the access of a tenant that is to have none, whatever became of its bucket: a user is
/// known by its path.
pub fn plan_close(desired: &Desired, observed: &Observed) -> Vec<Change<Step>> {
    match (desired.access, guard::user(desired, observed)) {
        (Access::Closed, Ok(user)) => user::keys(desired, user),
        _ => Vec::new(),
    }
}

/// The changes that destroy a tenant's storage. Never where records are under retention.
pub fn plan_drop(desired: &Desired, observed: &Observed) -> Result<Vec<Change<Step>>, Problem> {
    let user = guard::user(desired, observed)?;
    let bucket = match observed.bucket {
        // Half dropped already, however much of it is on record.
        None => Standing::Absent,
        Some(_) => guard::bucket(desired, observed)?,
    };
    let locked = bucket.there().is_some_and(|it| it.retention.is_some());
    if desired.retention.is_some() || locked {
        return Err(Problem::new(
            Reason::DeleteNotAllowed,
            format!(
                "bucket {} in store {} holds records under retention, which are never destroyed with their tenant; ask for deletionPolicy Retain",
                desired.bucket, desired.store
            ),
        ));
    }
    let (keys, rest) = user::remove(desired, user);
    Ok([keys, bucket::remove(desired, &bucket), rest].concat())
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
