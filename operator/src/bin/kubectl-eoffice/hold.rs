//! `kubectl eoffice recover`, and the decision about a batch that `resume` shares with it.

use crate::Outcome;
use crate::client::{Cluster, call, follow, merge};
use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::table::count;
use clap::Args;
use eoffice_crds::{Decision, FleetHold, HeldTenant, HoldState, Impact};
use kube::ResourceExt;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// What `recover` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The batch, one of kubectl get fleetholds
    #[arg(value_name = "BATCH")]
    batch: String,
    /// How long to wait until all of it is undone
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = crate::duration)]
    timeout: Duration,
}

/// Writes the decision, unless it is written already. A batch is decided once.
pub async fn decide(cluster: &Cluster, name: &str, decision: Decision) -> Result<FleetHold> {
    let api = cluster.all::<FleetHold>();
    let batch = call(&format!("read batch {name}"), api.get(name)).await?;
    match batch.spec.decision {
        Some(before) if before == decision => Ok(batch),
        Some(before) => Err(Failure::new(format!(
            "batch {name} was decided before: {before}. A batch is decided once; what is asked for anew becomes a \
             batch of its own"
        ))),
        None => {
            let doing = format!("decide {decision} about batch {name}");
            merge(&doing, &api, name, &json!({"spec": {"decision": decision}})).await
        }
    }
}

/// What a decision means, in words.
pub fn decided(batch: &FleetHold, decision: Decision) -> String {
    let tenants = batch
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.tenants);
    let impacts: Vec<String> = Impact::ALL
        .iter()
        .map(|&impact| {
            (
                tenants.iter().filter(|it| it.impact == impact).count(),
                impact,
            )
        })
        .filter(|(number, _)| *number > 0)
        .map(|(number, impact)| format!("{number} {impact}"))
        .collect();
    let what = match decision {
        Decision::Resume => "goes ahead",
        Decision::Recover => "will be undone",
    };
    let of = if impacts.is_empty() {
        String::new()
    } else {
        format!(" ({})", impacts.join(", "))
    };
    format!(
        "batch {} of {}{of} {what}.",
        batch.name_any(),
        count(tenants.len(), "tenant")
    )
}

/// Has a batch undone, and tells of each tenant when it is.
pub async fn recover(
    cluster: &Cluster,
    console: Console,
    arguments: &Arguments,
) -> Result<Outcome> {
    let name = &arguments.batch;
    let batch = decide(cluster, name, Decision::Recover).await?;
    console.tell(&decided(&batch, Decision::Recover))?;
    let mut progress = Progress::default();
    // What was carried out before the batch was held is not undone; nor is told again what was undone before.
    progress.news(&batch);
    let before = progress.done.len();
    if before > 0 {
        console.tell(&format!(
            "{before} of them were done before: see status.tenants of the batch."
        ))?;
    }
    let doing = format!("wait for batch {name} to be undone");
    let api = cluster.all::<FleetHold>();
    let end = follow(&doing, api, name, arguments.timeout, |batch| {
        let Some(batch) = batch else {
            return Some(Err(Failure::new(format!(
                "{doing}: it was deleted meanwhile"
            ))));
        };
        if let Err(failure) = console.say(&progress.news(batch)) {
            return Some(Err(failure));
        }
        progress.is_over(batch).then_some(Ok(()))
    })
    .await;
    match end {
        Ok(end) => end?,
        Err(failure) => {
            return Err(Failure::of(
                failure.kind,
                format!("{failure}. {}", progress.left()),
            ));
        }
    }
    let undone = progress.done.len().saturating_sub(before);
    console.tell(&format!(
        "{} undone: all is as it was.",
        count(undone, "tenant")
    ))?;
    Ok(Outcome::Fine)
}

/// Which tenants are done.
#[derive(Debug, Default)]
struct Progress {
    done: BTreeSet<String>,
    open: Vec<String>,
}

impl Progress {
    /// A line for each tenant that was not done before.
    fn news(&mut self, batch: &FleetHold) -> String {
        let tenants = batch
            .status
            .as_ref()
            .map_or(&[][..], |status| &status.tenants);
        let path = |it: &HeldTenant| format!("{}/{}", it.namespace, it.name);
        self.open = tenants
            .iter()
            .filter(|it| it.done_at.is_none())
            .map(path)
            .collect();
        let mut text = String::new();
        for tenant in tenants.iter().filter(|it| it.done_at.is_some()) {
            if self.done.insert(path(tenant)) {
                let (done, all) = (self.done.len(), tenants.len());
                text += &format!("{done:>3} of {all}  {}\n", path(tenant));
            }
        }
        text
    }

    /// Whether the operator took the decision up and nothing of it is left to do.
    fn is_over(&self, batch: &FleetHold) -> bool {
        let state = batch.status.as_ref().and_then(|status| status.state);
        state == Some(HoldState::Recovered) && self.open.is_empty()
    }

    fn left(&self) -> String {
        const SHOWN: usize = 5;
        let more = self.open.len().saturating_sub(SHOWN);
        let first = self
            .open
            .iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        match (self.open.len(), more) {
            (0, _) => "The operator has not taken the decision up yet".into(),
            (_, 0) => format!("Not undone yet: {first}"),
            (_, more) => format!("Not undone yet: {first} and {more} more"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn batch(state: &str, done: &[bool]) -> FleetHold {
        let tenants: Vec<Value> = done
            .iter()
            .enumerate()
            .map(|(at, done)| {
                let mut tenant = json!({
                    "namespace": "province-30", "name": format!("tao-{at}"), "uid": "u", "impact": "Delete",
                    "cause": "the EOfficeTenant is being deleted", "seenAt": "2026-11-21T10:00:00Z",
                });
                if *done {
                    tenant["doneAt"] = "2026-11-21T10:05:00Z".into();
                }
                tenant
            })
            .collect();
        serde_json::from_value(json!({
            "metadata": {"name": "batch-20261121.101502"}, "spec": {},
            "status": {"state": state, "count": done.len(), "limit": 5, "tenants": tenants},
        }))
        .unwrap()
    }

    #[test]
    fn each_tenant_is_told_of_once_and_the_end_when_all_are_done() {
        let mut progress = Progress::default();
        let before = batch("Held", &[true, true]);
        assert_eq!(
            progress.news(&before),
            "  1 of 2  province-30/tao-0\n  2 of 2  province-30/tao-1\n"
        );
        assert!(
            !progress.is_over(&before),
            "the operator has not taken it up"
        );
        let mut progress = Progress::default();
        let half = batch("Recovered", &[true, false]);
        assert_eq!(progress.news(&half), "  1 of 2  province-30/tao-0\n");
        assert!(!progress.is_over(&half));
        assert_eq!(progress.left(), "Not undone yet: province-30/tao-1");
        let whole = batch("Recovered", &[true, true]);
        assert_eq!(progress.news(&whole), "  2 of 2  province-30/tao-1\n");
        assert!(progress.is_over(&whole));
    }

    #[test]
    fn a_decision_says_what_it_is_about() {
        let text = decided(&batch("Held", &[false, false]), Decision::Resume);
        assert_eq!(
            text,
            "batch batch-20261121.101502 of 2 tenants (2 Delete) goes ahead."
        );
    }
}
