//! The admission policies, each by what it lets pass and what it refuses.

use kube::{Client, Error};
use serde_json::{Value, json};

use crate::people::People;
use crate::world::{Handle, OFFICERS, OPERATOR, World, allowed, eventually, refused};
use crate::{approvals, authority, records, tenants};

/// Who asks.
pub struct Askers {
    pub admin: Client,
    pub officer: Client,
    pub approver: Client,
    pub operator: Client,
}

pub async fn all(world: &World) {
    let askers = Askers {
        admin: world.admin(),
        officer: world.client("officer", &[OFFICERS]).await,
        approver: world
            .client("approver", &[OFFICERS, "eoffice:approvers"])
            .await,
        operator: world
            .client(
                OPERATOR,
                &["system:serviceaccounts", "system:authenticated"],
            )
            .await,
    };
    tenants_are_made_in_their_province(&askers).await;
    ingresses_keep_to_the_hosts_granted(&askers).await;
    definitions_stay(&askers).await;
    namespaces_in_use_stay(&askers).await;
    tenants_namespaces_are_so_for_good(&askers).await;
    authority::our_labels_on_namespaces_are_the_operators(&askers).await;
    authority::acceptances_are_an_approvers(&askers).await;
    authority::finalizers_are_the_operators(&askers).await;
    authority::batches_are_the_operators_and_decisions_an_approvers(&askers).await;
    let people = People::of(world, &askers).await;
    approvals::all(&people).await;
    tenants::all(&people).await;
    records::all(&people).await;
}

fn tenant(namespace: &str, province: &str) -> Value {
    json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "EOfficeTenant",
        "metadata": {"name": "tao-wang-mi", "namespace": namespace},
        "spec": {"agency": {"nameTh": "วังหมี", "kind": "Other", "province": province}},
    })
}

async fn tenants_are_made_in_their_province(Askers { admin, officer, .. }: &Askers) {
    let cases = [
        (
            "province-30",
            "31",
            r#"but namespace province-30 is that of province "30""#,
        ),
        ("plain", "30", "namespace plain is not a province's"),
        (
            "eoffice-town",
            "30",
            "namespace eoffice-town is not a province's",
        ),
    ];
    for who in [admin, officer] {
        for (namespace, province, sentence) in cases {
            let handle = Handle::new(who, &tenant(namespace, province)).await;
            refused(namespace, sentence, || handle.try_create()).await;
        }
        let handle = Handle::new(who, &tenant("province-30", "30")).await;
        allowed("a tenant in its province", || handle.try_create()).await;
    }
}

fn ingress(namespace: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": spec,
    })
}

fn rule(host: Option<&str>) -> Value {
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]);
    match host {
        Some(host) => json!({"host": host, "http": {"paths": paths}}),
        None => json!({"http": {"paths": paths}}),
    }
}

async fn ingresses_keep_to_the_hosts_granted(
    Askers {
        admin,
        officer,
        operator,
        ..
    }: &Askers,
) {
    let (own, foreign) = (
        rule(Some("eoffice.pakchong.go.th")),
        rule(Some("eoffice.neighbour.go.th")),
    );
    let backend = json!({"service": {"name": "x", "port": {"number": 80}}});
    let cases = [
        (
            json!({"rules": [own, foreign]}),
            "the hosts eoffice.neighbour.go.th are not granted to this tenant",
        ),
        (
            json!({"rules": [rule(Some("*.pakchong.go.th"))]}),
            "the hosts *.pakchong.go.th are not granted",
        ),
        (
            json!({"rules": [own], "tls": [{"hosts": ["eoffice.neighbour.go.th"]}]}),
            "are not granted to this tenant",
        ),
        (
            json!({"rules": [own, rule(None)]}),
            "a rule without a host would answer for every host",
        ),
        (
            json!({"rules": [own], "defaultBackend": backend}),
            "spec.defaultBackend would answer for every host",
        ),
    ];
    for who in [admin, officer] {
        for (spec, sentence) in &cases {
            let handle = Handle::new(who, &ingress("eoffice-town", spec.clone())).await;
            refused("an Ingress", sentence, || handle.try_create()).await;
        }
    }
    let elsewhere = Handle::new(officer, &ingress("plain", json!({"rules": [foreign]}))).await;
    allowed("an Ingress outside of tenants' namespaces", || {
        elsewhere.try_create()
    })
    .await;
    let operators = Handle::new(
        operator,
        &ingress("eoffice-town", json!({"rules": [foreign]})),
    )
    .await;
    allowed("the operator's Ingress", || operators.try_create()).await;

    let tls = json!([{"hosts": ["eoffice.pakchong.go.th"], "secretName": "tls"}]);
    let app = Handle::new(
        officer,
        &ingress("eoffice-town", json!({"rules": [own], "tls": tls})),
    )
    .await;
    allowed("an Ingress for a granted host", || app.create()).await;
    let widened = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/server-alias": "eoffice.neighbour.go.th"}}});
    refused(
        "a widening annotation",
        "could add hosts that are not granted",
        || app.try_patch(&widened),
    )
    .await;
    let moved = json!({"spec": {"rules": [foreign]}});
    refused("a changed host", "are not granted", || {
        app.try_patch(&moved)
    })
    .await;
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    allowed("a label on an Ingress", || app.try_patch(&labelled)).await;
}

async fn definitions_stay(
    Askers {
        admin, operator, ..
    }: &Askers,
) {
    let definition = |group: &str, plural: &str, kind: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Cluster",
                "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        })
    };
    for plural in [
        "eofficetenants",
        "tenantclasses",
        "databaseservers",
        "objectstores",
        "tenantrecords",
    ] {
        let ours = Handle::new(admin, &definition("eoffice.gdcc.go.th", plural, "X")).await;
        refused(plural, "uninstall the chart first", || ours.try_delete()).await;
    }
    let another = Handle::new(admin, &definition("example.com", "things", "Thing")).await;
    another.create().await.unwrap();
    allowed("another's definition", || another.try_delete()).await;
    let ours = Handle::new(
        operator,
        &definition("eoffice.gdcc.go.th", "tenantrecords", "X"),
    )
    .await;
    let error = ours.try_delete().await.unwrap_err().to_string();
    assert!(error.contains("cannot delete resource"), "{error}");
}

pub fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

async fn namespaces_in_use_stay(
    Askers {
        admin,
        officer,
        operator,
        ..
    }: &Askers,
) {
    let town = namespace("eoffice-town", json!({}));
    let province = namespace("province-30", json!({}));
    for who in [admin, officer] {
        let handle = Handle::new(who, &town).await;
        refused(
            "a tenant's namespace",
            "holds the record and the data of tenant town",
            || handle.try_delete(),
        )
        .await;
        let handle = Handle::new(who, &province).await;
        refused(
            "a province's namespace",
            "take its label away first",
            || handle.try_delete(),
        )
        .await;
        let handle = Handle::new(who, &namespace("plain", json!({}))).await;
        allowed("another namespace", || handle.try_delete()).await;
    }
    let by_operator = Handle::new(operator, &town).await;
    allowed("the operator", || by_operator.try_delete()).await;

    let used = Handle::new(
        admin,
        &namespace("province-31", json!({"eoffice.gdcc.go.th/in-use": "true"})),
    )
    .await;
    used.create().await.unwrap();
    refused(
        "a namespace in use",
        "holds tenants: delete them first",
        || used.try_delete(),
    )
    .await;
    let none = json!({"metadata": {"labels": {"eoffice.gdcc.go.th/in-use": null}}});
    let sentence = "the operator takes its label eoffice.gdcc.go.th/in-use away once none is left";
    refused("its label", sentence, || used.try_patch(&none)).await;
    let by_operator = Handle::new(operator, &namespace("province-31", json!({}))).await;
    by_operator.patch(&none).await.unwrap();
    allowed("one no longer in use", || used.try_delete()).await;
}

/// Neither the one command nor the two that come to the same.
async fn tenants_namespaces_are_so_for_good(
    Askers {
        admin,
        officer,
        operator,
        ..
    }: &Askers,
) {
    const LABEL: &str = "eoffice.gdcc.go.th/tenant";
    let label = |value: Value| json!({"metadata": {"labels": {LABEL: value}}});
    let town = namespace("eoffice-town", json!({}));
    let by_operator = Handle::new(operator, &town).await;
    let by_admin = Handle::new(admin, &town).await;
    for value in [Value::Null, "other".into(), "".into()] {
        let sentence = "namespace eoffice-town is that of tenant town for good";
        let patch = label(value);
        refused("its label", sentence, || by_admin.try_patch(&patch)).await;
        allowed("the operator", || by_operator.try_patch(&patch)).await;
    }
    let by_officer = Handle::new(officer, &town).await;
    let theirs = "only the operator and the platform admins change eoffice.gdcc.go.th/tenant";
    let none = label(Value::Null);
    refused("its label", theirs, || by_officer.try_patch(&none)).await;
    let province = Handle::new(admin, &namespace("province-32", json!({}))).await;
    let forged = label("town".into());
    let sentence = "namespace province-32 is not that of tenant town";
    refused("a label", sentence, || province.try_patch(&forged)).await;

    // One that lost its label before it was kept from that.
    let left = [
        json!({"labels": {LABEL: "stripped"}}),
        json!({"labels": {"eoffice.gdcc.go.th/tenant-namespace": "province-30"}}),
        json!({"labels": {"app.kubernetes.io/managed-by": "eoffice-operator"}}),
        json!({"annotations": {"eoffice.gdcc.go.th/hosts": "a.example"}}),
    ];
    for mut metadata in left {
        metadata["name"] = "eoffice-stripped".into();
        let stripped = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        let by_operator = Handle::new(operator, &stripped).await;
        by_operator.create().await.unwrap();
        let by_admin = Handle::new(admin, &stripped).await;
        let sentence =
            "namespace eoffice-stripped holds the record and the data of tenant stripped";
        refused("what is left", sentence, || by_admin.try_delete()).await;
        by_operator.delete().await.unwrap();
        eventually(|| async {
            let left = by_operator.api.get_opt(&by_operator.name).await?;
            let gone = left.is_none();
            gone.then_some(())
                .ok_or_else(|| Error::Service("still there".into()))
        })
        .await;
    }
    let another = Handle::new(admin, &namespace("eoffice-elsewhere", json!({}))).await;
    another.create().await.unwrap();
    allowed("a namespace of that prefix alone", || another.try_delete()).await;
}
