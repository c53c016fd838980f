//! A process stands still while it destroys, and another takes its place: what wakes destroys nothing more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use eoffice_crds::TenantRecordSpec;
use eoffice_operator::effect::{Access, Fault, Plane, Site, Verdict};
use eoffice_tests::e2e::security::eventually;
use eoffice_tests::{OperatorOptions, Resident};

use crate::bed::{Bed, COOLING, RETENTION, agency};
use crate::purged::{certified, destroyed, is_gone};

const STALLED: &str = "town-stalled-3021";

/// Has the whole process stand still at the first objects that it destroys of one tenant, and notes what it writes to that
/// one's backends once it goes on.
struct Stall {
    /// What all names of that tenant in the backends have in them.
    stem: String,
    reached: AtomicBool,
    over: Mutex<bool>,
    ends: Condvar,
    since: Mutex<Vec<String>>,
}

impl Stall {
    fn of(record: &TenantRecordSpec) -> Arc<Self> {
        Arc::new(Self {
            stem: record.storage.user.trim_start_matches("eo-").to_owned(),
            reached: AtomicBool::default(),
            over: Mutex::default(),
            ends: Condvar::default(),
            since: Mutex::default(),
        })
    }

    async fn is_reached(&self) -> Result<()> {
        eventually("it destroys", || async {
            ensure!(self.reached.load(Ordering::SeqCst));
            Ok(())
        })
        .await
    }

    fn end(&self) {
        *self.over.lock().unwrap() = true;
        self.ends.notify_all();
    }
}

impl Fault for Stall {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        if !object.contains(&self.stem) {
            return Verdict::Proceed;
        }
        if site.verb == "delete_objects" && !self.reached.swap(true, Ordering::SeqCst) {
            let over = self.over.lock().unwrap();
            let wait = Duration::from_secs(60);
            let wait = self.ends.wait_timeout_while(over, wait, |over| !*over);
            drop(wait.unwrap());
        } else if self.reached.load(Ordering::SeqCst) && is_change(site) {
            let call = format!("{} {object}", site.verb);
            self.since.lock().unwrap().push(call);
        }
        Verdict::Proceed
    }
}

/// Lets it destroy nothing, and change nothing in the backends.
struct HandsOff;

impl Fault for HandsOff {
    fn at(&self, site: &Site, _: &str) -> Verdict {
        match is_change(site) {
            true => Verdict::HangBefore,
            false => Verdict::Proceed,
        }
    }
}

fn is_change(site: &Site) -> bool {
    site.access == Access::Write && site.plane != Plane::Kubernetes
}

pub async fn until_another_leads(bed: &Bed) -> Result<()> {
    let known = bed.leave_behind(&agency(STALLED, "50")).await?;
    bed.resident.stop().await?;
    bed.resident.time.advance(RETENTION)?;
    let stall = Stall::of(&known);
    bed.resident.start_under(Some(stall.clone())).await?;
    let options = OperatorOptions {
        args: vec![format!("--purge-cooling={}s", COOLING.as_secs())],
        identity: Some("successor".into()),
        ..OperatorOptions::default()
    };
    let mut successor = bed.platform.resident(options).await?;
    successor.time = bed.resident.time.clone();
    successor.launch(Some(Arc::new(HandsOff))).await?;
    let ended = nothing_more_goes(bed, &known, &stall, &successor).await;

    // That it ended so is what it should.
    drop(bed.resident.kill().await);
    successor.stop().await?;
    bed.resident.start().await?;
    ended
}

async fn nothing_more_goes(
    bed: &Bed,
    known: &TenantRecordSpec,
    stall: &Stall,
    successor: &Resident,
) -> Result<()> {
    bed.order(STALLED).await?;
    stall.is_reached().await?;
    eventually("another leads", || async {
        ensure!(successor.said()?.contains("this process leads"));
        Ok(())
    })
    .await?;
    stall.end();
    eventually("it ends, for it leads no more", || async {
        ensure!(bed.resident.ended());
        Ok(())
    })
    .await?;
    let since = stall.since.lock().unwrap().clone();
    ensure!(since.is_empty(), "it went on with {since:?}");
    ensure!(bed.has_bucket(known).await?, "the bucket is gone");
    ensure!(bed.has_database(known).await?, "the database is gone");

    // Who leads brings it to the end.
    successor.kill().await?;
    successor.start().await?;
    let done = destroyed(bed, STALLED).await?;
    is_gone(bed, known).await?;
    certified(successor, &done, known)
}
