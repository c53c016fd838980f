//! Watches -> queue -> reconcile, under a lease.

mod access;
pub mod backends;
pub mod backoff;
pub mod breaker;
mod contests;
pub mod lease;
mod plans;
mod queue;
mod records;
mod servers;
mod stores;
mod tombstones;
mod usage;
mod watch;
pub mod waves;
pub mod world;

use crate::clock::Clock;
use crate::effect::{Effects, Fault};
use crate::kubernetes::Kind;
use crate::kubernetes::apply::Cluster;
use crate::settings::Settings;
use crate::telemetry::{Census, Health, Metrics, serve};
use crate::tenant::reconcile::reconcile;
use backends::{DatabaseBackend, Fleet, StorageBackend, supervise};
use breaker::{Breaker, keeper, writer};
use eoffice_crds::{DatabaseServer, EOfficeTenant, FIELD_MANAGER, ObjectStore, TenantClass};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config, Error, applier};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::store::{Store, store};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use lease::{Election, Leadership};
use prometheus_client::registry::Registry;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use world::{Memory, World};

/// How long work in hand may still take after SIGTERM.
const GRACE: Duration = Duration::from_secs(7);

/// How long giving back the lease may take after that.
const RELEASE: Duration = Duration::from_secs(2);
/// How long the first list of Certificates is waited for.
const FIRST_CERTIFICATES: Duration = Duration::from_secs(10);
/// How long the first looks at the backends are waited for.
const FIRST_LOOKS: Duration = Duration::from_secs(15);

/// Why the operator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API server could not be used.
    #[error("the API server cannot be used: {0}; check KUBECONFIG or the pod's ServiceAccount")]
    Client(#[from] kube::Error),
    /// There is no way to find the API server.
    #[error("no API server is configured: {0}; set KUBECONFIG, or run in a cluster")]
    Config(#[from] kube::config::InferConfigError),
    /// The metrics address could not be used.
    #[error("the address for health and metrics cannot be used: {0}; choose another with --bind")]
    Bind(std::io::Error),
}

/// What a test puts in place of the process's surroundings.
#[derive(Default)]
pub struct Surroundings {
    /// How the API server is reached; as KUBECONFIG or the pod says where absent.
    pub config: Option<kube::Config>,
    /// A hand at the door to the outside.
    pub fault: Option<Arc<dyn Fault>>,
    /// What time it is.
    pub clock: Clock,
}

/// Runs the operator until `stop`, or until its lease is lost.
pub async fn run(settings: Settings, stop: CancellationToken) -> Result<(), StartError> {
    run_in(Surroundings::default(), settings, stop).await
}

/// The same in other surroundings.
pub async fn run_in(
    surroundings: Surroundings,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let Surroundings {
        config,
        fault,
        clock,
    } = surroundings;
    let mut config = match config {
        Some(config) => config,
        None => kube::Config::infer().await?,
    };
    // Retries are the controller's own business: the client's would repeat a POST for minutes.
    config.default_retry = false;
    let client = Client::try_from(config)?;
    let mut registry = Registry::default();
    let mut effects = Effects::new(&mut registry);
    if let Some(fault) = fault {
        effects = effects.with_fault(fault);
    }
    let metrics = Metrics::new(&mut registry);
    let (tenants, tenants_writer) = store::<EOfficeTenant>();
    let health = Health::new(registry, metrics.clone(), census(tenants.clone()));

    // It serves for as long as the process lives: its end would be the end of the work in hand, too.
    let served = CancellationToken::new();
    let _ended = served.clone().drop_guard();
    let server = serve(settings.bind, health.clone(), served);
    let mut server = tokio::spawn(server);
    health.set_ready();

    let identity = settings
        .identity
        .clone()
        .unwrap_or_else(|| format!("eoffice-operator-{}", uuid::Uuid::new_v4()));
    let election = Arc::new(Election::new(
        client.clone(),
        effects.clone(),
        lease::Settings {
            namespace: settings.lease_namespace.clone(),
            name: settings.lease_name.clone(),
            identity,
            duration: settings.lease_duration,
        },
        metrics.clone(),
    ));
    let leadership = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        result = &mut server => return bound(result),
        leadership = election.acquire() => Arc::new(leadership),
    };

    // The lease outlives the work: it is given back only when nothing is in hand any more.
    let released = CancellationToken::new();
    let lost = CancellationToken::new();
    let keeper = tokio::spawn({
        let (election, leadership) = (Arc::clone(&election), Arc::clone(&leadership));
        let (released, lost) = (released.clone(), lost.clone());
        async move {
            election.keep(leadership, released).await;
            lost.cancel();
        }
    });
    let work = lead(
        settings,
        (client, effects, metrics, clock),
        (tenants, tenants_writer),
        leadership,
        stop.clone(),
    );
    tokio::select! {
        result = work => result?,
        () = lost.cancelled() => {}
        result = &mut server => return bound(result),
    }
    released.cancel();
    if tokio::time::timeout(RELEASE, keeper).await.is_err() {
        tracing::warn!("the lease could not be given back in time; it runs out by itself");
    }
    Ok(())
}

fn bound(result: Result<std::io::Result<()>, tokio::task::JoinError>) -> Result<(), StartError> {
    match result {
        Ok(result) => result.map_err(StartError::Bind),
        Err(_) => Ok(()),
    }
}

fn census(tenants: Store<EOfficeTenant>) -> Census {
    Arc::new(move || {
        tenants
            .state()
            .iter()
            .map(|tenant| {
                let phase = tenant.status.as_ref().and_then(|status| status.phase);
                (phase, tenant.spec.agency.province.clone())
            })
            .collect()
    })
}

type Tenants = (
    Store<EOfficeTenant>,
    kube::runtime::reflector::store::Writer<EOfficeTenant>,
);

/// The work of the process that leads.
async fn lead(
    settings: Settings,
    (client, effects, metrics, clock): (Client, Effects, Metrics, Clock),
    tenants: Tenants,
    leadership: Arc<Leadership>,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let system: Api<Namespace> = Api::all(client.clone());
    let cluster_uid = system.get("kube-system").await?.uid().unwrap_or_default();
    let (classes, classes_writer) = store::<TenantClass>();
    let (servers, servers_writer) = store::<DatabaseServer>();
    let (stores, stores_writer) = store::<ObjectStore>();
    let (provinces, provinces_writer) = store::<PartialObjectMeta<Namespace>>();
    let reporter = Reporter {
        controller: FIELD_MANAGER.into(),
        instance: settings.identity.clone(),
    };
    let (tenants, tenants_writer) = tenants;
    let concurrency = settings.concurrency;
    let queue = queue::Queue::new(tenants.clone(), concurrency);
    let (breaker, requests) =
        Breaker::new(&settings, tenants.clone(), queue.clone(), metrics.clone());
    let (tombstones, asked) = tombstones::Tombstones::new();
    let waves = waves::Waves::new(&settings);
    let world = Arc::new(World {
        cluster: Cluster::new(client.clone(), effects.clone()),
        recorder: Recorder::new(client.clone(), reporter),
        settings,
        cluster_uid,
        client: client.clone(),
        effects,
        clock,
        metrics,
        leadership,
        queue,
        tenants: tenants.clone(),
        classes,
        servers,
        stores,
        provinces,
        records: records::Records::default(),
        databases: Fleet::default(),
        storage: Fleet::default(),
        usage_changed: Notify::new(),
        backend_seen: Notify::new(),
        memory: Memory::default(),
        breaker,
        tombstones,
        takeovers: tokio::sync::Mutex::default(),
        waves,
    });

    let everything = || watcher::Config::default();
    let mut tasks = JoinSet::new();
    let mut first_lists = Vec::new();
    let mut certificates = Vec::new();
    for kind in Kind::ALL {
        let (done, listed) = once();
        match kind.may_be_absent() {
            true => certificates.push(listed),
            false => first_lists.push(listed),
        }
        tasks.spawn(watch::children(
            client.clone(),
            kind,
            Arc::clone(&world),
            done,
        ));
    }
    let (done, listed) = once();
    first_lists.push(listed);
    tasks.spawn(watch::records(client.clone(), Arc::clone(&world), done));
    let (done, listed) = once();
    first_lists.push(listed);
    tasks.spawn(watch::holds(client.clone(), Arc::clone(&world), done));
    tasks.spawn(writer::write(Arc::clone(&world), requests));
    tasks.spawn(keeper::keep(Arc::clone(&world)));
    tasks.spawn(watch::classes(
        watch::kept(&client, everything(), classes_writer),
        Arc::clone(&world),
    ));
    let selected = watcher::Config::default().labels(&World::province_selector());
    let namespaces = watch::kept(&client, selected, provinces_writer);
    tasks.spawn(watch::provinces(namespaces, Arc::clone(&world)));
    // Decisions need every record and every object: nothing is looked at before the first lists.
    // Certificates alone may be missing, where cert-manager is not installed yet.
    tokio::select! {
        _ = futures::future::join_all(first_lists) => {}
        () = stop.cancelled() => return Ok(()),
    }
    if tokio::time::timeout(FIRST_CERTIFICATES, futures::future::join_all(certificates))
        .await
        .is_err()
    {
        tracing::warn!(
            "Certificates cannot be listed (is cert-manager installed?); work begins without them"
        );
    }
    let servers = watch::kept(&client, everything(), servers_writer);
    tasks.spawn(supervise::<DatabaseBackend>(servers, Arc::clone(&world)));
    let stores = watch::kept(&client, everything(), stores_writer);
    tasks.spawn(supervise::<StorageBackend>(stores, Arc::clone(&world)));
    // A tenant looked at before its backends would seem to fail.
    if tokio::time::timeout(FIRST_LOOKS, first_looks(&world))
        .await
        .is_err()
    {
        tracing::warn!("some backends do not answer; work begins without them");
    }
    let (done, listed) = once();
    tasks.spawn(watch::tenants(
        watch::kept(&client, everything(), tenants_writer),
        Arc::clone(&world),
        done,
    ));
    let once_listed: [BoxFuture<'static, ()>; 3] = [
        usage::keep(Arc::clone(&world)).boxed(),
        waves::keep(Arc::clone(&world)).boxed(),
        tombstones::keep(Arc::clone(&world), asked).boxed(),
    ];
    tasks.spawn(async move {
        listed.await;
        futures::future::join_all(once_listed).await;
    });

    tasks.spawn(plans::answer(
        watch::watched(&client, everything()),
        Arc::clone(&world),
    ));

    let (queue, left) = (world.queue.clone(), Arc::clone(&world));
    let requests = queue.clone().requests();
    let requests = Box::pin(requests.take_until(stop.clone().cancelled_owned()));
    let work = applier(
        |tenant, world| Box::pin(reconcile(tenant, world)),
        |_, _, _| Action::await_change(),
        world,
        tenants,
        requests,
        Config::default().concurrency(concurrency),
    )
    .for_each(|looked| {
        match looked {
            Ok((tenant, _)) => queue.done(&tenant.namespace.unwrap_or_default(), &tenant.name),
            // It was gone before its turn.
            Err(Error::ObjectNotFound(tenant)) => {
                left.push_bereft(&tenant.name);
                queue.done(&tenant.namespace.unwrap_or_default(), &tenant.name);
            }
            Err(_) => {}
        }
        futures::future::ready(())
    });
    tokio::select! {
        () = work => {}
        () = after(stop, GRACE) => tracing::warn!("work in hand took too long and is left; the next process finds it"),
    }
    tasks.shutdown().await;
    Ok(())
}

/// Waits until classes and provinces are known, and each backend was looked at once.
async fn first_looks(world: &World) {
    // These fail only where their watches ended, that is, where the process ends.
    let lists = tokio::join!(
        world.classes.wait_until_ready(),
        world.provinces.wait_until_ready(),
        world.servers.wait_until_ready(),
        world.stores.wait_until_ready(),
    );
    drop(lists);
    while !world.backends_seen() {
        world.backend_seen.notified().await;
    }
}

async fn after(stop: CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// A signal that is given once.
fn once() -> (impl FnOnce() + Send, impl Future<Output = ()>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    (move || sender.send(()).unwrap_or(()), async move {
        drop(receiver.await)
    })
}
