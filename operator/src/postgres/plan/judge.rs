//! When a tenant's objects must not be touched at all. Pure.

use super::{Desired, Observed, extras, mark};
use crate::plan::Problem;
use crate::postgres::observe::{Database, Role};
use eoffice_crds::Reason;

/// Everything under the tenant's names bears its mark, or is the operator's own unfinished work.
///
/// A role gets its mark in the transaction that makes it, so one without a mark is another's.
pub(super) fn ours_or_absent(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    for role in observed.roles.values() {
        if !role
            .mark()
            .is_some_and(|mark| mark.same_owner(&desired.mark))
        {
            return Err(foreign(desired, "role", &role.name, "role"));
        }
        if role.privileged {
            return Err(drifted(format!(
                "role {name} on {server} was given an attribute that only a superuser can take away; have one run ALTER ROLE \"{name}\" NOSUPERUSER NOREPLICATION NOBYPASSRLS there",
                name = role.name,
                server = desired.server
            )));
        }
    }
    if let Some(role) = observed.roles.values().find(|role| !role.administered) {
        return Err(not_administered(role, &desired.server, &observed.operator));
    }
    let Some(database) = &observed.database else {
        return Ok(());
    };
    match database.mark() {
        Some(mark) if mark.same_owner(&desired.mark) => {}
        None if interrupted_creation(desired, observed, database) => {}
        _ => return Err(foreign(desired, "database", &database.name, "database")),
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

/// What once existed is still there, and the same.
pub(super) fn not_lost(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let name = desired.database.as_str();
    let server = &desired.server;
    let lost = |message: String| Err(Problem::new(Reason::DataMissing, message));
    if observed
        .database
        .as_ref()
        .is_some_and(Database::half_dropped)
    {
        return lost(format!(
            "dropping database {name} on {server} was begun by somebody and interrupted: nobody can use it any more; restore it from a backup"
        ));
    }
    for witness in &desired.witnesses {
        let (who, oid) = (witness.who, witness.oid);
        match &observed.database {
            Some(found) if found.oid == oid => {}
            Some(found) => {
                return lost(format!(
                    "{who} says that database {name} on {server} has the oid {oid}, and it has {}: it was replaced; nothing is done until an admin has found out by whom",
                    found.oid
                ));
            }
            None => {
                return lost(format!(
                    "{who} says that database {name} existed on {server} with the oid {oid}, and it is gone; restore it from a backup, no empty one is made in its place"
                ));
            }
        }
    }
    Ok(())
}

/// A database that is not the recorded one is not dropped. One that is gone is no obstacle: an
/// earlier attempt dropped it.
pub(super) fn undroppable(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let Some(database) = &observed.database else {
        return Ok(());
    };
    if database.half_dropped() {
        return Ok(());
    }
    mark(desired, observed)?;
    not_lost(desired, observed)
}

/// What differs and only a superuser can put right.
pub(super) fn beyond_our_rights(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let server = &desired.server;
    for role in observed.roles.values() {
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
