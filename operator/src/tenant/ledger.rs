//! The record of a live tenant: decided under one lock, written before anything else is made.

mod first;

use self::first::{First, first_look, nothing_elsewhere};
use crate::audit::Cause;
use crate::breaker::Act;
use crate::controller::waves::Admission;
use crate::controller::world::World;
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::{Gate, Problem};
use crate::tenant::brake::Brake;
use crate::tenant::keeper::Told;
use crate::tenant::kubernetes::{check_namespace, lay_ground, wanted};
use crate::tenant::owner::{Rivals, check_codes, check_owner};
use crate::tenant::parse::Tenant;
use crate::tenant::record::{Decision, begin, carry_on, comes_back, differences, is_restored};
use crate::tenant::registry::Registry;
use crate::tenant::store::{self, Tone, read_record, write_record};
use crate::tenant::{events, takeover};
use eoffice_crds::{
    DATABASE_SECRET, Impact, Lifecycle, Plane, Reason, RecordState, STORAGE_SECRET, TenantRecord,
    TenantRecordSpec,
};
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
    let look = Look::of(world, tenant).await?;
    let (existing, decision) = world.records.with(|registry| {
        let decision = look.decide(world, tenant, registry);
        (registry.get(&tenant.name).cloned(), decision)
    });
    let Decision {
        record,
        refused_host,
        restored,
    } = decision?;
    Ok(Entry {
        changed: existing.as_ref() != Some(&record),
        open: tenant.wants_open(),
        record,
        // Until the claim stands, the hosts of a record that is to be taken over seem to be another's.
        refused_host: refused_host.filter(|_| look.takeover.is_none()),
        restored,
        held: None,
        wait: None,
        acts: Vec::new(),
    })
}

/// Brings the record to what it should be, and everything it decides about with it. A new tenant that is on trial asks
/// for its turn as soon as it is known that it could be begun.
pub async fn enter(world: &World, tenant: &Tenant, admission: Admission) -> Result<Entry, Problem> {
    // From the claim to the record that follows from it nobody else may judge that the claim is void.
    let claimed = |registry: &Registry| {
        let known = registry.get(&tenant.name);
        known.is_some_and(|known| known.successor.is_some())
    };
    let _alone = match takeover::wanted(tenant).is_some() || world.records.with(claimed) {
        true => Some(world.takeovers.lock().await),
        false => None,
    };
    let look = Look::of(world, tenant).await?;
    if let Some(claimed) = &look.takeover {
        world
            .records
            .with(|registry| look.check_owner(tenant, registry))?;
        takeover::claim(world, tenant, claimed).await?;
    }
    let existing = look.existing.clone();
    let wanted = world
        .records
        .with(|registry| look.decide(world, tenant, registry))?;
    if admission == Admission::Trial {
        world.waves.ask(world, tenant)?;
    }
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
    let (mut record, (refused_host, restored)) = world.records.decide(decide)?;
    let changed = existing.as_ref() != Some(&record);
    if changed {
        record = settle(world, tenant, existing.as_ref(), &record).await?;
        let before = existing.iter().flat_map(|existing| &existing.hosts);
        if before.into_iter().any(|host| !record.hosts.contains(host)) {
            for act in brake.acts.iter().filter(|act| act.impact == Impact::Move) {
                world.breaker.done(&tenant.uid, act);
            }
            // Somebody may have waited for a host that was given up.
            world.push_all();
        }
    }
    let record = takeover::complete(world, record).await?;
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
    takeover: Option<TenantRecord>,
    base_domains: Vec<String>,
    rivals: Rivals,
}

impl Look {
    async fn of(world: &World, tenant: &Tenant) -> Result<Self, Problem> {
        let existing = world
            .records
            .with(|registry| registry.get(&tenant.name).cloned());
        let first = match existing.as_ref().is_none_or(is_empty) {
            false => None,
            true => Some(first_look(world, tenant).await?),
        };
        let takeover = takeover::look(world, tenant, existing.as_ref()).await?;
        match (&first, &takeover) {
            (Some(first), Some(_)) => takeover::only_without_data(tenant, first.finds_data())?,
            (Some(_), None) => nothing_elsewhere(world, tenant).await?,
            (None, _) => {}
        }
        check_namespace(world, tenant, existing.is_some()).await?;
        let rivals = match &existing {
            Some(record) => Rivals {
                holder_lives: lives(world, record),
                claimant: match comes_back(tenant, record) {
                    true => takeover::claimant(world, record).await?,
                    false => None,
                },
            },
            None => Rivals::default(),
        };
        Ok(Self {
            base_domains: world.base_domains(),
            existing,
            first,
            takeover,
            rivals,
        })
    }

    fn check_owner(&self, tenant: &Tenant, registry: &Registry) -> Result<(), Problem> {
        check_owner(tenant, registry.get(&tenant.name), &self.rivals)?;
        let from = self.takeover.as_ref();
        let from = from.map(|it| it.spec.tenant.name.as_str());
        check_codes(tenant, registry, from)
    }

    fn decide(
        &self,
        world: &World,
        tenant: &Tenant,
        registry: &Registry,
    ) -> Result<Decision, Problem> {
        self.check_owner(tenant, registry)?;
        let now = registry.get(&tenant.name);
        let kept = now.filter(|record| !is_empty(record));
        let mut decision = match (kept, &self.takeover, &self.first) {
            (Some(record), _, _) => {
                return Ok(carry_on(tenant, record, &self.base_domains, registry));
            }
            (None, Some(old), _) => {
                takeover::begin(tenant, &old.spec, &self.base_domains, registry)
            }
            (None, None, Some(first)) => {
                let first = first.promised(registry);
                let installation = world.installation();
                begin(tenant, installation, &first, &self.base_domains, registry)?
            }
            (None, None, None) => {
                return Err(Problem::new(
                    Reason::KubernetesError,
                    "the record went away while it was looked at; it is tried again",
                ));
            }
        };
        if let Some(earlier) = now {
            decision.record.destructions = earlier.destructions.clone();
        }
        Ok(decision)
    }
}

/// Whether all that stood behind a record was destroyed: a tenant of the same agency begins anew.
fn is_empty(record: &TenantRecordSpec) -> bool {
    record.state == RecordState::Destroyed
}

/// Writes what was decided, and answers with what is stored; where that fails, what the API server has counts again.
async fn settle(
    world: &World,
    tenant: &Tenant,
    known: Option<&TenantRecordSpec>,
    record: &TenantRecordSpec,
) -> Result<TenantRecordSpec, Problem> {
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
        if let (Some(stored), Some(known)) = (&stored, known)
            && !is_as_known(&stored.spec, known)
        {
            return Err(changed(&tenant.name));
        }
        if stored
            .as_ref()
            .is_some_and(|it| is_restored(tenant, &it.spec))
        {
            forget_credentials(world, tenant).await?;
        }
        write_record(world, stored.as_ref(), record).await
    }
    .await;
    match written {
        Ok(stored) => {
            world.records.settle(&tenant.name, Some(&stored));
            tell(known, record, Cause::SpecChange);
            tell_void(world, tenant, known).await;
            Ok(stored.spec)
        }
        Err(problem) => {
            let stored = read_record(world, &tenant.name).await.ok().flatten();
            world.records.settle(&tenant.name, stored.as_ref());
            Err(problem)
        }
    }
}

/// A tenant that comes back gets new credentials: the Secrets of the one before go before the record says that it is
/// back, and the planes make what is missing.
async fn forget_credentials(world: &World, tenant: &Tenant) -> Result<(), Problem> {
    let namespace = tenant.own_namespace();
    for name in [DATABASE_SECRET, STORAGE_SECRET] {
        let key = ObjectKey {
            kind: Kind::Secret,
            name: name.to_owned(),
        };
        world.cluster.delete(&namespace, &key).await?;
        world.cluster.index.forget(&namespace, &key);
    }
    Ok(())
}

/// An order to destroy what a tenant left is void with its return, and that is told.
async fn tell_void(world: &World, tenant: &Tenant, known: Option<&TenantRecordSpec>) {
    let known = known.filter(|it| it.state == RecordState::Retained && comes_back(tenant, it));
    let Some(order) = known.and_then(|known| known.purge.as_ref()) else {
        return;
    };
    let note = format!(
        "the tenant took its data back, so the order {} of {} to destroy it is void; nothing was destroyed, and the order has to be given anew once the tenant has left again",
        order.committee_reference, order.approved_by
    );
    let told = events::Told::new(Tone::Warning, "PurgeVoid", &note);
    store::tell(world, &tenant.object, &told).await;
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
) -> Result<TenantRecordSpec, Problem> {
    let name = &record.tenant.name;
    let stored = read_record(world, name).await?;
    if stored
        .as_ref()
        .is_none_or(|stored| !is_as_known(&stored.spec, before))
    {
        world.records.settle(name, stored.as_ref());
        return Err(changed(name));
    }
    let stored = write_record(world, stored.as_ref(), record).await?;
    world.records.settle(name, Some(&stored));
    tell(Some(before), record, Cause::SpecChange);
    Ok(stored.spec)
}

/// Whether a stored record is the one that was decided on. What people write into it takes no part: it is carried over.
fn is_as_known(stored: &TenantRecordSpec, known: &TenantRecordSpec) -> bool {
    let decided = |record: &TenantRecordSpec| {
        let own = TenantRecordSpec {
            legal_hold: false,
            purge: None,
            ..record.clone()
        };
        // As it is written: what has no place there, such as fractions of a second, is no difference.
        serde_json::to_value(own).ok()
    };
    decided(stored) == decided(known)
}

fn changed(name: &str) -> Problem {
    Problem::new(
        Reason::KubernetesError,
        format!("the record of {name} is not the one that was decided on; it is looked at again"),
    )
}

/// Whether the tenant that a record belongs to still exists.
fn lives(world: &World, record: &TenantRecordSpec) -> bool {
    let holder = ObjectRef::new(&record.tenant.name).within(&record.tenant.namespace);
    world
        .tenants
        .get(&holder)
        .is_some_and(|tenant| tenant.uid().as_deref() == Some(&record.tenant.uid))
}
