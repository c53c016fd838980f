//! Objects in a tenant's namespace, edited and deleted.

use anyhow::{Context, Result, bail, ensure};
use eoffice_crds::{DATABASE_SECRET, RECORD_NAME, STORAGE_SECRET, labels, tenant_namespace};
use eoffice_tests::e2e::core::{kubectl, resource};
use eoffice_tests::e2e::security::{Platform, eventually};
use eoffice_tests::proof::{self, Credentials};
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::EDITED;

/// What is deleted.
const DELETED: &[(&str, &str)] = &[
    ("ResourceQuota", "eoffice"),
    ("LimitRange", "eoffice"),
    ("ServiceAccount", "eoffice"),
    ("NetworkPolicy", "default-deny"),
    ("NetworkPolicy", "allow-dns"),
    ("NetworkPolicy", "allow-database"),
    ("NetworkPolicy", "allow-storage"),
    ("NetworkPolicy", "allow-ingress"),
    ("Certificate", "eoffice-tls"),
    ("Ingress", "eoffice"),
];

/// What is edited, and how.
fn edited() -> Vec<(&'static str, String, Value)> {
    let namespace = || tenant_namespace(EDITED);
    let added = json!({"metadata": {"annotations": {"by": "hand"}, "labels": {"by": "hand"}}});
    let mut rows = vec![
        (
            "Namespace",
            namespace(),
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
        ),
        (
            "Namespace",
            namespace(),
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/warn": null}}}),
        ),
        (
            "Namespace",
            namespace(),
            json!({"metadata": {"annotations": {"eoffice.gdcc.go.th/hosts": "www.else.example"}}}),
        ),
        ("Namespace", namespace(), added.clone()),
        (
            "ResourceQuota",
            "eoffice".into(),
            json!({"spec": {"hard": {"pods": "999"}}}),
        ),
        (
            "ResourceQuota",
            "eoffice".into(),
            json!({"spec": {"hard": {"configmaps": "5"}}}),
        ),
        (
            "ResourceQuota",
            "eoffice".into(),
            json!({"spec": {"hard": {"requests.cpu": null}}}),
        ),
        (
            "LimitRange",
            "eoffice".into(),
            json!({"spec": {"limits": [{"type": "Container", "default": {"memory": "64Gi"}}]}}),
        ),
        (
            "ServiceAccount",
            "eoffice".into(),
            json!({"automountServiceAccountToken": true}),
        ),
        (
            "ServiceAccount",
            "eoffice".into(),
            json!({"secrets": [{"name": "another"}]}),
        ),
        (
            "NetworkPolicy",
            "default-deny".into(),
            json!({"spec": {"podSelector": {"matchLabels": {"no": "pod"}}}}),
        ),
        (
            "NetworkPolicy",
            "default-deny".into(),
            json!({"metadata": {"labels": {labels::TENANT: null}}}),
        ),
        (
            "NetworkPolicy",
            "allow-dns".into(),
            json!({"spec": {"egress": [{}]}}),
        ),
        (
            "NetworkPolicy",
            "allow-ingress".into(),
            json!({"spec": {"ingress": [{}]}}),
        ),
        (
            "Certificate",
            "eoffice-tls".into(),
            json!({"spec": {"revisionHistoryLimit": 7}}),
        ),
        (
            "Ingress",
            "eoffice".into(),
            json!({"spec": {"ingressClassName": "another"}}),
        ),
        ("Ingress", "eoffice".into(), json!({"spec": {"tls": null}})),
        (
            "Ingress",
            "eoffice".into(),
            json!({"metadata": {"annotations": {"traefik.ingress.kubernetes.io/router.tls": "false"}}}),
        ),
        (
            "Secret",
            DATABASE_SECRET.into(),
            json!({"stringData": {"host": "192.0.2.1"}}),
        ),
        (
            "Secret",
            DATABASE_SECRET.into(),
            json!({"stringData": {"extra": "key"}}),
        ),
        (
            "Secret",
            DATABASE_SECRET.into(),
            json!({"data": {"ca.crt": null}}),
        ),
        (
            "Secret",
            STORAGE_SECRET.into(),
            json!({"stringData": {"BUCKET_NAME": "another"}}),
        ),
        (
            "Secret",
            STORAGE_SECRET.into(),
            json!({"stringData": {"AWS_SESSION_TOKEN": "key"}}),
        ),
    ];
    let every = ["ResourceQuota", "LimitRange", "ServiceAccount", "Ingress"];
    rows.extend(every.map(|kind| (kind, "eoffice".to_owned(), added.clone())));
    for (kind, name) in [
        ("NetworkPolicy", "allow-storage"),
        ("Certificate", "eoffice-tls"),
        ("Secret", DATABASE_SECRET),
        ("Secret", STORAGE_SECRET),
    ] {
        rows.push((kind, name.to_owned(), added.clone()));
    }
    rows
}

pub async fn comes_back(platform: &Platform) -> Result<()> {
    for (kind, name) in DELETED {
        deleted(platform, kind, name)
            .await
            .with_context(|| format!("{kind} {name}, deleted"))?;
    }
    for (kind, name, patch) in edited() {
        patched(platform, kind, &name, &patch)
            .await
            .with_context(|| format!("{kind} {name}, edited by {patch}"))?;
    }
    credentials(platform).await?;
    refused(platform).await?;
    platform.ready(EDITED).await?;
    proof::prove(&platform.sandbox, EDITED).await?;
    told(platform).await
}

fn api(platform: &Platform, kind: &str) -> Result<Api<DynamicObject>> {
    let (client, resource) = (platform.sandbox.admin(), resource(kind)?);
    Ok(match kind {
        "Namespace" => Api::all_with(client, &resource),
        _ => Api::namespaced_with(client, &tenant_namespace(EDITED), &resource),
    })
}

/// The part of an object that somebody decided.
fn decided(object: &DynamicObject) -> Value {
    let mut content = object.data.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.remove("status");
    }
    json!({
        "labels": object.metadata.labels,
        "annotations": object.metadata.annotations,
        "content": content,
    })
}

async fn deleted(platform: &Platform, kind: &str, name: &str) -> Result<()> {
    let api = api(platform, kind)?;
    let sound = api.get(name).await?;
    api.delete(name, &DeleteParams::default()).await?;
    eventually("it is back", || async {
        let now = api.get(name).await?;
        ensure!(
            now.metadata.uid != sound.metadata.uid,
            "it is still the old one"
        );
        same(&sound, &now)
    })
    .await
}

async fn patched(platform: &Platform, kind: &str, name: &str, patch: &Value) -> Result<()> {
    let api = api(platform, kind)?;
    let sound = api.get(name).await?;
    let params = PatchParams::default();
    let edited = api.patch(name, &params, &Patch::Merge(patch)).await?;
    ensure!(
        decided(&edited) != decided(&sound),
        "the edit changes nothing"
    );
    eventually("it is as it was", || async {
        let now = api.get(name).await?;
        ensure!(now.metadata.uid == sound.metadata.uid, "it is another one");
        same(&sound, &now)
    })
    .await
}

fn same(sound: &DynamicObject, now: &DynamicObject) -> Result<()> {
    let (sound, now) = (decided(sound), decided(now));
    if sound == now {
        return Ok(());
    }
    // Secrets are among them: only the places are told.
    let places = |value: &Value| {
        ["labels", "annotations", "content"].map(|part| (part, value[part].clone()))
    };
    let differ: Vec<&str> = places(&sound)
        .into_iter()
        .zip(places(&now))
        .filter(|((_, sound), (_, now))| sound != now)
        .map(|((part, _), _)| part)
        .collect();
    bail!("it differs in its {}", differ.join(" and "))
}

/// A credential that is lost, or is none any more, is replaced by one that works.
async fn credentials(platform: &Platform) -> Result<()> {
    let client = platform.sandbox.admin();
    for (name, edit) in [
        (
            DATABASE_SECRET,
            json!({"stringData": {"password": "chosen-by-hand"}}),
        ),
        (DATABASE_SECRET, Value::Null),
        (
            STORAGE_SECRET,
            json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "chosen-by-hand"}}),
        ),
        (STORAGE_SECRET, Value::Null),
    ] {
        let before = Credentials::read(&client, EDITED).await?;
        let secrets = api(platform, "Secret")?;
        if edit.is_null() {
            secrets.delete(name, &DeleteParams::default()).await?;
        } else {
            let params = PatchParams::default();
            secrets.patch(name, &params, &Patch::Merge(edit)).await?;
        }
        eventually(&format!("{name} has a credential that works"), || async {
            let now = Credentials::read(&client, EDITED).await?;
            ensure!(now.database.password != "chosen-by-hand");
            if name == DATABASE_SECRET {
                ensure!(now.database.password != before.database.password);
                return proof::sql(&now.database).await;
            }
            ensure!(now.storage.key.access != before.storage.key.access);
            proof::s3(&now.storage).await
        })
        .await?;
        // Whoever has the old one is not let in with it.
        if name == DATABASE_SECRET {
            let now = Credentials::read(&client, EDITED).await?;
            ensure!(now.database.name == before.database.name);
            let old = before.database.log_in_at(&now.database).await?;
            ensure!(old.is_err(), "the old password is still good");
        } else {
            eventually("the old key is refused", || async {
                ensure!(proof::s3(&before.storage).await.is_err());
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

/// Namespace and record cannot be deleted by those who work with tenants, nor the namespace by anybody.
async fn refused(platform: &Platform) -> Result<()> {
    let namespaces: Api<Namespace> = platform.cluster();
    let namespace = tenant_namespace(EDITED);
    let answer = namespaces
        .delete(&namespace, &DeleteParams::default())
        .await;
    let said = answer
        .err()
        .context("the namespace could be deleted")?
        .to_string();
    ensure!(said.contains("delete the EOfficeTenant instead"), "{said}");
    let args = [
        "delete",
        "tenantrecord",
        RECORD_NAME,
        "--as=somchai",
        "--as-group=system:authenticated",
        &format!("--namespace={namespace}"),
    ];
    ensure!(kubectl(&platform.sandbox, &args).await.is_err());
    Ok(())
}

async fn told(platform: &Platform) -> Result<()> {
    let all: Api<Event> = Api::all(platform.sandbox.admin());
    let events = all.list(&ListParams::default()).await?;
    let corrected = events.items.iter().any(|event| {
        event.involved_object.name.as_deref() == Some(EDITED)
            && event.reason.as_deref() == Some("DriftCorrected")
    });
    ensure!(corrected, "no Event tells that something was put right");
    Ok(())
}
