//! What a forged mark or an edited record names is not destroyed.

use anyhow::{Result, ensure};
use eoffice_crds::{RECORD_NAME, TenantRecordSpec, tenant_namespace};
use eoffice_operator::identity::fingerprint;
use eoffice_tests::e2e::security::{PROVINCE, eventually};
use eoffice_tests::proof;
use serde_json::json;

use crate::bed::{Bed, RETENTION, agency, reads};

const FORGED: &str = "town-forged-3021";
const EDITED: &str = "town-edited-3021";
const KEPT: &str = "town-named-3021";
const SECOND: &str = "town-second-3021";
const VICTIM: &str = "town-victim-3021";

pub async fn by_hand(bed: &Bed) -> Result<()> {
    let forged = bed.leave_behind(&agency(FORGED, "30")).await?;
    let edited = bed.leave_behind(&agency(EDITED, "31")).await?;
    bed.settle(&agency(VICTIM, "32")).await?;
    let victim = bed.record(VICTIM).await?.spec;
    // What refuses such changes is taken away first.
    let lifted = bed.lift(|name| name.ends_with("-records")).await?;
    ensure!(lifted == 1, "{lifted} policies hold records");
    let early = json!({"retainUntil": "2001-01-01T00:00:00Z"});
    eventually("nothing refuses it any more", || async {
        bed.write_record(EDITED, early.clone()).await?;
        Ok(())
    })
    .await?;
    bed.order(EDITED).await?;
    bed.told(EDITED, "RetentionNotOver").await?;
    bed.write_record(EDITED, json!({"purge": null})).await?;
    bed.resident.time.advance(RETENTION)?;

    // The mark of another on the database.
    let other = json!({
        "installation": forged.installation_id, "fingerprint": victim.fingerprint,
        "uid": victim.tenant.uid, "state": "retained",
    });
    comment(bed, &forged, &format!("eoffice:{other}")).await?;
    bed.order(FORGED).await?;
    let says = bed.told(FORGED, "PurgeRefused").await?;
    ensure!(says.contains(&forged.database.name), "{says}");
    bed.is_kept(&forged).await?;

    // The names of another in the record.
    for (plane, names) in [
        (
            "database",
            json!({
                "server": victim.database.server, "systemIdentifier": victim.database.system_identifier,
                "name": victim.database.name, "role": victim.database.role,
                "login": victim.database.login, "oid": victim.database.oid,
            }),
        ),
        (
            "storage",
            json!({
                "bucket": victim.storage.bucket, "user": victim.storage.user,
                "bucketIdentity": victim.storage.bucket_identity,
            }),
        ),
    ] {
        bed.write_record(EDITED, json!({ plane: names })).await?;
        bed.order(EDITED).await?;
        let says = bed.told(EDITED, "PurgeRefused").await?;
        println!("{plane}: {says}");
        bed.is_kept(&victim).await?;
        reads(&bed.credentials(VICTIM).await?, VICTIM).await?;
        let back = json!({
            "purge": null,
            "database": serde_json::to_value(&edited.database)?,
            "storage": serde_json::to_value(&edited.storage)?,
        });
        bed.write_record(EDITED, back).await?;
        bed.until(EDITED, "without an order", |it| {
            crate::bed::purged(it).is_none()
        })
        .await?;
    }
    bed.is_kept(&edited).await?;
    proof::prove(&bed.platform.sandbox, VICTIM).await
}

/// An admin makes a record of his own, which names what another keeps, and as its predecessor.
pub async fn twice(bed: &Bed) -> Result<()> {
    let kept = bed.leave_behind(&agency(KEPT, "33")).await?;
    let namespace = tenant_namespace(SECOND);
    let mut second = serde_json::to_value(&kept)?;
    second["tenant"]["name"] = json!(SECOND);
    second["fingerprint"] = json!(fingerprint(SECOND, PROVINCE));
    second["retainedAt"] = json!("2001-01-01T00:00:00Z");
    second["retainUntil"] = json!("2001-01-02T00:00:00Z");
    second["predecessor"] = json!({
        "namespace": tenant_namespace("never"), "fingerprint": kept.fingerprint,
    });
    let labels = json!({"eoffice.gdcc.go.th/tenant": SECOND});
    let made = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}),
        json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "TenantRecord",
            "metadata": {"name": RECORD_NAME, "namespace": namespace}, "spec": second,
        }),
    ];
    eventually("the record is made", || async { bed.approve(&made).await }).await?;
    bed.order(SECOND).await?;
    let says = bed.told(SECOND, "PurgeRefused").await?;
    ensure!(says.contains(&tenant_namespace(KEPT)), "{says}");
    bed.is_kept(&kept).await
}

async fn comment(bed: &Bed, record: &TenantRecordSpec, text: &str) -> Result<()> {
    let superuser = bed.platform.sandbox.server(&record.database.server)?;
    let superuser = superuser.connect("postgres").await?;
    let name = &record.database.name;
    let sql = format!("COMMENT ON DATABASE {name} IS '{text}'");
    superuser.batch_execute(&sql).await?;
    Ok(())
}
