//! Tenants made by a bare client: the requests that cannot be left out, at the operator's concurrency, and nothing else.
//!
//! It takes objects, statements, store requests and proofs from the operator's own pure parts, so both send the same.
//! It looks at nothing beforehand, writes each record, mark and tag once with all that is to be in it, and knows by
//! itself what the operator has to find out. It waits for certificates without keeping another tenant waiting.

mod cluster;
mod tenant;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{DatabaseServer, EOfficeTenant, ObjectStore, TenantClass};
use eoffice_operator::effect::Effects;
use eoffice_operator::identity::{Claim, InstallationId};
use eoffice_operator::objectstore::{Store, StoreAddress, store};
use eoffice_operator::postgres::{Server, ServerAddress, visit};
use eoffice_tests::Sandbox;
use eoffice_tests::operator::INSTALLATION;
use eoffice_tests::parts::object_store::REGION;
use eoffice_tests::parts::postgres::OPERATOR;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use crate::agencies::NAMESPACE;
use crate::bed::{ask, patience, platform};
use crate::measure::{Reading, Run, peak_rss};
use cluster::Cluster;

/// Tenants that are worked on at once: the operator's default.
const CONCURRENCY: usize = 16;

/// A PostgreSQL server, and what is known of it.
struct Database {
    server: Server,
    object: DatabaseServer,
    system_identifier: String,
}

/// All that a tenant's requests are made with.
struct World {
    installation: InstallationId,
    effects: Effects,
    cluster: Cluster,
    databases: Vec<Database>,
    store: Store,
    store_object: ObjectStore,
    store_facts: store::Facts,
    class: Arc<TenantClass>,
    ca: String,
    gate: Mutex<()>,
    turns: Semaphore,
}

/// Makes these tenants on a platform of their own.
pub async fn run(tenants: &[EOfficeTenant]) -> Result<Run> {
    let sandbox = platform(true).await?;
    let mut registry = Registry::default();
    let world = World::new(&sandbox, &mut registry).await?;
    let pid = std::process::id();

    let before = Reading::take(&sandbox, &metrics(&registry)?, pid)?;
    let asked = ask(&sandbox, tenants).await?;
    let mut making: FuturesUnordered<_> = asked
        .into_values()
        .enumerate()
        .map(|(index, asked)| tenant::make(&world, index, asked))
        .collect();
    let mut made = Vec::new();
    let all = async {
        while let Some(tenant) = making.next().await {
            made.push(tenant?);
        }
        anyhow::Ok(())
    };
    timeout(patience(tenants.len()), all)
        .await
        .context("time is up for the bare client")??;
    let wall = before.at().elapsed();
    let after = Reading::take(&sandbox, &metrics(&registry)?, pid)?;
    let times: Vec<Duration> = made.iter().map(|tenant| tenant.time).collect();
    ensure!(times.len() == tenants.len(), "some tenants were not made");
    for tenant in &made {
        tenant.check().await?;
    }
    Ok(before.until(&after, wall, times, peak_rss(pid)?))
}

fn metrics(registry: &Registry) -> Result<String> {
    let mut text = String::new();
    encode(&mut text, registry).context("write the metrics")?;
    Ok(text)
}

impl World {
    /// Connects to everything, and has the backends claimed as the operator does at its first look.
    async fn new(sandbox: &Sandbox, registry: &mut Registry) -> Result<Self> {
        let effects = Effects::new(registry);
        let installation: InstallationId = INSTALLATION.parse()?;
        let claim = Claim {
            installation: installation.clone(),
            cluster_uid: "bench".into(),
            pinned: None,
            accept_identity: None,
            take_over_from: None,
        };
        let ca = sandbox.ground().tls.cert();
        let described: Api<DatabaseServer> = Api::all(sandbox.admin());
        let mut databases = Vec::new();
        for part in &sandbox.postgres {
            let server = Server::new(ServerAddress {
                name: part.name().into(),
                host: part.host().into(),
                port: part.port(),
                username: OPERATOR.into(),
                password: part.operator_password().into(),
                ca_pem: Some(ca.clone()),
            })?;
            databases.push(Database {
                system_identifier: visit(&server, &effects, &claim).await?.system_identifier,
                object: described.get(part.name()).await?,
                server,
            });
        }
        let store = Store::new(&StoreAddress {
            name: "objects".into(),
            endpoint: sandbox.object_store.endpoint().into(),
            iam_endpoint: sandbox.object_store.iam_endpoint().into(),
            region: REGION.into(),
            path_style: true,
            access_key: sandbox.object_store.key().access.clone(),
            secret_key: sandbox.object_store.key().secret.clone().into(),
            ca_pem: Some(ca.clone().into_bytes()),
        })?;
        let store_facts = store::visit(&store, &effects, &claim, "bench", None).await?;
        let stores: Api<ObjectStore> = Api::all(sandbox.admin());
        let classes: Api<TenantClass> = Api::all(sandbox.admin());
        Ok(Self {
            installation,
            cluster: Cluster::new(client(sandbox).await?, effects.clone()),
            effects,
            databases,
            store,
            store_object: stores.get("objects").await?,
            store_facts,
            class: Arc::new(classes.get("standard").await?),
            ca,
            gate: Mutex::new(()),
            turns: Semaphore::new(CONCURRENCY),
        })
    }

    /// Labels of the tenants' namespace, as far as they matter here.
    fn province_labels() -> std::collections::BTreeMap<String, String> {
        let province = NAMESPACE.trim_start_matches("province-");
        [(
            eoffice_crds::labels::PROVINCE.to_owned(),
            province.to_owned(),
        )]
        .into()
    }
}

/// A client with the operator's own rights.
async fn client(sandbox: &Sandbox) -> Result<kube::Client> {
    let file = Kubeconfig::read_from(sandbox.operator_kubeconfig().await?)?;
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(file, &options).await?;
    config.default_retry = false;
    Ok(kube::Client::try_from(config)?)
}
