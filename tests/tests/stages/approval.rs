//! Who may let a tenant in, and what becomes of one that asks for something else afterwards.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{
    ConditionType, EOfficeTenant, Phase, Reason, annotations, labels, tenant_namespace,
};
use eoffice_tests::e2e::security::{Platform, eventually, is, namespace_of, tenant, until};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{APPROVED, tenants_as};

const APPROVERS: &str = "eoffice:approvers";

fn asks(name: &str, namespace: &str, province: &str) -> Value {
    let mut asks = tenant(name);
    asks["metadata"]["namespace"] = json!(namespace);
    asks["spec"]["agency"]["province"] = json!(province);
    asks["spec"]["className"] = json!(APPROVED);
    asks["spec"]["users"] = json!(100);
    asks["spec"]["approval"] = json!({"mouReference": "MOU-2569-001"});
    asks
}

fn waits(tenant: &EOfficeTenant) -> bool {
    let phase = tenant.status.as_ref().and_then(|status| status.phase);
    phase == Some(Phase::AwaitingApproval)
        && is(
            tenant,
            ConditionType::Ready,
            "Unknown",
            Reason::AwaitingApproval,
        )
}

fn approves(by: &str, at: &str) -> Patch<Value> {
    Patch::Merge(json!({"spec": {"approval": {"approvedBy": by, "approvedAt": at}}}))
}

pub async fn of_a_tenant(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-approved-3021";
    platform
        .apply(&[asks(NAME, &namespace_of("30"), "30")])
        .await?;
    platform.until(NAME, "AwaitingApproval", waits).await?;
    let namespaces: Api<Namespace> = platform.cluster();
    let made = namespaces.get_opt(&tenant_namespace(NAME)).await?;
    ensure!(made.is_none(), "its namespace is made already");
    let finalizers = platform.tenants().get(NAME).await?.metadata.finalizers;
    ensure!(finalizers.unwrap_or_default().is_empty());

    // The wrong person, and the right one in another's name.
    let params = PatchParams::default();
    let first = approves("somsri", "2026-01-01T00:00:00Z");
    let officer = tenants_as(platform, "officer", "system:masters").await?;
    // The API server takes admission policies up in its own time.
    eventually("who is no approver is refused", || async {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let approved = approves("officer", "2026-01-01T00:00:00Z");
        ensure!(officer.patch(NAME, &params, &approved).await.is_err());
        Ok(())
    })
    .await?;
    let approver = tenants_as(platform, "somsri", APPROVERS).await?;
    let refused = approver
        .patch(NAME, &params, &approves("another", "2026-01-01T00:00:00Z"))
        .await;
    ensure!(refused.is_err(), "somsri approved it in another's name");
    approver
        .patch(NAME, &params, &first)
        .await
        .context("the approver approves")?;
    let ready = platform.ready(NAME).await?;
    let shown = ready
        .status
        .and_then(|status| status.approval)
        .context("no status.approval")?;
    ensure!(shown.approved_by.as_deref() == Some("somsri"));
    ensure!(shown.approved.as_ref() == Some(&shown.asked), "{shown:?}");

    // It grows: it works as before until that is approved, too.
    platform
        .merge(platform.tenants(), NAME, json!({"spec": {"users": 300}}))
        .await?;
    let outdated = |it: &EOfficeTenant| {
        is(it, ConditionType::Ready, "False", Reason::ApprovalOutdated)
            && is(
                it,
                ConditionType::Available,
                "True",
                Reason::ApprovalOutdated,
            )
    };
    let outdated = platform.until(NAME, "outdated", outdated).await?;
    let asked = outdated
        .status
        .and_then(|status| status.approval)
        .context("no status.approval")?;
    ensure!(asked.approved == shown.approved && asked.asked != shown.asked);
    let again = json!({"spec": {"approval": {
        "approvedBy": "somsri", "approvedAt": "2026-02-01T00:00:00Z", "fingerprint": asked.asked,
    }}});
    approver
        .patch(NAME, &params, &Patch::Merge(again))
        .await
        .context("approves again")?;
    let ready = platform.ready(NAME).await?;
    let shown = ready
        .status
        .and_then(|status| status.approval)
        .context("no status.approval")?;
    ensure!(shown.approved.as_ref() == Some(&asked.asked));
    Ok(())
}

pub async fn of_a_province(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-of-mou-3601";
    const PROVINCE: &str = "36";
    let namespace = namespace_of(PROVINCE);
    let ground = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": namespace, "labels": {labels::PROVINCE: PROVINCE},
    }});
    platform
        .apply(&[ground, asks(NAME, &namespace, PROVINCE)])
        .await?;
    let tenants: Api<EOfficeTenant> = platform.within(&namespace);
    until(&tenants, NAME, "AwaitingApproval", waits).await?;

    let says = |by: &str| {
        Patch::Merge(json!({"metadata": {
            "labels": {labels::MOU: "MOU-2569-036"},
            "annotations": {annotations::MOU_APPROVED_BY: by},
        }}))
    };
    let client = platform.sandbox.person("somsri", &[APPROVERS]).await?;
    let namespaces: Api<Namespace> = Api::all(client);
    // The API server takes admission policies up in its own time.
    eventually("who approves in another's name is refused", || async {
        let params = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let approved = says("another");
        let answer = namespaces.patch(&namespace, &params, &approved).await;
        ensure!(answer.is_err());
        Ok(())
    })
    .await?;
    namespaces
        .patch(&namespace, &PatchParams::default(), &says("somsri"))
        .await
        .context("the approver approves the province")?;
    eventually("the tenant is made", || async {
        let it = tenants.get(NAME).await?;
        let approval = it
            .status
            .as_ref()
            .and_then(|status| status.approval.clone());
        let approval = approval.context("no status.approval")?;
        ensure!(
            approval.mou_reference.as_deref() == Some("MOU-2569-036"),
            "{approval:?}"
        );
        ensure!(eoffice_tests::e2e::security::is_ready(&it), "not Ready");
        Ok(())
    })
    .await
}
