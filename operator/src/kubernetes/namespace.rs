//! The tenant's namespace.

use super::desired::{HOSTS_ANNOTATION, Wanted};
use serde_json::{Value, json};

/// The namespace: Pod Security `restricted`, and the hosts that its Ingresses may claim.
pub fn namespace(wanted: &Wanted) -> Value {
    let mut labels = wanted.labels();
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}"),
            "restricted".into(),
        );
    }
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": wanted.namespace,
            "labels": labels,
            "annotations": { HOSTS_ANNOTATION: wanted.hosts.join(",") },
        },
    })
}
