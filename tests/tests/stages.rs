//! The stages of a tenant's life that its own spec asks for: approved, renewed, suspended, archived with auditors.

#[path = "stages/approval.rs"]
mod approval;
#[path = "stages/archive.rs"]
mod archive;
#[path = "stages/misfit.rs"]
mod misfit;
#[path = "stages/renewal.rs"]
mod renewal;
#[path = "stages/suspension.rs"]
mod suspension;
#[path = "stages/told.rs"]
mod told;

use anyhow::Result;
use eoffice_crds::EOfficeTenant;
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, namespace_of};
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;
use kube::api::Api;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn a_tenant_goes_through_its_stages() {
    let platform = Platform::start(Options::default(), OperatorOptions::default())
        .await
        .unwrap();
    prepare(&platform).await.unwrap();
    platform
        .all(vec![
            (
                "nothing is made before the right person approved it, and a live agency is never closed by what is not",
                approval::of_a_tenant(&platform).boxed(),
            ),
            (
                "a province's MOU approves its tenants",
                approval::of_a_province(&platform).boxed(),
            ),
            (
                "new credentials work before those before are taken away",
                renewal::on_demand(&platform).boxed(),
            ),
            (
                "in an emergency those before are cut off within seconds",
                renewal::emergency(&platform).boxed(),
            ),
            (
                "suspended under load, an agency loses nothing and nobody gets in",
                suspension::under_load(&platform).boxed(),
            ),
            (
                "a spec that does not fit its class keeps no access open",
                misfit::closes(&platform).boxed(),
            ),
            (
                "a spec that claims what another has keeps no access open",
                misfit::closes_in_a_conflict(&platform).boxed(),
            ),
            (
                "an auditor reads an archived tenant until his time, and nothing else",
                archive::auditor(&platform).boxed(),
            ),
        ])
        .await
        .unwrap();
    // In its stead one that can be killed at any call.
    platform.operator.part.stop().await;
    for (name, scenario) in [
        (
            "every stage is told with who asked for it, by an operator that dies at each write of the status",
            told::by_one_who_dies(&platform).boxed(),
        ),
        (
            "a status that cannot be written is tried again without haste",
            told::without_haste(&platform).boxed(),
        ),
    ] {
        platform.all(vec![(name, scenario)]).await.unwrap();
    }
}

/// Class of tenants that need an approval.
const APPROVED: &str = "approved";
/// Class of tenants whose credentials are taken away soon after they were replaced.
const BRISK: &str = "brisk";

/// Class that is narrowed under its tenant.
const NARROWED: &str = "narrowed";

async fn prepare(platform: &Platform) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "approvers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "eoffice-operator-approver"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "eoffice:approvers"}],
    });
    platform.apply(&[binding]).await?;
    class(platform, APPROVED, |spec| {
        spec["approvalRequired"] = json!(true)
    })
    .await?;
    class(platform, NARROWED, |_| ()).await?;
    let brisk = json!({"maxAge": "2160h", "grace": "3s", "deadline": "60s"});
    class(platform, BRISK, |spec| spec["rotation"] = brisk).await
}

/// Tenants of the usual province, as this person of these groups sees them.
async fn tenants_as(platform: &Platform, user: &str, group: &str) -> Result<Api<EOfficeTenant>> {
    let client = platform.sandbox.person(user, &[group]).await?;
    Ok(Api::namespaced(client, &namespace_of("30")))
}
