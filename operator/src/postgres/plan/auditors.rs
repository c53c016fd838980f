//! What holds for those who may read a tenant's database, and for those who no longer may.
//!
//! Those who no longer may are shut out, and dropped with the database: what was granted to them inside it goes with it.

use super::database::{CONNECT, acl, has};
use super::judge::ours;
use super::roles::{exactly, shut};
use super::{ident, words};
use crate::identity::Mark;
use crate::plan::{Change, Difference, Problem};
use crate::postgres::auditor::{AUDITOR_SESSIONS, AUDITOR_SETTINGS, Auditor};
use crate::postgres::desired::Desired;
use crate::postgres::inside::{Inside, Sorts};
use crate::postgres::observe::{Database, Observed, Role};
use crate::postgres::step::Step;
use std::collections::BTreeMap;

/// The tenant's auditors that exist, wanted or not.
pub(super) fn audits<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a Role> {
    (observed.auditors.values()).filter(|role| ours(desired, role))
}

/// Ends the access of every such auditor that is not wanted, and about whom that is certain.
pub(super) fn close(
    desired: &Desired,
    observed: &Observed,
    such: impl Fn(&&Role) -> bool,
    changes: &mut Vec<Change<Step>>,
) -> Result<(), Problem> {
    let unwanted = |role: &&Role| {
        desired.auditor(&role.name).is_none() && !desired.spared.contains(&role.name)
    };
    for role in audits(desired, observed).filter(unwanted).filter(such) {
        shut(role, &ident(&role.name)?, changes);
    }
    Ok(())
}

/// Makes those that are missing, has each read all and write nothing, and, at the very end, lets it in.
pub(super) fn let_in(
    desired: &Desired,
    observed: &Observed,
    database: &Database,
    mark: &Mark,
    changes: &mut Vec<Change<Step>>,
) {
    for auditor in &desired.auditors {
        let found = observed.auditors.get(auditor.login.as_str());
        match found {
            None => changes.push(create(auditor, mark)),
            Some(role) => changes.extend(confine(auditor, role)),
        }
        changes.extend(admit(desired, auditor, database));
        changes.extend(inside(desired, observed, auditor));
        if !found.is_some_and(|role| role.login) {
            let step = Step::OpenLogin {
                login: auditor.login.clone(),
            };
            let opened = words::set(object(auditor), "login", false, true);
            changes.push(Change::new(step, opened));
        }
    }
}

fn object(auditor: &Auditor) -> String {
    words::role(auditor.login.as_str())
}

fn create(auditor: &Auditor, mark: &Mark) -> Change<Step> {
    let step = Step::CreateAuditor {
        login: auditor.login.clone(),
        mark: mark.clone(),
        verifier: auditor.verifier.clone(),
        until: auditor.until,
    };
    let made = format!(
        "reads only, connectionLimit {AUDITOR_SESSIONS}, validUntil {}",
        auditor.until
    );
    Change::new(step, Difference::create(object(auditor)).after(made))
}

fn confine(auditor: &Auditor, role: &Role) -> Option<Change<Step>> {
    let everywhere = (role.settings.iter()).find(|setting| setting.database.is_none());
    let found = everywhere.map_or(&[][..], |setting| &setting.values);
    let wanted = AUDITOR_SETTINGS.map(|(name, value)| format!("{name}={value}"));
    let step = Step::Confine {
        login: auditor.login.clone(),
    };
    Some(Change::new(
        step,
        exactly(&wanted, found, object(auditor), None)?,
    ))
}

fn admit(desired: &Desired, auditor: &Auditor, database: &Database) -> Option<Change<Step>> {
    let login = auditor.login.as_str();
    (!has(database, login, CONNECT)).then(|| {
        let step = Step::Admit {
            database: desired.database.clone(),
            login: auditor.login.clone(),
        };
        let before = words::rights(database.rights(Some(login)));
        Change::new(step, acl(desired, login, before, Some(CONNECT.to_owned())))
    })
}

/// Where nobody looked inside, nothing is known to differ; but nobody is let in before somebody did.
fn inside(
    desired: &Desired,
    observed: &Observed,
    auditor: &Auditor,
) -> impl Iterator<Item = Change<Step>> {
    let login = auditor.login.as_str();
    let shut_out = !(observed.auditors.get(login)).is_some_and(|role| role.login);
    let found = |of: fn(&Inside) -> &BTreeMap<String, Sorts>| match &observed.inside {
        Some(inside) => of(inside).get(login).and_then(words::sorts),
        None => shut_out.then(|| "not looked at".to_owned()),
    };
    let (database, owners) = (&desired.database, desired.object_owners());
    let field = |of: &str| format!("{of} in {}", database.as_str());
    let writable = found(|inside| &inside.writable).map(|found| {
        let step = Step::TakeWrites {
            database: database.clone(),
            login: auditor.login.clone(),
            owners: owners.clone(),
        };
        let taken = Difference::update(object(auditor), field("writing")).before(found);
        Change::new(step, taken)
    });
    let unread = found(|inside| &inside.unread).map(|found| {
        let step = Step::LetRead {
            database: database.clone(),
            login: auditor.login.clone(),
            owners,
        };
        let missing = Difference::update(object(auditor), field("not readable")).before(found);
        Change::new(step, missing)
    });
    writable.into_iter().chain(unread)
}
