//! What a tenant took over comes with what stood against its destruction, and ends with all that was left beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use eoffice_crds::{RecordState, tenant_namespace};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_tests::e2e::security::eventually;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::bed::{Bed, RETENTION, agency};
use crate::purged::{alone, destroyed, is_gone};

const FIRST: &str = "town-of-old-3021";
const SECOND: &str = "town-between-3021";
const LAST: &str = "town-at-last-3021";
const OWN: &str = "town-own-volume-3021";

/// The operator dies once the heir has its record, and before the old one says so.
#[derive(Default)]
struct Dies {
    begun: AtomicBool,
    reached: AtomicBool,
}

impl Fault for Dies {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        match (site.verb, object) {
            ("create_record", SECOND) => self.begun.store(true, Ordering::SeqCst),
            ("replace_record", FIRST) if self.begun.load(Ordering::SeqCst) => {
                self.reached.store(true, Ordering::SeqCst);
                return Verdict::HangBefore;
            }
            _ => {}
        }
        Verdict::Proceed
    }
}

/// A legal hold that is laid in the middle of a takeover is on the data; and what an order destroys are the volumes of
/// everyone whose data it was, too, each in the certificate.
pub async fn with_its_hold_and_its_volumes(bed: &Bed) -> Result<()> {
    bed.settle(&agency(FIRST, "60")).await?;
    claim(bed, FIRST, "letters").await?;
    bed.settle(&agency(OWN, "61")).await?;
    claim(bed, OWN, "letters").await?;
    bed.delete(FIRST).await?;
    let known = bed.record(FIRST).await?.spec;

    bed.resident.stop().await?;
    let dies = Arc::new(Dies::default());
    bed.resident.start_under(Some(dies.clone())).await?;
    heir(bed, SECOND, FIRST).await?;
    eventually("the heir has its record", || async {
        ensure!(dies.reached.load(Ordering::SeqCst));
        Ok(())
    })
    .await?;
    bed.resident.kill().await?;
    ensure!(bed.record(FIRST).await?.spec.state == RecordState::Retained);
    ensure!(!bed.record(SECOND).await?.spec.legal_hold);
    bed.write_record(FIRST, json!({"legalHold": true})).await?;
    bed.resident.start().await?;
    bed.platform.ready(SECOND).await?;
    let gave = |it: &eoffice_crds::TenantRecord| it.spec.state == RecordState::Succeeded;
    bed.until(FIRST, "taken over", gave).await?;
    let record = bed.record(SECOND).await?.spec;
    ensure!(record.legal_hold, "the hold is lost");
    claim(bed, SECOND, "letters").await?;
    let free = json!({"legalHold": false});
    bed.write_record(SECOND, free.clone()).await?;
    // One that is laid on what was given away already is on the data, too.
    bed.write_record(FIRST, json!({"legalHold": true})).await?;
    bed.until(SECOND, "held", |it| it.spec.legal_hold).await?;
    bed.until(FIRST, "free, for it keeps nothing", |it| {
        !it.spec.legal_hold
    })
    .await?;

    bed.write_record(SECOND, free).await?;
    bed.delete(SECOND).await?;
    heir(bed, LAST, SECOND).await?;
    bed.platform.ready(LAST).await?;
    bed.until(SECOND, "taken over", gave).await?;
    bed.delete(LAST).await?;
    bed.resident.time.advance(RETENTION)?;
    bed.order(LAST).await?;
    let done = destroyed(bed, LAST).await?;
    is_gone(bed, &known).await?;
    let certificate = done.spec.destructions.last().context("no certificate")?;
    for tenant in [FIRST, SECOND] {
        let place = format!("namespace {}", tenant_namespace(tenant));
        let told = |it: &&eoffice_crds::DestructionOf| {
            it.kind == "volume claim" && it.name == "letters" && it.place == place
        };
        let told = certificate.objects.iter().find(told);
        ensure!(told.is_some(), "no volume of {tenant} in {certificate:?}");
        ensure!(
            claims(bed, tenant).await?.is_empty(),
            "{tenant} has volumes"
        );
        alone(bed, tenant).await?;
    }
    ensure!(
        claims(bed, OWN).await? == ["letters"],
        "another's volume is gone"
    );
    Ok(())
}

/// An approver asks for a tenant that takes over what another left.
async fn heir(bed: &Bed, name: &str, of: &str) -> Result<()> {
    let mut heir = agency(name, "60");
    heir["spec"]["restoreFrom"] = json!(tenant_namespace(of));
    bed.approve(&[heir]).await
}

/// What an application claims for its files.
async fn claim(bed: &Bed, tenant: &str, name: &str) -> Result<()> {
    let claims: Api<PersistentVolumeClaim> = bed.platform.within(&tenant_namespace(tenant));
    let claim = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "files",
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }))?;
    claims.create(&PostParams::default(), &claim).await?;
    // Nobody takes it off here when the claim goes.
    let free = json!({"metadata": {"finalizers": null}});
    bed.platform.merge(claims, name, free).await?;
    Ok(())
}

async fn claims(bed: &Bed, tenant: &str) -> Result<Vec<String>> {
    let claims: Api<PersistentVolumeClaim> = bed.platform.within(&tenant_namespace(tenant));
    let all = claims.list(&ListParams::default()).await?;
    Ok(all
        .items
        .into_iter()
        .filter_map(|it| it.metadata.name)
        .collect())
}
