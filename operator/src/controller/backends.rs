//! The shared backends as the last look found them, and the tasks that look.

mod contact;

use super::world::World;
use crate::identity::Claim;
use crate::plan::Problem;
use eoffice_crds::{ConditionType, ObjectRef, TenantRecordSpec, finalizers};
use futures::{Stream, StreamExt};
use kube::core::object::HasSpec;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use super::servers::{DatabaseBackend, LoginUse};
pub use super::stores::StorageBackend;
pub use contact::Contact;

/// All backends of one kind by name.
pub struct Fleet<T> {
    members: RwLock<HashMap<String, Arc<T>>>,
}

impl<T> Default for Fleet<T> {
    fn default() -> Self {
        Self {
            members: RwLock::default(),
        }
    }
}

impl<T> Fleet<T> {
    /// A backend as last seen.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.members
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    fn put(&self, name: &str, member: Option<Arc<T>>) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        match member {
            Some(member) => members.insert(name.to_owned(), member),
            None => members.remove(name),
        };
    }
}

/// A backend that is looked at regularly.
pub trait Tended: Send + Sync + Sized + 'static {
    /// Its resource.
    type Object: Resource<DynamicType = ()>
        + HasSpec<Spec: PartialEq>
        + Clone
        + Send
        + Sync
        + 'static;
    /// The way to it.
    type Handle: Clone + Send + Sync;
    /// What says which one it is, and what it can do.
    type Facts: Clone + PartialEq + Send + Sync;
    /// What a look at all of it finds.
    type Found: Send;
    /// The part of a tenant that stands on it.
    const PART: ConditionType;

    /// Where the backends of this kind are kept.
    fn fleet(world: &World) -> &Fleet<Self>;
    /// Its resource as it is now.
    fn object(world: &World, name: &str) -> Option<Arc<Self::Object>>;
    /// How often it is looked at.
    fn interval(world: &World) -> Duration;
    /// The Secret with the admin's credentials.
    fn admin(object: &Self::Object) -> &ObjectRef;
    /// The identity that is pinned in its status.
    fn pinned(object: &Self::Object) -> Option<String>;
    /// Whether a record names the backend of this name.
    fn holds(record: &TenantRecordSpec, name: &str) -> bool;

    /// Makes a way to it; answers with its CA too, PEM.
    fn connect(
        world: &World,
        object: &Self::Object,
    ) -> impl Future<Output = Result<(Self::Handle, Option<String>), Problem>> + Send;
    /// Makes sure which one it is, and looks at all of it.
    fn look(
        world: &World,
        object: &Self::Object,
        handle: &Self::Handle,
        claim: &Claim,
    ) -> impl Future<Output = Result<(Self::Facts, Self::Found), Problem>> + Send;
    /// Puts together what is known of it now. Without anything found, what was seen last stays known.
    fn know(
        world: &World,
        contact: Contact<Self>,
        found: Option<Self::Found>,
        before: Option<&Self>,
    ) -> impl Future<Output = Self> + Send;

    /// How contact with it stands.
    fn contact(&self) -> &Contact<Self>;
    /// When all of it was looked at last.
    fn seen(&self) -> Option<Instant> {
        self.contact().seen
    }
    /// The tenants for whom something changed since.
    fn changed(&self, world: &World, before: &Self) -> Vec<String>;
    /// Whether less of it is taken than before.
    fn has_more_room(&self, _before: &Self) -> bool {
        false
    }
    /// Brings its status and finalizer up to date.
    fn report(&self, world: &World) -> impl Future<Output = Result<(), Problem>> + Send;
    /// What is done besides, all the time.
    fn patrol(_world: &World, _name: &str) -> impl Future<Output = Infallible> + Send {
        std::future::pending()
    }
}

/// Keeps one task for each backend, and wakes it when its resource changes. The events are those of
/// [`kept`](super::watch::kept): an object is in the store by the time it is spoken of.
pub async fn supervise<T: Tended>(events: impl Stream<Item = Event<T::Object>>, world: Arc<World>) {
    let mut tasks: HashMap<String, (Arc<Notify>, JoinHandle<()>)> = HashMap::new();
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        let (Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) = event
        else {
            continue;
        };
        let name = object.name_any();
        tasks.retain(|_, (_, task)| !task.is_finished());
        match tasks.get(&name) {
            Some((wake, _)) => wake.notify_one(),
            None => {
                let wake = Arc::new(Notify::new());
                let task = tokio::spawn(tend::<T>(
                    name.clone(),
                    Arc::clone(&world),
                    Arc::clone(&wake),
                ));
                tasks.insert(name, (wake, task));
            }
        }
    }
}

/// Looks at one backend until its resource is gone.
async fn tend<T: Tended>(name: String, world: Arc<World>, wake: Arc<Notify>) {
    tokio::select! {
        () = keep_looking::<T>(&name, &world, &wake) => {}
        never = T::patrol(&world, &name) => match never {},
    }
    T::fleet(&world).put(&name, None);
    world.metrics.no_audits_of(&name);
}

async fn keep_looking<T: Tended>(name: &str, world: &World, wake: &Notify) {
    while let Some(object) = T::object(world, name) {
        let generation = object.meta().generation;
        let before = T::fleet(world).get(name);
        let (contact, found) =
            contact::look::<T>(world, object, before.as_ref().map(|it| it.contact())).await;
        let now = Arc::new(T::know(world, contact, found, before.as_deref()).await);
        T::fleet(world).put(name, Some(Arc::clone(&now)));
        if let Some(at) = now.seen() {
            world.metrics.audited(name, at.elapsed());
        }
        world.backend_seen.notify_one();
        if before.as_ref().is_some_and(|it| now.has_more_room(it)) {
            // Each of those who wait for room sees for itself whether it is enough.
            world.push_waiting();
        }
        match before {
            Some(before) if now.contact().stands_as(before.contact()) => {
                // What it waited with is not what is there any more.
                for tenant in now.changed(world, &before) {
                    world.memory.clear(&tenant, T::PART);
                    world.push_seen(&tenant);
                }
            }
            _ => wake_all::<T>(world, name),
        }
        if let Err(problem) = now.report(world).await {
            tracing::warn!(backend = name, %problem, "the status of a backend could not be written");
        }
        rest::<T>(world, name, generation, wake).await;
    }
}

/// The backend itself came or went: every tenant on it is looked at, and waits end.
fn wake_all<T: Tended>(world: &World, name: &str) {
    world.push_waiting();
    let on_it: Vec<String> = world.records.with(|registry| {
        let records = registry.records().filter(|record| T::holds(record, name));
        records.map(|record| record.tenant.name.clone()).collect()
    });
    for tenant in &on_it {
        world.memory.clear(tenant, T::PART);
        world.memory.clear(tenant, ConditionType::Ready);
        world.memory.clear(tenant, ConditionType::Verified);
        world.push_seen(tenant);
    }
}

/// Waits for the next look: the interval, with jitter, or a change that a person made. Our own
/// writes of status leave the generation and the annotations as they are.
async fn rest<T: Tended>(world: &World, name: &str, generation: Option<i64>, wake: &Notify) {
    let annotations = T::object(world, name).map(|object| object.annotations().clone());
    let jitter = 0.9 + rand::random::<f64>() / 5.0;
    let pause = tokio::time::sleep(T::interval(world).mul_f64(jitter));
    let mut pause = pin!(pause);
    loop {
        tokio::select! {
            () = &mut pause => return,
            () = wake.notified() => match T::object(world, name) {
                Some(object) if object.meta().generation == generation
                    && object.meta().deletion_timestamp.is_none()
                    && Some(object.annotations()) == annotations.as_ref() => {}
                _ => return,
            }
        }
    }
}

/// Whether a resource bears the finalizer that keeps it while it is used.
pub fn is_kept(object: &impl ResourceExt) -> bool {
    object
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == finalizers::IN_USE)
}
