//! `ObjectStore`: one S3 and IAM endpoint that holds tenants' buckets.

use crate::{BackendNetwork, ObjectRef, rules, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// One S3 endpoint with its IAM.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "ObjectStore",
    plural = "objectstores",
    category = "eoffice",
    status = "ObjectStoreStatus",
    derive = "PartialEq",
    cel,
    doc = "One S3 endpoint with its IAM that holds tenants' documents.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.endpoint"),
    printcolumn(name = "Buckets", type_ = "integer", json_path = ".status.buckets"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.network) && has(self.network.cidrs) && self.network.cidrs.size() > 0").message("network.cidrs opens the tenants' network policies to this store and to nothing else: give its address ranges"))]
pub struct ObjectStoreSpec {
    /// URL of S3, as operator and tenants reach it, beginning with https://.
    #[schemars(length(max = 300))]
    #[x_kube(validation = rules::endpoint())]
    pub endpoint: String,
    /// URL of IAM, as the operator reaches it, beginning with https://.
    #[schemars(length(max = 300))]
    #[x_kube(validation = rules::endpoint())]
    pub iam_endpoint: String,
    /// Region that requests are signed for.
    #[serde(default = "default_region")]
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9-]+$')").message("this is not a region: give the name the store's requests are signed for, such as us-east-1"))]
    pub region: String,
    /// Whether buckets are addressed in the path (true) or as host names (false).
    #[serde(default = "default_path_style")]
    pub path_style: bool,
    /// Secret with the keys `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of the operator. Its annotation
    /// `eoffice.gdcc.go.th/send-only-to` has to name `endpoint` and `iamEndpoint` as they are here,
    /// divided by a comma: they are sent nowhere else.
    pub admin_secret_ref: ObjectRef,
    /// Secret with the key `ca.crt`, the CA of both endpoints. Absent: the system's CAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<ObjectRef>,
    /// Where the store is on the network, for the tenants' network policies.
    #[serde(default)]
    pub network: BackendNetwork,
}

fn default_region() -> String {
    "us-east-1".into()
}

fn default_path_style() -> bool {
    true
}

/// How a store stands. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStoreStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Identity of the store, kept in its marker bucket and pinned at the first contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What the store was found to be able to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<StoreCapabilities>,
    /// Tenants' buckets in it, live and retained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<i64>,
    /// Tenants' users in its IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<i64>,
    /// Of the buckets, the retained ones, whose tenants have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<i64>,
    /// Buckets and users marked as a living tenant's that no record names; the first 20. They are never
    /// removed by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
    /// Ready: reachable, the pinned one, and able to take tenants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// What a store was found to be able to do.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreCapabilities {
    /// Keeps old versions of objects.
    pub versioning: bool,
    /// Locks versions of objects.
    pub object_lock: bool,
    /// Stamps each new object with the bucket's default retention, as S3 does. Where it does
    /// not, the window runs from when the rule was set, and the operator renews the rule.
    pub retention_per_object: bool,
    /// Has lifecycle rules.
    pub lifecycle: bool,
    /// Has bucket encryption settings.
    pub encryption: bool,
    /// Tells when a key was last used.
    pub last_used: bool,
}
