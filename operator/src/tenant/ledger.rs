//! The record of a live tenant: decided under one lock, written before anything else is made.

use crate::controller::world::World;
use crate::plan::Problem;
use crate::tenant::kubernetes::{check_namespace, lay_ground, wanted};
use crate::tenant::parse::{Tenant, matches};
use crate::tenant::placement::Candidate;
use crate::tenant::record::{Decision, FirstLook, begin, carry_on, check_owner};
use crate::tenant::registry::Registry;
use crate::tenant::store::{read_record, write_record};
use crate::tenant::{database, storage};
use eoffice_crds::{Reason, TenantRecordSpec};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

/// A tenant's place in the record, as it stands on the API server.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub record: TenantRecordSpec,
    /// Hosts that were not granted.
    pub refused_host: Option<Problem>,
    /// Whether the data of an earlier tenant was taken up with this look.
    pub restored: bool,
}

/// Brings the record to what it should be, and everything it decides about with it.
pub async fn enter(world: &World, tenant: &Tenant) -> Result<Entry, Problem> {
    let existing = world
        .records
        .with(|registry| registry.get(&tenant.name).cloned());
    let base_domains = world.base_domains();
    let look = match &existing {
        Some(_) => None,
        None => Some(first_look(world, tenant).await?),
    };
    check_namespace(world, tenant, existing.is_some()).await?;
    let holder_lives = existing.as_ref().is_some_and(|record| lives(world, record));
    let decide = |registry: &Registry| {
        let now = registry.get(&tenant.name);
        check_owner(tenant, now, registry, holder_lives)?;
        let decision = match (now, &look) {
            (Some(record), _) => carry_on(tenant, record, &base_domains, registry),
            (None, Some(look)) => {
                let look = look.promised(registry);
                begin(tenant, world.installation(), &look, &base_domains, registry)?
            }
            (None, None) => {
                return Err(Problem::new(
                    Reason::KubernetesError,
                    "the record went away while it was looked at; it is tried again",
                ));
            }
        };
        let Decision {
            record,
            refused_host,
            restored,
        } = decision;
        Ok((record, (refused_host, restored)))
    };
    let (record, (refused_host, restored)) = world.records.decide(decide)?;
    if existing.as_ref() != Some(&record) {
        settle(world, tenant, existing.is_some(), &record).await?;
        let before = existing.iter().flat_map(|existing| &existing.hosts);
        if before.into_iter().any(|host| !record.hosts.contains(host)) {
            // Somebody may have waited for a host that was given up.
            world.push_all();
        }
    }
    Ok(Entry {
        record,
        refused_host,
        restored,
    })
}

/// Writes what was decided; where that fails, what the API server has counts again.
async fn settle(
    world: &World,
    tenant: &Tenant,
    known: bool,
    record: &TenantRecordSpec,
) -> Result<(), Problem> {
    let written = async {
        let ground = wanted(world, &tenant.class.spec, record, tenant.wants_open());
        lay_ground(world, &ground).await?;
        let stored = read_record(world, &tenant.name).await?;
        if let Some(stored) = &stored
            && stored.spec.fingerprint != record.fingerprint
        {
            return Err(Problem::new(
                Reason::OtherAgency,
                format!(
                    "the record in namespace {} belongs to another agency; it is left untouched",
                    tenant.own_namespace()
                ),
            ));
        }
        if stored.is_some() && !known {
            // Decided as for a tenant without a record: what is written there must not be lost.
            return Err(Problem::new(
                Reason::KubernetesError,
                format!(
                    "the record of {} was found only now; it is looked at again with it",
                    tenant.name
                ),
            ));
        }
        write_record(world, stored.as_ref(), record).await
    }
    .await;
    match written {
        Ok(stored) => {
            world.records.settle(&tenant.name, Some(&stored));
            Ok(())
        }
        Err(problem) => {
            let stored = read_record(world, &tenant.name).await.ok().flatten();
            world.records.settle(&tenant.name, stored.as_ref());
            Err(problem)
        }
    }
}

/// Writes a change of the record that the planes found out: identities, the first proof.
pub async fn amend(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    let name = &record.tenant.name;
    let stored = read_record(world, name).await?;
    if stored
        .as_ref()
        .is_none_or(|stored| stored.spec.tenant.uid != record.tenant.uid)
    {
        return Err(Problem::new(
            Reason::KubernetesError,
            format!(
                "the record of {name} is not the one that was decided on; it is looked at again"
            ),
        ));
    }
    let stored = write_record(world, stored.as_ref(), record).await?;
    world.records.settle(name, Some(&stored));
    Ok(())
}

/// Whether the tenant that a record belongs to still exists.
fn lives(world: &World, record: &TenantRecordSpec) -> bool {
    let holder = ObjectRef::new(&record.tenant.name).within(&record.tenant.namespace);
    world
        .tenants
        .get(&holder)
        .is_some_and(|tenant| tenant.uid().as_deref() == Some(&record.tenant.uid))
}

/// What was found on the backends for a tenant without a record.
struct Look {
    pool: Vec<Candidate>,
    store: String,
    bucket_mark: Option<crate::identity::Mark>,
    database_mark: Option<crate::identity::Mark>,
}

impl Look {
    /// The same, with what the records promise of each server by now.
    fn promised(&self, registry: &Registry) -> FirstLook {
        let mut servers = self.pool.clone();
        for server in &mut servers {
            let promised = registry.promised(&server.name);
            server.databases = server.databases.max(promised.databases);
            server.connections = server.connections.max(promised.connections);
        }
        FirstLook {
            servers,
            store: self.store.clone(),
            bucket_mark: self.bucket_mark.clone(),
            database_mark: self.database_mark.clone(),
        }
    }
}

async fn first_look(world: &World, tenant: &Tenant) -> Result<Look, Problem> {
    let selector = &tenant.class.spec.database.server_selector;
    let mut pool = Vec::new();
    let mut database_mark = None;
    for server in world.servers.state() {
        if matches(Some(selector), server.labels())? {
            let (candidate, mark) = database::candidate(world, &server, tenant);
            database_mark = database_mark.or(mark);
            pool.push(candidate);
        }
    }
    let (store, bucket_mark) = storage::first_look(world, tenant).await?;
    Ok(Look {
        pool,
        store,
        bucket_mark,
        database_mark,
    })
}
