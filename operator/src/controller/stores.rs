//! The stores: listed regularly, and each tenant in them looked at closely in turn.

mod looks;
mod patrol;

use super::access::{Access, ca};
use super::backends::{Contact, Fleet, Tended};
use super::usage::{keep_while_used, write_status};
use super::world::World;
use crate::identity::{Claim, InstallationId};
use crate::objectstore::observe::{Inventory, Observed, inventory};
use crate::objectstore::orphans::{Strangers, strangers};
use crate::objectstore::store::{Facts, visit};
use crate::objectstore::{Store, StoreAddress};
use crate::plan::Problem;
use eoffice_crds::{
    ConditionType, ObjectRef as SecretRef, ObjectStore, ObjectStoreStatus, RecordState,
    TenantRecordSpec,
};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use looks::{Looks, Place};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many orphans a status names.
const NAMED: usize = 20;
/// How long a store that has just come is kept from its tenants, for close looks at them.
const FIRST_LOOKS: Duration = Duration::from_secs(10);

/// A store as last seen.
pub struct StorageBackend {
    contact: Contact<Self>,
    inventory: Option<Inventory>,
    strangers: Strangers,
    looks: Arc<Looks>,
    /// The tenants whom the lists have shown to be another than they were.
    contradicted: Vec<String>,
}

impl StorageBackend {
    /// The store, if it may be worked with.
    pub fn usable(&self) -> Result<(&Store, &Facts), Problem> {
        self.contact.usable()
    }

    /// Its resource.
    pub fn spec(&self) -> &eoffice_crds::ObjectStoreSpec {
        &self.contact.object.spec
    }

    /// The CA of its endpoints' certificates, PEM.
    pub fn ca(&self) -> Option<&str> {
        self.contact.ca()
    }

    /// What one tenant has in it, as last seen closely.
    pub fn observed(&self, record: &TenantRecordSpec) -> Option<Observed> {
        self.looks.of(&record.storage.bucket)
    }

    /// Notes a close look at one tenant.
    pub fn saw(&self, record: &TenantRecordSpec, observed: Observed) {
        self.looks
            .note(&Place::of(record), Instant::now(), observed);
    }

    /// Whether a bucket of this name was there when the store was last listed, or may be there now.
    pub fn may_hold(&self, bucket: &str) -> bool {
        self.inventory
            .as_ref()
            .is_none_or(|inventory| inventory.buckets.contains(bucket))
    }

    /// The buckets in no record that bear this owner's mark.
    pub fn strange_buckets_of(
        &self,
        installation: &InstallationId,
        owner: &str,
    ) -> impl Iterator<Item = &str> {
        self.strangers.buckets_of(installation, owner)
    }

    /// How many buckets and users in it bear our mark as living and are in no record.
    pub fn orphan_count(&self) -> usize {
        self.strangers.orphans().len()
    }
}

/// What the lists say, and when they were begun.
pub struct Listed {
    inventory: Inventory,
    began: Instant,
}

impl Tended for StorageBackend {
    type Object = ObjectStore;
    type Handle = Store;
    type Facts = Facts;
    type Found = Listed;
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

    fn admin(object: &ObjectStore) -> &SecretRef {
        &object.spec.admin_secret_ref
    }

    fn pinned(object: &ObjectStore) -> Option<String> {
        object.status.as_ref()?.identity.clone()
    }

    fn holds(record: &TenantRecordSpec, name: &str) -> bool {
        record.storage.store == name
    }

    async fn connect(
        world: &World,
        object: &ObjectStore,
    ) -> Result<(Store, Option<String>), Problem> {
        let spec = &object.spec;
        let addresses = [spec.endpoint.as_str(), spec.iam_endpoint.as_str()];
        let access = Access::for_use_at(world, &spec.admin_secret_ref, &addresses).await?;
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

    async fn look(
        world: &World,
        object: &ObjectStore,
        store: &Store,
        claim: &Claim,
    ) -> Result<(Facts, Listed), Problem> {
        let known = object.status.as_ref().and_then(|it| it.capabilities);
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        let facts = visit(store, &world.effects, claim, &fresh, known).await?;
        let began = Instant::now();
        let inventory = inventory(store, &world.effects, world.installation()).await?;
        Ok((facts, Listed { inventory, began }))
    }

    async fn know(
        world: &World,
        contact: Contact<Self>,
        found: Option<Listed>,
        before: Option<&Self>,
    ) -> Self {
        let mut now = Self {
            contact,
            inventory: None,
            strangers: before.map_or_else(Strangers::default, |it| it.strangers.clone()),
            looks: before.map_or_else(Arc::default, |before| Arc::clone(&before.looks)),
            contradicted: Vec::new(),
        };
        let (Some(listed), Ok((store, _))) = (found, now.contact.usable()) else {
            now.inventory = before.and_then(|before| before.inventory.clone());
            return now;
        };
        let Listed { inventory, began } = listed;
        now.contradicted = now.looks.compare(&inventory, began);
        let unnamed = world.records.with(|registry| {
            let records = registry.records().map(|record| &record.storage);
            strangers(&inventory, world.installation(), records)
        });
        let strangers = std::mem::take(&mut now.strangers);
        now.strangers = strangers
            .meet(store, &world.effects, world.installation(), unnamed)
            .await;
        // Its tenants are looked at by what is known of them, and by the marks that witness for their
        // databases: where nothing is known yet, that comes first.
        if before.is_none_or(|before| before.usable().is_err()) {
            let places = patrol::places(world, &now.contact.object.name_any());
            let (unseen, _) = now.looks.round(places);
            let looks = patrol::look_at_all(world, (store, &inventory), &now.looks, unseen);
            if tokio::time::timeout(FIRST_LOOKS, looks).await.is_err() {
                tracing::warn!("some tenants in a store were not looked at yet; work begins");
            }
        }
        now.inventory = Some(inventory);
        now
    }

    fn contact(&self) -> &Contact<Self> {
        &self.contact
    }

    /// The lists, and a close look at everyone.
    fn seen(&self) -> Option<Instant> {
        let listed = self.contact.seen?;
        Some(self.looks.oldest().map_or(listed, |at| at.min(listed)))
    }

    fn changed(&self, _world: &World, _before: &Self) -> Vec<String> {
        self.contradicted.clone()
    }

    async fn patrol(world: &World, name: &str) -> Infallible {
        patrol::patrol(world, name).await
    }

    async fn report(&self, world: &World) -> Result<(), Problem> {
        let name = self.contact.object.name_any();
        let Some(object) = Self::object(world, &name) else {
            return Ok(());
        };
        let in_use = world.records.with(|registry| registry.in_store(&name));
        keep_while_used(world, &*object, in_use).await?;
        let before = object.status.clone().unwrap_or_default();
        let facts = self.contact.facts();
        let mut after = ObjectStoreStatus {
            observed_generation: Some(object.metadata.generation.unwrap_or_default()),
            identity: facts
                .map(|facts| facts.identity.clone())
                .or(before.identity.clone()),
            capabilities: facts
                .map(|facts| facts.capabilities)
                .or(before.capabilities),
            conditions: vec![self.contact.ready(&object, in_use, &before.conditions)],
            ..before.clone()
        };
        if let Some(inventory) = &self.inventory {
            let (named, retained) = count(inventory, world);
            let strangers = self.strangers.retained();
            after.buckets = i64::try_from(named + strangers).ok();
            after.retained = i64::try_from(retained + strangers).ok();
            after.users = i64::try_from(inventory.users.len()).ok();
            after.orphans = self.strangers.orphans().into_iter().take(NAMED).collect();
        }
        write_status(world, &*object, &before, &after).await
    }
}

/// How many of the listed buckets records name, and how many of these are of tenants that have left.
fn count(listed: &Inventory, world: &World) -> (usize, usize) {
    world.records.with(|registry| {
        let records = registry.records();
        let there = records.filter(|record| listed.buckets.contains(&record.storage.bucket));
        there.fold((0, 0), |(all, retained), record| {
            let left = usize::from(record.state != RecordState::Live);
            (all + 1, retained + left)
        })
    })
}
