//! What holds for a tenant's database.

use super::{ident, words};
use crate::identity::Mark;
use crate::plan::{Change, Difference, Problem};
use crate::postgres::desired::Desired;
use crate::postgres::observe::{Database, Grant, Observed};
use crate::postgres::step::Step;

/// The rights of the tenant's role on its database.
pub(super) const RIGHTS: [&str; 3] = ["CONNECT", "CREATE", "TEMPORARY"];

/// The right of an auditor on it.
pub(super) const CONNECT: &str = "CONNECT";

/// The rights that PUBLIC has on a database until somebody takes them away.
pub(super) const PUBLIC_RIGHTS: [&str; 2] = ["CONNECT", "TEMPORARY"];

pub(super) fn create(desired: &Desired) -> Change<Step> {
    let step = Step::CreateDatabase {
        database: desired.database.clone(),
    };
    let made = Difference::create(words::database(&desired.database)).after("empty");
    Change::new(step, made)
}

pub(super) fn mark(desired: &Desired, found: &Database, mark: &Mark) -> Change<Step> {
    let step = Step::MarkDatabase {
        database: desired.database.clone(),
        mark: mark.clone(),
    };
    let before = found.comment.as_deref().map(words::text);
    let object = words::database(&desired.database);
    Change::new(
        step,
        words::update(object, "mark", before, Some(mark.to_comment())),
    )
}

/// In the order in which a database is made safe: nobody but the operator can connect until the mark stands and
/// PUBLIC is out, and the tenant cannot until its schema is handed over.
pub(super) fn rules(
    desired: &Desired,
    found: &Database,
    mark: &Mark,
    changes: &mut Vec<Change<Step>>,
) -> Result<(), Problem> {
    if found.mark().as_ref() != Some(mark) {
        changes.push(self::mark(desired, found, mark));
    }
    rights(desired, found, changes)?;
    let differences = shut(desired, found);
    if !differences.is_empty() {
        let database = desired.database.clone();
        changes.push(Change {
            step: Step::OpenDatabase { database },
            differences,
        });
    }
    let role = desired.role.as_str();
    if !handed_over(found, role) {
        let step = Step::HandOverSchema {
            database: desired.database.clone(),
            role: desired.role.clone(),
        };
        let object = words::database(&desired.database);
        let handed = Difference::update(object, "schema public").after(role);
        changes.push(Change::new(step, handed));
    }
    if !RIGHTS.iter().all(|right| has(found, role, right)) {
        let step = Step::Grant {
            database: desired.database.clone(),
            role: desired.role.clone(),
        };
        let before = words::rights(found.rights(Some(role)));
        changes.push(Change::new(
            step,
            acl(desired, role, before, Some(RIGHTS.join(", "))),
        ));
    }
    Ok(())
}

/// Rights that nobody should have.
fn rights(
    desired: &Desired,
    found: &Database,
    changes: &mut Vec<Change<Step>>,
) -> Result<(), Problem> {
    let database = || desired.database.clone();
    let role = desired.role.as_str();
    if let Some(rights) = words::rights(found.rights(None)) {
        let step = Step::RevokePublic {
            database: database(),
        };
        changes.push(Change::new(
            step,
            acl(desired, "PUBLIC", Some(rights), None),
        ));
    }
    let passed_on = found.rights(Some(role)).filter(|grant| grant.grantable);
    if let Some(rights) = words::rights(passed_on) {
        let step = Step::RevokeGrantOption {
            database: database(),
            from: desired.role.clone(),
        };
        let field = format!("{role}.grantOption");
        changes.push(Change::new(step, acl(desired, &field, Some(rights), None)));
    }
    let grantees = found.grants.iter().filter_map(|g| g.grantee.as_deref());
    // What an auditor has beyond connecting is taken away with that, which is given back.
    let admitted = |grantee: &str| {
        let spared = || desired.spared.iter().any(|login| login == grantee);
        (desired.auditor(grantee).is_some() || spared())
            && (found.rights(Some(grantee))).all(|it| it.privilege == CONNECT && !it.grantable)
    };
    let mut others: Vec<&str> = grantees
        .filter(|grantee| *grantee != role && !admitted(grantee))
        .collect();
    others.sort_unstable();
    others.dedup();
    for other in others {
        let step = Step::Revoke {
            database: database(),
            from: ident(other)?,
        };
        let before = words::rights(found.rights(Some(other)));
        changes.push(Change::new(step, acl(desired, other, before, None)));
    }
    Ok(())
}

pub(super) fn acl(
    desired: &Desired,
    who: &str,
    before: Option<String>,
    after: Option<String>,
) -> Difference {
    let object = words::database(&desired.database);
    words::update(object, format!("acl.{who}"), before, after)
}

/// What keeps those out who have the right to connect.
fn shut(desired: &Desired, found: &Database) -> Vec<Difference> {
    let object = || words::database(&desired.database);
    let limit = found.connection_limit;
    [
        (!found.open).then(|| words::set(object(), "allowConnections", false, true)),
        found
            .template
            .then(|| words::set(object(), "template", true, false)),
        (limit != -1).then(|| words::set(object(), "connectionLimit", limit, -1)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A role that was once let in has had its schema, whatever it has made of it since: the operator does
/// not enter the database a second time.
fn handed_over(database: &Database, role: &str) -> bool {
    has(database, role, "CONNECT") || database.schema_owners.iter().any(|owner| owner == role)
}

pub(super) fn has(database: &Database, role: &str, right: &str) -> bool {
    database
        .rights(Some(role))
        .any(|grant| grant.privilege == right)
}

impl Database {
    /// What CREATE DATABASE makes of it.
    pub(super) fn as_made(desired: &Desired, observed: &Observed) -> Self {
        Self {
            name: desired.database.as_str().to_owned(),
            oid: 0,
            owner: observed.operator.clone(),
            open: false,
            template: false,
            connection_limit: -1,
            comment: None,
            grants: PUBLIC_RIGHTS
                .map(|right| Grant {
                    grantee: None,
                    privilege: right.to_owned(),
                    grantable: false,
                })
                .into(),
            occupied: false,
            schema_owners: Vec::new(),
        }
    }
}
