//! When a tenant's objects must not be touched at all. Pure.

use super::loss::not_lost;
use super::roles::extras;
use super::{Desired, Observed, mark, words};
use crate::plan::{Difference, Problem};
use crate::postgres::observe::{Database, Membership, Role};
use eoffice_crds::{Reason, RecordState};

/// Everything under the tenant's names bears its mark, or is the operator's own unfinished work.
///
/// What only a superuser can mend comes first: no role that keeps its access hides behind another's.
pub(super) fn ours_or_absent(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let roles = || concerned(desired, observed);
    let own = || roles().filter(|role| ours(desired, role));
    for role in own() {
        if !role.privileges.is_empty() {
            return Err(drifted(format!(
                "role {name} on {server} was given an attribute that only a superuser can take away; have one run ALTER ROLE \"{name}\" NOSUPERUSER NOREPLICATION NOBYPASSRLS there",
                name = role.name,
                server = desired.server
            )));
        }
    }
    if let Some(role) = own().find(|role| !role.administered) {
        return Err(not_administered(role, &desired.server, &observed.operator));
    }
    if let Some(role) = roles().find(|role| !ours(desired, role)) {
        return Err(foreign(desired, "role", &role.name, "role"));
    }
    let Some(database) = &observed.database else {
        return Ok(());
    };
    if anothers(desired, database) {
        return Err(foreign(desired, "database", &database.name, "database"));
    }
    if database.mark().is_none() && !recognised(desired, database) {
        if !desired.witnesses.is_empty() {
            // It stands where another stood: a loss, and told as one.
            return Ok(());
        }
        if !interrupted_creation(desired, observed, database) {
            return Err(foreign(desired, "database", &database.name, "database"));
        }
    }
    if database.owner == observed.operator {
        Ok(())
    } else {
        Err(drifted(format!(
            "database {name} on {server} belongs to {owner} instead of {operator}; have a superuser run ALTER DATABASE \"{name}\" OWNER TO \"{operator}\" there",
            name = database.name,
            server = desired.server,
            owner = database.owner,
            operator = observed.operator
        )))
    }
}

/// The roles that a plan is about: those under the tenant's names, and its auditors, wanted or not, but for the spared.
pub(super) fn concerned<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a Role> {
    let called_so = (observed.auditors.values())
        .filter(|role| !desired.spared.contains(&role.name))
        .filter(|role| desired.auditor(&role.name).is_some() || ours(desired, role));
    observed.roles.values().chain(called_so)
}

/// Whether a role is the tenant's. It gets its mark in the transaction that makes it, so one without is another's.
pub(super) fn ours(desired: &Desired, role: &Role) -> bool {
    role.mark().is_some_and(|mark| desired.owner().owns(&mark))
}

/// Whether a database bears the mark of somebody else, or one that only a newer operator can read.
pub(super) fn anothers(desired: &Desired, database: &Database) -> bool {
    match database.mark() {
        Some(mark) => !desired.owner().owns(&mark),
        None => (database.comment.as_deref()).is_some_and(|text| text.starts_with("eoffice")),
    }
}

/// Whether a database without the mark is ours for certain: every witness names it by its oid, which no other
/// database of the server ever had. It lost its mark, or a person accepted it in place of the one that was lost.
fn recognised(desired: &Desired, database: &Database) -> bool {
    let oids = || desired.witnesses.iter().map(|witness| witness.oid);
    oids().next().is_some() && oids().all(|oid| oid == database.oid)
}

/// Whether an unmarked database is what CREATE DATABASE left just before the operator died.
///
/// Making and marking cannot be one transaction. It is ours if it belongs to the operator's role, is in
/// the very state in which the operator makes it and never took a connection since, holds nothing of any
/// ordinary role, stands beside the marked role that is made before it, and nothing says that the
/// tenant ever had a database. Such a database is empty, so taking it up can harm nobody.
pub(super) fn interrupted_creation(
    desired: &Desired,
    observed: &Observed,
    database: &Database,
) -> bool {
    let as_made = !database.open
        && !database.template
        && !database.occupied
        && database.comment.is_none()
        && database
            .grants
            .iter()
            .all(|grant| grant.grantee.is_none() && !grant.grantable);
    as_made
        && database.owner == observed.operator
        && observed.roles.contains_key(desired.role.as_str())
        && desired.witnesses.is_empty()
}

/// A database that is not the recorded one is not dropped. One that is gone is no obstacle: an
/// earlier attempt dropped it.
pub(super) fn undroppable(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let Some(database) = &observed.database else {
        return Ok(());
    };
    // A tenant that has left has its marks: what has none is not marked so that it can be destroyed.
    if desired.mark.state != RecordState::Live && database.mark().is_none() {
        return Err(foreign(desired, "database", &database.name, "database"));
    }
    if database.half_dropped() && (database.mark().is_some() || recognised(desired, database)) {
        return Ok(());
    }
    mark(desired, observed)?;
    not_lost(desired, observed)
}

/// What differs and only a superuser can put right: it is in no plan, and told of all the same.
pub fn beyond(desired: &Desired, observed: &Observed) -> Vec<Difference> {
    let operator = &observed.operator;
    let mut differences = Vec::new();
    for role in concerned(desired, observed) {
        let object = || words::role(&role.name);
        if !role.privileges.is_empty() {
            let odd = Difference::update(object(), "attributes");
            differences.push(odd.before(role.privileges.join(", ")));
        }
        if !role.administered {
            let lost = Difference::update(object(), format!("member {operator}"));
            differences.push(lost.before("without admin").after("admin"));
        }
        let others = |extra: &&Membership| extra.grantor != *operator;
        for extra in extras(desired, observed, role).filter(others) {
            differences.push(words::left(role, extra));
        }
    }
    if let Some(database) = &observed.database
        && database.owner != *operator
        && !anothers(desired, database)
    {
        let object = words::database(&desired.database);
        differences.push(words::set(object, "owner", &database.owner, operator));
    }
    differences
}

/// The first of it that holds up nothing else.
pub(in crate::postgres) fn beyond_our_rights(
    desired: &Desired,
    observed: &Observed,
) -> Result<(), Problem> {
    let server = &desired.server;
    for role in concerned(desired, observed) {
        if let Some(extra) = extras(desired, observed, role).next() {
            return Err(drifted(format!(
                "on {server}, {grantor} made {member} a member of {role}, which breaks the isolation of tenants; have a superuser run REVOKE \"{role}\" FROM \"{member}\" GRANTED BY \"{grantor}\" there",
                role = extra.role,
                member = extra.member,
                grantor = extra.grantor
            )));
        }
    }
    Ok(())
}

fn not_administered(role: &Role, server: &str, operator: &str) -> Problem {
    drifted(format!(
        "{operator} does not administer role {name} on {server} any more; have a superuser run GRANT \"{name}\" TO \"{operator}\" WITH ADMIN TRUE there",
        name = role.name
    ))
}

fn drifted(message: String) -> Problem {
    Problem::new(Reason::Drifted, message)
}

fn foreign(desired: &Desired, kind: &str, name: &str, keyword: &str) -> Problem {
    let mark = desired.mark.to_comment().replace('\'', "''");
    Problem::new(
        Reason::ForeignObject,
        format!(
            "{kind} {name} on {server} does not bear this tenant's mark and is not touched; rename it, or, if it is certainly this tenant's, have a superuser run COMMENT ON {keyword} \"{name}\" IS '{mark}' there",
            server = desired.server,
            keyword = keyword.to_uppercase()
        ),
    )
}
