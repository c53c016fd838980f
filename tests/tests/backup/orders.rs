//! Orders to destroy that were taken in when the backup was made, and ended since in three ways.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{RecordState, TenantRecord};
use eoffice_tests::e2e::faults::Census;
use futures::FutureExt;
use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::json;

use crate::access::document_is_kept;
use crate::bed::{Bed, COOLING, RETENTION, purged, stem};

const WITHDRAWN: &str = "town-withdrawn-3021";
const HELD: &str = "town-held-3021";
const BACK: &str = "town-back-3021";
const ALL: [&str; 3] = [WITHDRAWN, HELD, BACK];

pub async fn cool_anew(bed: &Bed) -> Result<()> {
    for name in ALL {
        bed.settle(name).await?;
        bed.delete(name).await?;
    }
    bed.resident.time.advance(RETENTION)?;
    for name in ALL {
        bed.order(name).await?;
        bed.until(name, "cooling", |it| purged(it) == Some("Cooling"))
            .await?;
    }
    let backup = bed.backup().await?;

    bed.write_record(WITHDRAWN, json!({"purge": null})).await?;
    bed.write_record(HELD, json!({"legalHold": true})).await?;
    bed.ask(BACK).await?;
    bed.platform.ready(BACK).await?;
    for name in ALL {
        let ended = |it: &TenantRecord| it.spec.purge_accepted.is_none();
        bed.until(name, "without an order that is taken in", ended)
            .await?;
    }
    let before = Census::backends(&bed.platform.sandbox).await?;
    bed.resident.time.advance(COOLING * 2)?;
    let restored = bed.resident.time.now();
    bed.restore(&backup).await?;
    try_join_all(ALL.map(|name| begins_again(bed, name, restored).boxed())).await?;
    before.lives_on_in(&Census::backends(&bed.platform.sandbox).await?)?;

    // It was not forgotten either: who does not withdraw it again finds it carried out.
    bed.write_record(WITHDRAWN, json!({"purge": null})).await?;
    bed.until(WITHDRAWN, "kept", |it| purged(it).is_none())
        .await?;
    bed.resident.stop().await?;
    bed.resident.time.advance(COOLING)?;
    bed.resident.start().await?;
    let done = |it: &TenantRecord| it.spec.state == RecordState::Destroyed;
    let done = bed.until(HELD, "destroyed", done).await?;
    let certificate = done.spec.destructions.last().context("no certificate")?;
    ensure!(
        certificate.decided_at.0 >= restored,
        "it was decided at {}, before the restoring at {restored}",
        certificate.decided_at.0
    );
    document_is_kept(&bed.platform, &stem(WITHDRAWN)?).await
}

/// Nothing was destroyed, and what was taken in of the order before is void.
async fn begins_again(bed: &Bed, name: &str, restored: Timestamp) -> Result<()> {
    let anew = |it: &TenantRecord| {
        let accepted = it.spec.purge_accepted.as_ref();
        it.spec.state == RecordState::Retained
            && match name {
                // What its marks say lives is not destroyed at all.
                BACK => accepted.is_none_or(|it| it.at.0 >= restored),
                _ => accepted.is_some_and(|it| it.at.0 >= restored),
            }
    };
    bed.until(name, "kept, its order taken in anew", anew)
        .await?;
    document_is_kept(&bed.platform, &stem(name)?).await
}
