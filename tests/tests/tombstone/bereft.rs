//! A platform admin takes the finalizer of a tenant away: it is gone, and nothing was closed.

use anyhow::{Result, ensure};
use eoffice_crds::{
    ConditionType, EOfficeTenant, RECORD_NAME, RecordState, TenantRecord, annotations,
};
use eoffice_tests::e2e::security::{PROVINCE, eventually, namespace_of, says};
use eoffice_tests::proof::Credentials;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::bed::{Bed, agency, reads, shut_out};

const GONE: &str = "town-bereft-3021";
const SUPPLANTED: &str = "town-supplanted-3021";

pub async fn by_an_admin(bed: &Bed) -> Result<()> {
    for (name, code) in [(GONE, "70"), (SUPPLANTED, "71")] {
        bed.settle(&agency(name, code)).await?;
    }
    let old = [
        bed.credentials(GONE).await?,
        bed.credentials(SUPPLANTED).await?,
    ];
    for name in [GONE, SUPPLANTED] {
        let_go(bed, name).await?;
    }
    // Another agency under the name of one of them keeps nothing open.
    bed.platform.apply(&[agency(SUPPLANTED, "72")]).await?;

    for (name, old) in [GONE, SUPPLANTED].into_iter().zip(&old) {
        is_closed(bed, name, old).await?;
    }
    let told = bed.events(RECORD_NAME).await?;
    ensure!(told.iter().any(|it| it == "Bereft"), "{told:?}");
    let refused = bed.platform.tenants().get(SUPPLANTED).await?;
    says(&refused, ConditionType::Ready, &["another agency"])?;

    bed.platform.apply(&[agency(GONE, "70")]).await?;
    bed.platform.ready(GONE).await?;
    reads(&bed.credentials(GONE).await?, GONE).await
}

/// While it is paused it does not leave, and so is gone before anything was closed.
async fn let_go(bed: &Bed, name: &str) -> Result<()> {
    let tenants = Api::namespaced(bed.chair.clone(), &namespace_of(PROVINCE));
    let paused = json!({"metadata": {"annotations": {annotations::PAUSED: "true"}}});
    bed.platform
        .merge::<EOfficeTenant>(tenants.clone(), name, paused)
        .await?;
    tenants.delete(name, &DeleteParams::default()).await?;
    let free = json!({"metadata": {"finalizers": null}});
    bed.platform.merge(tenants, name, free).await?;
    let record = bed.record(name).await?;
    ensure!(
        record.spec.state == RecordState::Live,
        "{name} was closed before"
    );
    Ok(())
}

async fn is_closed(bed: &Bed, name: &str, old: &Credentials) -> Result<()> {
    let kept = |record: &TenantRecord| record.spec.state == RecordState::Retained;
    let record = bed.until(name, "kept", kept).await?.spec;
    ensure!(record.deleted_by.as_deref() == Some("unknown"));
    ensure!(record.retain_until.is_some());
    eventually(&format!("access to {name} is ended"), || shut_out(old)).await?;
    bed.is_kept(&record).await
}
