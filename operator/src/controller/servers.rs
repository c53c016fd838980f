//! The PostgreSQL servers: looked at by one query each, reported in their own status.

use super::access::{Access, blame, ca};
use super::backends::{Fleet, Tended, Touched};
use super::usage::{in_use, keep_while_used, write_status};
use super::world::World;
use crate::identity::Claim;
use crate::plan::Problem;
use crate::postgres::{Audit, Facts, Observed, Server, ServerAddress, audit, visit};
use crate::tenant::status::condition;
use eoffice_crds::{
    ConditionType, DatabaseServer, DatabaseServerStatus, Reason, TenantRecordSpec, annotations,
};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A PostgreSQL server as last seen.
pub struct DatabaseBackend {
    object: Arc<DatabaseServer>,
    /// The CA of its certificate, PEM.
    pub ca: Option<String>,
    server: Option<Server>,
    facts: Result<Facts, Problem>,
    audit: Option<Audit>,
    /// Looks at single tenants that are newer than the audit.
    newer: Mutex<HashMap<String, Observed>>,
}

impl DatabaseBackend {
    /// The server, if it may be worked with.
    pub fn usable(&self) -> Result<(&Server, &Facts), Problem> {
        let facts = self.facts.as_ref().map_err(Clone::clone)?;
        let server = self.server.as_ref().ok_or_else(|| {
            Problem::new(
                Reason::BackendNotReady,
                format!(
                    "DatabaseServer {} is not connected yet",
                    self.object.name_any()
                ),
            )
        })?;
        Ok((server, facts))
    }

    /// Its resource.
    pub fn spec(&self) -> &eoffice_crds::DatabaseServerSpec {
        &self.object.spec
    }

    /// Everything of ours on it, as the last audit found it.
    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
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

    async fn look(world: &World, object: Arc<DatabaseServer>, before: Option<Arc<Self>>) -> Self {
        let kept = before
            .as_ref()
            .filter(|before| before.object.spec == object.spec && before.facts.is_ok())
            .and_then(|before| Some((before.server.clone()?, before.ca.clone())));
        let connected = match kept {
            Some(kept) => Ok(kept),
            None => connect(world, &object).await,
        };
        let (server, ca, facts, audited) = match connected {
            Ok((server, ca)) => {
                let facts = visit(&server, &world.effects, &claim(world, &object)).await;
                let facts = facts.map_err(|problem| blame(problem, &object.spec.admin_secret_ref));
                if let Ok(facts) = &facts {
                    server.pin(&facts.system_identifier);
                }
                let audited = match &facts {
                    Ok(_) => audit(&server, &world.effects).await.map(Some),
                    Err(problem) => Err(problem.clone()),
                };
                (Some(server), ca, facts, audited)
            }
            Err(problem) => (None, None, Err(problem.clone()), Err(problem)),
        };
        // What was last seen stays known while the server cannot be asked.
        let last = before.and_then(|before| before.audit.clone());
        Self {
            object,
            ca,
            server,
            facts: facts.and_then(|facts| audited.as_ref().map(|_| facts).map_err(Clone::clone)),
            audit: audited.unwrap_or(last),
            newer: Mutex::default(),
        }
    }

    fn touched(&self, world: &World, before: Option<&Self>) -> Touched {
        let Some(before) = before else {
            return Touched::All;
        };
        if self.facts != before.facts || self.object.spec != before.object.spec {
            return Touched::All;
        }
        Touched::Some(world.records.with(|registry| {
            registry
                .records()
                .filter(|record| record.database.server == self.object.name_any())
                .filter(|record| {
                    let was = before.observed(record).map(Observed::at_rest);
                    was != self.observed(record).map(Observed::at_rest)
                })
                .map(|record| record.tenant.name.clone())
                .collect()
        }))
    }

    fn holds(record: &TenantRecordSpec, name: &str) -> bool {
        record.database.server == name
    }

    async fn report(&self, world: &World) -> Result<(), Problem> {
        let name = self.object.name_any();
        let Some(object) = Self::object(world, &name) else {
            return Ok(());
        };
        let promised = world.records.with(|registry| registry.promised(&name));
        keep_while_used(world, &*object, promised.databases).await?;
        let before = object.status.clone().unwrap_or_default();
        let counts = self
            .audit
            .as_ref()
            .map(|audit| audit.counts(world.installation()));
        let generation = object.metadata.generation.unwrap_or_default();
        let deleting = object.metadata.deletion_timestamp.is_some();
        let (truth, reason, message) = match &self.facts {
            _ if deleting && promised.databases > 0 => {
                ("False", Reason::InUse, in_use(promised.databases))
            }
            Ok(_) => (
                "True",
                Reason::AsExpected,
                "reachable, the pinned one, and able to take tenants".to_owned(),
            ),
            Err(problem) => ("False", problem.reason, problem.message.clone()),
        };
        let facts = self.facts.as_ref().ok();
        let ready = ConditionType::Ready.as_str();
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
            orphans: before.orphans.clone(),
            conditions: vec![condition(
                &before.conditions,
                ready,
                truth,
                reason,
                &message,
                generation,
                Timestamp::now(),
            )],
        };
        write_status(world, &*object, &before, &after).await
    }
}

async fn connect(
    world: &World,
    object: &DatabaseServer,
) -> Result<(Server, Option<String>), Problem> {
    let spec = &object.spec;
    let access = Access::read(world, &spec.admin_secret_ref).await?;
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

fn claim(world: &World, object: &DatabaseServer) -> Claim {
    let annotation = |key: &str| object.annotations().get(key).cloned();
    Claim {
        installation: world.installation().clone(),
        cluster_uid: world.cluster_uid.clone(),
        pinned: object
            .status
            .as_ref()
            .and_then(|status| status.system_identifier.clone()),
        accept_identity: annotation(annotations::ACCEPT_IDENTITY),
        take_over_from: annotation(annotations::TAKE_OVER_FROM),
    }
}
