//! The tenant's own namespace: what is wanted in it, and the changes that make it so.

use crate::controller::world::World;
use crate::kubernetes::desired::{Child, Endpoint, Wanted};
use crate::kubernetes::observe::CertificateState;
use crate::kubernetes::plan::plan;
use crate::kubernetes::{Kind, ObjectKey, desired};
use crate::plan::Problem;
use crate::tenant::parse::Tenant;
use eoffice_crds::{
    DatabaseServer, ObjectStore, Reason, TenantClassSpec, TenantRecordSpec, labels,
    tenant_namespace,
};
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use std::net::IpAddr;

/// Kinds that guard a tenant; certificates and the ingress are treated by themselves.
const GUARDS: [Kind; 5] = [
    Kind::Namespace,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::ServiceAccount,
    Kind::NetworkPolicy,
];

/// What decides about the tenant's objects, open or closed.
pub fn wanted(
    world: &World,
    class: &TenantClassSpec,
    record: &TenantRecordSpec,
    open: bool,
) -> Wanted {
    let server = world.servers.get(&ObjectRef::new(&record.database.server));
    let store = world.stores.get(&ObjectRef::new(&record.storage.store));
    Wanted {
        tenant: record.tenant.name.clone(),
        tenant_namespace: record.tenant.namespace.clone(),
        province: record.tenant_spec.agency.province.clone(),
        namespace: tenant_namespace(&record.tenant.name),
        class: class.clone(),
        hosts: record.hosts.clone(),
        database_network: server.map(|server| of_server(&server)).unwrap_or_default(),
        storage_network: store.map(|store| of_store(&store)).unwrap_or_default(),
        open,
    }
}

fn of_server(server: &DatabaseServer) -> Endpoint {
    Endpoint {
        cidrs: ranges(&server.spec.network.cidrs, &server.spec.host),
        port: server.spec.port,
    }
}

fn of_store(store: &ObjectStore) -> Endpoint {
    let authority = store
        .spec
        .endpoint
        .trim_start_matches("https://")
        .split('/')
        .next()
        .unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "443"));
    Endpoint {
        cidrs: ranges(&store.spec.network.cidrs, host),
        port: port.parse().unwrap_or(443),
    }
}

/// The ranges that were given, or else the host itself where it is an address.
fn ranges(given: &[String], host: &str) -> Vec<String> {
    if !given.is_empty() {
        return given.to_vec();
    }
    match host.parse() {
        Ok(IpAddr::V4(address)) => vec![format!("{address}/32")],
        Ok(IpAddr::V6(address)) => vec![format!("{address}/128")],
        Err(_) => Vec::new(),
    }
}

/// Whether the namespace of the tenant's name may be used. What stands there without our label
/// and without our record belongs to somebody else.
pub async fn check_namespace(
    world: &World,
    tenant: &Tenant,
    recorded: bool,
) -> Result<(), Problem> {
    let namespace = tenant.own_namespace();
    let key = ObjectKey {
        kind: Kind::Namespace,
        name: namespace.clone(),
    };
    if recorded || world.cluster.index.objects(&namespace).contains_key(&key) {
        return Ok(());
    }
    let Some(live) = world.cluster.get(&namespace, &key).await? else {
        return Ok(());
    };
    if live["metadata"]["labels"][labels::TENANT] == tenant.name.as_str() {
        return Ok(());
    }
    Err(Problem::new(
        Reason::ForeignObject,
        format!(
            "namespace {namespace} exists and is not ours (it lacks the label {}); it is left untouched; choose another name for the tenant, or remove that namespace",
            labels::TENANT
        ),
    ))
}

/// Makes the namespace, which the record needs before all else.
pub async fn lay_ground(world: &World, wanted: &Wanted) -> Result<(), Problem> {
    bring(
        world,
        wanted,
        vec![desired::ground(wanted)],
        &[Kind::Namespace],
    )
    .await
    .map(drop)
}

/// Namespace, quota, limits, service account and network policies. True if anything was changed.
pub async fn guards(world: &World, wanted: &Wanted) -> Result<bool, Problem> {
    bring(world, wanted, desired::guards(wanted), &GUARDS).await
}

/// One Certificate for each host.
pub async fn certificates(world: &World, wanted: &Wanted) -> Result<bool, Problem> {
    bring(
        world,
        wanted,
        desired::certificates(wanted),
        &[Kind::Certificate],
    )
    .await
}

/// The Ingress of an open tenant; none for a closed one.
pub async fn front(world: &World, wanted: &Wanted) -> Result<bool, Problem> {
    bring(world, wanted, desired::front(wanted), &[Kind::Ingress]).await
}

async fn bring(
    world: &World,
    wanted: &Wanted,
    desired: Vec<Child>,
    kinds: &[Kind],
) -> Result<bool, Problem> {
    let cluster = &world.cluster;
    let observed = cluster.index.objects(&wanted.namespace);
    let steps = plan(desired, &observed, kinds, |print| cluster.accepted(print));
    for step in &steps {
        cluster.carry_out(&wanted.namespace, step).await?;
    }
    Ok(!steps.is_empty())
}

/// How the certificates stand: when the default host's ends, and what is wrong with any.
pub struct Certificates {
    /// When the default host's certificate ends.
    pub not_after: Option<Timestamp>,
    /// What is wrong with the default host's.
    pub default: Result<(), Problem>,
    /// What is wrong with the first of the other hosts' that is not in order.
    pub others: Result<(), Problem>,
}

/// How the certificates of the hosts stand, as cert-manager says.
pub fn certificate_states(world: &World, wanted: &Wanted) -> Certificates {
    let objects = world.cluster.index.objects(&wanted.namespace);
    let state = |host: &str| {
        let key = ObjectKey {
            kind: Kind::Certificate,
            name: wanted.tls_secret(host),
        };
        objects.get(&key).and_then(|seen| seen.certificate.clone())
    };
    let check = |host: &String| match state(host) {
        Some(CertificateState { ready: true, .. }) => Ok(()),
        Some(CertificateState { message, .. }) => Err(not_issued(host, &message)),
        None => Err(not_issued(host, "the Certificate was just made")),
    };
    let first = wanted.hosts.first();
    Certificates {
        not_after: first.and_then(|host| state(host)?.not_after),
        default: first.map_or(Ok(()), check),
        others: wanted.hosts.iter().skip(1).try_for_each(check),
    }
}

fn not_issued(host: &str, message: &str) -> Problem {
    Problem::new(
        Reason::NotIssued,
        format!("the certificate of {host} is not issued: {message}"),
    )
}
