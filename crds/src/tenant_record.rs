//! `TenantRecord`: a tenant's memory, and its tombstone after it has left.

mod leaving;
mod rotation;

pub use self::leaving::{
    AcceptedPurge, Destruction, DestructionOf, PurgeOrder, RecordedApproval, RecordedSizes,
};
pub use self::rotation::{RecordedRotation, RotationCause, RotationUnderWay};

use crate::{EOfficeTenantSpec, FrozenClass, Settled, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of one tenant that must not be lost. Written by the operator before the first
/// backend object is made; it outlives the EOfficeTenant.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "TenantRecord",
    plural = "tenantrecords",
    namespaced,
    category = "eoffice",
    status = "TenantRecordStatus",
    derive = "PartialEq",
    cel,
    doc = "A tenant's memory: placement, frozen class values, hosts, backend names and identities. Written by the operator only; it outlives the EOfficeTenant.",
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant.name"),
    printcolumn(
        name = "Province",
        type_ = "string",
        json_path = ".spec.tenantSpec.agency.province"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".spec.state"),
    printcolumn(name = "Server", type_ = "string", json_path = ".spec.database.server"),
    printcolumn(
        name = "Database",
        type_ = "string",
        json_path = ".spec.database.name",
        priority = "1"
    ),
    printcolumn(
        name = "Bucket",
        type_ = "string",
        json_path = ".spec.storage.bucket",
        priority = "1"
    ),
    printcolumn(
        name = "Retain-Until",
        type_ = "string",
        json_path = ".spec.retainUntil"
    ),
    printcolumn(name = "Legal-Hold", type_ = "boolean", json_path = ".spec.legalHold"),
    printcolumn(
        name = "Purge",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Purged")].reason"#
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct TenantRecordSpec {
    /// The installation that made it.
    #[schemars(length(min = 1, max = 63))]
    pub installation_id: String,
    /// Hash of the tenant's name and province: who owns what this record names.
    #[schemars(length(min = 1, max = 64))]
    pub fingerprint: String,
    /// The EOfficeTenant it belongs to, or belonged to.
    pub tenant: TenantRef,
    /// Whether the tenant lives or has left.
    pub state: RecordState,
    /// The class values the tenant runs with.
    pub frozen: FrozenClass,
    /// Hosts granted, the default one first, in lower case and punycode.
    #[schemars(length(max = 16))]
    pub hosts: Vec<String>,
    /// Where the database is.
    pub database: RecordedDatabase,
    /// Where the documents are.
    pub storage: RecordedStorage,
    /// What each plane was last brought to.
    #[serde(default, skip_serializing_if = "Settled::is_empty")]
    pub settled: Settled,
    /// When the tenant was first proved by use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
    /// The tenant's spec as last seen, kept whole and unchecked: a record is never refused.
    #[schemars(schema_with = "schema::kept_whole")]
    pub tenant_spec: EOfficeTenantSpec,
    /// When the tenant left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_at: Option<Time>,
    /// Until when the data is kept at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_until: Option<Time>,
    /// Who deleted the EOfficeTenant, as far as that can be known: `unknown` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub deleted_by: Option<String>,
    /// How much data stood behind the record when the tenant left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<RecordedSizes>,
    /// What stood when its destruction began, until the certificate tells of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condemned: Vec<DestructionOf>,
    /// The approval that the tenant runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<RecordedApproval>,
    /// The age of the credentials, and the rotation that is under way.
    #[serde(default, skip_serializing_if = "RecordedRotation::is_blank")]
    pub rotation: RecordedRotation,
    /// While true nothing behind this record is destroyed, whoever asks for it. Written by approvers and platform admins.
    #[serde(default, skip_serializing_if = "is_false")]
    pub legal_hold: bool,
    /// A committee's decision to destroy what stands behind this record. Written by an approver; taken away again, it
    /// is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge: Option<PurgeOrder>,
    /// The decision as the operator took it in, and when it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_accepted: Option<AcceptedPurge>,
    /// The tenant that takes over, or took over, what stands behind this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<TenantRef>,
    /// The record that this tenant took its data over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Predecessor>,
    /// Certificates of what was destroyed, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destructions: Vec<Destruction>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The record that a tenant took its data over from.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Namespace of that record.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Fingerprint in the marks before they were rewritten.
    #[schemars(length(min = 1, max = 64))]
    pub fingerprint: String,
}

/// How a record stands, for people. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantRecordStatus {
    /// Purged: what became of an order to destroy what stands behind this record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// An EOfficeTenant in a certain incarnation.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRef {
    /// Namespace of the province.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the tenant.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// UID of the object.
    #[schemars(length(min = 1, max = 63))]
    pub uid: String,
}

/// Whether a tenant lives or has left. The marks of its backend objects say `live` or `retained`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// It lives.
    Live,
    /// It has left, and its data is kept.
    Retained,
    /// It has left, and its data is being destroyed on a committee's decision.
    Purging,
    /// It has left, and another tenant took its data over.
    Succeeded,
    /// It has left, and its data was destroyed.
    Destroyed,
}

impl TenantRecordSpec {
    /// The order on which what stands behind the record is destroyed, by the word that the backends' marks have for it.
    pub fn order(&self) -> Option<&str> {
        let accepted = self.purge_accepted.as_ref();
        let accepted = accepted.filter(|_| self.state == RecordState::Purging);
        accepted.map(|accepted| accepted.witness.as_str())
    }
}

impl RecordState {
    /// Whether data may stand behind the record: what it names is reserved.
    pub fn holds_data(self) -> bool {
        matches!(self, Self::Live | Self::Retained | Self::Purging)
    }

    /// Whether its tenant has left, and its data may stand.
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Retained | Self::Purging)
    }

    /// The word in the marks of backend objects.
    pub fn in_marks(self) -> Self {
        match self {
            Self::Live => Self::Live,
            Self::Retained | Self::Purging | Self::Succeeded | Self::Destroyed => Self::Retained,
        }
    }
}

/// Where a tenant's database is. Names are opaque: neighbours can read them.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedDatabase {
    /// The DatabaseServer.
    #[schemars(length(min = 1, max = 63))]
    pub server: String,
    /// Identity of that server (PostgreSQL's system_identifier).
    #[schemars(length(min = 1, max = 63))]
    pub system_identifier: String,
    /// Name of the database.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The role that owns the tenant's objects; it cannot log in.
    #[schemars(length(min = 1, max = 63))]
    pub role: String,
    /// The login whose credentials are in the tenant's Secret.
    #[schemars(length(min = 1, max = 63))]
    pub login: String,
    /// Connections promised to the tenant.
    pub connection_limit: i32,
    /// The database's identity (its oid), once it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub oid: Option<i64>,
    /// Identities that a person accepted as lost or replaced, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<i64>,
}

/// Where a tenant's documents are.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedStorage {
    /// The ObjectStore.
    #[schemars(length(min = 1, max = 63))]
    pub store: String,
    /// Identity of that store (kept in its marker bucket).
    #[schemars(length(min = 1, max = 63))]
    pub store_identity: String,
    /// Name of the documents bucket.
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// Name of the IAM user.
    #[schemars(length(min = 1, max = 64))]
    pub user: String,
    /// The bucket's identity (a tag given at its making), once it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub bucket_identity: Option<String>,
    /// Identities that a person accepted as lost or replaced, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<String>,
}
