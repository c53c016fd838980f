//! What one agency has, another that asks for it does not get.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use eoffice_crds::ConditionType::{
    Available, CertificateReady, DatabaseReady, IngressReady, NamespaceReady, Ready, Reconciling,
    Stalled, StorageReady,
};
use eoffice_crds::{EOfficeTenant, Reason, tenant_namespace};
use eoffice_tests::e2e::security::{Platform, holds, is, is_ready, says, tenant};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::json;

use super::{FIRST, FIRSTS_CODE, FIRSTS_HOST, change, namespace_exists};

/// Hosts by the namespaces whose Ingresses have them.
pub async fn served(platform: &Platform) -> Result<BTreeMap<String, Vec<String>>> {
    let ingresses: Api<Ingress> = Api::all(platform.sandbox.admin());
    let mut served: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ingress in ingresses.list(&Default::default()).await? {
        let namespace = ingress.namespace().unwrap_or_default();
        let rules = ingress.spec.and_then(|spec| spec.rules).unwrap_or_default();
        for host in rules.into_iter().filter_map(|rule| rule.host) {
            served.entry(host).or_default().push(namespace.clone());
        }
    }
    Ok(served)
}

pub async fn a_granted_host_stays_with_the_first(platform: &Platform) -> Result<()> {
    let name = "town-second-3021";
    let mut second = tenant(name);
    // The same host, as DNS compares.
    second["spec"]["hosts"] = json!(["EOffice.First.GO.TH."]);
    platform.apply(&[second]).await?;
    let refused =
        |it: &EOfficeTenant| is(it, Ready, "False", Reason::HostConflict) && holds(it, Available);
    let second = platform.until(name, "refused the host", refused).await?;
    says(&second, Ready, &["spec.hosts", FIRSTS_HOST, FIRST])?;
    for plane in [
        NamespaceReady,
        DatabaseReady,
        StorageReady,
        CertificateReady,
        IngressReady,
    ] {
        ensure!(
            holds(&second, plane),
            "{plane} suffers from the refused host"
        );
    }
    ensure!(!holds(&second, Stalled) && !holds(&second, Reconciling));
    let own = tenant_namespace(FIRST);
    ensure!(served(platform).await?.get(FIRSTS_HOST) == Some(&vec![own]));
    ensure!(is_ready(&platform.tenants().get(FIRST).await?));

    change(platform, FIRST, json!({"hosts": []})).await?;
    platform.ready(FIRST).await?;
    platform
        .ready(name)
        .await
        .context("the host was given up")?;
    ensure!(served(platform).await?.get(FIRSTS_HOST) == Some(&vec![tenant_namespace(name)]));
    Ok(())
}

pub async fn a_code_is_in_one_tenant_only(platform: &Platform) -> Result<()> {
    let name = "town-copycat-3021";
    let mut copycat = tenant(name);
    copycat["spec"]["agency"]["codes"] = json!([{"scheme": "dla", "value": FIRSTS_CODE}]);
    platform.apply(&[copycat]).await?;
    let refused = |it: &EOfficeTenant| is(it, Ready, "False", Reason::CodeConflict);
    let copycat = platform.until(name, "refused the code", refused).await?;
    says(&copycat, Ready, &["spec.agency.codes", FIRSTS_CODE, FIRST])?;
    ensure!(holds(&copycat, Stalled));
    ensure!(!namespace_exists(platform, name).await?);
    Ok(())
}

pub async fn a_host_under_the_base_domain_is_refused(platform: &Platform) -> Result<()> {
    let name = "town-squatter-3021";
    let mut squatter = tenant(name);
    squatter["spec"]["hosts"] = json!(["www.town-squatter-3021.tight.example"]);
    platform.apply(&[squatter]).await?;
    let refused =
        |it: &EOfficeTenant| is(it, Ready, "False", Reason::HostConflict) && holds(it, Available);
    let squatter = platform.until(name, "refused the host", refused).await?;
    says(&squatter, Ready, &["spec.hosts", "tight.example"])?;
    // Of another class's domain it may have the host of its own name, and no other.
    change(
        platform,
        name,
        json!({"hosts": ["town-squatter-3021.tight.example"]}),
    )
    .await?;
    platform.ready(name).await?;
    Ok(())
}
