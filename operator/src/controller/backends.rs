//! The shared backends as the last look found them, and the tasks that look.

use super::world::World;
use crate::plan::Problem;
use eoffice_crds::{ConditionType, TenantRecordSpec, finalizers};
use futures::{Stream, StreamExt};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use super::servers::DatabaseBackend;
pub use super::stores::StorageBackend;

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

/// Which tenants a look at a backend concerns.
pub enum Touched {
    /// Those whose objects there changed, by name.
    Some(Vec<String>),
    /// All that are on it, for it came or went.
    All,
}

/// A backend that is looked at regularly.
pub trait Tended: Send + Sync + Sized + 'static {
    /// Its resource.
    type Object: Resource<DynamicType = ()> + Clone + Send + Sync + 'static;
    /// The part of a tenant that stands on it.
    const PART: ConditionType;

    /// Where the backends of this kind are kept.
    fn fleet(world: &World) -> &Fleet<Self>;
    /// Its resource as it is now.
    fn object(world: &World, name: &str) -> Option<Arc<Self::Object>>;
    /// How often it is looked at.
    fn interval(world: &World) -> Duration;
    /// Looks at it.
    fn look(
        world: &World,
        object: Arc<Self::Object>,
        before: Option<Arc<Self>>,
    ) -> impl Future<Output = Self> + Send;
    /// Whom the difference between two looks concerns.
    fn touched(&self, world: &World, before: Option<&Self>) -> Touched;
    /// Whether a record names the backend of this name.
    fn holds(record: &TenantRecordSpec, name: &str) -> bool;
    /// Brings its status and finalizer up to date.
    fn report(&self, world: &World) -> impl Future<Output = Result<(), Problem>> + Send;
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
    while let Some(object) = T::object(&world, &name) {
        let generation = object.meta().generation;
        let before = T::fleet(&world).get(&name);
        let now = Arc::new(T::look(&world, object, before.clone()).await);
        let touched = now.touched(&world, before.as_deref());
        T::fleet(&world).put(&name, Some(Arc::clone(&now)));
        world.backend_seen.notify_one();
        wake_tenants::<T>(&world, &name, touched);
        if let Err(problem) = now.report(&world).await {
            tracing::warn!(backend = name, %problem, "the status of a backend could not be written");
        }
        rest::<T>(&world, &name, generation, &wake).await;
    }
    T::fleet(&world).put(&name, None);
}

/// Asks for a look at the tenants concerned. Where the backend itself came or went, their waits end.
fn wake_tenants<T: Tended>(world: &World, name: &str, touched: Touched) {
    let tenants = match touched {
        Touched::Some(tenants) => tenants,
        Touched::All => {
            world.push_waiting();
            let on_it: Vec<String> = world.records.with(|registry| {
                let records = registry.records().filter(|record| T::holds(record, name));
                records.map(|record| record.tenant.name.clone()).collect()
            });
            for tenant in &on_it {
                world.memory.clear(tenant, T::PART);
                world.memory.clear(tenant, ConditionType::Ready);
                world.memory.clear(tenant, ConditionType::Verified);
            }
            on_it
        }
    };
    tenants.iter().for_each(|tenant| world.push_tenant(tenant));
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
