//! Objects in a tenant's namespace, as people change them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use eoffice_crds::tenant_namespace;
use eoffice_tests::e2e::core::resource;
use eoffice_tests::e2e::security::{Platform, SOON};
use futures::StreamExt;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};

use crate::row::Deed;

/// In whose name people change objects.
pub const EDITOR: &str = "kubectl-edit";

/// What a Secret has that is another with every credential.
const CREDENTIALS: &[&str] = &[
    "username",
    "password",
    "scram-verifier",
    "uri",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];
const DIGEST: &str = "eoffice.gdcc.go.th/credentials-digest";

/// Kinds of the objects that a tenant has in its namespace.
const KINDS: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "RoleBinding",
    "NetworkPolicy",
    "Secret",
    "Certificate",
    "Ingress",
];

/// A tenant's objects.
pub struct Objects<'a> {
    platform: &'a Platform,
    pub namespace: String,
}

impl<'a> Objects<'a> {
    pub fn of(platform: &'a Platform, tenant: &str) -> Self {
        Self {
            platform,
            namespace: tenant_namespace(tenant),
        }
    }

    pub fn api(&self, kind: &str) -> Result<Api<DynamicObject>> {
        let (client, resource) = (self.platform.sandbox.admin(), resource(kind)?);
        Ok(match kind {
            "Namespace" => Api::all_with(client, &resource),
            _ => Api::namespaced_with(client, &self.namespace, &resource),
        })
    }

    /// The object that is called `Kind/name`.
    pub async fn get(&self, object: &str) -> Result<DynamicObject> {
        let (kind, name) = parts(object)?;
        Ok(self.api(kind)?.get(name).await?)
    }

    /// Everything that somebody decided about each of them, by `Kind/name`.
    pub async fn look(&self) -> Result<BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        for kind in KINDS {
            let api = self.api(kind)?;
            let found = match *kind {
                "Namespace" => vec![api.get(&self.namespace).await?],
                _ => api.list(&ListParams::default()).await?.items,
            };
            all.extend(found.into_iter().map(|object| {
                let name = object.metadata.name.clone().unwrap_or_default();
                (format!("{kind}/{name}"), decided(&object, false))
            }));
        }
        Ok(all)
    }

    /// Does it in the name of `by`.
    pub async fn change(&self, object: &str, deed: &Deed, by: &str) -> Result<()> {
        let (kind, name) = parts(object)?;
        let api = self.api(kind)?;
        let patch = PatchParams {
            field_manager: Some(by.to_owned()),
            ..PatchParams::default()
        };
        match deed {
            Deed::Delete => drop(api.delete(name, &DeleteParams::default()).await?),
            Deed::Merge(merge) => drop(api.patch(name, &patch, &Patch::Merge(merge)).await?),
            Deed::Set(edits) => self.set(&api, name, edits, by).await?,
            Deed::ForeignCertificate => {
                let tls = &self.platform.sandbox.ground().tls;
                let other = tls.server(&["www.another.example"])?;
                let merge = json!({"stringData": {"tls.crt": other.cert, "tls.key": other.key}});
                api.patch(name, &patch, &Patch::Merge(merge)).await?;
            }
            _ => bail!("that is not done to an object of Kubernetes"),
        }
        Ok(())
    }

    /// As an editor does: the object is read and written whole, again where another was quicker.
    async fn set(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
        edits: &BTreeMap<String, Value>,
        by: &str,
    ) -> Result<()> {
        let params = PostParams {
            field_manager: Some(by.to_owned()),
            ..PostParams::default()
        };
        loop {
            let mut object = api.get(name).await?;
            for (pointer, value) in edits {
                put(&mut object.data, pointer, value.clone())?;
            }
            match api.replace(name, &params, &object).await {
                Err(kube::Error::Api(status)) if status.code == 409 => continue,
                answer => break drop(answer?),
            }
        }
        Ok(())
    }

    /// Does it, and watches until the object is as it was: how long that took since the change was answered.
    pub async fn watched(&self, object: &str, deed: &Deed) -> Result<Duration> {
        let (kind, name) = parts(object)?;
        let api = self.api(kind)?;
        let sound = api.get(name).await?;
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let version = sound.metadata.resource_version.clone().unwrap_or_default();
        let mut events = api.watch(&only, &version).await?.boxed();
        self.change(object, deed, EDITOR).await?;
        let answered = Instant::now();
        let target = decided(&sound, false);
        let wait = async {
            let mut changed = false;
            while let Some(event) = events.next().await {
                let sound = match event? {
                    WatchEvent::Added(now) | WatchEvent::Modified(now) => {
                        decided(&now, false) == target
                    }
                    WatchEvent::Deleted(_) => false,
                    _ => continue,
                };
                if sound && changed {
                    return Ok(answered.elapsed());
                }
                changed |= !sound;
            }
            bail!("the watch ended")
        };
        match timeout(SOON, wait).await {
            Ok(took) => took,
            Err(_) => {
                same(&target, &decided(&api.get(name).await?, false))?;
                bail!("it never was another")
            }
        }
    }
}

fn parts(object: &str) -> Result<(&str, &str)> {
    let parts = object.split_once('/');
    parts.with_context(|| format!("{object:?} is no Kind/name"))
}

/// Puts a value where a pointer leads; `-` at its end is behind the last of a list, null takes away.
fn put(object: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let (place, last) = pointer.rsplit_once('/').context("no pointer")?;
    let place = object.pointer_mut(place);
    let place = place.with_context(|| format!("there is nothing at {pointer}"))?;
    match place {
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let index: usize = last.parse()?;
            ensure!(index < items.len(), "there is nothing at {pointer}");
            if value.is_null() {
                items.remove(index);
            } else {
                items[index] = value;
            }
        }
        Value::Object(fields) if value.is_null() => {
            ensure!(
                fields.remove(last).is_some(),
                "there is nothing at {pointer}"
            );
        }
        Value::Object(fields) => drop(fields.insert(last.to_owned(), value)),
        _ => bail!("{pointer} leads into no list or map"),
    }
    Ok(())
}

/// The part of an object that somebody decided; without what comes with a credential, where it is another.
pub fn decided(object: &DynamicObject, renewed: bool) -> Value {
    let mut content = object.data.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.remove("status");
    }
    let mut annotations = object.metadata.annotations.clone().unwrap_or_default();
    if renewed {
        annotations.remove(DIGEST);
        if let Some(Value::Object(data)) = content.get_mut("data") {
            for (key, value) in data {
                if CREDENTIALS.contains(&key.as_str()) {
                    *value = Value::Null;
                }
            }
        }
    }
    json!({
        "labels": object.metadata.labels,
        "annotations": annotations,
        "owners": object.metadata.owner_references,
        "content": content,
    })
}

/// Wants both to be the same. Secrets are among them: only the places are told.
pub fn same(sound: &Value, now: &Value) -> Result<()> {
    let parts = ["labels", "annotations", "owners", "content"];
    let differ: Vec<&str> = parts
        .into_iter()
        .filter(|part| sound[part] != now[part])
        .collect();
    ensure!(
        differ.is_empty(),
        "it differs in its {}",
        differ.join(" and ")
    );
    Ok(())
}
