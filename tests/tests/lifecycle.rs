//! How tenants are closed, opened, left and taken up again; and how operators take over from one another.

#[path = "lifecycle/leaving.rs"]
mod leaving;
#[path = "lifecycle/suspension.rs"]
mod suspension;
#[path = "lifecycle/takeover.rs"]
mod takeover;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use eoffice_crds::tenant_namespace;
use eoffice_tests::e2e::security::{Platform, eventually};
use eoffice_tests::proof::{self, Database, Storage};
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Event, ResourceQuota};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use tokio_postgres::error::SqlState;

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn tenants_come_and_go_and_operators_too() {
    let platform = Platform::start(Options::default(), OperatorOptions::default())
        .await
        .unwrap();
    leaving::prepare(&platform).await.unwrap();
    platform
        .all(vec![
            (
                "a suspended tenant is closed, and opened again with the same credentials",
                suspension::closes_and_opens(&platform).boxed(),
            ),
            (
                "who left finds all again, and another agency finds nothing",
                leaving::retained(&platform).boxed(),
            ),
            (
                "where the class allows it, all is destroyed",
                leaving::destroyed(&platform).boxed(),
            ),
        ])
        .await
        .unwrap();
    // One after the other: each takes away what the others stand on.
    for scenario in [
        (
            "a backend that cannot be reached delays the end, and it is told",
            leaving::delayed(&platform).boxed(),
        ),
        (
            "told to end, an operator ends although work is in hand, and another goes on with it",
            takeover::work_in_hand(&platform).boxed(),
        ),
        (
            "an operator takes over from one that ends, and from one that is killed",
            takeover::takes_over(&platform).boxed(),
        ),
    ] {
        platform.all(vec![scenario]).await.unwrap();
    }
}

/// Wants a tenant to be closed to everyone: by its Secrets, at its hosts, in its namespace.
async fn is_closed(platform: &Platform, tenant: &str) -> Result<()> {
    let client = platform.sandbox.admin();
    let database = Database::read(&client, tenant).await?;
    let refused = database.log_in_at(&database).await?;
    let code = refused.err().and_then(|error| error.code().cloned());
    ensure!(
        code == Some(SqlState::INVALID_AUTHORIZATION_SPECIFICATION),
        "a login ends with {code:?}"
    );
    let storage = Storage::read(&client, tenant).await?;
    ensure!(
        status_of_list(&storage).await? == Some(403),
        "its key still opens its bucket"
    );

    let namespace = tenant_namespace(tenant);
    let ingresses: Api<Ingress> = platform.within(&namespace);
    ensure!(
        ingresses
            .list(&ListParams::default())
            .await?
            .items
            .is_empty()
    );
    let host = format!("{tenant}.eoffice.example");
    eventually("the ingress serves it no more", || async {
        ensure!(proof::https(&platform.sandbox, &host).await.is_err());
        Ok(())
    })
    .await?;

    let quotas: Api<ResourceQuota> = platform.within(&namespace);
    let hard = quotas.get("eoffice").await?.spec.and_then(|spec| spec.hard);
    let pods = hard.and_then(|hard| hard.get("pods").cloned());
    ensure!(pods.is_some_and(|pods| pods.0 == "0"), "pods may still run");
    ensure!(policies(platform, tenant).await? == BTreeSet::from(["default-deny".to_owned()]));
    Ok(())
}

/// The status of the store's answer to a list of the tenant's bucket; none where it is given.
async fn status_of_list(storage: &Storage) -> Result<Option<u16>> {
    let list = storage.client()?.list_objects_v2().bucket(&storage.bucket);
    Ok(match list.send().await {
        Ok(_) => None,
        Err(error) => error.raw_response().map(|answer| answer.status().as_u16()),
    })
}

async fn policies(platform: &Platform, tenant: &str) -> Result<BTreeSet<String>> {
    let policies: Api<NetworkPolicy> = platform.within(&tenant_namespace(tenant));
    let all = policies.list(&ListParams::default()).await?;
    Ok(all.items.iter().map(ResourceExt::name_any).collect())
}

/// The reasons of all Events about a tenant.
async fn events(platform: &Platform, tenant: &str) -> Result<Vec<String>> {
    let all: Api<Event> = Api::all(platform.sandbox.admin());
    let all = all.list(&ListParams::default()).await?.items.into_iter();
    let about = all.filter(|event| event.involved_object.name.as_deref() == Some(tenant));
    Ok(about.filter_map(|event| event.reason).collect())
}

/// Deletes a tenant of the usual province.
async fn delete(platform: &Platform, tenant: &str) -> Result<()> {
    let delete = DeleteParams::default();
    platform.tenants().delete(tenant, &delete).await?;
    Ok(())
}

async fn leaves(platform: &Platform, tenant: &str) -> Result<()> {
    delete(platform, tenant).await?;
    has_left(platform, tenant).await
}

async fn has_left(platform: &Platform, tenant: &str) -> Result<()> {
    eventually(&format!("{tenant} leaves"), || async {
        let still = platform.tenants().get_opt(tenant).await?;
        let told = still.as_ref().map(eoffice_tests::e2e::security::told);
        ensure!(still.is_none(), "it is\n{}", told.unwrap_or_default());
        Ok(())
    })
    .await
}
