//! Tenants of which the backup knows another stage, other credentials, or nothing at all.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Phase, Reason, annotations, tenant_namespace};
use eoffice_tests::e2e::faults::Census;
use eoffice_tests::e2e::security::{eventually, is, is_ready, says, told};
use eoffice_tests::proof;
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::access::{document_is_kept, finds_document, is_refused};
use crate::bed::{Bed, stem};

const UNTOUCHED: &str = "town-untouched-3021";
const LEFT: &str = "town-left-3021";
const RENEWED: &str = "town-renewed-3021";
const RENEWED_TWICE: &str = "town-twice-3021";
const SUSPENDED: &str = "town-suspended-3021";
const REOPENED: &str = "town-reopened-3021";
const NEW: &str = "town-new-3021";
const MERGED: &str = "tao-merged-3021";
const HEIR: &str = "town-heir-3021";

/// Those that work in the backup.
const WORKING: [&str; 5] = [UNTOUCHED, LEFT, RENEWED, RENEWED_TWICE, SUSPENDED];

pub async fn go_on(bed: &Bed) -> Result<()> {
    let known = WORKING.iter().chain([&REOPENED, &MERGED]);
    try_join_all(known.map(|name| bed.settle(name).boxed())).await?;
    lifecycle(bed, REOPENED, "Suspended", Phase::Suspended).await?;
    bed.delete(MERGED).await?;
    let backup = bed.backup().await?;

    bed.delete(LEFT).await?;
    rotate(bed, RENEWED, "once").await?;
    rotate(bed, RENEWED_TWICE, "once").await?;
    rotate(bed, RENEWED_TWICE, "twice").await?;
    lifecycle(bed, SUSPENDED, "Suspended", Phase::Suspended).await?;
    lifecycle(bed, REOPENED, "Active", Phase::Active).await?;
    bed.settle(NEW).await?;
    bed.ask_for_heir(HEIR, MERGED).await?;
    works(bed, HEIR).await?;
    let since = [RENEWED, RENEWED_TWICE, REOPENED, NEW, HEIR];
    let since = try_join_all(since.map(|name| bed.credentials(name).boxed())).await?;
    let before = Census::backends(&bed.platform.sandbox).await?;

    bed.restore(&backup).await?;
    try_join_all(WORKING.map(|name| works(bed, name).boxed())).await?;
    eventually("it is as closed as the backup has it", || async {
        is_refused(&bed.credentials(REOPENED).await?).await
    })
    .await?;
    document_is_kept(&bed.platform, &stem(REOPENED)?).await?;
    // Whom the cluster does not know is not touched: who asks for him again finds what he had.
    for unknown in [NEW, MERGED] {
        document_is_kept(&bed.platform, &stem(unknown)?).await?;
    }
    before.lives_on_in(&Census::backends(&bed.platform.sandbox).await?)?;
    bed.ask(NEW).await?;
    works(bed, NEW).await?;
    // No backup knows that it took something over: it gets nothing new beside that, and is told the way to it.
    bed.ask(HEIR).await?;
    let merged = tenant_namespace(MERGED);
    let refused =
        |it: &EOfficeTenant| is(it, ConditionType::Ready, "False", Reason::RestoreRefused);
    let heir = bed.platform.until(HEIR, "refused", refused).await?;
    says(&heir, ConditionType::Ready, &["spec.restoreFrom", &merged])?;
    let (there, own) = (Census::backends(&bed.platform.sandbox).await?, stem(HEIR)?);
    let mut made = there.databases.keys().chain(there.buckets.keys());
    ensure!(!made.any(|name| name.contains(&own)), "{there:#?}");
    bed.ask_for_heir(HEIR, MERGED).await?;
    works(bed, HEIR).await?;
    for old in &since {
        eventually("what was given since opens nothing", || is_refused(old))
            .await
            .with_context(|| old.tenant.clone())?;
    }
    lifecycle(bed, REOPENED, "Active", Phase::Active).await?;
    works(bed, REOPENED).await?;

    let after = Census::backends(&bed.platform.sandbox).await?;
    before.lives_on_in(&after)?;
    let active = after.keys.values().filter(|it| it.as_str() == "Active");
    let tenants = WORKING.len() + [REOPENED, NEW, HEIR].len();
    ensure!(
        active.count() == tenants,
        "each of {tenants} has one key: {:#?}",
        after.keys
    );
    Ok(())
}

/// What is in its Secrets works and finds what was stored, and it can store more.
async fn works(bed: &Bed, name: &str) -> Result<()> {
    eventually(&format!("{name} works"), || async {
        let tenant = bed.platform.tenants().get(name).await?;
        ensure!(is_ready(&tenant), "it is\n{}", told(&tenant));
        finds_document(&bed.credentials(name).await?).await?;
        proof::prove(&bed.platform.sandbox, name).boxed().await
    })
    .await
}

async fn change(bed: &Bed, name: &str, patch: Value) -> Result<EOfficeTenant> {
    let tenants = bed.platform.tenants();
    bed.platform.merge(tenants, name, patch).await
}

/// Has it come to another stage.
async fn lifecycle(bed: &Bed, name: &str, asked: &str, phase: Phase) -> Result<()> {
    let asked = change(bed, name, json!({"spec": {"lifecycle": asked}})).await?;
    let there = |it: &EOfficeTenant| {
        it.status.as_ref().is_some_and(|status| {
            status.phase == Some(phase) && status.observed_generation == asked.metadata.generation
        })
    };
    bed.platform.until(name, phase.as_str(), there).await?;
    Ok(())
}

/// Gives it new credentials, and takes those before away.
async fn rotate(bed: &Bed, name: &str, word: &str) -> Result<()> {
    let annotations = json!({annotations::ROTATE_NOW_REQUESTED_AT: word});
    let asks = json!({"metadata": {"annotations": annotations}});
    let before = bed.credentials(name).await?;
    change(bed, name, asks).await?;
    let done = |it: &EOfficeTenant| {
        let status = it.status.as_ref();
        let told = status.and_then(|status| status.credentials.clone());
        told.is_some_and(|told| {
            told.rotation.is_none() && told.last_handled_rotate_now_at.as_deref() == Some(word)
        })
    };
    bed.platform.until(name, "renewed", done).await?;
    is_refused(&before).await
}
