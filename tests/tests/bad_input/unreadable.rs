//! An object that the operator cannot read.

use anyhow::{Context, Result, ensure};
use eoffice_crds::EOfficeTenant;
use eoffice_tests::e2e::security::{Platform, eventually, is_ready, tenant};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use serde_json::json;

use super::change;

pub async fn stops_no_other(platform: &Platform) -> Result<()> {
    let unreadable = "dist-unreadable-3021";
    // As it was put there under a newer definition, before that was rolled back.
    let definitions: Api<CustomResourceDefinition> = platform.cluster();
    let name = "eofficetenants.eoffice.gdcc.go.th";
    let known = definitions.get(name).await?;
    let mut newer = serde_json::to_value(&known)?;
    let kinds =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/agency/properties/kind";
    let schema = newer
        .pointer_mut(kinds)
        .context("agency.kind has a schema")?;
    *schema = json!({"type": "string"});
    let patch = json!({"spec": {"versions": newer["spec"]["versions"]}});
    platform.merge(definitions.clone(), name, patch).await?;
    let mut object = tenant(unreadable);
    object["spec"]["agency"]["kind"] = json!("Monastery");
    eventually("the newer definition is served", || async {
        platform.apply(std::slice::from_ref(&object)).await
    })
    .await?;

    for other in ["dist-after-3021", "dist-restarted-3021"] {
        platform.apply(&[tenant(other)]).await?;
        platform
            .ready(other)
            .await
            .context("beside an object that cannot be read")?;
        change(platform, other, json!({"users": 12})).await?;
        let seen = |it: &EOfficeTenant| {
            is_ready(it) && it.status.as_ref().and_then(|s| s.observed_generation) >= Some(2)
        };
        platform.until(other, "looked at again", seen).await?;
        // The second time the first lists have it, too.
        platform.operator.part.stop().await;
        platform.operator.part.start().await?;
    }
    let said = platform.operator.said()?;
    ensure!(
        said.contains(unreadable),
        "the log names the object that cannot be read"
    );

    // Once it can be read it is made as any other.
    let readable = json!({"agency": {"kind": "District"}});
    change(platform, unreadable, readable).await?;
    platform.ready(unreadable).await?;
    Ok(())
}
