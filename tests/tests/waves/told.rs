//! What the queue tells people: in conditions, in metrics, by the plugin and by Events.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Phase, Reason};
use eoffice_operator::waves::AWAITING;
use eoffice_tests::e2e::core::Counts;
use eoffice_tests::e2e::security::{Platform, condition, eventually, is, until};
use eoffice_tests::process::Spec;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use tokio::sync::OnceCell;

use crate::ask::{Asked, api};

static PLUGIN: OnceCell<PathBuf> = OnceCell::const_new();

/// What `kubectl eoffice` prints.
pub async fn plugin(platform: &Platform, args: &[&str]) -> Result<String> {
    let program = PLUGIN.get_or_init(crate::build::plugin).await;
    Spec::new("kubectl eoffice", program)
        .args(args)
        .env("KUBECONFIG", platform.sandbox.kubeconfig())
        .output()
        .await
}

/// Awaits that a tenant waits for its turn, in the phase Queued and with the one sentence there is for it.
pub async fn waits(platform: &Platform, asked: &Asked) -> Result<EOfficeTenant> {
    let waits = |it: &EOfficeTenant| {
        is(it, ConditionType::Ready, "Unknown", Reason::AwaitingTurn)
            && it.status.as_ref().and_then(|status| status.phase) == Some(Phase::Queued)
            && condition(it, ConditionType::Ready).is_some_and(|it| it.message == AWAITING)
    };
    let tenants = api(platform, asked.province);
    until(&tenants, asked.name, "Queued and AwaitingTurn", waits).await
}

/// Awaits that the metrics say so: how many wait, how many are in the making, and whether the wave stopped.
pub async fn counts(
    platform: &Platform,
    waiting: usize,
    making: usize,
    stopped: bool,
) -> Result<()> {
    eventually("the metrics tell of the queue", || {
        told_of(platform, waiting, making, stopped)
    })
    .await
}

/// The same, at this moment.
pub async fn told_of(
    platform: &Platform,
    waiting: usize,
    making: usize,
    stopped: bool,
) -> Result<()> {
    let wanted = (waiting as f64, making as f64, f64::from(u8::from(stopped)));
    let counts = Counts::of(&platform.operator).await?;
    let of = |name| counts.sum(name, &[]);
    let found = (
        of("eoffice_queue_waiting"),
        of("eoffice_wave_making"),
        of("eoffice_wave_stopped"),
    );
    ensure!(found == wanted, "waiting, making, stopped: {found:?}");
    Ok(())
}

/// The place of a tenant, as the metrics tell it.
pub async fn place(platform: &Platform, name: &str) -> Result<f64> {
    let counts = Counts::of(&platform.operator).await?;
    Ok(counts.sum("eoffice_queue_place", &[("tenant", name)]))
}

/// Awaits that the plugin's status of these arguments has all these words.
pub async fn plugin_says(platform: &Platform, args: &[&str], words: &[&str]) -> Result<()> {
    eventually(&format!("the plugin says {words:?}"), || async {
        let said = plugin(platform, args).await?;
        let said: Vec<&str> = said.split_whitespace().collect();
        let said = said.join(" ");
        for word in words {
            ensure!(said.contains(word), "it says {said}");
        }
        Ok(())
    })
    .await
}

/// Awaits the Event with this reason at the operator's lease.
pub async fn event(platform: &Platform, reason: &str) -> Result<()> {
    eventually(&format!("there is an Event {reason}"), || async {
        let events: Api<Event> = platform.within("eoffice-system");
        let events = events.list(&ListParams::default()).await?.items;
        let found = events.iter().find(|event| {
            event.reason.as_deref() == Some(reason)
                && event.involved_object.kind.as_deref() == Some("Lease")
        });
        found.map(ResourceExt::name_any).context("there is none")
    })
    .await
    .map(drop)
}
