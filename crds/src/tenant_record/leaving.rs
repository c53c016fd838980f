//! What a record says of approval, leaving and the end of the data.

use crate::rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An approval as the operator took it in.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedApproval {
    /// Fingerprint of the agency, class and size that were approved.
    pub fingerprint: String,
    /// Reference of the memorandum of understanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mou_reference: Option<String>,
    /// User name of the approver.
    pub approved_by: String,
    /// When it was approved; absent where the province's namespace bears the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
}

/// How much data stood behind a record.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedSizes {
    /// Bytes of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_bytes: Option<i64>,
    /// Bytes of all versions in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<i64>,
    /// Versions of objects in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,
}

/// A committee's decision to destroy what stands behind a record.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeOrder {
    /// Reference of the decision.
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::trimmed())]
    pub committee_reference: String,
    /// User name of the approver who writes it.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::trimmed())]
    pub approved_by: String,
}

/// A decision as the operator took it in.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedPurge {
    /// The decision. Another one begins anew.
    #[serde(flatten)]
    pub order: PurgeOrder,
    /// When it was taken in.
    pub at: Time,
    /// A word for it, made at random: the marks in the backends name it as long as it stands. A record that was put back
    /// from a backup cannot destroy on an order that was withdrawn since.
    #[serde(default)]
    pub witness: String,
    /// Until when it can be withdrawn: nothing is destroyed before.
    pub not_before: Time,
}

/// Certificate of a destruction.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destruction {
    /// Official name of the agency in Thai.
    pub agency: String,
    /// Reference of the decision; absent where the tenant's own deletion policy asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committee_reference: Option<String>,
    /// On whose word.
    pub approved_by: String,
    /// When the decision was taken in.
    pub decided_at: Time,
    /// When the last of it was destroyed.
    pub destroyed_at: Time,
    /// Until when the data had to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Time>,
    /// What was destroyed.
    pub objects: Vec<DestructionOf>,
}

/// One thing that was destroyed.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestructionOf {
    /// What: `database`, `bucket`, `role`, `user`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where: the DatabaseServer or ObjectStore, with its identity.
    pub place: String,
    /// Its own identity: a database's oid, a bucket's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Bytes in it, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
}
