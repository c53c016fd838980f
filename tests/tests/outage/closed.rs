//! A tenant that is closed while something of it fails.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use eoffice_crds::ConditionType::{Ready, StorageReady};
use eoffice_crds::{FleetHold, Phase, Reason};
use eoffice_tests::e2e::core::{Counts, unchanged, versions};
use eoffice_tests::e2e::faults::stands;
use eoffice_tests::e2e::security::{Platform, eventually, is, tenant};
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use super::{CUT_OFF, STORE};

const NAME: &str = "town-closed-3021";
/// Looks at each tenant that nothing may come of.
const LOOKS: usize = 3;

/// It stays closed, asks for nothing a second time, and is told of once.
pub async fn stays_closed(platform: &Platform) -> Result<()> {
    platform.apply(&[tenant(NAME)]).await?;
    platform.ready(NAME).await?;
    lifecycle(platform, "Suspended").await?;
    suspended(platform).await?;
    eventually("its closing is over for the breaker", || async {
        let all = batches(platform).await?;
        let mut entries = all
            .iter()
            .flat_map(|it| it.status.iter().flat_map(|it| &it.tenants));
        ensure!(entries.all(|it| it.name != NAME || it.done_at.is_some()));
        Ok(())
    })
    .await?;

    let iam = &platform.sandbox.object_store.iam;
    iam.kill().await;
    let cause = (StorageReady, Reason::Unreachable);
    stands(&platform.tenants(), NAME, CUT_OFF, cause, &[STORE]).await?;
    eventually("people are told", || async {
        let all: Api<Event> = Api::all(platform.sandbox.admin());
        let all = all.list(&ListParams::default()).await?;
        let degraded = |it: &Event| {
            it.involved_object.name.as_deref() == Some(NAME)
                && it.reason.as_deref() == Some("Degraded")
        };
        ensure!(all.items.iter().any(degraded));
        Ok(())
    })
    .await?;
    // The Event comes before the status that it is about.
    let degraded = |it: &eoffice_crds::EOfficeTenant| {
        let phase = it.status.as_ref().and_then(|status| status.phase);
        phase == Some(Phase::Degraded)
    };
    platform.until(NAME, "Degraded", degraded).await?;
    let before = told(platform).await?;
    let looks = looks(platform).await?;
    let tenants = platform.tenants().list(&ListParams::default()).await?;
    let enough = looks + (LOOKS * tenants.items.len()) as f64;
    eventually("it is looked at again", || async {
        let now = self::looks(platform).await?;
        ensure!(now >= enough, "{now} looks, {looks} before");
        Ok(())
    })
    .await?;
    unchanged(&before, &told(platform).await?)?;

    iam.start().await?;
    suspended(platform).await?;
    lifecycle(platform, "Active").await?;
    platform.ready(NAME).await?;
    Ok(())
}

async fn lifecycle(platform: &Platform, lifecycle: &str) -> Result<()> {
    let change = json!({"spec": {"lifecycle": lifecycle}});
    platform.merge(platform.tenants(), NAME, change).await?;
    Ok(())
}

async fn suspended(platform: &Platform) -> Result<()> {
    let holds = |it: &eoffice_crds::EOfficeTenant| {
        let phase = it.status.as_ref().and_then(|status| status.phase);
        phase == Some(Phase::Suspended) && is(it, Ready, "True", Reason::Suspended)
    };
    platform.until(NAME, "Suspended", holds).await?;
    Ok(())
}

async fn batches(platform: &Platform) -> Result<Vec<FleetHold>> {
    let all: Api<FleetHold> = platform.cluster();
    Ok(all.list(&ListParams::default()).await?.items)
}

/// The versions of everything that is the tenant's, its resource and its Events included, and of the batches.
async fn told(platform: &Platform) -> Result<BTreeMap<String, String>> {
    let mut found = versions(platform).await?;
    found.retain(|what, _| what.contains(NAME));
    for batch in batches(platform).await? {
        let version = batch.resource_version().unwrap_or_default();
        found.insert(format!("FleetHold {}", batch.name_any()), version);
    }
    Ok(found)
}

async fn looks(platform: &Platform) -> Result<f64> {
    let counts = Counts::of(&platform.operator).await?;
    Ok(counts.sum("eoffice_reconciles_total", &[]))
}
