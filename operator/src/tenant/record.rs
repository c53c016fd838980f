//! What a tenant's record should say: who owns it, where it is, which hosts it has. Pure.

use crate::identity::{BackendNames, InstallationId, Mark, fingerprint};
use crate::plan::{Difference, Problem};
use crate::tenant::hosts::{Grant, grant};
use crate::tenant::parse::Tenant;
use crate::tenant::placement::{Candidate, choose};
use crate::tenant::registry::Registry;
use eoffice_crds::{
    FrozenClass, Reason, RecordState, RecordedDatabase, RecordedStorage, Restore, Settled,
    TenantRecordSpec, TenantRef,
};
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

/// Whether the tenant is the one that its record belongs to, or may take it up.
pub fn check_owner(
    tenant: &Tenant,
    existing: Option<&TenantRecordSpec>,
    registry: &Registry,
    holder_lives: bool,
) -> Result<(), Problem> {
    let codes = &tenant.object.spec.agency.codes;
    if let Some(record) = existing {
        let holder = &record.tenant;
        if holder.uid != tenant.uid && holder_lives {
            return Err(Problem::new(
                Reason::NameConflict,
                format!(
                    "the name {} is held by the tenant in namespace {}; names are unique in the installation, choose another",
                    tenant.name, holder.namespace
                ),
            ));
        }
        let recorded = &record.tenant_spec.agency.codes;
        let same_agency = record.fingerprint == fingerprint(&tenant.name, tenant.province())
            && (holder.uid == tenant.uid
                || recorded.is_empty()
                || recorded.iter().any(|code| codes.contains(code)));
        if !same_agency {
            return Err(Problem::new(
                Reason::OtherAgency,
                format!(
                    "the record in namespace {} keeps the data of another agency under the name {}; a tenant takes it up only from the same province and with one of the agency codes recorded there; choose another name",
                    tenant.own_namespace(),
                    tenant.name
                ),
            ));
        }
        if holder.uid != tenant.uid && record.frozen.retain.restore == Restore::Explicit {
            return Err(Problem::new(
                Reason::OtherAgency,
                format!(
                    "the data of an earlier tenant of this name is kept, and class {} gives it back only when asked (retain.restore: Explicit); have the platform team decide",
                    record.frozen.class
                ),
            ));
        }
    }
    for code in codes {
        if let Some(holder) = registry
            .holder_of_code(code)
            .filter(|holder| *holder != tenant.name)
        {
            return Err(Problem::new(
                Reason::CodeConflict,
                format!(
                    "spec.agency.codes: {} is the code of tenant {holder}; correct the code, or remove the other tenant",
                    code.value
                ),
            ));
        }
    }
    Ok(())
}

/// The record of a tenant that has one.
pub fn carry_on(
    tenant: &Tenant,
    existing: &TenantRecordSpec,
    base_domains: &[String],
    registry: &Registry,
) -> Decision {
    let restored = existing.tenant.uid != tenant.uid || existing.state == RecordState::Retained;
    let accepted = tenant
        .class_change
        .as_ref()
        .filter(|change| change.accepted);
    let frozen = accepted.map_or(&existing.frozen, |change| &change.frozen);
    let granted = hosts(tenant, frozen, base_domains, registry);
    let mut record = existing.clone();
    record.frozen = frozen.clone();
    record.tenant = tenant_ref(tenant);
    record.state = RecordState::Live;
    record.retained_at = None;
    record.retain_until = None;
    record.hosts = granted.hosts;
    record.tenant_spec = tenant.object.spec.clone();
    record.database.connection_limit = tenant.connection_limit;
    if restored {
        record.verified_at = None;
    }
    Decision {
        record,
        refused_host: granted.refused,
        restored,
    }
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

fn hosts(
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

fn tenant_ref(tenant: &Tenant) -> TenantRef {
    TenantRef {
        namespace: tenant.namespace.clone(),
        name: tenant.name.clone(),
        uid: tenant.uid.clone(),
    }
}
