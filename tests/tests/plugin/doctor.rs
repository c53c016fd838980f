//! The doctor: an empty cluster, a platform that is well, and each trouble by itself.

use std::fs;

use eoffice_crds::{DatabaseServer, FleetHold, ObjectStore};
use eoffice_tests::apply;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::bed::{Bed, condition, names, one_line, seen};

pub async fn before_anything_is_there(bed: &Bed) {
    let text = one_line(&bed.run("doctor").await.gave(1));
    for words in [
        "missing: eofficetenants.eoffice.gdcc.go.th, tenantclasses",
        "none of the chart's policies is there",
        "there is no lease",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    bed.install_the_chart().await;
    let established = |crd: &CustomResourceDefinition| {
        let conditions = crd
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|all| {
            all.iter()
                .any(|it| it.type_ == "Established" && it.status == "True")
        })
    };
    for crd in eoffice_crds::crds() {
        let name = crd.metadata.name.unwrap();
        seen(
            Api::<CustomResourceDefinition>::all(bed.admin.clone()),
            &name,
            established,
        )
        .await;
    }
    let text = one_line(&bed.run("doctor").await.gave(1));
    for words in [
        "7 kinds, served and of this version",
        "policies, in force",
        "this machine's clock is the API server's",
        "there is no databaseserver: no tenant can be made",
        "there is no TenantClass",
        "there is no lease eoffice-system/eoffice-operator",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// Everything that the doctor wants to see.
async fn make_well(bed: &Bed) {
    let crds = bed
        .ground
        .tools
        .cert_manager_crds
        .join("cert-manager.io_clusterissuers.yaml");
    bed.apply(&apply::parse(&fs::read_to_string(crds).unwrap()).unwrap())
        .await;
    bed.apply(&[
        json!({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "gov"},
               "spec": {"selfSigned": {}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "traefik"},
               "spec": {"controller": "traefik.io/ingress-controller"}}),
    ])
    .await;
    lease(bed, SignedDuration::ZERO, SignedDuration::from_mins(1)).await;
    let ready = json!({"orphans": [], "conditions": [condition("Ready", "True", "AsExpected", "as asked")]});
    for name in ["pg-a", "pg-b"] {
        bed.says::<DatabaseServer>(None, name, ready.clone()).await;
    }
    bed.says::<ObjectStore>(None, "objects", ready).await;
    let holds: Api<FleetHold> = Api::all(bed.as_operator().await);
    for name in names(&holds).await {
        holds.delete(&name, &DeleteParams::default()).await.unwrap();
    }
}

/// The lease as an operator holds it that renewed it so long ago, and audited all backends so long ago.
async fn lease(bed: &Bed, renewed: SignedDuration, audited: SignedDuration) {
    let audited = Timestamp::now() - audited;
    let audits = json!({"pg-a": audited, "pg-b": audited, "objects": audited}).to_string();
    // So long that it does not end while the test goes on.
    let renewed = (Timestamp::now() - renewed)
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string();
    bed.apply(&[json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "eoffice-operator", "namespace": "eoffice-system",
                     "annotations": {"eoffice.gdcc.go.th/audits": audits}},
        "spec": {"holderIdentity": "pod-a", "leaseDurationSeconds": 600, "renewTime": renewed},
    })])
    .await;
}

async fn change(bed: &Bed, group: &str, version: &str, kind: &str, name: &str, change: Value) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::all_with(bed.admin.clone(), &resource);
    api.patch(name, &PatchParams::default(), &Patch::Merge(change))
        .await
        .unwrap();
}

async fn delete(bed: &Bed, group: &str, kind: &str, name: &str) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    let api: Api<DynamicObject> = Api::all_with(bed.admin.clone(), &resource);
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

const OURS: &str = "eoffice.gdcc.go.th";

pub async fn each_trouble_is_found(bed: &Bed) {
    make_well(bed).await;
    let text = bed.run("doctor").await.gave(0);
    assert!(
        text.ends_with("Nothing is wrong.\n") && !text.contains("WRONG"),
        "{text}"
    );
    let admin = bed.platform_admin("wirat").await;
    let text = bed.run_as(&admin, "doctor").await.gave(0);
    assert!(text.ends_with("Nothing is wrong.\n"), "{text}");

    let wrong = async |words: &[&str]| {
        let text = one_line(&bed.run("doctor").await.gave(1));
        for words in words {
            assert!(text.contains(words), "{words}: {text}");
        }
    };
    lease(bed, SignedDuration::ZERO, SignedDuration::from_mins(31)).await;
    wrong(&[
        "objects was last audited as a whole 31m ago",
        "pg-a was last audited",
        "3 things wrong",
    ])
    .await;
    lease(bed, SignedDuration::from_mins(20), SignedDuration::ZERO).await;
    wrong(&[
        "pod-a led until 10m ago, and nobody leads now",
        "kubectl get pods -n eoffice-system",
        "1 thing wrong",
    ])
    .await;
    lease(bed, -SignedDuration::from_mins(2), SignedDuration::ZERO).await;
    wrong(&[
        "the clock of pod-a, which leads, is 1",
        "s ahead of the API server's",
        "set up NTP",
        "1 thing wrong",
    ])
    .await;
    make_well(bed).await;

    let identity = json!({"orphans": ["eo_dead"], "conditions": [condition("Ready", "False", "IdentityChanged",
        "the address answers with system_identifier 77, pinned is 42")]});
    bed.says::<DatabaseServer>(None, "pg-a", identity).await;
    wrong(&[
        "databaseserver pg-a is not Ready (IdentityChanged): the address answers with system_identifier 77",
        "kubectl annotate databaseserver pg-a eoffice.gdcc.go.th/accept-identity=",
        "databaseserver pg-a has 1 orphan no record names: eo_dead",
        "2 things wrong",
    ])
    .await;
    make_well(bed).await;

    delete(bed, "cert-manager.io", "ClusterIssuer", "gov").await;
    delete(bed, "networking.k8s.io", "IngressClass", "traefik").await;
    let key = format!("{OURS}/is-default-class");
    change(
        bed,
        OURS,
        "v1alpha1",
        "TenantClass",
        "standard",
        json!({"metadata": {"annotations": {key.clone(): null}}}),
    )
    .await;
    wrong(&[
        "class standard: there is no ClusterIssuer gov",
        "class standard: there is no IngressClass traefik",
        "no class is the default one",
        "kubectl annotate tenantclass <name> eoffice.gdcc.go.th/is-default-class=true",
    ])
    .await;
    change(
        bed,
        OURS,
        "v1alpha1",
        "TenantClass",
        "standard",
        json!({"metadata": {"annotations": {key: "true"}}}),
    )
    .await;
    make_well(bed).await;

    let schema = |description: Value| json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/description", "value": description}]);
    let crds: Api<CustomResourceDefinition> = Api::all(bed.admin.clone());
    let name = "eofficetenants.eoffice.gdcc.go.th";
    let before = crds.get(name).await.unwrap();
    let before = serde_json::to_value(&before.spec.versions[0].schema).unwrap()["openAPIV3Schema"]
        ["description"]
        .clone();
    let patch = |value: Value| Patch::Json::<()>(serde_json::from_value(schema(value)).unwrap());
    crds.patch(name, &PatchParams::default(), &patch("of yesterday".into()))
        .await
        .unwrap();
    wrong(&[
        "eofficetenants.eoffice.gdcc.go.th is of another version",
        "helm upgrade",
        "1 thing wrong",
    ])
    .await;
    crds.patch(name, &PatchParams::default(), &patch(before))
        .await
        .unwrap();

    delete(
        bed,
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        "eoffice-operator-records",
    )
    .await;
    wrong(&[
        "policy records is not in force: a tenant's record can be forged",
        "1 thing wrong",
    ])
    .await;
    bed.install_the_chart().await;

    let label = format!("{OURS}/province");
    change(
        bed,
        "",
        "v1",
        "Namespace",
        "province-31",
        json!({"metadata": {"labels": {label: null}}}),
    )
    .await;
    delete(
        bed,
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "eoffice-operator",
    )
    .await;
    wrong(&[
        "namespace province-31 has no label eoffice.gdcc.go.th/province",
        "kubectl label namespace province-31 eoffice.gdcc.go.th/province=31",
        "the operator (system:serviceaccount:eoffice-system:eoffice-operator) may not get",
        "more",
        "2 things wrong",
    ])
    .await;
    with_few_rights(bed).await;
}

/// Somebody who may see little is told what could not be looked at, and that this is no clean bill.
async fn with_few_rights(bed: &Bed) {
    let viewer = bed.person("patient", "view", "province-30").await;
    let text = one_line(&bed.run_as(&viewer, "doctor -n province-30").await.gave(1));
    for words in [
        "all kinds are served; you may not see of which version",
        "not looked at: list admission policies: you lack the right: ",
        "verify, pause, resume, approve, rotate, suspend, archive, reopen, audit-access: you may not patch eofficetenants.eoffice.gdcc.go.th in namespace province-30",
        "could not be looked at.",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
