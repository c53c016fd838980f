//! A tenant that takes over what another tenant's record keeps (`spec.restoreFrom`): a merger, a renaming.
//!
//! The record is claimed first, over exactly the version that was judged, so that of two claimants one wins. Then the
//! tenant's own record is made with the old names and identities, and the old record is left with nothing.

use crate::controller::world::World;
use crate::identity::{InstallationId, fingerprint};
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::Problem;
use crate::tenant::owner::{decided, successor};
use crate::tenant::parse::Tenant;
use crate::tenant::record::{Decision, as_of_the_living, hosts, tenant_ref};
use crate::tenant::registry::Registry;
use crate::tenant::store::{read_record, read_tenant, write_record};
use eoffice_crds::{
    EOfficeTenant, Predecessor, Reason, RecordState, RecordedRotation, Settled,
    TENANT_NAMESPACE_PREFIX, TenantRecord, TenantRecordSpec, TenantRef, labels, tenant_namespace,
};
use kube::ResourceExt;

/// The namespace that the tenant wants to take data over from, where that is not its own.
pub fn wanted(tenant: &Tenant) -> Option<&str> {
    let from = tenant.object.spec.restore_from.as_deref();
    from.filter(|from| *from != tenant.own_namespace())
}

/// The record that the tenant takes over, if it asks for one and may have it. One that has a record with data behind
/// it takes over nothing: [`refused`] tells it.
pub async fn look(
    world: &World,
    tenant: &Tenant,
    own: Option<&TenantRecordSpec>,
) -> Result<Option<TenantRecord>, Problem> {
    let begins = own.is_none_or(|own| own.state == RecordState::Destroyed);
    let Some(from) = wanted(tenant).filter(|_| begins) else {
        return Ok(None);
    };
    let stored = match from.strip_prefix(TENANT_NAMESPACE_PREFIX) {
        Some(name) => read_record(world, name).await?,
        None => None,
    };
    let Some(stored) = stored else {
        return Err(problem(
            from,
            "there is no record in that namespace; see kubectl eoffice retained for what is kept",
        ));
    };
    let claimant = claimant(world, &stored.spec).await?;
    judge(
        tenant,
        world.installation(),
        &stored.spec,
        claimant.as_ref(),
    )?;
    if let (Some(own), RecordState::Succeeded) = (own, stored.spec.state) {
        return Err(problem(
            from,
            &format!(
                "this tenant had it already, and it was destroyed, {}",
                decided(own)
            ),
        ));
    }
    Ok(Some(stored))
}

/// The tenant that has a standing claim to what a record keeps: it lives and still asks for it, or has its own record
/// of it by now.
pub async fn claimant(
    world: &World,
    record: &TenantRecordSpec,
) -> Result<Option<TenantRef>, Problem> {
    let Some(named) = &record.successor else {
        return Ok(None);
    };
    let from = tenant_namespace(&record.tenant.name);
    let live = read_tenant(world, &named.namespace, &named.name).await?;
    if live.is_some_and(|live| asks(&live, named, &from)) {
        return Ok(Some(named.clone()));
    }
    let own = read_record(world, &named.name).await?;
    let took = own.is_some_and(|own| {
        let predecessor = own.spec.predecessor.as_ref();
        own.spec.state.holds_data() && predecessor.is_some_and(|it| it.namespace == from)
    });
    Ok(took.then(|| named.clone()))
}

fn asks(live: &EOfficeTenant, named: &TenantRef, from: &str) -> bool {
    live.uid().as_ref() == Some(&named.uid) && live.spec.restore_from.as_deref() == Some(from)
}

/// Whether the tenant may take over what this record keeps. `claimant` is whoever has a standing claim to it.
pub fn judge(
    tenant: &Tenant,
    installation: &InstallationId,
    record: &TenantRecordSpec,
    claimant: Option<&TenantRef>,
) -> Result<(), Problem> {
    let from = tenant_namespace(&record.tenant.name);
    let same = |other: &TenantRef| other.namespace == tenant.namespace && other.name == tenant.name;
    let refuse = |why: String| Err(problem(&from, &why));
    if record.installation_id != installation.as_str() {
        return refuse(format!(
            "that record is of another installation, {}",
            record.installation_id
        ));
    }
    if record.fingerprint != fingerprint(&record.tenant.name, &record.tenant_spec.agency.province) {
        return refuse(
            "that record does not fit its own tenant, so it was edited by hand; have the platform team restore it from a backup".into(),
        );
    }
    if let Some(other) = claimant.filter(|other| !same(other)) {
        return refuse(format!(
            "tenant {} in namespace {} takes it over already; of two that ask for the same, the first has it",
            other.name, other.namespace
        ));
    }
    match record.state {
        RecordState::Retained => Ok(()),
        // Its own record was lost after it had taken over.
        RecordState::Succeeded if record.successor.as_ref().is_some_and(same) => Ok(()),
        RecordState::Live => refuse(format!(
            "its tenant {} in namespace {} lives; only what a tenant left can be taken over, so delete that tenant first",
            record.tenant.name, record.tenant.namespace
        )),
        RecordState::Purging => refuse(format!(
            "what it kept is being destroyed, {}",
            decided(record)
        )),
        RecordState::Destroyed => refuse("what it kept was destroyed".into()),
        RecordState::Succeeded => refuse(format!("{} took it over", successor(record))),
    }
}

fn problem(from: &str, why: &str) -> Problem {
    Problem::new(
        Reason::RestoreRefused,
        format!("spec.restoreFrom: what the record in namespace {from} keeps cannot be had: {why}"),
    )
}

/// What a tenant with data of its own is told, that asks for another's.
pub fn refused(tenant: &Tenant, own: &TenantRecordSpec) -> Option<Problem> {
    let from = wanted(tenant)?;
    let took = own.predecessor.as_ref();
    let done = took.is_some_and(|predecessor| predecessor.namespace == from);
    (!done).then(|| has_its_own(tenant, from))
}

fn has_its_own(tenant: &Tenant, from: &str) -> Problem {
    problem(
        from,
        &format!(
            "tenant {} has data of its own, and a takeover is for a new tenant only; remove spec.restoreFrom here, and make a tenant of another name for it",
            tenant.name
        ),
    )
}

/// Refuses a tenant under whose own name the backends hold data, although no record tells of it.
pub fn only_without_data(tenant: &Tenant, holds_data: bool) -> Result<(), Problem> {
    match (holds_data, wanted(tenant)) {
        (true, Some(from)) => Err(has_its_own(tenant, from)),
        _ => Ok(()),
    }
}

/// The first record of a tenant that takes over: names, places and identities stay.
pub fn begin(
    tenant: &Tenant,
    old: &TenantRecordSpec,
    base_domains: &[String],
    registry: &Registry,
) -> Decision {
    let granted = hosts(tenant, &old.frozen, base_domains, registry);
    let mut record = old.clone();
    as_of_the_living(&mut record);
    record.predecessor = Some(Predecessor {
        namespace: tenant_namespace(&old.tenant.name),
        fingerprint: old.fingerprint.clone(),
    });
    record.fingerprint = fingerprint(&tenant.name, tenant.province());
    record.tenant = tenant_ref(tenant);
    record.hosts = granted.hosts;
    record.tenant_spec = tenant.object.spec.clone();
    record.database.connection_limit = tenant.connection_limit;
    record.approval = tenant.approval.recorded.clone();
    record.rotation = RecordedRotation::default();
    record.settled = Settled::new();
    record.verified_at = None;
    record.destructions = Vec::new();
    Decision {
        record,
        refused_host: granted.refused,
        restored: true,
    }
}

/// Writes the claim into the record that is taken over.
pub async fn claim(world: &World, tenant: &Tenant, stored: &TenantRecord) -> Result<(), Problem> {
    let claimed = Some(tenant_ref(tenant));
    if stored.spec.successor == claimed {
        return Ok(());
    }
    let spec = TenantRecordSpec {
        successor: claimed,
        ..stored.spec.clone()
    };
    write(world, stored, &spec).await.map(drop)
}

/// Leaves the old record with nothing, once the tenant's own stands. Answers with the tenant's own as it is then: a legal
/// hold that was laid on the old one meanwhile is on the data.
pub async fn complete(world: &World, own: TenantRecordSpec) -> Result<TenantRecordSpec, Problem> {
    let waits = |record: &TenantRecordSpec| {
        let by = record.successor.as_ref();
        record.state == RecordState::Retained
            && by.is_some_and(|by| {
                by.name == own.tenant.name && by.namespace == own.tenant.namespace
            })
    };
    let Some(name) = predecessor(&own).filter(|name| {
        let known = |registry: &Registry| registry.get(name).is_some_and(waits);
        world.records.with(known)
    }) else {
        return Ok(own);
    };
    let Some(mut stored) = read_record(world, name).await?.filter(|it| waits(&it.spec)) else {
        return Ok(own);
    };
    let own = match stored.spec.legal_hold {
        true => hold(world, stored_own(world, &own).await?).await?,
        false => own,
    };
    stored.spec.legal_hold = false;
    let spec = TenantRecordSpec {
        state: RecordState::Succeeded,
        successor: Some(own.tenant.clone()),
        purge_accepted: None,
        ..stored.spec.clone()
    };
    // Over exactly the version that was read: a hold that is laid on it now makes this write fail.
    write(world, &stored, &spec).await?;
    // Somebody may wait for a host that it held.
    world.push_all();
    Ok(own)
}

/// Lays a legal hold, which somebody laid on what was given away already, on the record of who has it now.
pub async fn hand_on_hold(
    world: &World,
    mut stored: TenantRecord,
) -> Result<TenantRecord, Problem> {
    let heir = stored
        .spec
        .successor
        .clone()
        .filter(|_| stored.spec.legal_hold);
    let own = match &heir {
        Some(heir) => read_record(world, &heir.name).await?,
        None => None,
    };
    let Some(own) = own.filter(|own| {
        gave(&stored.spec, &own.spec) && predecessor(&own.spec) == Some(&stored.spec.tenant.name)
    }) else {
        return Ok(stored);
    };
    hold(world, own).await?;
    stored.spec.legal_hold = false;
    write(world, &stored, &stored.spec).await
}

/// The tenant's own record, read now.
async fn stored_own(world: &World, own: &TenantRecordSpec) -> Result<TenantRecord, Problem> {
    let stored = read_record(world, &own.tenant.name).await?;
    stored.filter(|it| it.spec.tenant == own.tenant).ok_or_else(|| {
        Problem::new(
            Reason::KubernetesError,
            format!(
                "the record of {} went away while a legal hold was to be laid on it; it is tried again",
                own.tenant.name
            ),
        )
    })
}

/// Lays a legal hold on a record, as if a person had written it there.
async fn hold(world: &World, mut stored: TenantRecord) -> Result<TenantRecordSpec, Problem> {
    if !stored.spec.legal_hold {
        stored.spec.legal_hold = true;
        write(world, &stored, &stored.spec).await?;
    }
    Ok(stored.spec)
}

/// The namespaces in which something of the tenant may stand, read live: its own, and those of all whose data it took
/// over, where the records still say that they gave it.
pub async fn namespaces(world: &World, record: &TenantRecordSpec) -> Result<Vec<String>, Problem> {
    let mut all = vec![tenant_namespace(&record.tenant.name)];
    let mut heir = record.clone();
    while let Some(name) = predecessor(&heir) {
        let namespace = tenant_namespace(name);
        let stored = read_record(world, name).await?;
        let Some(stored) = stored.filter(|it| gave(&it.spec, &heir) && !all.contains(&namespace))
        else {
            break;
        };
        only_ours(world, name, &namespace).await?;
        all.push(namespace);
        heir = stored.spec;
    }
    Ok(all)
}

/// Whether a record says that it gave what it kept to this tenant.
pub fn gave(record: &TenantRecordSpec, to: &TenantRecordSpec) -> bool {
    let by = record.successor.as_ref();
    record.state == RecordState::Succeeded
        && record.installation_id == to.installation_id
        && by.is_some_and(|by| by.name == to.tenant.name)
}

/// The tenant that this one took its data over from.
fn predecessor(own: &TenantRecordSpec) -> Option<&str> {
    let before = own.predecessor.as_ref()?;
    before.namespace.strip_prefix(TENANT_NAMESPACE_PREFIX)
}

/// Refuses a namespace that the operator did not make for this tenant.
async fn only_ours(world: &World, tenant: &str, namespace: &str) -> Result<(), Problem> {
    let key = ObjectKey {
        kind: Kind::Namespace,
        name: namespace.to_owned(),
    };
    let live = world.cluster.get(namespace, &key).await?;
    if live.is_some_and(|live| live["metadata"]["labels"][labels::TENANT] == tenant) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::ForeignObject,
        format!(
            "namespace {namespace}, which was taken over, does not bear the label {} with {tenant}, so what is in it is left untouched; find out who changed it, and put the label back",
            labels::TENANT
        ),
    ))
}

async fn write(
    world: &World,
    stored: &TenantRecord,
    spec: &TenantRecordSpec,
) -> Result<TenantRecord, Problem> {
    let written = write_record(world, Some(stored), spec).await?;
    world.records.settle(&spec.tenant.name, Some(&written));
    Ok(written)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
