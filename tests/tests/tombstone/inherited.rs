//! What a tenant took over comes with what stood against its destruction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use eoffice_crds::{RecordState, tenant_namespace};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_tests::e2e::security::eventually;
use serde_json::json;

use crate::bed::{Bed, agency};

const FIRST: &str = "town-of-old-3021";
const SECOND: &str = "town-between-3021";

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

/// A legal hold that is laid in the middle of a takeover is on the data.
pub async fn with_its_hold(bed: &Bed) -> Result<()> {
    bed.settle(&agency(FIRST, "60")).await?;
    bed.delete(FIRST).await?;

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
    Ok(())
}

/// An approver asks for a tenant that takes over what another left.
async fn heir(bed: &Bed, name: &str, of: &str) -> Result<()> {
    let mut heir = agency(name, "60");
    heir["spec"]["restoreFrom"] = json!(tenant_namespace(of));
    bed.approve(&[heir]).await
}
