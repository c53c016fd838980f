//! What the operator tells of a tenant.

use crate::{Drift, FrozenClass, RotationCause, rules, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What was made for the tenant and how it stands. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EOfficeTenantStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where in its life the tenant is, for people. Automation waits for the condition Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<crate::Phase>,
    /// How each part stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Where the agency finds its e-Office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Namespace of the tenant's own objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<TenantDatabaseStatus>,
    /// The document storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<TenantStorageStatus>,
    /// The certificate of the default host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<TenantCertificateStatus>,
    /// The class values this tenant runs with, which a change of the class does not touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedClass>,
    /// The tenant's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_ref: Option<ObjectRef>,
    /// A frozen class change that waits: what the annotation accept-class has to say for it to be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_change: Option<String>,
    /// The newest ten differences that somebody else made, and what became of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub drift: Vec<Drift>,
    /// What of the spec needs an approval, and which it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalStatus>,
    /// How old the credentials are, and what becomes of those before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsStatus>,
    /// The last value of the annotation reconcile-requested-at that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

/// What of the spec needs an approval, and which it has.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// Fingerprint of the agency, class and size that the spec asks for.
    pub asked: String,
    /// Fingerprint of the agency, class and size that were approved last, and that the tenant runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
    /// Reference of the memorandum of understanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mou_reference: Option<String>,
    /// User name of the approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
}

/// How old the credentials are, and what becomes of those before them.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsStatus {
    /// When the credentials in the Secrets were put there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// When they are renewed by their age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// The rotation that is under way: the credentials before are still of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
    /// The last value of the annotation rotate-requested-at that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotate_at: Option<String>,
    /// The last value of the annotation rotate-now-requested-at that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_rotate_now_at: Option<String>,
}

/// A rotation that is under way.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotationStatus {
    /// Why.
    pub cause: RotationCause,
    /// When it began.
    pub since: Time,
    /// When the credentials before are taken away, even if they are still used.
    pub deadline: Time,
    /// Whether the login before was taken away.
    #[serde(rename = "loginRetired")]
    pub login_retired: bool,
    /// Whether the key before was taken away.
    #[serde(rename = "keyRetired")]
    pub key_retired: bool,
}

/// The tenant's database, for people and applications.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantDatabaseStatus {
    /// The DatabaseServer it is on.
    pub server: String,
    /// Its name there.
    pub name: String,
    /// Secret with the credentials, in the tenant's namespace.
    pub secret_ref: LocalRef,
}

/// The tenant's storage, for people and applications.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantStorageStatus {
    /// The ObjectStore it is in.
    pub store: String,
    /// The documents bucket.
    pub bucket: String,
    /// Secret with the credentials, in the tenant's namespace.
    pub secret_ref: LocalRef,
}

/// The certificate of the tenant's default host.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantCertificateStatus {
    /// Secret with certificate and key, in the tenant's namespace.
    pub secret_ref: LocalRef,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

/// The class values that a tenant runs with.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedClass {
    /// Generation of the class whose live values are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_generation: Option<i64>,
    /// The frozen values.
    #[serde(flatten)]
    pub frozen: FrozenClass,
}

/// A name in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalRef {
    /// The object's name.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

/// A name in a namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The object's namespace.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::label())]
    pub namespace: String,
    /// The object's name.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}
