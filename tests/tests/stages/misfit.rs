//! A tenant whose spec does not fit its class any more, or claims what another has.

use anyhow::{Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Phase, Reason, TenantClass, annotations};
use eoffice_tests::e2e::security::{Platform, eventually, holds, is, tenant};
use eoffice_tests::proof::{self, Credentials};
use kube::api::Api;
use serde_json::{Value, json};

use crate::NARROWED;
use crate::renewal::refused;

const NAME: &str = "town-misfit-3021";

pub async fn closes(platform: &Platform) -> Result<()> {
    let mut misfit = tenant(NAME);
    misfit["spec"]["className"] = json!(NARROWED);
    platform.apply(&[misfit]).await?;
    platform.ready(NAME).await?;
    let client = platform.sandbox.admin();
    let before = Credentials::read(&client, NAME).await?;
    let narrow = |selector: Value| async move {
        let classes: Api<TenantClass> = platform.cluster();
        let change = json!({"spec": {"namespaceSelector": selector}});
        platform.merge(classes, NARROWED, change).await
    };
    let change = |change: Value| platform.merge(platform.tenants(), NAME, change);
    let told = |it: &EOfficeTenant| is(it, ConditionType::Ready, "False", Reason::ClassNotAllowed);
    narrow(json!({"matchLabels": {"for": "few"}})).await?;
    let held = platform.until(NAME, "told of its class", told).await?;
    ensure!(holds(&held, ConditionType::Available), "it works as before");
    ensure!(holds(&held, ConditionType::Stalled));
    before.database.connect().await?;

    change(json!({"metadata": {"annotations": {annotations::ROTATE_NOW_REQUESTED_AT: "once"}}}))
        .await?;
    eventually("the credentials before are cut off", || refused(&before)).await?;
    let after = Credentials::read(&client, NAME).await?;
    after.database.connect().await?;

    // What was closed stays so until it fits again.
    for lifecycle in ["Suspended", "Active"] {
        change(json!({"spec": {"lifecycle": lifecycle}})).await?;
        let seen = |it: &EOfficeTenant| {
            let phase = it.status.as_ref().and_then(|status| status.phase);
            phase == Some(Phase::Suspended) && told(it)
        };
        let shut = platform.until(NAME, "closed", seen).await?;
        ensure!(!holds(&shut, ConditionType::Available));
        refused(&after).await?;
    }
    narrow(Value::Null).await?;
    platform.ready(NAME).await?;
    proof::prove(&platform.sandbox, NAME).await
}

pub async fn closes_in_a_conflict(platform: &Platform) -> Result<()> {
    let (name, other) = ("town-claims-3021", "town-claimed-3021");
    let codes = json!([{"scheme": "tax-id", "value": "0994000123456"}]);
    let mut claimed = tenant(other);
    claimed["spec"]["agency"]["codes"] = codes.clone();
    platform.apply(&[claimed, tenant(name)]).await?;
    platform.ready(other).await?;
    platform.ready(name).await?;
    let own = Credentials::read(&platform.sandbox.admin(), name).await?;
    let change = |change: Value| platform.merge(platform.tenants(), name, change);
    let told = |it: &EOfficeTenant| is(it, ConditionType::Ready, "False", Reason::CodeConflict);
    change(json!({"spec": {"agency": {"codes": codes}}})).await?;
    let held = platform.until(name, "told of the code", told).await?;
    ensure!(holds(&held, ConditionType::Available), "it works as before");
    own.database.connect().await?;
    change(json!({"spec": {"lifecycle": "Suspended"}})).await?;
    let shut = |it: &EOfficeTenant| {
        let phase = it.status.as_ref().and_then(|status| status.phase);
        phase == Some(Phase::Suspended) && told(it)
    };
    platform.until(name, "closed", shut).await?;
    refused(&own).await
}
