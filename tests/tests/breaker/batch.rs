//! The batches as people see them, and who may decide about them.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{Decision, FleetHold, FleetHoldStatus, HoldState};
use eoffice_tests::e2e::core::kubectl;
use eoffice_tests::e2e::security::{Platform, eventually};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

/// Whoever RBAC lets decide.
const DECIDERS: &str = "test:deciders";

/// Lets a group decide, as far as RBAC is concerned.
pub async fn appoint_deciders(platform: &Platform) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "test-deciders"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "eoffice-operator-decider"},
        "subjects": [{"kind": "Group", "name": DECIDERS, "apiGroup": "rbac.authorization.k8s.io"}],
    });
    platform.apply(&[binding]).await
}

pub fn all(platform: &Platform) -> Api<FleetHold> {
    platform.cluster()
}

pub fn status(hold: &FleetHold) -> FleetHoldStatus {
    hold.status.clone().unwrap_or_default()
}

/// How many acts of a batch are neither done nor undone.
pub fn open(hold: &FleetHold) -> usize {
    let entries = status(hold).tenants.into_iter();
    entries.filter(|entry| entry.done_at.is_none()).count()
}

/// Awaits the batch that stands so, with that many acts open.
pub async fn until(platform: &Platform, state: HoldState, acts: usize) -> Result<FleetHold> {
    eventually(&format!("a batch is {state} with {acts} open"), || async {
        let found = all(platform).list(&ListParams::default()).await?.items;
        let told: Vec<String> = found
            .iter()
            .map(|it| format!("{} {:?} {}", it.name_any(), status(it).state, open(it)))
            .collect();
        let stands = |it: &FleetHold| status(it).state == Some(state) && open(it) == acts;
        let batch = found.into_iter().find(stands);
        batch.with_context(|| format!("there are {told:?}"))
    })
    .await
}

async fn patch(
    platform: &Platform,
    who: &[&str],
    batch: &str,
    decision: Decision,
) -> Result<String> {
    let patch = json!({"spec": {"decision": decision}}).to_string();
    let mut args = vec!["patch", "fleethold", batch, "--type=merge", "-p", &patch];
    let flags: Vec<String> = [DECIDERS]
        .iter()
        .chain(who)
        .map(|group| format!("--as-group={group}"))
        .collect();
    args.push("--as=somchai");
    args.extend(flags.iter().map(String::as_str));
    kubectl(&platform.sandbox, &args).await
}

/// Somebody who is no approver is refused; an approver is not.
pub async fn decide(platform: &Platform, batch: &FleetHold, decision: Decision) -> Result<()> {
    let name = batch.name_any();
    let refused = patch(platform, &[], &name, decision).await;
    let said = refused.err().context("anybody may decide")?;
    ensure!(
        format!("{said:#}").contains("only approvers and platform admins may decide"),
        "{said:#}"
    );
    patch(platform, &["eoffice:approvers"], &name, decision).await?;
    Ok(())
}
