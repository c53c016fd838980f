//! What a tenant's newest certificate of destruction tells.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{RecordState, TenantRecord};
use serde_json::{Value, json};

/// What is destroyed of a tenant that had its credentials renewed, and let an auditor in: the role that owns, two logins
/// and the auditor's. The auditor's user went when the tenant left.
const WHOLE: [(&str, usize); 4] = [("bucket", 1), ("database", 1), ("role", 4), ("user", 1)];

/// The newest certificate of a record behind which nothing stands any more.
pub fn certificate(record: &TenantRecord) -> Option<Value> {
    let newest = record.spec.destructions.last()?;
    if record.spec.state != RecordState::Destroyed {
        return None;
    }
    let objects = newest.objects.iter();
    let objects = objects.map(|it| {
        let identified = it.identity.is_some();
        let told =
            json!({"place": it.place, "identified": identified, "sized": it.bytes.is_some()});
        (format!("{} {}", it.kind, it.name), told)
    });
    Some(json!({
        "agency": newest.agency,
        "reference": newest.committee_reference,
        "by": newest.approved_by,
        "objects": objects.collect::<BTreeMap<_, _>>(),
    }))
}

/// Wants everything to be told of, once.
pub fn is_whole(record: &TenantRecord) -> Result<()> {
    let newest = record.spec.destructions.last().context("no certificate")?;
    let mut counts = BTreeMap::new();
    for object in &newest.objects {
        *counts.entry(object.kind.as_str()).or_default() += 1;
    }
    ensure!(
        counts == BTreeMap::from(WHOLE),
        "the certificate tells of {:#?}",
        newest.objects
    );
    ensure!(
        record.spec.condemned.is_empty(),
        "the record still has what stood before"
    );
    Ok(())
}
