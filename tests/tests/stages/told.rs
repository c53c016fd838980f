//! What is said of each stage, by an operator that dies whenever it writes one down, or cannot write at all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_crds::{FIELD_MANAGER, Phase};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_tests::e2e::security::{Platform, eventually, tenant};
use eoffice_tests::{OperatorOptions, Resident};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{APPROVED, tenants_as};

const WRITES_STATUS: &str = "apply_status";

const NAME: &str = "town-told-3021";
const PORTAL: &str = "portal";
const APPROVER: &str = "somsri";
const OFFICER: &str = "officer-somchai";
const OTHER: &str = "officer-malee";

/// Dies the first time that it writes the tenant's status, before or after.
struct Dies {
    how: Verdict,
    met: AtomicBool,
    dead: AtomicBool,
}

impl Fault for Dies {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        let here = site.verb == WRITES_STATUS && object == NAME;
        if !here || self.met.swap(true, Ordering::SeqCst) {
            return Verdict::Proceed;
        }
        if self.how == Verdict::HangBefore {
            self.dead.store(true, Ordering::SeqCst);
        }
        self.how
    }

    fn carried_out(&self, _: &Site, _: &str) {
        self.dead.store(true, Ordering::SeqCst);
    }
}

/// A change of phase: from, to.
type Change = (String, String);

/// A tenant's way through its stages, under an operator that never outlives a write of its status.
struct Way<'a> {
    platform: &'a Platform,
    operator: Resident,
    phase: String,
    seen: BTreeSet<Change>,
}

impl Way<'_> {
    /// Lives and dies until the tenant has come to this phase.
    async fn comes_to(&mut self, goal: Phase) -> Result<()> {
        while self.phase != goal.as_str() {
            for how in [Verdict::HangBefore, Verdict::HangAfter] {
                let dies = Arc::new(Dies {
                    how,
                    met: AtomicBool::new(false),
                    dead: AtomicBool::new(false),
                });
                self.operator.start_under(Some(dies.clone())).await?;
                eventually(&format!("it dies on the way to {goal}"), || async {
                    ensure!(dies.dead.load(Ordering::SeqCst));
                    Ok(())
                })
                .await?;
                self.operator.kill().await?;
            }
            let status = self.platform.tenants().get(NAME).await?.status;
            let phase = status.and_then(|status| status.phase);
            let phase = phase.context("a status without a phase")?.as_str();
            if phase != self.phase {
                let before = std::mem::replace(&mut self.phase, phase.to_owned());
                self.seen.insert((before, phase.to_owned()));
            }
        }
        Ok(())
    }

    async fn is_changed_by(&self, who: &str, patch: Value) -> Result<()> {
        let params = PatchParams {
            field_manager: Some(who.into()),
            ..PatchParams::default()
        };
        let tenants = self.platform.tenants();
        tenants.patch(NAME, &params, &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn becomes(&mut self, who: &str, lifecycle: Phase) -> Result<()> {
        let asks = json!({"spec": {"lifecycle": lifecycle}});
        self.is_changed_by(who, asks).await?;
        self.comes_to(lifecycle).await
    }
}

/// Each change of its phase is in the audit log with who asked for it, and an Event, although nobody lived to see that
/// its status was written.
pub async fn by_one_who_dies(platform: &Platform) -> Result<()> {
    let mut way = Way {
        platform,
        operator: platform.resident(OperatorOptions::default()).await?,
        phase: "none".to_owned(),
        seen: BTreeSet::new(),
    };
    let mut asks = tenant(NAME);
    asks["spec"]["className"] = json!(APPROVED);
    asks["spec"]["approval"] = json!({"mouReference": "MOU-2569-007"});
    let params = PatchParams::apply(PORTAL);
    let tenants = platform.tenants();
    tenants.patch(NAME, &params, &Patch::Apply(asks)).await?;
    way.comes_to(Phase::AwaitingApproval).await?;

    let approver = tenants_as(platform, APPROVER, "eoffice:approvers").await?;
    let approves = json!({"spec": {"approval": {
        "approvedBy": APPROVER, "approvedAt": "2026-01-01T00:00:00Z",
    }}});
    let params = PatchParams::default();
    approver
        .patch(NAME, &params, &Patch::Merge(approves))
        .await
        .context("the approver approves")?;
    way.comes_to(Phase::Active).await?;
    way.becomes(OFFICER, Phase::Suspended).await?;
    way.becomes(OTHER, Phase::Archived).await?;
    way.becomes(OFFICER, Phase::Active).await?;

    println!("phases seen: {:?}", way.seen);
    ensure!(way.seen.len() >= 5, "it went {:?}", way.seen);
    let told = told(&way.operator)?;
    for change in &way.seen {
        let by = told.iter().find(|(known, _)| known == change);
        let (_, by) = by.with_context(|| format!("no line tells of {change:?}: {told:?}"))?;
        let asked = asked_by(change);
        ensure!(by == asked, "{change:?} by {by} instead of {asked}");
    }
    events(platform).await
}

fn asked_by((from, to): &Change) -> &'static str {
    match (from.as_str(), to.as_str()) {
        ("none", _) => PORTAL,
        ("AwaitingApproval", _) => APPROVER,
        ("Suspended", "Archived") => OTHER,
        ("Archived", _) | (_, "Suspended") => OFFICER,
        _ => FIELD_MANAGER,
    }
}

/// The changes in the audit log, each with who asked for it.
fn told(operator: &Resident) -> Result<BTreeSet<(Change, String)>> {
    let said = operator.said()?;
    let lines = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of_tenant = |line: &Value| {
        line["target"] == "audit" && line["event"] == "stage" && line["tenant"] == NAME
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = lines.filter(of_tenant);
    Ok(told
        .map(|line: Value| ((text(&line["from"]), text(&line["to"])), text(&line["by"])))
        .collect())
}

async fn events(platform: &Platform) -> Result<()> {
    let events: Api<Event> = Api::all(platform.sandbox.admin());
    let about = ListParams::default().fields(&format!("involvedObject.name={NAME}"));
    let told = events.list(&about).await?.items;
    for (reason, who) in [
        ("AwaitingApproval", PORTAL),
        ("Suspended", OFFICER),
        ("Archived", OTHER),
        ("Reopened", OFFICER),
    ] {
        let named = told.iter().any(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some(reason) && message.contains(who)
        });
        ensure!(named, "no Event {reason} names {who}");
    }
    Ok(())
}

const UNWRITTEN: &str = "town-unwritten-3021";
/// How often its status cannot be written.
const TRIES: usize = 4;
/// The least that four waits take, each twice the one before.
const AT_LEAST: Duration = Duration::from_millis(2000);

/// Lets the first writes of the tenant's status fail.
#[derive(Default)]
struct Fails(Mutex<Vec<Instant>>);

impl Fails {
    fn tries(&self) -> Vec<Instant> {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.clone()
    }
}

impl Fault for Fails {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        if site.verb != WRITES_STATUS || object != UNWRITTEN {
            return Verdict::Proceed;
        }
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.push(Instant::now());
        match tries.len() > TRIES {
            true => Verdict::Proceed,
            false => Verdict::FailBefore,
        }
    }
}

/// What cannot be written is tried again, each time after a longer wait.
pub async fn without_haste(platform: &Platform) -> Result<()> {
    let operator = platform.resident(OperatorOptions::default()).await?;
    let fails = Arc::new(Fails::default());
    operator.start_under(Some(fails.clone())).await?;
    let mut asks = tenant(UNWRITTEN);
    asks["spec"]["className"] = json!(APPROVED);
    platform.apply(&[asks]).await?;
    let waits = |it: &eoffice_crds::EOfficeTenant| {
        it.status.as_ref().and_then(|status| status.phase) == Some(Phase::AwaitingApproval)
    };
    platform.until(UNWRITTEN, "AwaitingApproval", waits).await?;
    let tries = fails.tries();
    let took = tries[TRIES].duration_since(tries[0]);
    println!("its status was written after {took:?}");
    ensure!(took >= AT_LEAST, "{} tries took {took:?}", tries.len());
    operator.stop().await
}
