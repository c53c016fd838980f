//! Applies manifests, as `kubectl apply --server-side` does.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Who these changes are by, as the API server records it.
pub const FIELD_MANAGER: &str = "eoffice-sandbox";

/// A definition that was applied just now is served within that time.
const SERVED_WITHIN: Duration = Duration::from_secs(60);

/// The objects of a YAML text with any number of documents.
pub fn parse(yaml: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        match Value::deserialize(document).context("read a manifest")? {
            Value::Null => {}
            object => objects.push(object),
        }
    }
    Ok(objects)
}

/// Applies one object after the other.
pub async fn apply(client: &kube::Client, objects: &[Value]) -> Result<()> {
    for object in objects {
        apply_one(client, object).await?;
    }
    Ok(())
}

/// Applies objects that do not need one another, all at once.
pub async fn apply_together(client: &kube::Client, objects: &[Value]) -> Result<()> {
    try_join_all(objects.iter().map(|object| apply_one(client, object))).await?;
    Ok(())
}

async fn apply_one(client: &kube::Client, object: &Value) -> Result<()> {
    let object: DynamicObject =
        serde_json::from_value(object.clone()).context("a manifest that is no object")?;
    let types = object.types.as_ref().context("a manifest without a kind")?;
    let kind = GroupVersionKind::try_from(types).context("a manifest's kind")?;
    let name = object
        .metadata
        .name
        .as_deref()
        .with_context(|| format!("a {} without a name", kind.kind))?;
    let (resource, scope) = resource(client, &kind).await?;
    let api: Api<DynamicObject> = match scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(name, &params, &Patch::Apply(&object))
        .await
        .with_context(|| format!("apply {} {name}", kind.kind))?;
    Ok(())
}

async fn resource(client: &kube::Client, kind: &GroupVersionKind) -> Result<(ApiResource, Scope)> {
    let deadline = Instant::now() + SERVED_WITHIN;
    loop {
        match pinned_kind(client, kind).await {
            Ok((resource, capabilities)) => return Ok((resource, capabilities.scope)),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| {
                    format!(
                        "the API server does not serve {} of {}",
                        kind.kind, kind.group
                    )
                });
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_apart_and_empty_ones_left_out() {
        let objects = parse("# only words\n---\na: 1\n---\n---\nb: 2\n").unwrap();
        assert_eq!(
            objects,
            [serde_json::json!({"a": 1}), serde_json::json!({"b": 2})]
        );
    }
}
