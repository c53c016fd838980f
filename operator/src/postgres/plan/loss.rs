//! When data that once existed is gone or was replaced, and what a person can say about it. Pure.

use super::judge::anothers;
use crate::plan::{Loss, Problem};
use crate::postgres::desired::Desired;
use crate::postgres::observe::{Database, Observed};
use eoffice_crds::{Reason, annotations};

/// The database that a witness names and that is gone, came back as another or was half dropped. What a person
/// has accepted is no loss.
pub fn loss(desired: &Desired, observed: &Observed) -> Option<Loss> {
    let found = observed.database.as_ref();
    let same = |oid: u32| found.is_some_and(|found| found.oid == oid);
    let missed = desired.witnesses.iter().map(|witness| witness.oid);
    let remnant = found
        .filter(|found| found.half_dropped())
        .map(|found| found.oid)
        .filter(|oid| !desired.superseded.contains(oid));
    let lost = missed.filter(|oid| !same(*oid)).chain(remnant).next()?;
    Some(Loss {
        name: desired.database.as_str().to_owned(),
        lost: lost.to_string(),
        found: found
            .filter(|found| !same(lost) && can_be_taken_up(desired, found))
            .map(|found| found.oid.to_string()),
    })
}

fn can_be_taken_up(desired: &Desired, found: &Database) -> bool {
    !found.half_dropped() && !anothers(desired, found)
}

/// What once existed is still there, and the same.
pub(super) fn not_lost(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    match loss(desired, observed) {
        Some(loss) => Err(Problem::new(
            Reason::DataMissing,
            sentence(desired, observed, &loss),
        )),
        None => Ok(()),
    }
}

fn sentence(desired: &Desired, observed: &Observed, loss: &Loss) -> String {
    let (name, lost, server) = (&loss.name, &loss.lost, &desired.server);
    let given_up = format!("{key}: {name}/{lost}", key = annotations::ACCEPT_DATA_LOSS);
    let who = (desired.witnesses.iter())
        .find(|witness| witness.oid.to_string() == *lost)
        .map_or("its mark", |witness| witness.who);
    match &loss.found {
        Some(found) => format!(
            "{who} says that database {name} on {server} has the oid {lost}, and what stands there has the oid {found}: it was replaced, or came back with another identity or without the mark. Nothing is done. If it holds the tenant's restored data, annotate the EOfficeTenant {restored}: {name}/{found}; if the data is lost for good, rename it and annotate {given_up}",
            restored = annotations::ACCEPT_RESTORED
        ),
        None => {
            let now = match &observed.database {
                Some(_) => {
                    "dropping it was begun by somebody and interrupted, so that nobody can use it any more"
                }
                None => "it is gone",
            };
            format!(
                "{who} says that database {name} existed on {server} with the oid {lost}, and {now}; restore it from a backup, and what to accept then is said here. No empty one is made in its place, unless the data is lost for good and the EOfficeTenant is annotated {given_up}"
            )
        }
    }
}
