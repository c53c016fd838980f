//! From watches to the queue: which tenants a change concerns.

use super::tombstones;
use super::world::World;
use crate::kubernetes::Kind;
use crate::kubernetes::observe::locate;
use eoffice_crds::{
    EOfficeTenant, FleetHold, RECORD_NAME, TenantClass, TenantRecord, labels, tenant_namespace,
};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use kube::api::{Api, DynamicObject};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

/// Keeps a store current, and hands on every object that changed.
pub fn kept<K>(
    client: &Client,
    config: watcher::Config,
    writer: Writer<K>,
) -> impl Stream<Item = Event<K>> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    once_listed(sound(reflector(writer, readables(client, config))))
}

/// Holds back what a list has until the list is complete: only then is any of it in the store.
fn once_listed<K>(events: impl Stream<Item = Event<K>>) -> impl Stream<Item = Event<K>> {
    let mut listed = Vec::new();
    events
        .map(move |event| {
            let due = match event {
                Event::Init => {
                    listed.clear();
                    vec![Event::Init]
                }
                Event::InitApply(_) => {
                    listed.push(event);
                    Vec::new()
                }
                Event::InitDone => {
                    let mut all = std::mem::take(&mut listed);
                    all.push(Event::InitDone);
                    all
                }
                Event::Apply(_) | Event::Delete(_) => vec![event],
            };
            stream::iter(due)
        })
        .flatten()
}

/// Hands on every object of a kind that changed.
pub fn watched<K>(client: &Client, config: watcher::Config) -> impl Stream<Item = Event<K>> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    sound(readables(client, config))
}

fn readables<K>(
    client: &Client,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + use<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    watcher(api, config)
        .default_backoff()
        .filter_map(|event| ready(readable(event).transpose()))
}

/// Leaves out an object that cannot be read, so that it stops no other. What was known of it stays.
fn readable<K: Resource<DynamicType = ()>>(
    event: watcher::Result<Event<DeserializeGuard<K>>>,
) -> watcher::Result<Option<Event<K>>> {
    let (kind, object): (fn(K) -> Event<K>, _) = match event? {
        Event::Apply(object) => (Event::Apply, object),
        Event::InitApply(object) => (Event::InitApply, object),
        Event::Delete(object) => (Event::Delete, object),
        Event::Init => return Ok(Some(Event::Init)),
        Event::InitDone => return Ok(Some(Event::InitDone)),
    };
    Ok(object
        .0
        .inspect_err(|invalid| {
            tracing::warn!(
                kind = %K::kind(&()),
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = invalid.error,
                "an object cannot be read and is left as it is; correct it, or upgrade the operator"
            );
        })
        .ok()
        .map(kind))
}

/// The events of a watch that is begun again after every failure.
fn sound<K>(events: impl Stream<Item = watcher::Result<Event<K>>>) -> impl Stream<Item = Event<K>> {
    events.filter_map(|event| async move {
        event
            .inspect_err(|error| tracing::warn!(%error, "a watch broke and is begun again"))
            .ok()
    })
}

/// The objects that an event speaks of.
fn touched<K>(event: Event<K>) -> Option<K> {
    match event {
        Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => Some(object),
        Event::Init | Event::InitDone => None,
    }
}

/// Every change of a tenant leads to a look at it.
pub async fn tenants(
    events: impl Stream<Item = Event<EOfficeTenant>>,
    world: Arc<World>,
    synced: impl FnOnce(),
) {
    let mut events = pin!(events);
    let mut synced = Some(synced);
    while let Some(event) = events.next().await {
        if matches!(event, Event::InitDone)
            && let Some(synced) = synced.take()
        {
            synced();
        }
        if let Event::Delete(tenant) = &event {
            world.left(&tenant.name_any());
            world.push_tombstones_of(tenant);
            world.push_bereft(&tenant.name_any());
        }
        if matches!(event, Event::InitDone) {
            world.breaker.knows_all_tenants();
            world.push_all_bereft();
        }
        world.usage_changed.notify_one();
        world.waves.changed();
        if let Some(tenant) = touched(event) {
            world
                .queue
                .push(&tenant.namespace().unwrap_or_default(), &tenant.name_any());
        }
    }
}

/// A change of a class leads to a look at every tenant, for each may have it or want it. Our own
/// writes of its status are no change.
pub async fn classes(events: impl Stream<Item = Event<TenantClass>>, world: Arc<World>) {
    let mut known = HashMap::new();
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        let gone = matches!(event, Event::Delete(_));
        let Some(class) = touched(event) else {
            continue;
        };
        world.usage_changed.notify_one();
        let decided = (class.metadata.generation, class.annotations().clone());
        let before = match gone {
            true => known.remove(&class.name_any()),
            false => known.insert(class.name_any(), decided.clone()),
        };
        if gone || before != Some(decided) {
            world.push_all();
        }
    }
}

/// A change of a province's namespace leads to a look at the tenants in it.
pub async fn provinces<K: ResourceExt>(events: impl Stream<Item = Event<K>>, world: Arc<World>) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        if let Some(namespace) = touched(event) {
            world.push_province(&namespace.name_any());
        }
    }
}

/// A change of a record from outside leads to a look at its tenant.
pub async fn records(client: Client, world: Arc<World>, synced: impl FnOnce()) {
    let mut events = pin!(watched::<TenantRecord>(&client, watcher::Config::default()));
    let mut synced = Some(synced);
    while let Some(event) = events.next().await {
        match event {
            Event::Apply(record) | Event::InitApply(record) | Event::Delete(record)
                if !in_its_place(&record) =>
            {
                tracing::warn!(
                    namespace = record.namespace(),
                    name = record.name_any(),
                    tenant = record.spec.tenant.name,
                    "a TenantRecord lies where no tenant's record is, and is not believed; remove it"
                );
            }
            Event::Apply(record) | Event::InitApply(record) => {
                world.usage_changed.notify_one();
                if tombstones::concerns(&record) {
                    world.tombstones.push(&record.spec.tenant.name);
                }
                world.waves.saw(&record);
                if world.records.saw(&record) {
                    world.push_tenant(&record.spec.tenant.name);
                }
            }
            Event::Delete(record) => {
                world.push_tenant(&record.spec.tenant.name);
                world.records.gone(&record);
                // What it held, others may have waited for.
                world.push_all();
            }
            Event::InitDone => {
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Event::Init => {}
        }
    }
}

/// Whether a record is the one of the tenant that it names, and no copy of it.
fn in_its_place(record: &TenantRecord) -> bool {
    record.name_any() == RECORD_NAME
        && record.namespace() == Some(tenant_namespace(&record.spec.tenant.name))
}

/// A decision about a batch, or a hold, leads to a look at the tenants in it.
pub async fn holds(client: Client, world: Arc<World>, synced: impl FnOnce()) {
    let mut events = pin!(watched::<FleetHold>(&client, watcher::Config::default()));
    let mut synced = Some(synced);
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(hold) => {
                listed.push(hold.name_any());
                world.breaker.saw(&hold);
            }
            Event::InitDone => {
                world.breaker.listed(&listed);
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Event::Apply(hold) => world.breaker.saw(&hold),
            Event::Delete(hold) => world.breaker.gone(&hold.name_any()),
        }
    }
}

/// A change of a tenant's object, by anybody, leads to a look at its tenant.
pub async fn children(client: Client, kind: Kind, world: Arc<World>, synced: impl FnOnce()) {
    let api: Api<DynamicObject> = Api::all_with(client, &kind.api_resource());
    let config = watcher::Config::default().labels(labels::TENANT);
    let mut events = pin!(sound(watcher(api, config).default_backoff()));
    let mut synced = Some(synced);
    let mut listed = Vec::new();
    let index = &world.cluster.index;
    while let Some(event) = events.next().await {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                let object = serde_json::to_value(object).unwrap_or_default();
                listed.extend(locate(kind, &object));
                if index.insert(kind, &object) {
                    world.push_owner_of(kind, &object);
                }
            }
            Event::InitDone => {
                for namespace in index.retain_listed(kind, &listed) {
                    world.push_namespace(&namespace);
                }
                listed = Vec::new();
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Event::Apply(object) => {
                let object = serde_json::to_value(object).unwrap_or_default();
                if index.insert(kind, &object) {
                    world.push_owner_of(kind, &object);
                }
            }
            Event::Delete(object) => {
                let object = serde_json::to_value(object).unwrap_or_default();
                if index.remove(kind, &object) {
                    world.push_owner_of(kind, &object);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn what_a_list_has_is_handed_on_once_the_list_is_complete() {
        let after = |events: Vec<Event<u8>>| {
            let handed_on = once_listed(stream::iter(events)).collect::<Vec<_>>();
            let handed_on = handed_on.now_or_never().unwrap();
            handed_on
                .into_iter()
                .filter_map(touched)
                .collect::<Vec<_>>()
        };
        let begun = vec![Event::Init, Event::InitApply(1), Event::InitApply(2)];
        assert!(after(begun.clone()).is_empty());
        let done = [begun.clone(), vec![Event::InitDone, Event::Apply(3)]].concat();
        assert_eq!(after(done), [1, 2, 3]);
        // A list that broke off is begun again.
        let again = vec![Event::Init, Event::InitApply(4), Event::InitDone];
        assert_eq!(after([begun, again].concat()), [4]);
    }
}
