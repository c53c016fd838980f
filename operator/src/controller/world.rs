//! Everything that the controller knows and works with, shared by all its tasks.

use super::backends::{DatabaseBackend, Fleet, StorageBackend};
use super::backoff::Backoff;
use super::breaker::Breaker;
use super::contests::Contests;
use super::lease::Leadership;
use super::queue::Queue;
use super::records::Records;
use super::tombstones::Tombstones;
use super::waves::Waves;
use crate::audit::actor;
use crate::clock::Clock;
use crate::effect::Effects;
use crate::identity::InstallationId;
use crate::kubernetes::Kind;
use crate::kubernetes::apply::Cluster;
use crate::kubernetes::observe::locate;
use crate::plan::{Difference, Problem};
use crate::settings::Settings;
use crate::telemetry::Metrics;
use crate::tenant::approval::Province;
use crate::tenant::drift;
use crate::tenant::registry::Registry;
use crate::tenant::stages::StageChange;
use crate::tenant::tombstone;
use eoffice_crds::{
    ConditionType, DatabaseServer, EOfficeTenant, ObjectStore, Plane, TENANT_NAMESPACE_PREFIX,
    TenantClass, labels,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Everything that the controller knows and works with.
pub struct World {
    /// The program's arguments.
    pub settings: Settings,
    /// UID of the namespace kube-system: which cluster this is.
    pub cluster_uid: String,
    /// The API server.
    pub client: Client,
    /// The door to the outside.
    pub effects: Effects,
    /// What time it is, for whatever is written down or waits for a date.
    pub clock: Clock,
    /// The hands of the Kubernetes plane.
    pub cluster: Cluster,
    /// Writes Events.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Metrics,
    /// The lease.
    pub leadership: Arc<Leadership>,
    /// Tenants that wait to be looked at.
    pub queue: Queue,
    /// Every tenant.
    pub tenants: Store<EOfficeTenant>,
    /// Every class.
    pub classes: Store<TenantClass>,
    /// Every PostgreSQL server's object.
    pub servers: Store<DatabaseServer>,
    /// Every store's object.
    pub stores: Store<ObjectStore>,
    /// Every province's namespace.
    pub provinces: Store<PartialObjectMeta<Namespace>>,
    /// Every record.
    pub records: Records,
    /// PostgreSQL servers as last seen.
    pub databases: Fleet<DatabaseBackend>,
    /// Stores as last seen.
    pub storage: Fleet<StorageBackend>,
    /// Wakes the task that writes down what is used.
    pub usage_changed: Notify,
    /// A backend was looked at for the first time.
    pub backend_seen: Notify,
    /// What is remembered of each tenant between looks.
    pub memory: Memory,
    /// What would close, delete or move tenants asks here first.
    pub breaker: Breaker,
    /// Records of tenants that have left, to be looked at.
    pub tombstones: Tombstones,
    /// Held by whoever takes over what another tenant's record keeps.
    pub takeovers: tokio::sync::Mutex<()>,
    /// New tenants wait here for their turn.
    pub waves: Waves,
}

impl World {
    /// The installation.
    pub fn installation(&self) -> &InstallationId {
        &self.settings.installation_id
    }

    /// Asks for a look at a tenant, wherever its resource is.
    pub fn push_tenant(&self, name: &str) {
        let known = self.records.with(|registry| {
            registry
                .get(name)
                .map(|record| record.tenant.namespace.clone())
        });
        if let Some(namespace) = known {
            self.queue.push(&namespace, name);
        }
    }

    /// A backend shows something new of what this tenant has, or left: it is looked at.
    pub fn push_seen(&self, name: &str) {
        self.push_tenant(name);
        let record = self.records.with(|registry| registry.get(name).cloned());
        if record.is_some_and(|record| tombstone::is_open(self, &record)) {
            self.tombstones.push(name);
        }
    }

    /// Asks for a look at the tenant whose own namespace this is.
    pub fn push_namespace(&self, namespace: &str) {
        if let Some(tenant) = namespace.strip_prefix(TENANT_NAMESPACE_PREFIX) {
            self.push_tenant(tenant);
        }
    }

    /// Asks for a look at the tenant that an object belongs to.
    pub fn push_owner_of(&self, kind: Kind, object: &Value) {
        if let Some((namespace, _)) = locate(kind, object) {
            self.push_namespace(&namespace);
        }
    }

    /// Asks for a look at every tenant of a province's namespace.
    pub fn push_province(&self, namespace: &str) {
        for tenant in self.tenants.state() {
            if tenant.namespace().as_deref() == Some(namespace) {
                self.queue.push(namespace, &tenant.name_any());
            }
        }
    }

    /// Asks for a look at every tenant.
    pub fn push_all(&self) {
        for tenant in self.tenants.state() {
            self.queue
                .push(&tenant.namespace().unwrap_or_default(), &tenant.name_any());
        }
    }

    /// Asks for a look at every tenant that has no record yet: it may wait for capacity.
    pub fn push_waiting(&self) {
        for tenant in self.tenants.state() {
            let name = tenant.name_any();
            let known = |registry: &Registry| {
                let record = registry.get(&name);
                record.is_some_and(|record| record.state.holds_data())
            };
            if !self.records.with(known) {
                self.queue
                    .push(&tenant.namespace().unwrap_or_default(), &name);
            }
        }
    }

    /// What a province's namespace says.
    pub fn province(&self, namespace: &str) -> Province {
        self.provinces
            .get(&ObjectRef::new(namespace))
            .map(|namespace| Province {
                labels: namespace.labels().clone(),
                annotations: namespace.annotations().clone(),
            })
            .unwrap_or_default()
    }

    /// Base domains of every class.
    pub fn base_domains(&self) -> Vec<String> {
        self.classes
            .state()
            .iter()
            .map(|class| class.spec.base_domain.clone())
            .collect()
    }

    /// Whether every backend was looked at since this process began, whatever was found.
    pub fn backends_seen(&self) -> bool {
        let servers = self.servers.state();
        let stores = self.stores.state();
        servers
            .iter()
            .all(|server| self.databases.get(&server.name_any()).is_some())
            && stores
                .iter()
                .all(|store| self.storage.get(&store.name_any()).is_some())
    }

    /// A tenant's resource is gone from the API server.
    pub fn left(&self, tenant: &str) {
        self.memory.forget(tenant);
        self.breaker.wake();
    }

    /// Selects provinces' namespaces, and none of the tenants' own.
    pub fn province_selector() -> String {
        format!("{},!{}", labels::PROVINCE, labels::TENANT)
    }
}

/// What fails where a tenant's status cannot be written. No part of the tenant waits for it.
pub const WRITING: ConditionType = ConditionType::Reconciling;

/// What is remembered of each tenant between looks. It may be lost at any time.
#[derive(Default)]
pub struct Memory {
    inner: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    backoff: Backoff<(String, ConditionType)>,
    proofs: HashMap<String, Proved>,
    contests: Contests,
    delays: HashMap<(String, Plane), (String, Instant)>,
    /// Since when a record is known to be without its tenant, which had this UID.
    bereft: HashMap<String, (String, Instant)>,
    /// The last change of stage that was told of each tenant, with its UID.
    told: HashMap<String, (String, StageChange)>,
}

/// When a tenant's credentials were last tried, and what came of it.
#[derive(Clone, Debug)]
pub struct Proved {
    /// When.
    pub at: Instant,
    /// What came of it.
    pub outcome: Result<String, Problem>,
}

impl Memory {
    /// What a part failed with, if it is too early to try it again.
    pub fn waiting(&self, tenant: &str, part: ConditionType) -> Option<(Problem, Duration)> {
        self.lock()
            .backoff
            .waiting(&(tenant.to_owned(), part), Instant::now())
    }

    /// Notes that a part failed; answers with how long to wait.
    pub fn failed(&self, tenant: &str, part: ConditionType, problem: &Problem) -> Duration {
        self.lock().backoff.failed(
            (tenant.to_owned(), part),
            problem.clone(),
            Instant::now(),
            rand::random(),
        )
    }

    /// Notes that a part went well, or is worth a new try at once.
    pub fn clear(&self, tenant: &str, part: ConditionType) {
        self.lock().backoff.clear(&(tenant.to_owned(), part));
    }

    /// Notes that whatever failed of a tenant is worth a new try at once.
    pub fn clear_parts(&self, tenant: &str) {
        self.lock()
            .backoff
            .retain(|(name, part)| name != tenant || *part == WRITING);
    }

    /// Notes that a change of stage is told of. False if it was the last one already: a status that could not be
    /// written, or a look at an old one, is no news.
    pub fn tells(&self, tenant: &str, uid: &str, stage: &StageChange) -> bool {
        let now = (uid.to_owned(), stage.clone());
        let before = self.lock().told.insert(tenant.to_owned(), now.clone());
        before != Some(now)
    }

    /// The last proof of a tenant.
    pub fn proof(&self, tenant: &str) -> Option<Proved> {
        self.lock().proofs.get(tenant).cloned()
    }

    /// Notes a proof.
    pub fn proved(&self, tenant: &str, proof: Proved) {
        self.lock().proofs.insert(tenant.to_owned(), proof);
    }

    /// Forgets the last proof, so that a new one is made.
    pub fn forget_proof(&self, tenant: &str) {
        self.lock().proofs.remove(tenant);
    }

    /// Notes that drift was put right.
    pub fn corrected(&self, tenant: &str, difference: &Difference) {
        let other = actor(difference.actor.as_ref()).to_owned();
        let what = (difference.object.clone(), difference.field.clone());
        self.lock()
            .contests
            .corrected(tenant, what, other, Instant::now());
    }

    /// Why it is too early to put this right again, if two writers are fighting over it.
    pub fn contested(&self, tenant: &str, object: &str, field: &str) -> Option<Problem> {
        let inner = self.lock();
        let (other, _) = inner
            .contests
            .waiting(tenant, object, field, Instant::now())?;
        Some(drift::contested(other))
    }

    /// When something that two writers fight over is put right again.
    pub fn until_next_try(&self, tenant: &str, difference: &Difference) -> Option<Duration> {
        let inner = self.lock();
        let (object, field) = (&difference.object, &difference.field);
        let (_, left) = inner
            .contests
            .waiting(tenant, object, field, Instant::now())?;
        Some(left)
    }

    /// What is left of the time that this change of a plane waits, counted from the first call.
    pub fn left_of_delay(
        &self,
        tenant: &str,
        plane: Plane,
        asked: &str,
        delay: Duration,
    ) -> Option<Duration> {
        let now = Instant::now();
        let mut inner = self.lock();
        let seen = inner
            .delays
            .entry((tenant.to_owned(), plane))
            .or_insert_with(|| (asked.to_owned(), now));
        if seen.0 != asked {
            *seen = (asked.to_owned(), now);
        }
        (seen.1 + delay)
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// No change of a plane waits for its time.
    pub fn no_delay(&self, tenant: &str, plane: Plane) {
        self.lock().delays.remove(&(tenant.to_owned(), plane));
    }

    /// For how long a record has been known to be without its tenant, which had this UID; none where that is news.
    pub fn bereft_for(&self, tenant: &str, uid: &str) -> Option<Duration> {
        let mut inner = self.lock();
        let known = inner.bereft.get(tenant).filter(|(of, _)| of == uid);
        let since = known.map(|(_, since)| since.elapsed());
        if since.is_none() {
            let now = (uid.to_owned(), Instant::now());
            inner.bereft.insert(tenant.to_owned(), now);
        }
        since
    }

    /// Notes that a record has its tenant, or needs none.
    pub fn not_bereft(&self, tenant: &str) {
        self.lock().bereft.remove(tenant);
    }

    /// Forgets every wait of a tenant: a person asks for a look at once.
    pub fn hurry(&self, tenant: &str) {
        self.forget_proof(tenant);
        self.clear_parts(tenant);
    }

    /// Forgets a tenant.
    pub fn forget(&self, tenant: &str) {
        let mut inner = self.lock();
        inner.told.remove(tenant);
        inner.bereft.remove(tenant);
        inner.contests.forget(tenant);
        inner.delays.retain(|(name, _), _| name != tenant);
        inner.proofs.remove(tenant);
        inner.backoff.retain(|(name, _)| name != tenant);
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
