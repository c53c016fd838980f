//! What a forged mark or an edited record names is not destroyed.

use anyhow::{Result, ensure};
use eoffice_crds::TenantRecordSpec;
use eoffice_tests::e2e::security::eventually;
use eoffice_tests::proof;
use serde_json::json;

use crate::bed::{Bed, RETENTION, agency, reads};

const FORGED: &str = "town-forged-3021";
const EDITED: &str = "town-edited-3021";
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

async fn comment(bed: &Bed, record: &TenantRecordSpec, text: &str) -> Result<()> {
    let superuser = bed.platform.sandbox.server(&record.database.server)?;
    let superuser = superuser.connect("postgres").await?;
    let name = &record.database.name;
    let sql = format!("COMMENT ON DATABASE {name} IS '{text}'");
    superuser.batch_execute(&sql).await?;
    Ok(())
}
