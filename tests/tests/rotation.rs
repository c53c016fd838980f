//! Credentials are renewed, and at no moment is there a Secret that does not work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "rotation/accidents.rs"]
mod accidents;
#[path = "rotation/apart.rs"]
mod apart;
#[path = "rotation/client.rs"]
mod client;
#[path = "rotation/fire.rs"]
mod fire;
#[path = "rotation/overtaken.rs"]
mod overtaken;
#[path = "rotation/refused.rs"]
mod refused;

use anyhow::Result;
use eoffice_crds::{CredentialsStatus, EOfficeTenant, annotations};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, is_ready, tenant};
use eoffice_tests::{BreakerOptions, OperatorOptions, Options};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::json;
use std::time::Duration;

/// The class of tenants whose credentials are taken away soon after they were replaced.
const CLASS: &str = "swift";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_works_through_fifty_rotations_and_twenty_kills() {
    let platform = platform().await.unwrap();
    platform.operator.part.start().await.unwrap();
    fire::no_attempt_fails(&platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accidents_in_the_midst_of_a_rotation_end_well() {
    let platform = platform().await.unwrap();
    let lost = std::sync::Arc::new(accidents::LostReply::default());
    let resident = platform.resident(OperatorOptions::default()).await.unwrap();
    resident.start_under(Some(lost.clone())).await.unwrap();
    platform
        .all(vec![
            (
                "a Secret that a person deletes is made again, and works",
                accidents::secret_deleted(&platform).boxed(),
            ),
            (
                "a password that a person changes is put right",
                accidents::password_changed(&platform).boxed(),
            ),
            (
                "a key whose secret was lost with the reply is no use to anybody, and another is made",
                accidents::reply_lost(&platform, &lost).boxed(),
            ),
        ])
        .await
        .unwrap();
    platform
        .all(vec![(
            "credentials that are old are renewed, each tenant's in its own time",
            accidents::grown_old(&platform, &resident).boxed(),
        )])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_holds_up_nothing_else() {
    let platform = platform().await.unwrap();
    platform.operator.part.start().await.unwrap();
    // One after the other: each takes something away from all.
    refused::by_a_policy(&platform).await.unwrap();
    apart::store_down(&platform).await.unwrap();
    apart::store_hangs(&platform).await.unwrap();
    apart::server_down(&platform).await.unwrap();
    apart::server_lost_amidst(&platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_batch_nor_a_delay_holds_up_an_emergency() {
    let breaker = BreakerOptions {
        limit: 0,
        delay: Duration::from_secs(60),
    };
    let platform = platform_with(OperatorOptions {
        breaker,
        ..OperatorOptions::default()
    });
    let platform = platform.await.unwrap();
    platform.operator.part.start().await.unwrap();
    apart::held_and_delayed(&platform).await.unwrap();
    apart::secrets_gone(&platform).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_says_what_does_not_work() {
    let platform = platform().await.unwrap();
    overtaken::by_its_server(&platform).await.unwrap();
    overtaken::by_another(&platform).await.unwrap();
}

async fn platform() -> Result<Platform> {
    platform_with(OperatorOptions::default()).await
}

async fn platform_with(operator: OperatorOptions) -> Result<Platform> {
    let options = Options {
        servers: vec!["pg-a".into()],
        ..Options::default()
    };
    let platform = Platform::prepare(options, operator).await?;
    class(&platform, CLASS, |spec| {
        spec["rotation"] = json!({"maxAge": "2160h", "grace": "1s", "deadline": "60s"});
    })
    .await?;
    Ok(platform)
}

/// Makes tenants of the class.
async fn make(platform: &Platform, names: &[&str]) -> Result<()> {
    try_join_all(names.iter().map(|name| async move {
        let mut swift = tenant(name);
        swift["spec"]["className"] = json!(CLASS);
        platform.apply(&[swift]).await?;
        platform.ready(name).await
    }))
    .await?;
    Ok(())
}

/// Asks for new credentials, by a word that was not said before.
async fn ask(platform: &Platform, name: &str, word: &str) -> Result<()> {
    let asks = json!({"metadata": {"annotations": {annotations::ROTATE_REQUESTED_AT: word}}});
    platform.merge(platform.tenants(), name, asks).await?;
    Ok(())
}

/// Awaits that what was asked by this word is done, those before being taken away.
async fn done(platform: &Platform, name: &str, word: &str) -> Result<()> {
    let done = |it: &EOfficeTenant| {
        let told = credentials(it);
        is_ready(it)
            && told.rotation.is_none()
            && told.last_handled_rotate_at.as_deref() == Some(word)
    };
    platform.until(name, "renewed", done).await?;
    Ok(())
}

fn credentials(tenant: &EOfficeTenant) -> CredentialsStatus {
    let status = tenant.status.as_ref();
    let told = status.and_then(|status| status.credentials.clone());
    told.unwrap_or_default()
}
