//! The record of a live tenant: decided under one lock, written before anything else is made.

use crate::audit::Cause;
use crate::breaker::Act;
use crate::controller::world::World;
use crate::plan::{Gate, Problem};
use crate::tenant::brake::Brake;
use crate::tenant::keeper::Told;
use crate::tenant::kubernetes::{check_namespace, lay_ground, wanted};
use crate::tenant::parse::{Tenant, matches};
use crate::tenant::placement::Candidate;
use crate::tenant::record::{Decision, FirstLook, begin, carry_on, check_owner, differences};
use crate::tenant::registry::Registry;
use crate::tenant::store::{read_record, write_record};
use crate::tenant::{database, storage};
use eoffice_crds::{Impact, Lifecycle, Plane, Reason, TenantRecordSpec};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::time::Duration;

/// A tenant's place in the record, as it stands on the API server.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub record: TenantRecordSpec,
    /// Hosts that were not granted.
    pub refused_host: Option<Problem>,
    /// Whether the data of an earlier tenant was taken up with this look.
    pub restored: bool,
    /// Whether the record was changed with this look.
    pub changed: bool,
    /// Whether access is to be open.
    pub open: bool,
    /// What waits in a batch for a person's decision, or for its time.
    pub held: Option<Problem>,
    /// When what waits is to be looked at again.
    pub wait: Option<Duration>,
    /// What the breaker was asked about.
    pub acts: Vec<Act>,
}

/// The entry of a tenant whose changes are stopped: the record as it is.
pub fn as_it_is(record: &TenantRecordSpec) -> Entry {
    Entry {
        record: record.clone(),
        refused_host: None,
        restored: false,
        changed: false,
        open: record.tenant_spec.lifecycle == Lifecycle::Active,
        held: None,
        wait: None,
        acts: Vec::new(),
    }
}

/// The entry that a tenant would get. Nothing is reserved or written.
pub async fn preview(world: &World, tenant: &Tenant) -> Result<Entry, Problem> {
    let (existing, decision) = {
        let look = Look::of(world, tenant).await?;
        world.records.with(|registry| {
            let decision = look.decide(world, tenant, registry);
            (registry.get(&tenant.name).cloned(), decision)
        })
    };
    let Decision {
        record,
        refused_host,
        restored,
    } = decision?;
    Ok(Entry {
        changed: existing.as_ref() != Some(&record),
        open: tenant.wants_open(),
        record,
        refused_host,
        restored,
        held: None,
        wait: None,
        acts: Vec::new(),
    })
}

/// Brings the record to what it should be, and everything it decides about with it.
pub async fn enter(world: &World, tenant: &Tenant) -> Result<Entry, Problem> {
    let look = Look::of(world, tenant).await?;
    let existing = look.existing.clone();
    let wanted = world
        .records
        .with(|registry| look.decide(world, tenant, registry))?;
    let brake = Brake::ask(world, tenant, existing.as_ref(), &wanted.record).await?;
    let decide = |registry: &Registry| {
        let Decision {
            mut record,
            refused_host,
            restored,
        } = look.decide(world, tenant, registry)?;
        brake.hold_back(&mut record, existing.as_ref());
        Ok::<_, Problem>((record, (refused_host, restored)))
    };
    let (record, (refused_host, restored)) = world.records.decide(decide)?;
    let changed = existing.as_ref() != Some(&record);
    if changed {
        settle(world, tenant, existing.as_ref(), &record).await?;
        let before = existing.iter().flat_map(|existing| &existing.hosts);
        if before.into_iter().any(|host| !record.hosts.contains(host)) {
            for act in brake.acts.iter().filter(|act| act.impact == Impact::Move) {
                world.breaker.done(&tenant.uid, act);
            }
            // Somebody may have waited for a host that was given up.
            world.push_all();
        }
    }
    Ok(Entry {
        open: tenant.wants_open() || brake.stays_open,
        record,
        refused_host,
        restored,
        changed,
        held: brake.held,
        wait: brake.wait,
        acts: brake.acts,
    })
}

/// What a record is decided from.
struct Look {
    existing: Option<TenantRecordSpec>,
    first: Option<First>,
    base_domains: Vec<String>,
    holder_lives: bool,
}

impl Look {
    async fn of(world: &World, tenant: &Tenant) -> Result<Self, Problem> {
        let existing = world
            .records
            .with(|registry| registry.get(&tenant.name).cloned());
        let first = match &existing {
            Some(_) => None,
            None => Some(first_look(world, tenant).await?),
        };
        check_namespace(world, tenant, existing.is_some()).await?;
        Ok(Self {
            holder_lives: existing.as_ref().is_some_and(|record| lives(world, record)),
            base_domains: world.base_domains(),
            existing,
            first,
        })
    }

    fn decide(
        &self,
        world: &World,
        tenant: &Tenant,
        registry: &Registry,
    ) -> Result<Decision, Problem> {
        let now = registry.get(&tenant.name);
        check_owner(tenant, now, registry, self.holder_lives)?;
        match (now, &self.first) {
            (Some(record), _) => Ok(carry_on(tenant, record, &self.base_domains, registry)),
            (None, Some(first)) => {
                let first = first.promised(registry);
                let installation = world.installation();
                begin(tenant, installation, &first, &self.base_domains, registry)
            }
            (None, None) => Err(Problem::new(
                Reason::KubernetesError,
                "the record went away while it was looked at; it is tried again",
            )),
        }
    }
}

/// Writes what was decided; where that fails, what the API server has counts again.
async fn settle(
    world: &World,
    tenant: &Tenant,
    known: Option<&TenantRecordSpec>,
    record: &TenantRecordSpec,
) -> Result<(), Problem> {
    let written = async {
        if known.is_none() {
            // Where a record stands its namespace does: what drifted of that is the plane's to decide about.
            let ground = wanted(world, &tenant.class.spec, record, tenant.wants_open());
            lay_ground(world, &ground).await?;
        }
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
        if stored.is_some() && known.is_none() {
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
            tell(known, record, Cause::SpecChange);
            Ok(())
        }
        Err(problem) => {
            let stored = read_record(world, &tenant.name).await.ok().flatten();
            world.records.settle(&tenant.name, stored.as_ref());
            Err(problem)
        }
    }
}

/// Writes the audit of a change of a record.
fn tell(before: Option<&TenantRecordSpec>, after: &TenantRecordSpec, cause: Cause) {
    let gate = Told {
        tenant: &after.tenant.name,
        plane: Plane::Namespace,
        cause,
    };
    gate.made(&differences(before, after));
}

/// Writes a change of the record that the planes found out: identities, the first proof.
pub async fn amend(
    world: &World,
    before: &TenantRecordSpec,
    record: &TenantRecordSpec,
) -> Result<(), Problem> {
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
    tell(Some(before), record, Cause::SpecChange);
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
struct First {
    pool: Vec<Candidate>,
    store: String,
    bucket_mark: Option<crate::identity::Mark>,
    database_mark: Option<crate::identity::Mark>,
}

impl First {
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

async fn first_look(world: &World, tenant: &Tenant) -> Result<First, Problem> {
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
    Ok(First {
        pool,
        store,
        bucket_mark,
        database_mark,
    })
}
