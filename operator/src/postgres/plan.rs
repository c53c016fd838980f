//! What to change so that a server has what one tenant should have. Pure: a table of rules.
//!
//! Making and repairing are the same rules, so any part of the work that was done before a crash is a
//! state like any other. Access is closed before anything else, and opened after everything else.

use super::desired::{Access, Desired};
use super::ident::Ident;
use super::observe::{Database, Observed, Role};
use super::step::Step;
use crate::identity::Mark;
use crate::plan::{Change, Difference, Problem};
use eoffice_crds::{Reason, RecordState};

mod auditors;
mod database;
mod judge;
mod loss;
mod roles;
#[cfg(test)]
mod tests;
mod words;

pub use judge::beyond;
pub(super) use judge::beyond_our_rights;
use judge::{concerned, ours, ours_or_absent, undroppable};
pub use loss::loss;
use loss::not_lost;

/// The attribute of a role that nobody else may change.
const SUPERUSER: &str = "SUPERUSER";

/// The changes from what is to what should be, in the order in which they are to be made; none where nothing differs.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Vec<Change<Step>>, Problem> {
    ours_or_absent(desired, observed)?;
    not_lost(desired, observed)?;
    let mark = mark(desired, observed)?;
    let of_roles = Mark {
        order: None,
        ..mark.clone()
    };
    let (remnant, standing) = split(observed);
    let mut changes = Vec::new();
    roles::close(desired, observed, |_| true, &mut changes);
    auditors::close(desired, observed, |_| true, &mut changes)?;
    // It was accepted as lost, or it would have been said above.
    changes.extend(remnant.map(|remnant| dropped(desired, remnant)));
    // A tenant that has left gets nothing made that it did not have.
    let has_database = desired.mark.state == RecordState::Live || standing.is_some();
    if has_database {
        roles::create(desired, observed, &of_roles, &mut changes);
        if standing.is_none() {
            changes.push(database::create(desired));
        }
    }
    for role in concerned(desired, observed) {
        roles::repair(desired, observed, role, &of_roles, &mut changes)?;
    }
    if has_database {
        let new = Database::as_made(desired, observed);
        database::rules(desired, standing.unwrap_or(&new), &mark, &mut changes)?;
        roles::let_in(desired, observed, standing.is_some(), &mut changes);
    }
    if let Some(standing) = standing {
        auditors::let_in(desired, observed, standing, &of_roles, &mut changes);
    }
    if changes.is_empty() {
        // Last, so that what only a superuser can put right holds up nothing else.
        beyond_our_rights(desired, observed)?;
    }
    Ok(changes)
}

/// The changes that end the access of a tenant that is to have none, whatever became of its database: a role is
/// known by its own mark. What only a superuser can close is left to [`plan`], which tells of it.
pub fn plan_close(desired: &Desired, observed: &Observed) -> Vec<Change<Step>> {
    let mut changes = Vec::new();
    let closable = |role: &&Role| {
        ours(desired, role) && role.administered && !role.privileges.contains(&SUPERUSER.into())
    };
    if desired.access == Access::Closed {
        roles::close(desired, observed, closable, &mut changes);
    }
    // A role whose name cannot be kept whole is none of ours.
    let _ = auditors::close(desired, observed, closable, &mut changes);
    changes
}

/// The changes that remove all a tenant has on its server, its data included; none where nothing is left.
pub fn plan_drop(desired: &Desired, observed: &Observed) -> Result<Vec<Change<Step>>, Problem> {
    ours_or_absent(desired, observed)?;
    undroppable(desired, observed)?;
    let closing = Desired {
        access: Access::Closed,
        auditors: Vec::new(),
        ..desired.clone()
    };
    let mut changes = Vec::new();
    roles::close(&closing, observed, |_| true, &mut changes);
    auditors::close(&closing, observed, |_| true, &mut changes)?;
    if let Some(database) = &observed.database {
        if database.mark().is_none() {
            changes.push(database::mark(desired, database, &desired.mark));
        }
        changes.push(dropped(desired, database));
    }
    for role in concerned(&closing, observed) {
        let step = Step::DropRole {
            role: ident(&role.name)?,
            oid: role.oid,
            owner: desired.owner(),
        };
        let gone = Difference::delete(words::role(&role.name)).destructive();
        changes.push(Change::new(step, gone));
    }
    Ok(changes)
}

/// What is left of a database whose drop was interrupted, and a database that can be used.
fn split(observed: &Observed) -> (Option<&Database>, Option<&Database>) {
    match &observed.database {
        Some(found) if found.half_dropped() => (Some(found), None),
        found => (None, found.as_ref()),
    }
}

fn dropped(desired: &Desired, database: &Database) -> Change<Step> {
    let step = Step::DropDatabase {
        database: desired.database.clone(),
        oid: database.oid,
        owner: desired.owner(),
    };
    let gone = Difference::delete(words::database(&desired.database))
        .before(format!("oid {}", database.oid))
        .destructive();
    Change::new(step, gone)
}

/// The mark to be written. A twin's name that the record has lost is kept, unless that twin was given up.
fn mark(desired: &Desired, observed: &Observed) -> Result<Mark, Problem> {
    let found = observed.database.as_ref().and_then(Database::mark);
    let mut mark = desired.mark.clone();
    mark.order = desired
        .order
        .over(found.as_ref().and_then(|mark| mark.order.clone()));
    let found = found
        .and_then(|mark| mark.twin)
        .filter(|twin| !desired.superseded_twins.contains(twin));
    match (&mark.twin, found) {
        (Some(recorded), Some(found)) if *recorded != found => Err(Problem::new(
            Reason::DataMissing,
            format!(
                "database {} on {} was made beside the bucket of identity {found}, and the record names {recorded}: one of the two was replaced; nothing is done until it has been found out which, and condition StorageReady says what can be accepted",
                desired.database.as_str(),
                desired.server
            ),
        )),
        (None, Some(found)) => {
            mark.twin = Some(found);
            Ok(mark)
        }
        _ => Ok(mark),
    }
}

fn ident(name: &str) -> Result<Ident, Problem> {
    Ident::new(name).map_err(|why| {
        Problem::new(
            Reason::BackendError,
            format!("PostgreSQL names an object {name:?}: {why}"),
        )
    })
}

impl Observed {
    fn role(&self, name: &Ident) -> Option<&Role> {
        self.roles.get(name.as_str())
    }
}
