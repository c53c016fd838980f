//! The answer of the audit's query, put together. Its lists hold arrays, in the order of the fields here.

use super::{Audit, Database, Membership, Role, Setting};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

#[derive(Deserialize)]
struct Answer {
    operator: String,
    databases: Vec<Database>,
    roles: Vec<Bare>,
    held: Vec<Held>,
    memberships: Vec<Membership>,
    settings: Vec<(u32, Option<String>, Vec<String>)>,
    fingerprints: Vec<(u32, String)>,
    sessions: Vec<(u32, i64)>,
}

/// A role without what belongs to it.
#[derive(Deserialize)]
struct Bare {
    name: String,
    oid: u32,
    comment: Option<String>,
    login: bool,
    privileges: Vec<String>,
    attributes: Vec<String>,
    connection_limit: i32,
    valid_until: Option<String>,
}

/// What the operator may do with a role.
#[derive(Deserialize)]
struct Held {
    role: u32,
    administered: bool,
    usable: bool,
}

pub(super) fn read(text: &str) -> Result<Audit, serde_json::Error> {
    let answer: Answer = serde_json::from_str(text)?;
    let mut roles = Roles::new(answer.roles);
    for held in answer.held {
        if let Some(role) = roles.of(held.role) {
            role.administered = held.administered;
            role.usable = held.usable;
        }
    }
    for membership in answer.memberships {
        if let Some(role) = roles.by_name.get_mut(&membership.role) {
            role.members.push(membership.clone());
        }
        if let Some(role) = roles.by_name.get_mut(&membership.member) {
            role.memberships.push(membership);
        }
    }
    for (role, database, values) in answer.settings {
        if let Some(role) = roles.of(role) {
            role.settings.push(Setting { database, values });
        }
    }
    for (role, fingerprint) in answer.fingerprints {
        if let Some(role) = roles.of(role) {
            role.fingerprint = Some(fingerprint);
        }
    }
    for (role, number) in answer.sessions {
        if let Some(role) = roles.of(role) {
            role.sessions = number;
        }
    }
    // A query promises no order, and a plan follows it.
    for role in roles.by_name.values_mut() {
        role.memberships.sort_unstable();
        role.members.sort_unstable();
        role.settings.sort_unstable();
    }
    Ok(Audit {
        operator: answer.operator,
        databases: answer
            .databases
            .into_iter()
            .map(|database| (database.name.clone(), database))
            .collect(),
        roles: roles.by_name,
    })
}

struct Roles {
    names: HashMap<u32, String>,
    by_name: BTreeMap<String, Role>,
}

impl Roles {
    fn new(roles: Vec<Bare>) -> Self {
        let names = roles.iter().map(|role| (role.oid, role.name.clone()));
        Self {
            names: names.collect(),
            by_name: roles
                .into_iter()
                .map(|role| (role.name.clone(), Role::from(role)))
                .collect(),
        }
    }

    fn of(&mut self, oid: u32) -> Option<&mut Role> {
        self.by_name.get_mut(self.names.get(&oid)?)
    }
}

impl From<Bare> for Role {
    fn from(bare: Bare) -> Self {
        Self {
            name: bare.name,
            oid: bare.oid,
            comment: bare.comment,
            login: bare.login,
            privileges: bare.privileges,
            attributes: bare.attributes,
            connection_limit: bare.connection_limit,
            valid_until: bare.valid_until,
            administered: false,
            usable: false,
            memberships: Vec::new(),
            members: Vec::new(),
            settings: Vec::new(),
            fingerprint: None,
            sessions: 0,
        }
    }
}
