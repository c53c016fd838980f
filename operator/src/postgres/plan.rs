//! What to change so that a server has what one tenant should have. Pure: a table of rules.
//!
//! Making and repairing are the same rules, so any part of the work that was done before a crash is a
//! state like any other. Access is closed before anything else, and opened after everything else.

use super::desired::{Access, Desired};
use super::ident::Ident;
use super::observe::{Database, Membership, Observed, Role};
use super::step::Step;
use crate::identity::Mark;
use crate::plan::Problem;
use eoffice_crds::{Reason, RecordState};

mod judge;
#[cfg(test)]
mod tests;

use judge::{beyond_our_rights, not_lost, ours_or_absent, undroppable};

/// The rights of the tenant's role on its database.
const RIGHTS: [&str; 3] = ["CONNECT", "CREATE", "TEMPORARY"];

/// The steps from what is to what should be; none where nothing differs.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Vec<Step>, Problem> {
    ours_or_absent(desired, observed)?;
    not_lost(desired, observed)?;
    let mark = mark(desired, observed)?;
    let mut steps = Vec::new();
    close(desired, observed, &mut steps);
    if to_be_made(desired, observed) {
        create_roles(desired, observed, &mark, &mut steps);
        if observed.database.is_none() {
            steps.push(Step::CreateDatabase {
                database: desired.database.clone(),
            });
        }
    }
    for role in observed.roles.values() {
        repair_role(desired, observed, role, &mark, &mut steps)?;
    }
    if to_be_made(desired, observed) || observed.database.is_some() {
        database_rules(desired, observed.database.as_ref(), &mark, &mut steps)?;
        login_rules(desired, observed, &mut steps);
    }
    if steps.is_empty() {
        // Last, so that what only a superuser can put right holds up nothing else.
        beyond_our_rights(desired, observed)?;
    }
    Ok(steps)
}

/// The steps that remove all a tenant has on its server, its data included; none where nothing is left.
pub fn plan_drop(desired: &Desired, observed: &Observed) -> Result<Vec<Step>, Problem> {
    ours_or_absent(desired, observed)?;
    undroppable(desired, observed)?;
    let closing = Desired {
        access: Access::Closed,
        ..desired.clone()
    };
    let mut steps = Vec::new();
    close(&closing, observed, &mut steps);
    if let Some(database) = &observed.database {
        if database.mark().is_none() {
            steps.push(Step::MarkDatabase {
                database: desired.database.clone(),
                mark: desired.mark.clone(),
            });
        }
        steps.push(Step::DropDatabase {
            database: desired.database.clone(),
            oid: database.oid,
            mark: desired.mark.clone(),
        });
    }
    for role in [&desired.login, &desired.idle, &desired.role] {
        if observed.role(role).is_some() {
            steps.push(Step::DropRole {
                role: role.clone(),
                mark: desired.mark.clone(),
            });
        }
    }
    Ok(steps)
}

/// A tenant that has left gets nothing made that it did not have.
fn to_be_made(desired: &Desired, observed: &Observed) -> bool {
    desired.mark.state == RecordState::Live || observed.database.is_some()
}

/// The mark to be written. A twin's name that the record has lost is kept.
fn mark(desired: &Desired, observed: &Observed) -> Result<Mark, Problem> {
    let found = observed
        .database
        .as_ref()
        .and_then(Database::mark)
        .and_then(|mark| mark.twin);
    let mut mark = desired.mark.clone();
    match (&mark.twin, found) {
        (Some(recorded), Some(found)) if *recorded != found => Err(Problem::new(
            Reason::DataMissing,
            format!(
                "database {} on {} was made beside the bucket of identity {found}, and the record names {recorded}: one of the two was replaced; nothing is done until an admin has found out which",
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

fn close(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) {
    let open = |name: &Ident| *name == desired.login && desired.access == Access::Open;
    for name in [&desired.login, &desired.idle, &desired.role] {
        let Some(role) = observed.role(name).filter(|_| !open(name)) else {
            continue;
        };
        if role.login {
            steps.push(Step::CloseLogin { role: name.clone() });
        }
        if role.login || role.sessions > 0 {
            steps.push(Step::EndSessions { role: name.clone() });
        }
    }
}

fn create_roles(desired: &Desired, observed: &Observed, mark: &Mark, steps: &mut Vec<Step>) {
    if observed.role(&desired.role).is_none() {
        steps.push(Step::CreateRole {
            role: desired.role.clone(),
            mark: mark.clone(),
        });
    }
    if observed.role(&desired.login).is_none() {
        steps.push(Step::CreateLogin {
            login: desired.login.clone(),
            role: desired.role.clone(),
            mark: mark.clone(),
            verifier: desired.verifier.clone(),
            connection_limit: desired.connection_limit,
        });
    }
}

/// What holds for every role of the tenant.
fn repair_role(
    desired: &Desired,
    observed: &Observed,
    role: &Role,
    mark: &Mark,
    steps: &mut Vec<Step>,
) -> Result<(), Problem> {
    let name = ident(&role.name)?;
    if role.mark().as_ref() != Some(mark) {
        steps.push(Step::MarkRole {
            role: name.clone(),
            mark: mark.clone(),
        });
    }
    if role.odd {
        steps.push(Step::ResetAttributes { role: name.clone() });
    }
    if role.administered && !role.usable {
        steps.push(Step::Rejoin { role: name.clone() });
    }
    if name == desired.role {
        if role.fingerprint.is_some() {
            steps.push(Step::RemovePassword { role: name.clone() });
        }
    } else {
        let limit = if name == desired.login {
            desired.connection_limit
        } else {
            0
        };
        if role.connection_limit != limit {
            steps.push(Step::LimitConnections {
                login: name.clone(),
                limit,
            });
        }
    }
    if name == desired.login && role.fingerprint.as_ref() != Some(&desired.fingerprint) {
        steps.push(Step::SetPassword {
            login: name.clone(),
            verifier: desired.verifier.clone(),
        });
    }
    let created_by_us = |other: &&Membership| other.grantor == observed.operator;
    for extra in extras(desired, observed, role).filter(created_by_us) {
        steps.push(Step::Leave {
            role: ident(&extra.role)?,
            member: ident(&extra.member)?,
        });
    }
    for setting in &role.settings {
        let acts =
            name == desired.login && setting.database.as_deref() == Some(desired.database.as_str());
        if !acts {
            steps.push(Step::ResetSettings {
                role: name.clone(),
                database: setting.database.as_deref().map(ident).transpose()?,
            });
        }
    }
    Ok(())
}

/// Memberships that should not be: of a tenant's role in others, and of others in it.
fn extras<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    role: &'a Role,
) -> impl Iterator<Item = &'a Membership> {
    let logins = [desired.login.as_str(), desired.idle.as_str()];
    let expected = move |membership: &Membership| {
        membership.role == desired.role.as_str()
            && logins.contains(&membership.member.as_str())
            && membership.grantor == observed.operator
    };
    let out = role.memberships.iter();
    // A login's membership is seen from both ends; once is enough.
    let inward = role
        .members
        .iter()
        .filter(move |m| m.member != observed.operator && !logins.contains(&m.member.as_str()));
    out.chain(inward).filter(move |m| !expected(m))
}

/// What holds for the database, in the order in which it is made safe: nobody but the operator can
/// connect until the mark stands and PUBLIC is out, and the tenant cannot until its schema is handed over.
fn database_rules(
    desired: &Desired,
    found: Option<&Database>,
    mark: &Mark,
    steps: &mut Vec<Step>,
) -> Result<(), Problem> {
    let database = || desired.database.clone();
    let role = desired.role.as_str();
    let differs = |judge: &dyn Fn(&Database) -> bool| found.is_none_or(judge);
    if differs(&|found| found.mark().as_ref() != Some(mark)) {
        steps.push(Step::MarkDatabase {
            database: database(),
            mark: mark.clone(),
        });
    }
    if differs(&|found| found.rights(None).next().is_some()) {
        steps.push(Step::RevokePublic {
            database: database(),
        });
    }
    if let Some(found) = found {
        if found.rights(Some(role)).any(|grant| grant.grantable) {
            steps.push(Step::RevokeGrantOption {
                database: database(),
                from: desired.role.clone(),
            });
        }
        let mut others: Vec<&str> = found
            .grants
            .iter()
            .filter_map(|grant| grant.grantee.as_deref())
            .filter(|grantee| *grantee != role)
            .collect();
        others.sort_unstable();
        others.dedup();
        for other in others {
            steps.push(Step::Revoke {
                database: database(),
                from: ident(other)?,
            });
        }
    }
    if differs(&|found| !found.open || found.template || found.connection_limit != -1) {
        steps.push(Step::OpenDatabase {
            database: database(),
        });
    }
    if differs(&|found| !handed_over(found, role)) {
        steps.push(Step::HandOverSchema {
            database: database(),
            role: desired.role.clone(),
        });
    }
    if differs(&|found| !RIGHTS.iter().all(|right| has(found, role, right))) {
        steps.push(Step::Grant {
            database: database(),
            role: desired.role.clone(),
        });
    }
    Ok(())
}

/// A role that was once let in has had its schema, whatever it has made of it since: the operator does
/// not enter the database a second time.
fn handed_over(database: &Database, role: &str) -> bool {
    has(database, role, "CONNECT") || database.schema_owners.iter().any(|owner| owner == role)
}

fn has(database: &Database, role: &str, right: &str) -> bool {
    database
        .rights(Some(role))
        .any(|grant| grant.privilege == right)
}

/// What ties the login to role and database, and, at the very end, lets it in.
fn login_rules(desired: &Desired, observed: &Observed, steps: &mut Vec<Step>) {
    let found = observed.role(&desired.login);
    let joined = |role: &Role| {
        role.memberships.iter().any(|m| {
            m.role == desired.role.as_str() && m.grantor == observed.operator && m.full && !m.admin
        })
    };
    // A login that is still to be made is made a member in the same transaction.
    if found.is_some_and(|role| !joined(role)) {
        steps.push(Step::Join {
            role: desired.role.clone(),
            member: desired.login.clone(),
        });
    }
    let acts = format!("role={}", desired.role.as_str());
    let tied = |role: &Role| {
        role.settings.iter().any(|setting| {
            setting.database.as_deref() == Some(desired.database.as_str())
                && setting.values == [acts.as_str()]
        })
    };
    if !found.is_some_and(tied) {
        steps.push(Step::ActAs {
            login: desired.login.clone(),
            database: desired.database.clone(),
            role: desired.role.clone(),
        });
    }
    if desired.access == Access::Open && !found.is_some_and(|role| role.login) {
        steps.push(Step::OpenLogin {
            login: desired.login.clone(),
        });
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
