//! A workload that may not be restarted keeps nothing alive, and nobody else from being restarted.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, tenant_namespace};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, condition, eventually, is_ready, tenant};
use eoffice_tests::proof::Credentials;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::accidents::ends_well;
use crate::fire::workload;
use crate::{ask, credentials};

const NAME: &str = "town-refused-3021";
const CLASS: &str = "soon-over";
const POLICY: &str = "nobody-restarts-it";
/// It comes first by name.
const REFUSED: &str = "a-refused";
const ASKS: &str = "b-asks";

pub async fn by_a_policy(platform: &Platform) -> Result<()> {
    // The grace time never ends by itself: only the deadline takes away what was before.
    class(platform, CLASS, |spec| {
        spec["rotation"] = json!({"maxAge": "2160h", "grace": "1h", "deadline": "8s"});
    })
    .await?;
    let mut soon = tenant(NAME);
    soon["spec"]["className"] = json!(CLASS);
    platform.apply(&[soon]).await?;
    platform.ready(NAME).await?;
    platform
        .apply(&[
            workload(NAME, REFUSED, "true"),
            workload(NAME, ASKS, "true"),
        ])
        .await?;
    platform.apply(&policy()).await?;
    let workloads: Api<Deployment> = platform.within(&tenant_namespace(NAME));
    eventually("the policy is in force", || async {
        let touched = jiff::Timestamp::now().to_string();
        let template = json!({"metadata": {"annotations": {"touched": touched}}});
        let touch = Patch::Merge(json!({"spec": {"template": template}}));
        let touched = workloads
            .patch(REFUSED, &PatchParams::default(), &touch)
            .await;
        ensure!(touched.is_err(), "it is not refused yet");
        Ok(())
    })
    .await?;
    let generation = async |name: &str| {
        let workload = workloads.get(name).await?;
        anyhow::Ok(workload.metadata.generation.unwrap_or_default())
    };
    let refused = generation(REFUSED).await?;
    let admin = platform.sandbox.admin();
    for (round, word) in ["once", "again"].into_iter().enumerate() {
        let before = Credentials::read(&admin, NAME).await?;
        let asks = generation(ASKS).await?;
        ask(platform, NAME, word).await?;
        eventually("what may be restarted is", || async {
            ensure!(generation(ASKS).await? == asks + 1);
            Ok(())
        })
        .await?;
        let told = |it: &EOfficeTenant| {
            let ready = condition(it, ConditionType::Ready);
            ready.is_some_and(|it| it.status == "False" && it.message.contains(REFUSED))
        };
        platform
            .until(NAME, "telling what was not restarted", told)
            .await?;
        ends_well(platform, NAME, std::slice::from_ref(&before)).await?;
        let over = |it: &EOfficeTenant| {
            let told = credentials(it);
            told.rotation.is_none() && told.last_handled_rotate_at.as_deref() == Some(word)
        };
        platform.until(NAME, "rotated all the same", over).await?;
        ensure!(generation(REFUSED).await? == refused, "round {round}");
    }
    let events: Api<Event> = platform.within(&eoffice_tests::e2e::security::namespace_of("30"));
    let events = events.list(&ListParams::default()).await?.items;
    let told = events.iter().any(|event| {
        event.reason.as_deref() == Some("RestartFailed")
            && event.involved_object.name.as_deref() == Some(NAME)
    });
    ensure!(told, "no Event tells of it");

    for (kind, plural, name) in KINDS {
        let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> = Api::all_with(admin.clone(), &resource);
        api.delete(name, &DeleteParams::default())
            .await
            .context(kind)?;
    }
    eventually("it is restarted once it may be", || async {
        ensure!(generation(REFUSED).await? == refused + 1);
        Ok(())
    })
    .await?;
    platform.until(NAME, "ready again", is_ready).await?;
    Ok(())
}

const KINDS: [(&str, &str, &str); 2] = [
    (
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        POLICY,
    ),
    (
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        POLICY,
    ),
];

fn policy() -> [Value; 2] {
    [
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": POLICY},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
                    "operations": ["UPDATE"],
                }]},
                "validations": [{
                    "expression": format!("object.metadata.name != '{REFUSED}' || object.spec == oldObject.spec"),
                    "message": "change freeze: this workload is not to be restarted",
                }],
            },
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
        }),
    ]
}
