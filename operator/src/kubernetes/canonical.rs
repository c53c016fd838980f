//! The part of an object that somebody decided, as opposed to what the API server adds.

use super::quantity::thousandths;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hash of an object's canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Metadata that somebody decided. All else in it is the API server's, or, as finalizers are, a
/// controller's hold on the object. An owner would have the object deleted with itself: none is wanted.
const DECIDED_METADATA: [&str; 5] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
];
/// A label that the API server puts on every namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Strips what the API server adds: status, bookkeeping metadata, a namespace's spec. Quantities are
/// written in one way.
pub fn canonical(mut object: Value) -> Value {
    let is_namespace = object["kind"] == "Namespace";
    match object["kind"].as_str() {
        Some("ResourceQuota") => quantities(object.pointer_mut("/spec/hard")),
        Some("LimitRange") => {
            let limits = object
                .pointer_mut("/spec/limits")
                .and_then(Value::as_array_mut);
            for limit in limits.into_iter().flatten() {
                let fields = limit.as_object_mut().into_iter().flatten();
                fields.for_each(|(_, field)| quantities(Some(field)));
            }
        }
        _ => {}
    }
    let Some(fields) = object.as_object_mut() else {
        return object;
    };
    fields.remove("status");
    if is_namespace {
        fields.remove("spec");
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|key, _| DECIDED_METADATA.contains(&key.as_str()));
        if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
            labels.remove(NAMESPACE_NAME_LABEL);
        }
        metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
    object
}

/// Writes every quantity of a map as the number of its thousandths.
fn quantities(map: Option<&mut Value>) {
    let fields = map.and_then(Value::as_object_mut).into_iter().flatten();
    for (_, quantity) in fields {
        if let Some(value) = quantity.as_str().and_then(thousandths) {
            *quantity = format!("{value}m").into();
        }
    }
}

/// The fingerprint of a value that is canonical already. Independent of the order of keys.
pub fn fingerprint(canonical: &Value) -> Fingerprint {
    let mut sha = Sha256::new();
    feed(&mut sha, canonical);
    let digest = sha.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    Fingerprint(short)
}

fn feed(sha: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            sha.update(b"{");
            for (key, value) in sorted {
                feed(sha, &Value::String(key.clone()));
                feed(sha, value);
            }
            sha.update(b"}");
        }
        Value::Array(items) => {
            sha.update(b"[");
            items.iter().for_each(|item| feed(sha, item));
            sha.update(b"]");
        }
        scalar => {
            let text = scalar.to_string();
            sha.update(text.len().to_be_bytes());
            sha.update(text);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_adds_does_not_count_and_what_a_person_adds_does() {
        let desired =
            json!({"kind": "ServiceAccount", "metadata": {"name": "a", "labels": {"x": "1"}}});
        let live = json!({"kind": "ServiceAccount", "status": {"y": 1},
            "metadata": {"uid": "1", "resourceVersion": "7", "labels": {"x": "1"}, "name": "a", "managedFields": []}});
        let edited = json!({"kind": "ServiceAccount",
            "metadata": {"name": "a", "labels": {"x": "1"}, "annotations": {"added": "by hand"}}});
        let print = |value| fingerprint(&canonical(value));
        assert_eq!(print(desired.clone()), print(live));
        assert_ne!(print(desired), print(edited));
    }

    #[test]
    fn quantities_count_by_their_value() {
        let quota =
            |cpu: &str| json!({"kind": "ResourceQuota", "spec": {"hard": {"requests.cpu": cpu}}});
        let limits = |cpu: &str| {
            let limit = json!({"type": "Container", "default": {"cpu": cpu}});
            json!({"kind": "LimitRange", "spec": {"limits": [limit]}})
        };
        for of in [&quota as &dyn Fn(&str) -> Value, &limits] {
            assert_eq!(canonical(of("1000m")), canonical(of("1")));
            assert_ne!(canonical(of("1000m")), canonical(of("1001m")));
            assert_ne!(canonical(of("none")), canonical(of("1")));
        }
        let type_of =
            |kind: &str| json!({"kind": "LimitRange", "spec": {"limits": [{"type": kind}]}});
        assert_ne!(canonical(type_of("1")), canonical(type_of("1000m")));
    }

    #[test]
    fn structure_counts() {
        assert_ne!(fingerprint(&json!(["ab"])), fingerprint(&json!(["a", "b"])));
        assert_ne!(fingerprint(&json!({"a": 1})), fingerprint(&json!(["a", 1])));
    }
}
