//! What a tenant's record should say: who owns it, where it is, which hosts it has. Pure.

use crate::identity::{BackendNames, InstallationId, Mark, fingerprint};
use crate::plan::{Difference, Problem};
use crate::tenant::hosts::{Grant, grant};
use crate::tenant::parse::Tenant;
use crate::tenant::placement::{Candidate, choose};
use crate::tenant::registry::Registry;
use crate::tenant::takeover;
use eoffice_crds::{
    FIELD_MANAGER, FrozenClass, RecordState, RecordedDatabase, RecordedRotation, RecordedStorage,
    Settled, TenantRecordSpec, TenantRef,
};
use kube::ResourceExt;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a tenant without a record is given its first one from.
pub struct FirstLook {
    /// The pool of its class.
    pub servers: Vec<Candidate>,
    /// Identity of its class's store.
    pub store: String,
    /// The mark of the bucket of its name, if that exists: it witnesses a database.
    pub bucket_mark: Option<Mark>,
    /// The mark of the database of its name, if that exists: it witnesses a bucket.
    pub database_mark: Option<Mark>,
}

/// The record as it should be, and what was refused of the hosts.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The record.
    pub record: TenantRecordSpec,
    /// Hosts that were not granted.
    pub refused_host: Option<Problem>,
    /// Whether the tenant takes up what one of the same agency left.
    pub restored: bool,
}

/// The record of a tenant that has one.
pub fn carry_on(
    tenant: &Tenant,
    existing: &TenantRecordSpec,
    base_domains: &[String],
    registry: &Registry,
) -> Decision {
    let restored = is_restored(tenant, existing);
    let accepted = tenant
        .class_change
        .as_ref()
        .filter(|change| change.accepted);
    let frozen = accepted.map_or(&existing.frozen, |change| &change.frozen);
    let granted = hosts(tenant, frozen, base_domains, registry);
    let mut record = existing.clone();
    record.frozen = frozen.clone();
    record.tenant = tenant_ref(tenant);
    as_of_the_living(&mut record);
    record.hosts = granted.hosts;
    record.tenant_spec = tenant.object.spec.clone();
    record.database.connection_limit = tenant.connection_limit;
    record.approval = tenant
        .approval
        .recorded
        .clone()
        .or_else(|| existing.approval.clone());
    if restored {
        record.verified_at = None;
        record.settled = Settled::new();
        // Its credentials are made anew: none before them is of use any more.
        record.rotation.under_way = None;
        record.rotation.issued_at = None;
    }
    Decision {
        record,
        refused_host: granted
            .refused
            .or_else(|| takeover::refused(tenant, existing)),
        restored,
    }
}

/// Whether the tenant takes up what one of the same agency left.
pub fn comes_back(tenant: &Tenant, existing: &TenantRecordSpec) -> bool {
    existing.tenant.uid != tenant.uid || existing.state == RecordState::Retained
}

/// Whether the tenant comes back from having been away, and gets new credentials.
pub fn is_restored(tenant: &Tenant, existing: &TenantRecordSpec) -> bool {
    comes_back(tenant, existing) && !goes_on(tenant, existing)
}

/// Whether a tenant was made again by the operator itself before it was closed: it works with what it has.
fn goes_on(tenant: &Tenant, stored: &TenantRecordSpec) -> bool {
    let mut writers = tenant.object.managed_fields().iter();
    let by_us = writers.any(|writer| {
        let fields = writer.fields_v1.as_ref();
        writer.manager.as_deref() == Some(FIELD_MANAGER)
            && writer.subresource.is_none()
            && fields.is_some_and(|fields| fields.0["f:spec"]["f:agency"].is_object())
    });
    by_us && stored.state == RecordState::Live
}

/// Takes from a record what only that of a tenant that has left says. An order to destroy is void with it.
pub(super) fn as_of_the_living(record: &mut TenantRecordSpec) {
    record.state = RecordState::Live;
    record.retained_at = None;
    record.retain_until = None;
    record.deleted_by = None;
    record.sizes = None;
    record.condemned.clear();
    record.purge = None;
    record.purge_accepted = None;
    record.successor = None;
}

/// The first record of a tenant.
pub fn begin(
    tenant: &Tenant,
    installation: &InstallationId,
    look: &FirstLook,
    base_domains: &[String],
    registry: &Registry,
) -> Result<Decision, Problem> {
    let owner = fingerprint(&tenant.name, tenant.province());
    let (server, system_identifier) = choose(&look.servers, tenant.connection_limit)?;
    let store_identity = look.store.clone();
    let witness = |mark: &Option<Mark>| {
        mark.as_ref()
            .filter(|mark| mark.installation == installation.as_str() && mark.fingerprint == owner)
            .and_then(|mark| mark.twin.clone())
    };
    let found = [&look.bucket_mark, &look.database_mark]
        .iter()
        .any(|mark| mark.is_some());
    let names = BackendNames::first(installation, &tenant.name);
    let frozen = FrozenClass::of(&tenant.class);
    let granted = hosts(tenant, &frozen, base_domains, registry);
    let record = TenantRecordSpec {
        installation_id: installation.to_string(),
        fingerprint: owner.clone(),
        tenant: tenant_ref(tenant),
        state: RecordState::Live,
        hosts: granted.hosts,
        database: RecordedDatabase {
            server,
            system_identifier,
            name: names.database,
            role: names.role,
            login: names.login,
            connection_limit: tenant.connection_limit,
            oid: witness(&look.bucket_mark).and_then(|oid| oid.parse().ok()),
            superseded: Vec::new(),
        },
        storage: RecordedStorage {
            store: frozen.store.clone(),
            store_identity,
            bucket: names.bucket,
            user: names.user,
            bucket_identity: witness(&look.database_mark),
            superseded: Vec::new(),
        },
        frozen,
        settled: Settled::new(),
        verified_at: None,
        tenant_spec: tenant.object.spec.clone(),
        retained_at: None,
        retain_until: None,
        deleted_by: None,
        sizes: None,
        condemned: Vec::new(),
        approval: tenant.approval.recorded.clone(),
        rotation: RecordedRotation::default(),
        legal_hold: false,
        purge: None,
        purge_accepted: None,
        successor: None,
        predecessor: None,
        destructions: Vec::new(),
    };
    Ok(Decision {
        record,
        refused_host: granted.refused,
        restored: found,
    })
}

/// What a change of a record changes, for people. What each plane is brought to, and when the tenant was
/// proved, is bookkeeping.
pub fn differences(before: Option<&TenantRecordSpec>, after: &TenantRecordSpec) -> Vec<Difference> {
    const OBJECT: &str = "TenantRecord/record";
    let Some(before) = before else {
        return vec![Difference::create(OBJECT)];
    };
    let (before, after) = (facts(before), facts(after));
    let fields: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    fields
        .into_iter()
        .filter(|field| before.get(*field) != after.get(*field))
        .map(|field| Difference {
            before: before.get(field).cloned(),
            after: after.get(field).cloned(),
            ..Difference::update(OBJECT, field)
        })
        .collect()
}

/// What a record says, field by field.
fn facts(record: &TenantRecordSpec) -> BTreeMap<String, String> {
    let TenantRecordSpec {
        tenant,
        state,
        frozen,
        hosts,
        database,
        storage,
        tenant_spec,
        approval,
        ..
    } = record;
    let of_spec = serde_json::to_value(tenant_spec).unwrap_or_default();
    let of_spec = of_spec.as_object().cloned().unwrap_or_default();
    let of_spec = of_spec
        .into_iter()
        .map(|(key, value)| (format!("spec.tenantSpec.{key}"), Some(value.to_string())));
    let text = |value: &i64| value.to_string();
    let own = [
        ("spec.tenant.uid", Some(tenant.uid.clone())),
        ("spec.state", json(state)),
        ("spec.frozen", json(frozen)),
        ("spec.approval", approval.as_ref().and_then(json)),
        ("spec.hosts", Some(hosts.join(","))),
        (
            "spec.database.connectionLimit",
            json(&database.connection_limit),
        ),
        ("spec.database.oid", database.oid.as_ref().map(text)),
        ("spec.database.superseded", json(&database.superseded)),
        (
            "spec.storage.bucketIdentity",
            storage.bucket_identity.clone(),
        ),
        ("spec.storage.superseded", json(&storage.superseded)),
        (
            "spec.retainUntil",
            record.retain_until.as_ref().and_then(json),
        ),
        ("spec.deletedBy", record.deleted_by.clone()),
        (
            "spec.purgeAccepted",
            record.purge_accepted.as_ref().and_then(json),
        ),
        ("spec.successor", record.successor.as_ref().and_then(json)),
        (
            "spec.predecessor",
            record.predecessor.as_ref().and_then(json),
        ),
    ];
    own.into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .chain(of_spec)
        .filter_map(|(field, value)| Some((field, value?)))
        .collect()
}

/// One line of JSON.
fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

pub(super) fn hosts(
    tenant: &Tenant,
    frozen: &FrozenClass,
    base_domains: &[String],
    registry: &Registry,
) -> Grant {
    grant(
        &tenant.name,
        &frozen.base_domain,
        &tenant.object.spec.hosts,
        base_domains,
        registry,
    )
}

/// The tenant in this incarnation.
pub fn tenant_ref(tenant: &Tenant) -> TenantRef {
    TenantRef {
        namespace: tenant.namespace.clone(),
        name: tenant.name.clone(),
        uid: tenant.uid.clone(),
    }
}
