//! Schemas that derivation alone does not give, and the finish of every definition.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Conditions merge by their type, so that several writers do not undo each other.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": Condition::json_schema(generator),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}

/// An object that is kept as it came, whatever its fields.
pub fn kept_whole(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A label selector within bounds, with the operators there are.
pub fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "Objects are chosen by their labels; all of it must hold.",
        "properties": {
            "matchLabels": {
                "type": "object",
                "description": "Labels, each with the value it must have.",
                "maxProperties": 16,
                "additionalProperties": {"type": "string", "maxLength": 63},
            },
            "matchExpressions": {
                "type": "array",
                "description": "Requirements on labels.",
                "maxItems": 16,
                "items": {
                    "type": "object",
                    "description": "One requirement on a label.",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {"type": "string", "description": "The label's key.", "minLength": 1, "maxLength": 317},
                        "operator": {
                            "type": "string",
                            "description": "How the label relates to the values.",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "type": "array",
                            "description": "Values for In and NotIn.",
                            "maxItems": 32,
                            "items": {"type": "string", "maxLength": 63},
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
                        "message": "In and NotIn need values; Exists and DoesNotExist take none",
                    }],
                },
            },
        },
    })
}

/// Hard limits of a ResourceQuota.
pub fn quota(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 40,
        "additionalProperties": {
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": "isQuantity(self) && !quantity(self).isLessThan(quantity('0'))",
                "message": "this is not an amount: give a quantity of Kubernetes, such as 4Gi, 500m or 20",
            }],
        },
        "x-kubernetes-validations": [{
            "rule": format!("self.all(key, key.contains('/') || key in [{}])", QUOTA_KEYS.map(|key| format!("'{key}'")).join(", ")),
            "message": "these are not all resources that a ResourceQuota knows: use names such as requests.cpu, limits.memory, pods or count/jobs.batch",
        }],
    })
}

/// What a ResourceQuota can limit, besides qualified names such as `count/jobs.batch`.
const QUOTA_KEYS: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
];

/// Keeps a definition, and with it every tenant and record, when the chart is uninstalled.
pub fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.metadata
        .annotations
        .get_or_insert_default()
        .insert("helm.sh/resource-policy".into(), "keep".into());
    crd
}
