//! New credentials on demand.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_crds::{EOfficeTenant, annotations, tenant_namespace};
use eoffice_tests::e2e::security::{Platform, eventually, tenant};
use eoffice_tests::proof::{self, Credentials};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::{Value, json};

use crate::BRISK;

fn brisk(name: &str) -> Value {
    let mut brisk = tenant(name);
    brisk["spec"]["className"] = json!(BRISK);
    brisk
}

fn asks(key: &str) -> Value {
    json!({"metadata": {"annotations": {key: "once"}}})
}

pub async fn refused(before: &Credentials) -> Result<()> {
    let login = before.database.log_in_at(&before.database).await?;
    ensure!(login.is_err(), "the login before still opens the database");
    let client = before.storage.client()?;
    let listed = client
        .list_objects_v2()
        .bucket(&before.storage.bucket)
        .send()
        .await;
    ensure!(listed.is_err(), "the key before still opens the bucket");
    Ok(())
}

pub async fn on_demand(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-renewed-3021";
    platform.apply(&[brisk(NAME)]).await?;
    platform.ready(NAME).await?;
    let workload = |name: &str, label: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": tenant_namespace(NAME),
                         "labels": {"eoffice.gdcc.go.th/restart-on-rotation": label}},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "app"}]},
            }},
        })
    };
    platform
        .apply(&[workload("asks", "true"), workload("does-not", "false")])
        .await?;
    let client = platform.sandbox.admin();
    let before = Credentials::read(&client, NAME).await?;
    let session = before.database.connect().await?;
    platform
        .merge(
            platform.tenants(),
            NAME,
            asks(annotations::ROTATE_REQUESTED_AT),
        )
        .await?;
    let after = eventually("both Secrets have new credentials", || async {
        let after = Credentials::read(&client, NAME).await?;
        ensure!(after.database.username != before.database.username);
        ensure!(after.storage.key.access != before.storage.key.access);
        Ok(after)
    })
    .await?;
    after.database.connect().await?;
    // A session of the old login is use: it goes on beyond the grace time.
    tokio::time::sleep(Duration::from_secs(6)).await;
    session
        .simple_query("SELECT 1")
        .await
        .context("its session was ended while it was used")?;
    before
        .database
        .connect()
        .await
        .context("the login before, while it is used")?;
    drop(session);
    eventually("what was before is taken away", || refused(&before)).await?;
    let rests = |it: &EOfficeTenant| {
        let status = it
            .status
            .as_ref()
            .and_then(|status| status.credentials.as_ref());
        status.is_some_and(|it| {
            it.rotation.is_none() && it.last_handled_rotate_at.as_deref() == Some("once")
        })
    };
    platform.until(NAME, "at rest", rests).await?;
    platform.ready(NAME).await?;
    proof::prove(&platform.sandbox, NAME).await?;
    let workloads: Api<Deployment> = platform.within(&tenant_namespace(NAME));
    let restarted = |deployment: Deployment| {
        let template = deployment.spec.map(|spec| spec.template);
        let annotations = template.and_then(|it| it.metadata?.annotations);
        annotations.is_some_and(|it| it.contains_key("kubectl.kubernetes.io/restartedAt"))
    };
    ensure!(
        restarted(workloads.get("asks").await?),
        "what asks was not restarted"
    );
    ensure!(
        !restarted(workloads.get("does-not").await?),
        "what does not ask was restarted"
    );
    Ok(())
}

pub async fn emergency(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-leaked-3021";
    platform.apply(&[brisk(NAME)]).await?;
    platform.ready(NAME).await?;
    let client = platform.sandbox.admin();
    // The second comes in the midst of a rotation that was asked for without haste.
    for haste in ["alone", "amidst"] {
        let before = Credentials::read(&client, NAME).await?;
        let session = before.database.connect().await?;
        if haste == "amidst" {
            let calmly = asks(annotations::ROTATE_REQUESTED_AT);
            platform.merge(platform.tenants(), NAME, calmly).await?;
            eventually("the calm one began", || async {
                let now = Credentials::read(&client, NAME).await?;
                ensure!(now.database.username != before.database.username);
                Ok(())
            })
            .await?;
        }
        let asked = Instant::now();
        let now =
            json!({"metadata": {"annotations": {annotations::ROTATE_NOW_REQUESTED_AT: haste}}});
        platform.merge(platform.tenants(), NAME, now).await?;
        eventually("they are cut off", || refused(&before)).await?;
        eventually("their sessions end", || async {
            ensure!(session.simple_query("SELECT 1").await.is_err());
            Ok(())
        })
        .await?;
        let took = asked.elapsed();
        println!(
            "rotate now ({haste}): cut off after {:.2} s",
            took.as_secs_f32()
        );
        ensure!(took < Duration::from_secs(5), "it took {took:?}");
        platform
            .until(NAME, "renewed", |it| {
                let status = it
                    .status
                    .as_ref()
                    .and_then(|status| status.credentials.as_ref());
                status.is_some_and(|it| {
                    it.rotation.is_none() && it.last_handled_rotate_now_at.as_deref() == Some(haste)
                })
            })
            .await?;
        platform.ready(NAME).await?;
        proof::prove(&platform.sandbox, NAME).await?;
    }
    Ok(())
}
