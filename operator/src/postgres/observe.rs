//! What is on a server, as one query sees it.

use super::auditor::INFIX;
use super::connection::Server;
use super::desired::{Desired, recorded_names};
use super::error::{Asked, broken_answer};
use super::ident::Ident;
use super::inside::{self, Inside};
use super::sites;
use super::sql::AUDIT;
use crate::effect::{Effects, Site};
use crate::identity::{InstallationId, Mark};
use crate::plan::Problem;
use eoffice_crds::{RecordState, TenantRecordSpec};
use serde::Deserialize;
use std::collections::BTreeMap;

mod answer;

/// Everything on a server whose name is one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    operator: String,
    databases: BTreeMap<String, Database>,
    roles: BTreeMap<String, Role>,
}

/// What one tenant has on its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The operator's role.
    pub operator: String,
    /// The tenant's database.
    pub database: Option<Database>,
    /// Those of the tenant's roles that exist: the one that owns, and both logins.
    pub roles: BTreeMap<String, Role>,
    /// Roles that are called like auditors of its database, wanted or not.
    pub auditors: BTreeMap<String, Role>,
    /// What auditors may do inside the database, where that was looked at.
    pub inside: Option<Inside>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its identity on the server.
    pub oid: u32,
    /// The role that owns it.
    pub owner: String,
    /// Whether it takes connections at all.
    pub open: bool,
    /// Whether others may copy it.
    pub template: bool,
    /// -1: none; -2: dropping it was interrupted.
    pub connection_limit: i32,
    /// Its comment.
    pub comment: Option<String>,
    /// Rights on it, the defaults included.
    pub grants: Vec<Grant>,
    /// Whether anything in it belongs to, or was granted to, an ordinary role. It is looked at only where there is
    /// no comment.
    pub occupied: bool,
    /// Roles that own schemas in it.
    pub schema_owners: Vec<String>,
}

/// One right on a database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Grant {
    /// Who has it; absent: PUBLIC.
    pub grantee: Option<String>,
    /// CONNECT, CREATE or TEMPORARY.
    pub privilege: String,
    /// Whether it may be passed on.
    pub grantable: bool,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its identity on the server.
    pub oid: u32,
    /// Its comment.
    pub comment: Option<String>,
    /// Whether it can log in.
    pub login: bool,
    /// Attributes that no tenant has, and that only a superuser can take away, such as `BYPASSRLS`.
    pub privileges: Vec<String>,
    /// Attributes that no tenant has, and that the operator can take away, such as `CREATEDB`.
    pub attributes: Vec<String>,
    /// Connections it may hold; -1: no limit.
    pub connection_limit: i32,
    /// Until when it can log in, as PostgreSQL writes it in JSON (ISO 8601, `-infinity`); absent: always.
    pub valid_until: Option<String>,
    /// Whether the operator administers it.
    pub administered: bool,
    /// Whether the operator can act as it.
    pub usable: bool,
    /// What it is a member of.
    pub memberships: Vec<Membership>,
    /// Who is a member of it, the operator apart.
    pub members: Vec<Membership>,
    /// Its own settings.
    pub settings: Vec<Setting>,
    /// SHA-256 of its password's verifier, where it has one and bears a mark.
    pub fingerprint: Option<String>,
    /// Its sessions.
    pub sessions: i64,
}

/// A membership of one role in another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Membership {
    /// The role.
    pub role: String,
    /// The member.
    pub member: String,
    /// Who granted it.
    pub grantor: String,
    /// Whether the member may pass it on.
    pub admin: bool,
    /// Whether the member has the role's rights, and can act as it.
    pub full: bool,
}

/// A role's own settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// The database in which they hold; absent: everywhere.
    pub database: Option<String>,
    /// `name=value`.
    pub values: Vec<String>,
}

/// How much of a server is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Databases of tenants that live.
    pub live: i64,
    /// Databases of tenants that have left.
    pub retained: i64,
    /// Sum of the living tenants' connection limits.
    pub connections: i64,
}

/// Looks at everything on a server, in one query.
pub async fn audit(server: &Server, effects: &Effects) -> Result<Audit, Problem> {
    look(server, effects, sites::AUDIT, server.name(), None).await
}

/// Looks at one tenant's objects afresh.
pub async fn observe(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
) -> Result<Observed, Problem> {
    let object = desired.database.as_str();
    let found = named(server, effects, sites::OBSERVE, object, &desired.names()).await?;
    let mut observed = found.observed(desired);
    if observed.may_be_entered(desired) {
        observed.inside = Some(inside::look(server, effects, desired).await?);
    }
    Ok(observed)
}

/// Looks afresh at the mark on the database of this name, if both are there.
pub async fn mark_of(
    server: &Server,
    effects: &Effects,
    database: &str,
) -> Result<Option<Mark>, Problem> {
    let found = look(server, effects, sites::OBSERVE, database, Some(&[database])).await?;
    Ok(found.database(database).and_then(Database::mark))
}

/// Looks at the objects of these names.
pub(super) async fn named(
    server: &Server,
    effects: &Effects,
    site: Site,
    object: &str,
    names: &[&Ident],
) -> Result<Audit, Problem> {
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    look(server, effects, site, object, Some(&names)).await
}

async fn look(
    server: &Server,
    effects: &Effects,
    site: Site,
    object: &str,
    names: Option<&[&str]>,
) -> Result<Audit, Problem> {
    let session = server.session(effects).await?;
    let answer = effects
        .call(site, object, || async {
            session.query_one(AUDIT, &[&names]).await
        })
        .await;
    let row = session.settle(answer, &Asked::Audit)?;
    let text: String = row
        .try_get(0)
        .map_err(|_| broken_answer(server.name(), "no text"))?;
    answer::read(&text).map_err(|error| broken_answer(server.name(), &error.to_string()))
}

impl Audit {
    /// What of it is this tenant's.
    pub fn observed(&self, desired: &Desired) -> Observed {
        self.of(desired.names().map(Ident::as_str))
    }

    /// What of it is called so: a database, and roles.
    fn of(&self, [database, roles @ ..]: [&str; 4]) -> Observed {
        let role = |name: &str| Some((name.to_owned(), self.roles.get(name)?.clone()));
        Observed {
            operator: self.operator.clone(),
            database: self.databases.get(database).cloned(),
            roles: roles.into_iter().filter_map(role).collect(),
            auditors: self.auditors_of(database),
            inside: None,
        }
    }

    fn auditors_of(&self, database: &str) -> BTreeMap<String, Role> {
        let first = format!("{database}{INFIX}");
        let called_so =
            (self.roles.range(first.clone()..)).take_while(|(name, _)| name.starts_with(&first));
        called_so
            .map(|(name, role)| (name.clone(), role.clone()))
            .collect()
    }

    /// What of it is the tenant's of this record.
    pub fn recorded(&self, record: &TenantRecordSpec) -> Observed {
        self.of(recorded_names(record).each_ref().map(String::as_str))
    }

    /// The database of this name, if it exists.
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.get(name)
    }

    /// The role of this name, if it exists.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// The roles that have a session.
    pub fn in_use(&self) -> impl Iterator<Item = &str> {
        let used = self.roles.values().filter(|role| role.sessions > 0);
        used.map(|role| role.name.as_str())
    }

    /// The operator's role on this server.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// Marks on databases of this installation, with the databases: what a cluster that has lost
    /// its records asks each server for.
    pub fn marked<'a>(
        &'a self,
        installation: &'a InstallationId,
    ) -> impl Iterator<Item = (&'a Database, Mark)> {
        self.databases
            .values()
            .filter_map(|database| Some((database, database.mark()?)))
            .filter(|(_, mark)| mark.installation == installation.as_str())
    }

    /// The operator's databases that bear this owner's mark, under whatever name.
    pub fn databases_of<'a>(
        &'a self,
        installation: &'a InstallationId,
        owner: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let marked = self.databases.iter().filter(move |(_, database)| {
            // Hardly any has to be read.
            let comment = database.comment.as_deref();
            database.owner == self.operator
                && comment.is_some_and(|comment| comment.contains(owner))
                && database.mark().is_some_and(|mark| {
                    mark.installation == installation.as_str() && mark.fingerprint == owner
                })
        });
        marked.map(|(name, _)| name.as_str())
    }

    /// Databases and roles that bear the mark of this installation as living, and whose names nobody knows:
    /// `database eo_x`, `role eo_y`, in order. They are told of and never dropped. What is marked as retained is
    /// counted apart.
    pub fn orphans(
        &self,
        installation: &InstallationId,
        known: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let orphan = |name: &str, mark: Option<Mark>| {
            !known(name)
                && mark.is_some_and(|mark| {
                    mark.installation == installation.as_str() && mark.state == RecordState::Live
                })
        };
        let databases = (self.databases.iter())
            .filter(|(name, database)| orphan(name, database.mark()))
            .map(|(name, _)| format!("database {name}"));
        let roles = (self.roles.iter())
            .filter(|(name, role)| orphan(name, role.mark()))
            .map(|(name, _)| format!("role {name}"));
        databases.chain(roles).collect()
    }

    /// How much of the server this installation takes.
    pub fn counts(&self, installation: &InstallationId) -> Counts {
        let mut counts = Counts::default();
        for (_, mark) in self.marked(installation) {
            match mark.state {
                RecordState::Live => counts.live += 1,
                _ => counts.retained += 1,
            }
        }
        counts.connections = self
            .roles
            .values()
            .filter(|role| {
                role.mark().is_some_and(|mark| {
                    mark.installation == installation.as_str() && mark.state == RecordState::Live
                })
            })
            .map(|role| i64::from(role.connection_limit.max(0)))
            .sum();
        counts
    }
}

impl Observed {
    /// The same without what changes while nobody changes anything: how many sessions there are, and whether somebody
    /// looked inside.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        for role in self.roles.values_mut().chain(self.auditors.values_mut()) {
            role.sessions = 0;
        }
        self.inside = None;
        self
    }

    /// Whether all was looked at that is asked for: what auditors may do inside the database, no look at the whole server
    /// shows.
    pub fn is_enough(&self, desired: &Desired) -> bool {
        desired.auditors.is_empty() || self.inside.is_some()
    }

    /// Whether there is a reason to enter the database, and it is ours and takes connections.
    fn may_be_entered(&self, desired: &Desired) -> bool {
        let ours = |database: &Database| {
            database.owner == self.operator
                && database.open
                && !database.half_dropped()
                && database
                    .mark()
                    .is_some_and(|mark| desired.owner().owns(&mark))
        };
        !desired.auditors.is_empty() && self.database.as_ref().is_some_and(ours)
    }
}

impl Database {
    /// Its mark, if it bears one.
    pub fn mark(&self) -> Option<Mark> {
        Mark::from_comment(self.comment.as_deref()?)
    }

    /// Whether dropping it was begun and interrupted: nobody can use it any more.
    pub fn half_dropped(&self) -> bool {
        self.connection_limit == -2
    }

    /// Rights of a role, or of PUBLIC.
    pub(super) fn rights<'a>(
        &'a self,
        grantee: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Grant> {
        self.grants
            .iter()
            .filter(move |grant| grant.grantee.as_deref() == grantee)
    }
}

impl Role {
    /// Its mark, if it bears one.
    pub fn mark(&self) -> Option<Mark> {
        Mark::from_comment(self.comment.as_deref()?)
    }
}
