//! A class is edited so that the hosts of all its tenants would change: nobody moves who did not accept that very change.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Reason, TenantClass, annotations};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{Platform, holds, is, says};
use eoffice_tests::proof;
use serde_json::json;

/// Accepts.
pub const MOVES: &str = "town-moves-3021";
/// Does not.
pub const STAYS: &str = "town-stays-3021";
/// Their class.
pub const CLASS: &str = "moving";

pub async fn nobody_moves_unasked(platform: &Platform) -> Result<()> {
    edit(platform, "first").await?;
    let [token, other] = [waits(platform, MOVES).await?, waits(platform, STAYS).await?];
    ensure!(token == other, "{token} and {other}");
    looked_again(platform, 2, 2).await?;
    for name in [MOVES, STAYS] {
        is_at(platform, name, CLASS).await?;
    }

    let accept = json!({"metadata": {"annotations": {annotations::ACCEPT_CLASS: token}}});
    platform.merge(platform.tenants(), MOVES, accept).await?;
    let moved = |it: &EOfficeTenant| {
        url(it).ends_with(".first.example") && holds(it, ConditionType::Synced)
    };
    platform.until(MOVES, "moved", moved).await?;
    platform.ready(MOVES).await?;
    is_at(platform, MOVES, "first").await?;
    is_at(platform, STAYS, CLASS).await?;

    // What was accepted then is still written there, and accepts nothing more.
    edit(platform, "second").await?;
    let again = waits(platform, MOVES).await?;
    ensure!(again != token, "the token is the old one");
    waits(platform, STAYS).await?;
    looked_again(platform, 2, 2).await?;
    is_at(platform, MOVES, "first").await?;
    is_at(platform, STAYS, CLASS).await
}

async fn edit(platform: &Platform, domain: &str) -> Result<()> {
    let spec = json!({"spec": {"baseDomain": format!("{domain}.example")}});
    platform
        .merge(platform.cluster::<TenantClass>(), CLASS, spec)
        .await?;
    Ok(())
}

/// It says what could be accepted: the same in the sentence and in the status.
async fn waits(platform: &Platform, name: &str) -> Result<String> {
    let known = platform.tenants().get(name).await?;
    let before = known.metadata.annotations.unwrap_or_default();
    let taken = before.get(annotations::ACCEPT_CLASS).cloned();
    let waiting = |it: &EOfficeTenant| {
        is(it, ConditionType::Synced, "False", Reason::ClassChanged)
            && token(it).is_some_and(|token| Some(&token) != taken.as_ref())
    };
    let told = platform
        .until(name, "told of the class's change", waiting)
        .await?;
    let token = token(&told).context("no token")?;
    says(
        &told,
        ConditionType::Synced,
        &[annotations::ACCEPT_CLASS, &token],
    )?;
    Ok(token)
}

fn token(tenant: &EOfficeTenant) -> Option<String> {
    tenant.status.as_ref()?.class_change.clone()
}

fn url(tenant: &EOfficeTenant) -> &str {
    let status = tenant.status.as_ref();
    status
        .and_then(|status| status.url.as_deref())
        .unwrap_or_default()
}

/// It is reached at that domain.
async fn is_at(platform: &Platform, name: &str, domain: &str) -> Result<()> {
    let host = format!("{name}.{domain}.example");
    let tenant = platform.tenants().get(name).await?;
    ensure!(
        url(&tenant) == format!("https://{host}"),
        "it is at {}",
        url(&tenant)
    );
    proof::publish(&platform.sandbox, name).await?;
    proof::served(&platform.sandbox, &host).await
}
