//! A purge that is withdrawn when nothing but the last look stands between it and the data.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use eoffice_crds::{RecordState, TenantRecord, TenantRecordSpec};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_tests::e2e::security::eventually;
use serde_json::json;

use crate::bed::{Bed, RETENTION, agency, purged, reads};

const WITHDRAWN: &str = "town-withdrawn-3021";

/// Holds the operator once, where it is asked to stop.
struct Gate {
    /// The call after which it is about to happen, and what it is about.
    after: (&'static str, String),
    /// The call at which it is held.
    at: (&'static str, String),
    begun: AtomicBool,
    reached: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn new(after: (&'static str, &str), at: (&'static str, &str)) -> Arc<Self> {
        Arc::new(Self {
            after: (after.0, after.1.to_owned()),
            at: (at.0, at.1.to_owned()),
            begun: AtomicBool::new(false),
            reached: AtomicBool::new(false),
            open: Mutex::new(false),
            opened: Condvar::new(),
        })
    }

    async fn is_reached(&self) -> Result<()> {
        eventually("it is about to destroy", || async {
            ensure!(self.reached.load(Ordering::SeqCst));
            Ok(())
        })
        .await
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Fault for Gate {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        let is = |call: &(&str, String)| site.verb == call.0 && object == call.1;
        let held = is(&self.at) && self.begun.load(Ordering::SeqCst);
        if held && !self.reached.swap(true, Ordering::SeqCst) {
            let open = self.open.lock().unwrap();
            let wait = self
                .opened
                .wait_timeout_while(open, Duration::from_secs(60), |open| !*open);
            drop(wait.unwrap());
        }
        if is(&self.after) {
            self.begun.store(true, Ordering::SeqCst);
        }
        Verdict::Proceed
    }
}

pub async fn in_its_last_second(bed: &Bed) -> Result<()> {
    let object = agency(WITHDRAWN, "20");
    let known = bed.leave_behind(&object).await?;
    let database = known.database.name.as_str();
    bed.resident.stop().await?;
    bed.resident.time.advance(RETENTION)?;

    // The order goes when all was judged, and nothing is left but to write that it begins.
    let gate = Gate::new(("size", database), ("replace_record", WITHDRAWN));
    bed.resident.start_under(Some(gate.clone())).await?;
    bed.order(WITHDRAWN).await?;
    gate.is_reached().await?;
    bed.write_record(WITHDRAWN, json!({"purge": null})).await?;
    gate.open();
    is_as_before(bed, &known).await?;

    // A legal hold comes when it has begun, and nothing is left but to look once more.
    bed.resident.stop().await?;
    let gate = Gate::new(
        ("size", database),
        ("list_multipart_uploads", &known.storage.bucket),
    );
    bed.resident.start_under(Some(gate.clone())).await?;
    bed.order(WITHDRAWN).await?;
    gate.is_reached().await?;
    let begun = bed.record(WITHDRAWN).await?.spec.state;
    ensure!(begun == RecordState::Purging, "it says {begun:?}");
    bed.write_record(WITHDRAWN, json!({"legalHold": true}))
        .await?;
    gate.open();
    bed.told(WITHDRAWN, "LegalHold").await?;
    let held = |it: &TenantRecord| it.spec.state == RecordState::Retained;
    bed.until(WITHDRAWN, "kept as before", held).await?;
    bed.write_record(WITHDRAWN, json!({"purge": null})).await?;
    is_as_before(bed, &known).await?;

    bed.platform.apply(&[object]).await?;
    bed.platform.ready(WITHDRAWN).await?;
    reads(&bed.credentials(WITHDRAWN).await?, WITHDRAWN).await
}

async fn is_as_before(bed: &Bed, known: &TenantRecordSpec) -> Result<()> {
    let kept = |it: &TenantRecord| {
        it.spec.state == RecordState::Retained
            && it.spec.purge_accepted.is_none()
            && purged(it).is_none()
    };
    bed.until(WITHDRAWN, "kept as before", kept).await?;
    bed.is_kept(known).await
}
