//! The tenant's own namespace: what is wanted in it, and the changes that make it so.

use crate::audit::Cause;
use crate::controller::world::World;
use crate::kubernetes::certificate::{CertificateState, Repair, faults, renewals};
use crate::kubernetes::desired::{Child, Endpoint, Officers, Wanted};
use crate::kubernetes::plan::{Step, plan};
use crate::kubernetes::{Kind, ObjectKey, desired};
use crate::plan::{Gate, Problem};
use crate::settings::Settings;
use crate::tenant::keeper::{Keeper, Told};
use crate::tenant::parse::Tenant;
use crate::tenant::pass::{Brought, Pass};
use eoffice_crds::{
    DatabaseServer, ObjectStore, Plane, Reason, TenantClassSpec, TenantRecordSpec, labels,
    tenant_namespace,
};
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Kinds that guard a tenant; certificates and the ingress are treated by themselves.
pub const GUARDS: [Kind; 6] = [
    Kind::Namespace,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::ServiceAccount,
    Kind::RoleBinding,
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
    let province = &record.tenant_spec.agency.province;
    Wanted {
        tenant: record.tenant.name.clone(),
        tenant_namespace: record.tenant.namespace.clone(),
        province: province.clone(),
        namespace: tenant_namespace(&record.tenant.name),
        class: class.clone(),
        hosts: record.hosts.clone(),
        database_network: server.map(|server| of_server(&server)).unwrap_or_default(),
        storage_network: store.map(|store| of_store(&store)).unwrap_or_default(),
        open,
        officers: officers(&world.settings, province),
    }
}

/// The officers of this province, unless the settings give nobody a role.
fn officers(settings: &Settings, province: &str) -> Option<Officers> {
    let role = &settings.officer_role;
    (!role.is_empty()).then(|| Officers {
        group: format!("{}{province}", settings.officer_group_prefix),
        role: role.clone(),
    })
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
    let gate = Told {
        tenant: &wanted.tenant,
        plane: Plane::Namespace,
        cause: Cause::SpecChange,
    };
    let ground = vec![desired::ground(wanted)];
    converge(world, wanted, ground, &[Kind::Namespace], (&gate, false)).await
}

/// Closes the way in and the namespace of a tenant that is being deleted.
pub async fn shut(world: &World, wanted: &Wanted, plane: Plane) -> Result<(), Problem> {
    let gate = Told {
        tenant: &wanted.tenant,
        plane,
        cause: Cause::Deletion,
    };
    let (children, kinds) = match plane {
        Plane::Ingress => (desired::front(wanted), &[Kind::Ingress][..]),
        _ => (desired::guards(wanted), &GUARDS[..]),
    };
    converge(world, wanted, children, kinds, (&gate, false)).await
}

/// Brings a tenant's objects of some kinds to what is wanted.
pub async fn bring(
    pass: &Pass<'_>,
    plane: Plane,
    children: Vec<Child>,
    kinds: &[Kind],
) -> Brought<()> {
    let asked = desired::asked(&children);
    if let Err(problem) = pass.ask_about_move(plane, &asked).await {
        return Brought::failed(problem);
    }
    let keeper = pass.keeper(plane, &asked);
    let result = converge(
        pass.world,
        &pass.wanted,
        children,
        kinds,
        (&keeper, pass.fresh),
    )
    .await;
    Brought {
        asked,
        notes: keeper.notes(),
        result,
    }
}

/// One Certificate for each host, and in its Secret what was issued for it.
pub async fn certificates(pass: &Pass<'_>) -> Brought<()> {
    let children = desired::certificates(&pass.wanted);
    let asked = desired::asked(&children);
    let keeper = pass.keeper(Plane::Certificate, &asked);
    let kinds = &[Kind::Certificate];
    let result = async {
        converge(
            pass.world,
            &pass.wanted,
            children,
            kinds,
            (&keeper, pass.fresh),
        )
        .await?;
        issued(pass, &keeper).await
    };
    let result = result.await;
    Brought {
        asked,
        notes: keeper.notes(),
        result,
    }
}

/// Has what is wrong with the certificates put right, and says what is.
async fn issued(pass: &Pass<'_>, gate: &Keeper<'_>) -> Result<(), Problem> {
    let Pass { world, wanted, .. } = pass;
    let cluster = &world.cluster;
    let look = || {
        faults(
            wanted,
            &cluster.index.objects(&wanted.namespace),
            Timestamp::now(),
        )
    };
    for step in renewals(&look()) {
        let Some(change) = cluster.examine(&wanted.namespace, step).await? else {
            continue;
        };
        if gate.allows(&change.differences) {
            cluster.carry_out(&wanted.namespace, &change.step).await?;
            gate.made(&change.differences);
        }
    }
    if gate.is_planning() {
        return Ok(());
    }
    let left = look();
    let mut told = BTreeSet::new();
    for fault in left.iter().filter(|fault| fault.difference.is_some()) {
        if told.insert(&fault.certificate) {
            tell_others(pass, gate, &fault.certificate).await?;
        }
    }
    let states = certificate_states(world, wanted);
    states.default?;
    match left.first() {
        Some(fault) => Err(fault.problem()),
        None => states.others,
    }
}

/// Tells of what is wrong with a certificate and not ours to put right. It is read live: the watches of its
/// three objects are not of one moment.
async fn tell_others(
    pass: &Pass<'_>,
    gate: &Keeper<'_>,
    certificate: &ObjectKey,
) -> Result<(), Problem> {
    let cluster = &pass.world.cluster;
    let namespace = &pass.wanted.namespace;
    for fault in cluster.examine_certificate(namespace, certificate).await? {
        let by_another = match fault.repair {
            Repair::CertManager => true,
            Repair::Person => false,
            Repair::Renew | Repair::Strip => continue,
        };
        if let Some(difference) = &fault.difference {
            gate.leave(difference, by_another, &fault.problem());
        }
    }
    Ok(())
}

/// What differs is read live, so that it can be told of, and only then changed. `fresh`: everything is.
async fn converge(
    world: &World,
    wanted: &Wanted,
    children: Vec<Child>,
    kinds: &[Kind],
    (gate, fresh): (&dyn Gate, bool),
) -> Result<(), Problem> {
    let cluster = &world.cluster;
    let observed = cluster.index.objects(&wanted.namespace);
    let all = fresh.then(|| children.clone());
    let mut steps = plan(children, &observed, kinds, |print| cluster.accepted(print));
    if let Some(all) = all {
        steps.retain(|step| matches!(step, Step::Delete(_)));
        steps.extend(all.into_iter().map(|child| Step::Apply(Box::new(child))));
    }
    for step in steps {
        let Some(change) = cluster.examine(&wanted.namespace, step).await? else {
            continue;
        };
        if gate.allows(&change.differences) {
            cluster.carry_out(&wanted.namespace, &change.step).await?;
            gate.made(&change.differences);
        }
    }
    Ok(())
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
