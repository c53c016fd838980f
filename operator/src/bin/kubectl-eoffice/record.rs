//! What is read off a tenant's record: what is kept, since when, until when, and what was decided about it.

use crate::client::{Cluster, call};
use crate::facts::{Facts, bytes, day};
use crate::failure::{Failure, Kind, Result};
use crate::format_time;
use crate::table::Style;
use eoffice_crds::{
    ConditionType, Destruction, EOfficeTenant, RECORD_NAME, Reason, RecordState, TenantRecord,
    TenantRecordSpec, TenantRef, tenant_namespace,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use std::collections::HashSet;

/// Reads the record of the tenant of this name.
pub async fn read(cluster: &Cluster, tenant: &str) -> Result<TenantRecord> {
    let namespace = tenant_namespace(tenant);
    let doing = format!("read the record of tenant {tenant} in namespace {namespace}");
    let api = cluster.within::<TenantRecord>(&namespace);
    let record = call(&doing, api.get_opt(RECORD_NAME)).await?;
    record.ok_or_else(|| {
        Failure::of(
            Kind::NotFound,
            format!(
                "there is no record of a tenant {tenant}: kubectl eoffice retained lists what is kept"
            ),
        )
    })
}

/// The word for a state.
pub const fn word(state: RecordState) -> &'static str {
    match state {
        RecordState::Live => "live",
        RecordState::Retained => "retained",
        RecordState::Purging => "purging",
        RecordState::Succeeded => "succeeded",
        RecordState::Destroyed => "destroyed",
    }
}

/// The records of these that say that their tenant lives, though none does: access is open, and nobody answers for it.
pub fn bereft<'a>(
    records: &'a [TenantRecord],
    tenants: &[EOfficeTenant],
) -> impl Iterator<Item = &'a TenantRecord> {
    let places: HashSet<(String, String)> = tenants
        .iter()
        .map(|it| (it.namespace().unwrap_or_default(), it.name_any()))
        .collect();
    records.iter().filter(move |record| {
        let TenantRef {
            namespace, name, ..
        } = &record.spec.tenant;
        record.spec.state == RecordState::Live
            && !places.contains(&(namespace.clone(), name.clone()))
    })
}

/// What became of an order to destroy, as the operator says.
pub fn purged(record: &TenantRecord) -> Option<&Condition> {
    let conditions = &record.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|it| it.type_ == ConditionType::Purged.as_str())
}

/// How far an order to destroy has come, with its time: `Cooling 2026-11-28`.
pub fn purge(record: &TenantRecord) -> String {
    let spec = &record.spec;
    let with = |word: &str, time: Option<String>| match time {
        Some(time) => format!("{word} {time}"),
        None => word.to_owned(),
    };
    let destroyed = spec.destructions.last().map(|it| day(&it.destroyed_at));
    match (spec.state, spec.legal_hold, &spec.purge) {
        (RecordState::Destroyed, _, _) => with(Reason::Destroyed.as_str(), destroyed),
        (RecordState::Succeeded, _, _) => "-".into(),
        (_, true, _) => Reason::LegalHold.to_string(),
        (_, false, None) => "-".into(),
        (_, false, Some(order)) => {
            let accepted = spec.purge_accepted.as_ref();
            let accepted = accepted.filter(|accepted| accepted.order == *order);
            let reason = purged(record).map_or("Ordered", |it| it.reason.as_str());
            let until = (reason == Reason::Cooling.as_str())
                .then(|| accepted.map(|it| day(&it.not_before)))
                .flatten();
            with(reason, until)
        }
    }
}

/// How much stands behind the record: `1.5 GiB`, or nothing where it was not counted.
pub fn size(spec: &TenantRecordSpec) -> Option<String> {
    let sizes = spec.sizes.as_ref()?;
    match (sizes.database_bytes, sizes.storage_bytes) {
        (None, None) => None,
        (database, storage) => Some(bytes(
            database.unwrap_or_default() + storage.unwrap_or_default(),
        )),
    }
}

/// Everything that a record says, for people.
pub fn detail(record: &TenantRecord, style: Style) -> String {
    let spec = &record.spec;
    let agency = &spec.tenant_spec.agency;
    let sizes = spec.sizes.as_ref();
    let counted =
        |number: Option<i64>| number.map_or(String::new(), |it| format!(", {}", bytes(it)));
    let objects = sizes.and_then(|it| it.objects);
    let objects = objects.map_or(String::new(), |it| format!(" in {it} versions of objects"));
    let database = format!(
        "{} on {}{}",
        spec.database.name,
        spec.database.server,
        counted(sizes.and_then(|it| it.database_bytes)),
    );
    let storage = format!(
        "{} in {}{}{objects}",
        spec.storage.bucket,
        spec.storage.store,
        counted(sizes.and_then(|it| it.storage_bytes)),
    );
    let approval = spec.approval.as_ref().map(|it| {
        let mou = it.mou_reference.as_deref().unwrap_or("without an MOU");
        format!("{mou}, by {}", it.approved_by)
    });
    let order = spec
        .purge
        .as_ref()
        .map(|it| format!("{}, by {}", it.committee_reference, it.approved_by));
    let accepted = spec.purge_accepted.as_ref();
    let held = "nothing behind this record is destroyed, whoever asks for it";
    let path = |namespace: &str, name: &str| format!("{namespace}/{name}");
    let until = spec.retain_until.as_ref().map(|it| format_time(it.0));
    let purged = purged(record);
    let mut text = Facts::new(&spec.tenant.name, style)
        .and("agency", &agency.name_th)
        .maybe("", agency.name_en.as_ref())
        .and("was", path(&spec.tenant.namespace, &spec.tenant.name))
        .and("state", word(spec.state))
        .maybe(
            "left",
            spec.retained_at.as_ref().map(|it| format_time(it.0)),
        )
        .maybe("deleted by", spec.deleted_by.as_ref())
        .maybe("kept until", until)
        .maybe("legal hold", spec.legal_hold.then_some(held))
        .and("database", database)
        .and("storage", storage)
        .and("hosts", spec.hosts.join(", "))
        .maybe("approval", approval)
        .maybe(
            "taken by",
            spec.successor
                .as_ref()
                .map(|it| path(&it.namespace, &it.name)),
        )
        .maybe(
            "taken from",
            spec.predecessor.as_ref().map(|it| it.namespace.clone()),
        )
        .maybe("purge", order)
        .maybe(
            "not before",
            accepted.map(|it| format_time(it.not_before.0)),
        )
        .maybe(
            "says",
            purged.map(|it| format!("{}: {}", it.reason, it.message)),
        )
        .render();
    for destruction in &spec.destructions {
        text += "\n";
        text += &certificate(destruction, style);
    }
    text
}

/// A certificate of destruction.
fn certificate(of: &Destruction, style: Style) -> String {
    let decision = of
        .committee_reference
        .as_deref()
        .unwrap_or("the tenant's deletionPolicy Delete");
    let until = of.retained_until.as_ref();
    let mut facts = Facts::new("Certificate of destruction", style)
        .and("agency", &of.agency)
        .and("decision", decision)
        .and("approved by", &of.approved_by)
        .and("decided", format_time(of.decided_at.0))
        .and("destroyed", format_time(of.destroyed_at.0))
        .maybe("kept until", until.map(|it| format_time(it.0)));
    for object in &of.objects {
        let identity = object.identity.as_ref();
        let identity = identity.map_or(String::new(), |it| format!(" ({it})"));
        let size = object
            .bytes
            .map_or(String::new(), |it| format!(", {}", bytes(it)));
        let what = format!("{}{identity} in {}{size}", object.name, object.place);
        facts = facts.and(&object.kind, what);
    }
    facts.render()
}

/// The record of the tenant `town`, which has left, with these fields put into its spec.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub fn example(fields: serde_json::Value) -> TenantRecord {
    use serde_json::json;
    let mut record = json!({
        "metadata": {"name": "record", "namespace": "eoffice-town"},
        "spec": {
            "installationId": "korat", "fingerprint": "f", "state": "retained", "hosts": ["town.eoffice.example"],
            "tenant": {"namespace": "province-30", "name": "town", "uid": "u"},
            "frozen": {
                "class": "standard", "baseDomain": "eoffice.example", "store": "objects", "versioning": true,
                "allowDelete": false, "retain": {"days": 3650, "restore": "Automatic"},
            },
            "database": {"server": "pg-a", "systemIdentifier": "7", "name": "eo_3f", "role": "r", "login": "l",
                         "connectionLimit": 20},
            "storage": {"store": "objects", "storeIdentity": "s", "bucket": "eo-3f", "user": "u"},
            "tenantSpec": {"agency": {"nameTh": "เทศบาลเมืองปากช่อง", "kind": "TownMunicipality", "province": "30"}},
        },
    });
    let spec = record["spec"].as_object_mut().unwrap();
    spec.extend(fields.as_object().unwrap().clone());
    serde_json::from_value(record).unwrap()
}
