//! Tenants that are asked for by several field managers in two provinces.

use anyhow::{Context, Result};
use eoffice_crds::EOfficeTenant;
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, namespace_of};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

/// A class whose issuer does not exist.
pub const UNISSUED: &str = "unissued";
/// A class that no server is for.
pub const SERVERLESS: &str = "serverless";
/// The other province.
pub const OTHER: &str = "31";

/// A tenant as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub province: &'static str,
    pub manager: &'static str,
    pub name: &'static str,
    pub class: &'static str,
}

/// The classes and the second province.
pub async fn prepare(platform: &Platform) -> Result<()> {
    class(platform, UNISSUED, |spec| {
        spec["certificate"]["issuerRef"]["name"] = json!("nobody");
    })
    .await?;
    class(platform, SERVERLESS, |spec| {
        spec["database"]["serverSelector"] = json!({"matchLabels": {"tier": "none"}});
    })
    .await?;
    let province = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace_of(OTHER), "labels": {"eoffice.gdcc.go.th/province": OTHER}},
    });
    platform.apply(&[province]).await
}

/// Makes the issuer that the class of that name asks for: one like the platform's own.
pub async fn issue(platform: &Platform) -> Result<()> {
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "ClusterIssuer");
    let issuers = ApiResource::from_gvk(&kind);
    let issuers: Api<DynamicObject> = Api::all_with(platform.sandbox.admin(), &issuers);
    let gov = issuers.get("gov").await.context("read the issuer gov")?;
    let nobody = json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": "nobody"},
        "spec": gov.data["spec"],
    });
    platform.apply(&[nobody]).await
}

pub fn api(platform: &Platform, province: &str) -> Api<EOfficeTenant> {
    platform.within(&namespace_of(province))
}

/// Asks for it, as its manager.
pub async fn ask(platform: &Platform, asked: &Asked) -> Result<()> {
    ask_with(platform, asked, &json!({})).await
}

/// Asks for it with more in its spec.
pub async fn ask_with(platform: &Platform, asked: &Asked, more: &Value) -> Result<()> {
    let Asked {
        province,
        manager,
        name,
        class,
    } = asked;
    let mut tenant = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "EOfficeTenant",
        "metadata": {"name": name, "namespace": namespace_of(province)},
        "spec": {
            "agency": {"nameTh": "เทศบาลทดสอบ", "kind": "TownMunicipality", "province": province},
            "className": class,
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        merge(&mut tenant["spec"][field], value);
    }
    api(platform, province)
        .patch(name, &PatchParams::apply(manager), &Patch::Apply(tenant))
        .await
        .with_context(|| format!("ask for {name}"))?;
    Ok(())
}

/// Puts fields beside those that are there.
fn merge(known: &mut Value, more: &Value) {
    match more.as_object() {
        Some(fields) => fields
            .iter()
            .for_each(|(field, value)| merge(&mut known[field], value)),
        None => *known = more.clone(),
    }
}

/// Asks for all, one after the other.
pub async fn ask_all(platform: &Platform, all: &[Asked]) -> Result<()> {
    for asked in all {
        ask(platform, asked).await?;
    }
    Ok(())
}

pub async fn delete(platform: &Platform, asked: &Asked) -> Result<()> {
    let how = DeleteParams::default();
    api(platform, asked.province)
        .delete(asked.name, &how)
        .await?;
    Ok(())
}
