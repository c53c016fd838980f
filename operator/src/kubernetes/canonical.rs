//! The part of an object that somebody decided, as opposed to what the API server adds.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hash of an object's canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

/// Metadata that somebody decided. All else in it is the API server's.
const DECIDED_METADATA: [&str; 4] = ["name", "namespace", "labels", "annotations"];
/// A label that the API server puts on every namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Strips what the API server adds: status, bookkeeping metadata, a namespace's spec.
pub fn canonical(mut object: Value) -> Value {
    let is_namespace = object["kind"] == "Namespace";
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
    fn structure_counts() {
        assert_ne!(fingerprint(&json!(["ab"])), fingerprint(&json!(["a", "b"])));
        assert_ne!(fingerprint(&json!({"a": 1})), fingerprint(&json!(["a", 1])));
    }
}
