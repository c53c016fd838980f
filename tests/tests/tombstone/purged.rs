//! A committee's decision, carried out.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus};
use eoffice_crds::{RecordState, TenantRecord, TenantRecordSpec, tenant_namespace};
use eoffice_tests::Resident;
use eoffice_tests::e2e::core::{resource, versions};
use eoffice_tests::e2e::security::eventually;
use eoffice_tests::proof;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};

use crate::bed::{Bed, RETENTION, agency, purged, reads, while_goes_on};

const GONE: &str = "town-gone-3021";
const NEIGHBOUR: &str = "town-neighbour-3021";
const LOCKED: &str = "town-locked-3021";
const BACK: &str = "town-back-3021";
const HELD: &str = "town-held-3021";

pub async fn as_ordered(bed: &Bed) -> Result<()> {
    let object = agency(GONE, "10");
    bed.settle(&agency(NEIGHBOUR, "11")).await?;
    let known = bed.leave_behind(&object).await?;

    bed.order(GONE).await?;
    let says = bed.told(GONE, "RetentionNotOver").await?;
    let until = known.retain_until.clone().context("no date")?;
    ensure!(says.contains(&until.0.to_string()), "{says}");
    bed.resident.time.advance(RETENTION)?;
    bed.write_record(GONE, json!({"legalHold": true})).await?;
    bed.told(GONE, "LegalHold").await?;
    bed.is_kept(&known).await?;
    bed.write_record(GONE, json!({"purge": null})).await?;
    bed.until(GONE, "without an order", |it| purged(it).is_none())
        .await?;
    bed.write_record(GONE, json!({"legalHold": false})).await?;
    eventually("both are told once", || async {
        let said = bed.resident.said()?;
        let told = |held: &str| {
            let lines = said.lines().filter(|line| line.contains("legal-hold"));
            lines
                .filter(|line| line.contains(GONE) && line.contains(held))
                .count()
        };
        let (set, ended) = (told("\"held\":true"), told("\"held\":false"));
        ensure!(
            (set, ended) == (1, 1),
            "{set} lines that it was set, {ended} that it ended"
        );
        Ok(())
    })
    .await?;

    // Somebody is connected, as only a superuser still can be: he is not thrown out, and it is said what to do.
    let superuser = bed.platform.sandbox.server(&known.database.server)?;
    let inside = superuser.connect(&known.database.name).await?;
    bed.order(GONE).await?;
    bed.until(GONE, "held up by a superuser's session", |it| {
        purged(it).is_some_and(|(_, message)| message.contains("superuser's session"))
    })
    .await?;
    drop(inside);
    let neighbour = bed.credentials(NEIGHBOUR).await?;
    let goes_on = async {
        loop {
            reads(&neighbour, NEIGHBOUR).await?;
        }
    };
    let done = while_goes_on(destroyed(bed, GONE), goes_on).await?;
    is_gone(bed, &known).await?;
    certified(&bed.resident, &done, &known)?;
    alone(bed, GONE).await?;
    proof::prove(&bed.platform.sandbox, NEIGHBOUR).await?;

    // The agency begins anew, and what was destroyed stays on record.
    bed.platform.apply(&[object]).await?;
    bed.platform.ready(GONE).await?;
    let session = bed.credentials(GONE).await?.database.connect().await?;
    let tables = "SELECT FROM pg_tables WHERE tablename = 'letters'";
    ensure!(
        session.query_opt(tables, &[]).await?.is_none(),
        "the database is not new"
    );
    let record = bed.record(GONE).await?.spec;
    ensure!(record.state == RecordState::Live && record.destructions == done.spec.destructions);
    ensure!(record.purge.is_none() && record.database.oid != known.database.oid);
    Ok(())
}

/// Awaits that it is done as ordered.
pub async fn destroyed(bed: &Bed, tenant: &str) -> Result<TenantRecord> {
    bed.until(tenant, "destroyed", |it| {
        it.spec.state == RecordState::Destroyed && purged(it).is_some_and(|it| it.0 == "Destroyed")
    })
    .await
}

pub async fn is_gone(bed: &Bed, known: &TenantRecordSpec) -> Result<()> {
    let left = bed.left_on_server(known).await?;
    ensure!(left.is_empty(), "PostgreSQL still has {left}");
    ensure!(!bed.has_bucket(known).await?, "the bucket is still there");
    ensure!(!bed.has_user(known).await?, "the user is still there");
    Ok(())
}

/// The certificate is in the record and in the audit log of whoever destroyed it.
pub fn certified(who: &Resident, done: &TenantRecord, known: &TenantRecordSpec) -> Result<()> {
    let certificate = done.spec.destructions.last().context("no certificate")?;
    ensure!(certificate.committee_reference.as_deref() == Some("12/2579"));
    ensure!(certificate.approved_by == "chair");
    ensure!(certificate.agency == known.tenant_spec.agency.name_th);
    let of = |kind: &str| certificate.objects.iter().find(|it| it.kind == kind);
    let database = of("database").context("no database in it")?;
    ensure!(database.name == known.database.name && database.bytes > Some(0));
    ensure!(database.identity == known.database.oid.map(|oid| oid.to_string()));
    let bucket = of("bucket").context("no bucket in it")?;
    ensure!(bucket.name == known.storage.bucket && bucket.bytes > Some(0));
    ensure!(bucket.identity == known.storage.bucket_identity);
    ensure!(of("user").is_some() && of("role").is_some());
    let said = who.said()?;
    let line = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["event"] == "destruction" && line["tenant"] == known.tenant.name)
        .context("no line in the audit log")?;
    let logged: Value = serde_json::from_str(line["certificate"].as_str().unwrap_or_default())?;
    ensure!(
        logged == serde_json::to_value(certificate)?,
        "the log says {logged}"
    );
    Ok(())
}

/// Nothing is in the namespace but the record, and what every namespace has.
pub async fn alone(bed: &Bed, tenant: &str) -> Result<()> {
    let namespace = tenant_namespace(tenant);
    let prefix = format!(" {namespace}/");
    eventually("the record is alone in its namespace", || async {
        let all = versions(&bed.platform).await?;
        let left = all.into_keys().filter(|key| key.contains(&prefix));
        let left = left.filter(|key| !key.starts_with("Event "));
        let left: BTreeSet<String> = left.collect();
        let expected = [
            format!("ServiceAccount {namespace}/default"),
            format!("TenantRecord {namespace}/record"),
        ];
        ensure!(left == BTreeSet::from(expected), "{left:?}");
        Ok(())
    })
    .await?;
    let all: Api<DynamicObject> =
        Api::all_with(bed.platform.sandbox.admin(), &resource("Namespace")?);
    let all = all.list(&ListParams::default()).await?;
    let stays = all
        .items
        .iter()
        .any(|it| it.metadata.name.as_ref() == Some(&namespace));
    ensure!(stays, "the record's namespace is gone");
    Ok(())
}

/// A tenant that is made again while an order can still be withdrawn has its data back, and the order is void.
pub async fn not_while_its_tenant_is_back(bed: &Bed) -> Result<()> {
    let object = agency(BACK, "12");
    let known = bed.leave_behind(&object).await?;
    bed.resident.time.advance(RETENTION)?;
    bed.order(BACK).await?;
    bed.told(BACK, "Cooling").await?;
    bed.platform.apply(std::slice::from_ref(&object)).await?;
    bed.platform.ready(BACK).await?;
    reads(&bed.credentials(BACK).await?, BACK).await?;
    let record = bed
        .until(BACK, "without an order", |it| purged(it).is_none())
        .await?
        .spec;
    ensure!(record.purge.is_none() && record.purge_accepted.is_none());
    eventually("people are told", || async {
        let told = bed.events(BACK).await?;
        ensure!(told.iter().any(|it| it == "PurgeVoid"), "{told:?}");
        Ok(())
    })
    .await?;
    // It leaves once more: the order of then is none of now.
    bed.delete(BACK).await?;
    bed.resident.time.advance(RETENTION)?;
    let touch = json!({"metadata": {"labels": {"looked": "at"}}});
    let records = bed.records(BACK);
    bed.platform
        .merge(records, eoffice_crds::RECORD_NAME, touch)
        .await?;
    tokio::time::sleep(crate::bed::COOLING * 2).await;
    ensure!(bed.record(BACK).await?.spec.state == RecordState::Retained);
    bed.is_kept(&known).await
}

/// What is locked in Compliance mode is waited for, the database with it, and people are told until when.
pub async fn not_before_the_lock_ends(bed: &Bed) -> Result<()> {
    let mut object = agency(LOCKED, "13");
    object["spec"]["className"] = json!("locked");
    let known = bed.leave_behind(&object).await?;
    bed.resident.time.advance(RETENTION)?;
    bed.order(LOCKED).await?;
    let waits = |it: &TenantRecord| {
        purged(it).is_some_and(|(reason, says)| {
            reason == "RetentionNotOver" && says.contains(&known.storage.bucket)
        })
    };
    let record = bed
        .until(LOCKED, "kept by its bucket's lock", waits)
        .await?;
    ensure!(record.spec.state == RecordState::Retained);
    bed.is_kept(&known).await?;
    // The clock goes on past the lock in other scenarios.
    bed.write_record(LOCKED, json!({"purge": null})).await?;
    bed.until(LOCKED, "without an order", |it| purged(it).is_none())
        .await?;
    Ok(())
}

/// A legal hold on one document in the store is waited for, with the database, and is told.
pub async fn not_while_a_document_is_held(bed: &Bed) -> Result<()> {
    let known = bed.leave_behind(&agency(HELD, "14")).await?;
    hold(bed, &known, ObjectLockLegalHoldStatus::On).await?;
    bed.resident.time.advance(RETENTION)?;
    bed.order(HELD).await?;
    let says = bed.told(HELD, "LegalHold").await?;
    ensure!(says.contains(&known.storage.bucket), "{says}");
    bed.is_kept(&known).await?;

    hold(bed, &known, ObjectLockLegalHoldStatus::Off).await?;
    let touch = json!({"metadata": {"labels": {"looked": "at"}}});
    let records = bed.records(HELD);
    bed.platform
        .merge(records, eoffice_crds::RECORD_NAME, touch)
        .await?;
    let done = destroyed(bed, HELD).await?;
    is_gone(bed, &known).await?;
    certified(&bed.resident, &done, &known)
}

/// Lays a legal hold on the document, or lifts it, as an admin of the store does.
async fn hold(
    bed: &Bed,
    record: &TenantRecordSpec,
    status: ObjectLockLegalHoldStatus,
) -> Result<()> {
    let store = bed.platform.sandbox.object_store.admin();
    let hold = ObjectLockLegalHold::builder().status(status).build();
    let put = store.put_object_legal_hold().legal_hold(hold);
    let put = put.bucket(&record.storage.bucket).key("letters/1");
    put.send().await?;
    Ok(())
}
