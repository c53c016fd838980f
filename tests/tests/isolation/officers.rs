//! The officers of a province look into its tenants' namespaces, by the binding that the operator makes, and no further.

use anyhow::{Result, ensure};
use eoffice_crds::{DATABASE_SECRET, OFFICERS_BINDING, TenantRecord, tenant_namespace};
use eoffice_tests::e2e::security::{PROVINCE, Platform, eventually};
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota, Secret};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, Error};
use serde_json::json;

use crate::INTRUDER;

/// An officer of the tenants' province, one of another, and the application's own account.
pub async fn officers_look_in(platform: &Platform) -> Result<()> {
    let officer = member(platform, "nok", &format!("eoffice:province-{PROVINCE}")).await?;
    let stranger = member(platform, "mana", "eoffice:province-31").await?;
    let application = platform
        .sandbox
        .control_plane
        .kubeconfig_of_service_account(&tenant_namespace(INTRUDER), "eoffice")
        .await?
        .client()
        .await?;
    sees(&officer).await?;
    nothing_else(&officer).await?;
    for other in [&stranger, &application] {
        blind(other).await?;
    }
    nobody_takes_it_away(platform, &officer).await
}

async fn member(platform: &Platform, name: &str, group: &str) -> Result<Client> {
    let control_plane = &platform.sandbox.control_plane;
    control_plane
        .kubeconfig_of_member(name, group)?
        .client()
        .await
}

fn within<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    Api::namespaced(client.clone(), &tenant_namespace(INTRUDER))
}

async fn sees(officer: &Client) -> Result<()> {
    let all = ListParams::default();
    within::<Pod>(officer).list(&all).await?;
    let quotas = within::<ResourceQuota>(officer).list(&all).await?;
    let policies = within::<NetworkPolicy>(officer).list(&all).await?;
    let ingresses = within::<Ingress>(officer).list(&all).await?;
    let counts = [
        quotas.items.len(),
        policies.items.len(),
        ingresses.items.len(),
    ];
    ensure!(
        counts.iter().all(|count| *count > 0),
        "they see what is there: {counts:?}"
    );
    within::<TenantRecord>(officer).get("record").await?;
    // A pod that is not there is not found; one that may not be looked at would be forbidden.
    let missing = within::<Pod>(officer).get("none").await;
    ensure!(
        matches!(&missing, Err(Error::Api(status)) if status.is_not_found()),
        "pods: {missing:?}"
    );
    Ok(())
}

async fn nothing_else(officer: &Client) -> Result<()> {
    let secrets = within::<Secret>(officer);
    forbidden("a Secret", secrets.get(DATABASE_SECRET).await)?;
    forbidden("Secrets", secrets.list(&ListParams::default()).await)?;
    let watched = secrets.watch(&<_>::default(), "0").await;
    forbidden("a watch of Secrets", watched.map(drop))?;
    let pods = within::<Pod>(officer);
    forbidden(
        "a pod's end",
        pods.delete("none", &DeleteParams::default()).await,
    )?;
    let log = pods.logs("none", &<_>::default()).await;
    forbidden("an application's log", log)?;
    let place = format!("/api/v1/namespaces/{}/pods", tenant_namespace(INTRUDER));
    let request = kube::core::Request::new(place).get_subresource("exec", "none")?;
    forbidden("a shell", officer.request_text(request).await)?;
    let ceiling = Patch::Merge(json!({"spec": {"hard": {"pods": "999"}}}));
    let quota = within::<ResourceQuota>(officer)
        .patch("eoffice", &PatchParams::default(), &ceiling)
        .await;
    forbidden("a quota", quota)?;
    let bindings = within::<RoleBinding>(officer);
    forbidden("the binding", bindings.get(OFFICERS_BINDING).await)?;
    let all: Api<Pod> = Api::all(officer.clone());
    forbidden("every pod", all.list(&ListParams::default()).await)?;
    let namespaces: Api<Namespace> = Api::all(officer.clone());
    forbidden(
        "every namespace",
        namespaces.list(&ListParams::default()).await,
    )?;
    let system: Api<Secret> = Api::namespaced(officer.clone(), "eoffice-system");
    forbidden(
        "the operator's Secrets",
        system.list(&ListParams::default()).await,
    )
}

async fn blind(other: &Client) -> Result<()> {
    let all = ListParams::default();
    forbidden("pods", within::<Pod>(other).list(&all).await)?;
    forbidden("quotas", within::<ResourceQuota>(other).list(&all).await)?;
    forbidden("the record", within::<TenantRecord>(other).list(&all).await)?;
    forbidden("Secrets", within::<Secret>(other).list(&all).await)
}

/// The binding is kept as every object of a tenant is: put back when it is gone, or made to another role.
async fn nobody_takes_it_away(platform: &Platform, officer: &Client) -> Result<()> {
    let bindings: Api<RoleBinding> = platform.within(&tenant_namespace(INTRUDER));
    let ours = bindings.get(OFFICERS_BINDING).await?;
    bindings
        .delete(OFFICERS_BINDING, &DeleteParams::default())
        .await?;
    let forged: RoleBinding = serde_json::from_value(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": OFFICERS_BINDING, "labels": ours.metadata.labels},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": ours.subjects,
    }))?;
    // The operator may be quicker.
    match bindings.create(&<_>::default(), &forged).await {
        Err(Error::Api(status)) if status.is_already_exists() => {}
        made => drop(made?),
    }
    eventually("the binding is as it was", || async {
        let now = bindings.get(OFFICERS_BINDING).await?;
        ensure!(
            now.role_ref == ours.role_ref && now.subjects == ours.subjects,
            "it is to {:?}",
            now.role_ref
        );
        Ok(())
    })
    .await?;
    // RBAC is the API server's cache, which follows in its own time.
    eventually("the officer sees pods and no Secret", || async {
        within::<Pod>(officer).list(&ListParams::default()).await?;
        let secrets = within::<Secret>(officer);
        forbidden("Secrets", secrets.list(&ListParams::default()).await)
    })
    .await
}

fn forbidden<T>(what: &str, answer: Result<T, Error>) -> Result<()> {
    match answer {
        Err(Error::Api(status)) if status.is_forbidden() => Ok(()),
        Err(error) => {
            Err(anyhow::Error::new(error).context(format!("{what}, not for want of the right")))
        }
        Ok(_) => anyhow::bail!("{what} should be forbidden"),
    }
}
