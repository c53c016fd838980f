//! Suspended and Active again.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Phase, Reason};
use eoffice_tests::e2e::security::{Platform, eventually, is, tenant};
use eoffice_tests::proof::{self, Credentials};
use serde_json::json;

use crate::{events, is_closed, policies};

const NAME: &str = "town-paused-3021";

pub async fn closes_and_opens(platform: &Platform) -> Result<()> {
    platform.apply(&[tenant(NAME)]).await?;
    platform.ready(NAME).await?;
    proof::prove(&platform.sandbox, NAME).await?;
    let client = platform.sandbox.admin();
    let before = Credentials::read(&client, NAME).await?;
    let open = policies(platform, NAME).await?;
    ensure!(open.len() == 5, "{open:?}");
    let session = before.database.connect().await?;
    session
        .batch_execute("CREATE TABLE letters (word text); INSERT INTO letters VALUES ('kept')")
        .await?;

    lifecycle(platform, "Suspended").await?;
    let suspended = |it: &EOfficeTenant| {
        is(it, ConditionType::Ready, "True", Reason::Suspended)
            && is(it, ConditionType::Available, "False", Reason::Suspended)
            && is(it, ConditionType::Reconciling, "False", Reason::Suspended)
            && is(it, ConditionType::Stalled, "False", Reason::Suspended)
            && phase(it) == Some(Phase::Suspended)
    };
    platform.until(NAME, "Suspended", suspended).await?;
    let session = session.simple_query("SELECT 1").await;
    ensure!(session.is_err(), "its session goes on");
    is_closed(platform, NAME).await?;

    lifecycle(platform, "Active").await?;
    let opened = platform.ready(NAME).await?;
    ensure!(phase(&opened) == Some(Phase::Active));
    let after = Credentials::read(&client, NAME).await?;
    ensure!(after.database.username == before.database.username);
    ensure!(after.database.password == before.database.password);
    ensure!(after.storage.key.access == before.storage.key.access);
    ensure!(after.storage.key.secret == before.storage.key.secret);
    ensure!(policies(platform, NAME).await? == open);
    let session = after.database.connect().await?;
    let row = session.query_one("SELECT word FROM letters", &[]).await?;
    ensure!(row.get::<_, &str>(0) == "kept");
    proof::prove(&platform.sandbox, NAME).await?;
    eventually("people are told", || async {
        let told = events(platform, NAME).await?;
        for reason in ["Suspended", "Reopened"] {
            let has = told.iter().any(|it| it == reason);
            ensure!(has, "no Event {reason} among {told:?}");
        }
        // What is asked for is no failure.
        ensure!(!told.iter().any(|it| it == "Degraded"), "{told:?}");
        Ok(())
    })
    .await
    .context("after it was suspended and opened")
}

fn phase(tenant: &EOfficeTenant) -> Option<Phase> {
    tenant.status.as_ref().and_then(|status| status.phase)
}

async fn lifecycle(platform: &Platform, lifecycle: &str) -> Result<()> {
    let patch = json!({"spec": {"lifecycle": lifecycle}});
    platform.merge(platform.tenants(), NAME, patch).await?;
    Ok(())
}
