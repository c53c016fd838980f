//! The PostgreSQL servers: looked at by one query each, reported in their own status.

mod logins;

pub use self::logins::LoginUse;
use self::logins::Logins;
use super::access::{Access, ca};
use super::backends::{Contact, Fleet, Tended};
use super::usage::{keep_while_used, write_status};
use super::world::World;
use crate::identity::Claim;
use crate::plan::Problem;
use crate::postgres::{
    Audit, Counts, Facts, Observed, Server, ServerAddress, audit, audited_by, recorded_names, visit,
};
use eoffice_crds::{
    ConditionType, DatabaseServer, DatabaseServerStatus, ObjectRef as SecretRef, TenantRecordSpec,
};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many orphans a status names.
const NAMED: usize = 20;

/// A PostgreSQL server as last seen.
pub struct DatabaseBackend {
    contact: Contact<Self>,
    audit: Option<Audit>,
    counts: Option<Counts>,
    orphans: Vec<String>,
    logins: Logins,
    /// Looks at single tenants that are newer than the audit.
    newer: Mutex<HashMap<String, Observed>>,
}

impl DatabaseBackend {
    /// The server, if it may be worked with.
    pub fn usable(&self) -> Result<(&Server, &Facts), Problem> {
        self.contact.usable()
    }

    /// Its resource.
    pub fn spec(&self) -> &eoffice_crds::DatabaseServerSpec {
        &self.contact.object.spec
    }

    /// The CA of its certificate, PEM.
    pub fn ca(&self) -> Option<&str> {
        self.contact.ca()
    }

    /// Everything of ours on it, as the last audit found it.
    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
    }

    /// How much of it is taken, as the last audit found it.
    pub fn counts(&self) -> Option<Counts> {
        self.counts
    }

    /// Since when the use of logins is known without a gap, and when this one was last seen with a session.
    pub fn login_use(&self, login: &str) -> LoginUse {
        self.logins.of(login)
    }

    /// How many databases and roles on it bear our mark as living and are in no record.
    pub fn orphan_count(&self) -> usize {
        self.orphans.len()
    }

    /// What one tenant has on it, as last seen.
    pub fn observed(&self, record: &TenantRecordSpec) -> Option<Observed> {
        let newer = self.newer.lock().unwrap_or_else(PoisonError::into_inner);
        newer
            .get(&record.database.name)
            .cloned()
            .or_else(|| Some(self.audit.as_ref()?.recorded(record)))
    }

    /// Notes a look at one tenant that is newer than the audit.
    pub fn saw(&self, record: &TenantRecordSpec, observed: Observed) {
        self.newer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(record.database.name.clone(), observed);
    }
}

impl Tended for DatabaseBackend {
    type Object = DatabaseServer;
    type Handle = Server;
    type Facts = Facts;
    type Found = Audit;
    const PART: ConditionType = ConditionType::DatabaseReady;

    fn fleet(world: &World) -> &Fleet<Self> {
        &world.databases
    }

    fn object(world: &World, name: &str) -> Option<Arc<DatabaseServer>> {
        world.servers.get(&ObjectRef::new(name))
    }

    fn interval(world: &World) -> Duration {
        world.settings.postgres_interval
    }

    fn admin(object: &DatabaseServer) -> &SecretRef {
        &object.spec.admin_secret_ref
    }

    fn pinned(object: &DatabaseServer) -> Option<String> {
        object.status.as_ref()?.system_identifier.clone()
    }

    fn holds(record: &TenantRecordSpec, name: &str) -> bool {
        record.database.server == name
    }

    async fn connect(
        world: &World,
        object: &DatabaseServer,
    ) -> Result<(Server, Option<String>), Problem> {
        let spec = &object.spec;
        let host = match spec.host.contains(':') {
            true => format!("[{}]", spec.host),
            false => spec.host.clone(),
        };
        let address = format!("{host}:{}", spec.port);
        let access = Access::for_use_at(world, &spec.admin_secret_ref, &[&address]).await?;
        let ca = ca(world, spec.tls.ca_secret_ref.as_ref()).await?;
        let address = ServerAddress {
            name: object.name_any(),
            host: spec.host.clone(),
            port: u16::try_from(spec.port).unwrap_or(5432),
            username: access.text("username")?,
            password: access.secret("password")?,
            ca_pem: ca.clone(),
        };
        Ok((Server::new(address)?, ca))
    }

    async fn look(
        world: &World,
        _object: &DatabaseServer,
        server: &Server,
        claim: &Claim,
    ) -> Result<(Facts, Audit), Problem> {
        let facts = visit(server, &world.effects, claim).await?;
        server.pin(&facts.system_identifier);
        let audit = audit(server, &world.effects).await?;
        Ok((facts, audit))
    }

    async fn know(
        world: &World,
        contact: Contact<Self>,
        found: Option<Audit>,
        before: Option<&Self>,
    ) -> Self {
        let now = (Instant::now(), world.clock.now());
        let in_use = found
            .as_ref()
            .map(|audit| audit.in_use().collect::<Vec<_>>());
        let logins = Logins::next(
            before.map(|before| &before.logins),
            in_use.as_deref(),
            now,
            Self::interval(world),
        );
        let (audit, orphans) = match (found, before) {
            (Some(audit), _) => {
                let orphans = orphans(world, &contact.object.name_any(), &audit);
                (Some(audit), orphans)
            }
            (None, Some(before)) => (before.audit.clone(), before.orphans.clone()),
            (None, None) => (None, Vec::new()),
        };
        let counts = audit.as_ref().map(|it| it.counts(world.installation()));
        Self {
            contact,
            audit,
            counts,
            orphans,
            logins,
            newer: Mutex::default(),
        }
    }

    fn contact(&self) -> &Contact<Self> {
        &self.contact
    }

    fn changed(&self, world: &World, before: &Self) -> Vec<String> {
        let name = self.contact.object.name_any();
        world.records.with(|registry| {
            registry
                .records()
                .filter(|record| record.database.server == name)
                .filter(|record| {
                    let was = before.observed(record).map(Observed::at_rest);
                    was != self.observed(record).map(Observed::at_rest)
                })
                .map(|record| record.tenant.name.clone())
                .collect()
        })
    }

    fn has_more_room(&self, before: &Self) -> bool {
        let taken = |it: &Self| it.counts.map(|it| (it.live + it.retained, it.connections));
        let fewer = |(databases, connections): (i64, i64), before: (i64, i64)| {
            databases < before.0 || connections < before.1
        };
        taken(self).is_some_and(|now| taken(before).is_none_or(|before| fewer(now, before)))
    }

    async fn report(&self, world: &World) -> Result<(), Problem> {
        let name = self.contact.object.name_any();
        let Some(object) = Self::object(world, &name) else {
            return Ok(());
        };
        let promised = world.records.with(|registry| registry.promised(&name));
        keep_while_used(world, &*object, promised.databases).await?;
        let before = object.status.clone().unwrap_or_default();
        let counts = self.counts;
        let generation = object.metadata.generation.unwrap_or_default();
        let facts = self.contact.facts();
        let after = DatabaseServerStatus {
            observed_generation: Some(generation),
            version: facts
                .map(|facts| facts.version.clone())
                .or(before.version.clone()),
            system_identifier: facts
                .map(|facts| facts.system_identifier.clone())
                .or(before.system_identifier.clone()),
            databases: counts
                .map(|counts| counts.live + counts.retained)
                .or(before.databases),
            retained: counts.map(|counts| counts.retained).or(before.retained),
            connections: counts
                .map(|counts| counts.connections)
                .or(before.connections),
            orphans: match &self.audit {
                Some(_) => self.orphans.iter().take(NAMED).cloned().collect(),
                None => before.orphans.clone(),
            },
            conditions: vec![
                self.contact
                    .ready(&object, promised.databases, &before.conditions),
            ],
        };
        write_status(world, &*object, &before, &after).await
    }
}

/// What on the server of this name bears our mark as living, and is in no record.
fn orphans(world: &World, server: &str, audit: &Audit) -> Vec<String> {
    let known: HashSet<String> = world.records.with(|registry| {
        registry
            .records()
            .filter(|record| record.database.server == server)
            .flat_map(recorded_names)
            .collect()
    });
    audit.orphans(world.installation(), |name| {
        known.contains(name) || audited_by(name).is_some_and(|database| known.contains(database))
    })
}
