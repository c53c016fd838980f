//! The stores: listed regularly, and each tenant in them looked at closely in turn.

use super::access::{Access, blame, ca};
use super::backends::{Fleet, Tended, Touched};
use super::usage::{in_use, keep_while_used, write_status};
use super::world::World;
use crate::identity::Claim;
use crate::objectstore::observe::{Inventory, Observed, inventory, tenant as observe};
use crate::objectstore::store::{Facts, visit};
use crate::objectstore::{Store, StoreAddress};
use crate::plan::Problem;
use crate::tenant::status::condition;
use eoffice_crds::{
    ConditionType, ObjectStore, ObjectStoreStatus, Reason, RecordedStorage, TenantRecordSpec,
    annotations,
};
use futures::StreamExt;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Close looks at once, of one store.
const CLOSE_LOOKS: usize = 4;

/// A store as last seen.
pub struct StorageBackend {
    object: Arc<ObjectStore>,
    /// The CA of its endpoints' certificates, PEM.
    pub ca: Option<String>,
    store: Option<Store>,
    facts: Result<Facts, Problem>,
    inventory: Option<Inventory>,
    looks: Mutex<HashMap<String, Look>>,
}

/// A close look at what one tenant has in the store.
#[derive(Clone)]
struct Look {
    at: Instant,
    observed: Observed,
}

impl StorageBackend {
    /// The store, if it may be worked with.
    pub fn usable(&self) -> Result<(&Store, &Facts), Problem> {
        let facts = self.facts.as_ref().map_err(Clone::clone)?;
        let store = self.store.as_ref().ok_or_else(|| {
            Problem::new(
                Reason::BackendNotReady,
                format!(
                    "ObjectStore {} is not connected yet",
                    self.object.name_any()
                ),
            )
        })?;
        Ok((store, facts))
    }

    /// Its resource.
    pub fn spec(&self) -> &eoffice_crds::ObjectStoreSpec {
        &self.object.spec
    }

    /// What one tenant has in it, as last seen closely.
    pub fn observed(&self, record: &TenantRecordSpec) -> Option<Observed> {
        self.look_of(record).map(|look| look.observed)
    }

    fn look_of(&self, record: &TenantRecordSpec) -> Option<Look> {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.get(&record.storage.bucket).cloned()
    }

    /// Notes a close look at one tenant.
    pub fn saw(&self, record: &TenantRecordSpec, observed: Observed) {
        let look = Look {
            at: Instant::now(),
            observed,
        };
        self.looks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(record.storage.bucket.clone(), look);
    }

    /// Looks closely at the tenants whose turn it is: those never looked at and the oldest looks, as
    /// many as bring everyone to their turn within the pass.
    async fn look_around(&self, world: &World, store: &Store) {
        let name = self.object.name_any();
        let records: Vec<TenantRecordSpec> = world.records.with(|registry| {
            registry
                .records()
                .filter(|record| record.storage.store == name)
                .cloned()
                .collect()
        });
        let share = world.settings.storage_interval.as_secs_f64()
            / world.settings.storage_pass.as_secs_f64();
        let turns = (share * f64::from(u32::try_from(records.len()).unwrap_or(u32::MAX))).ceil();
        let mut by_age: Vec<_> = records
            .into_iter()
            .map(|record| (self.look_of(&record).map(|look| look.at), record))
            .collect();
        by_age.sort_by_key(|(at, _)| *at);
        let unseen = by_age.iter().filter(|(at, _)| at.is_none()).count();
        // `turns` is a small whole number: at most the number of records.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let turns = (turns as usize).max(unseen);
        futures::stream::iter(by_age.into_iter().take(turns))
            .for_each_concurrent(CLOSE_LOOKS, |(_, record)| async move {
                match observe(
                    store,
                    &world.effects,
                    &record.storage.bucket,
                    &record.storage.user,
                )
                .await
                {
                    Ok(observed) => self.saw(&record, observed),
                    Err(problem) => {
                        tracing::warn!(tenant = record.tenant.name, %problem, "a close look failed")
                    }
                }
            })
            .await;
    }

    /// Whether the lists and the last close look agree about what exists.
    fn listed(&self, record: &TenantRecordSpec) -> Option<(bool, bool)> {
        let Inventory { buckets, users } = self.inventory.as_ref()?;
        let RecordedStorage { bucket, user, .. } = &record.storage;
        Some((buckets.contains(bucket), users.contains_key(user)))
    }

    /// Whether a bucket of this name was there when the store was last listed, or may be there now.
    pub fn may_hold(&self, bucket: &str) -> bool {
        self.inventory
            .as_ref()
            .is_none_or(|inventory| inventory.buckets.contains(bucket))
    }
}

impl Tended for StorageBackend {
    type Object = ObjectStore;
    const PART: ConditionType = ConditionType::StorageReady;

    fn fleet(world: &World) -> &Fleet<Self> {
        &world.storage
    }

    fn object(world: &World, name: &str) -> Option<Arc<ObjectStore>> {
        world.stores.get(&ObjectRef::new(name))
    }

    fn interval(world: &World) -> Duration {
        world.settings.storage_interval
    }

    async fn look(world: &World, object: Arc<ObjectStore>, before: Option<Arc<Self>>) -> Self {
        let kept = before
            .as_ref()
            .filter(|before| before.object.spec == object.spec && before.facts.is_ok())
            .and_then(|before| Some((before.store.clone()?, before.ca.clone())));
        let connected = match kept {
            Some(kept) => Ok(kept),
            None => connect(world, &object).await,
        };
        let (store, ca, facts, listed) = match connected {
            Ok((store, ca)) => {
                let capabilities = object
                    .status
                    .as_ref()
                    .and_then(|status| status.capabilities);
                let fresh = uuid::Uuid::new_v4().simple().to_string();
                let facts = visit(
                    &store,
                    &world.effects,
                    &claim(world, &object),
                    &fresh,
                    capabilities,
                )
                .await;
                let facts = facts.map_err(|problem| blame(problem, &object.spec.admin_secret_ref));
                let listed = match &facts {
                    Ok(_) => inventory(&store, &world.effects, world.installation())
                        .await
                        .map(Some),
                    Err(problem) => Err(problem.clone()),
                };
                (Some(store), ca, facts, listed)
            }
            Err(problem) => (None, None, Err(problem.clone()), Err(problem)),
        };
        // What was last seen stays known while the store cannot be asked.
        let last = before.as_ref().and_then(|before| before.inventory.clone());
        let looks = before.map(|before| {
            before
                .looks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        });
        let now = Self {
            object,
            ca,
            store,
            facts: facts.and_then(|facts| listed.as_ref().map(|_| facts).map_err(Clone::clone)),
            inventory: listed.unwrap_or(last),
            looks: Mutex::new(looks.unwrap_or_default()),
        };
        if let Ok((store, _)) = now.usable() {
            now.look_around(world, store).await;
        }
        now
    }

    fn touched(&self, world: &World, before: Option<&Self>) -> Touched {
        let Some(before) = before else {
            return Touched::All;
        };
        if self.facts != before.facts || self.object.spec != before.object.spec {
            return Touched::All;
        }
        let name = self.object.name_any();
        Touched::Some(world.records.with(|registry| {
            registry
                .records()
                .filter(|record| record.storage.store == name)
                .filter(|record| {
                    before.observed(record) != self.observed(record)
                        || before.listed(record) != self.listed(record)
                })
                .map(|record| record.tenant.name.clone())
                .collect()
        }))
    }

    fn holds(record: &TenantRecordSpec, name: &str) -> bool {
        record.storage.store == name
    }

    async fn report(&self, world: &World) -> Result<(), Problem> {
        let name = self.object.name_any();
        let Some(object) = Self::object(world, &name) else {
            return Ok(());
        };
        let users = world.records.with(|registry| registry.in_store(&name));
        keep_while_used(world, &*object, users).await?;
        let before = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation.unwrap_or_default();
        let deleting = object.metadata.deletion_timestamp.is_some();
        let (truth, reason, message) = match &self.facts {
            _ if deleting && users > 0 => ("False", Reason::InUse, in_use(users)),
            Ok(_) => (
                "True",
                Reason::AsExpected,
                "reachable, the pinned one, and able to take tenants".to_owned(),
            ),
            Err(problem) => ("False", problem.reason, problem.message.clone()),
        };
        let facts = self.facts.as_ref().ok();
        let counts = self.inventory.as_ref();
        let ready = ConditionType::Ready.as_str();
        let after = ObjectStoreStatus {
            observed_generation: Some(generation),
            identity: facts
                .map(|facts| facts.identity.clone())
                .or(before.identity.clone()),
            capabilities: facts
                .map(|facts| facts.capabilities)
                .or(before.capabilities),
            buckets: counts
                .map(|counts| count(&counts.buckets, world))
                .or(before.buckets),
            users: counts
                .and_then(|counts| i64::try_from(counts.users.len()).ok())
                .or(before.users),
            retained: before.retained,
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

/// How many of these buckets are tenants': those that records name.
fn count(buckets: &BTreeSet<String>, world: &World) -> i64 {
    let of_tenants = world.records.with(|registry| {
        let named = registry
            .records()
            .filter(|record| buckets.contains(&record.storage.bucket));
        named.count()
    });
    i64::try_from(of_tenants).unwrap_or(i64::MAX)
}

async fn connect(world: &World, object: &ObjectStore) -> Result<(Store, Option<String>), Problem> {
    let spec = &object.spec;
    let access = Access::read(world, &spec.admin_secret_ref).await?;
    let ca = ca(world, spec.ca_secret_ref.as_ref()).await?;
    let address = StoreAddress {
        name: object.name_any(),
        endpoint: spec.endpoint.clone(),
        iam_endpoint: spec.iam_endpoint.clone(),
        region: spec.region.clone(),
        path_style: spec.path_style,
        access_key: access.text("AWS_ACCESS_KEY_ID")?,
        secret_key: access.secret("AWS_SECRET_ACCESS_KEY")?,
        ca_pem: ca.clone().map(String::into_bytes),
    };
    Ok((Store::new(&address)?, ca))
}

fn claim(world: &World, object: &ObjectStore) -> Claim {
    let annotation = |key: &str| object.annotations().get(key).cloned();
    Claim {
        installation: world.installation().clone(),
        cluster_uid: world.cluster_uid.clone(),
        pinned: object
            .status
            .as_ref()
            .and_then(|status| status.identity.clone()),
        accept_identity: annotation(annotations::ACCEPT_IDENTITY),
        take_over_from: annotation(annotations::TAKE_OVER_FROM),
    }
}
