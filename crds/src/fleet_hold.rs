//! `FleetHold`: a batch of closings, deletions, moves and lost credentials, and a person's decision about it.

use crate::conditions::words;
use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

words! {
    /// What a person decides about a batch.
    Decision {
        /// Do it.
        Resume,
        /// Undo it: what was asked for is taken back, and what is being deleted is made again from its record.
        Recover,
    }
}

words! {
    /// What would happen to a tenant.
    Impact {
        /// Its access would be closed.
        Close,
        /// It would be deleted, and with it its access; its data stays.
        Delete,
        /// It would lose a host it has, or be reached through another ingress.
        Move,
        /// Credentials in use would be replaced.
        Credential,
    }
}

words! {
    /// How a batch stands.
    HoldState {
        /// Fewer than the limit: each is carried out when its delay is over.
        Watching,
        /// More than the limit: all wait for a person.
        Held,
        /// A person let it happen.
        Resumed,
        /// A person had it undone.
        Recovered,
    }
}

/// A batch of what would close, delete or move tenants within ten minutes. The operator makes it; a person
/// decides by `spec.decision`.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eoffice.gdcc.go.th",
    version = "v1alpha1",
    kind = "FleetHold",
    plural = "fleetholds",
    category = "eoffice",
    status = "FleetHoldStatus",
    derive = "PartialEq",
    derive = "Default",
    cel,
    doc = "A batch of closings, deletions and moves of tenants. Where it is Held, nothing of it happens until a person sets spec.decision to Resume or Recover.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Tenants", type_ = "integer", json_path = ".status.count"),
    printcolumn(name = "Limit", type_ = "integer", json_path = ".status.limit"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.spec.decision) || (has(self.spec.decision) && self.spec.decision == oldSelf.spec.decision)").message("a batch is decided once: what is asked for anew becomes a batch of its own"),
)]
#[serde(rename_all = "camelCase")]
pub struct FleetHoldSpec {
    /// Resume: do it. Recover: undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// How the batch stands. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetHoldStatus {
    /// How it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HoldState>,
    /// How many tenants are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// With more tenants than this within ten minutes, all are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The tenants, and what would happen to each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<HeldTenant>,
    /// Held: whether the batch waits for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// A tenant in a batch.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldTenant {
    /// Namespace of its EOfficeTenant.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// UID of its EOfficeTenant.
    pub uid: String,
    /// What would happen to it.
    pub impact: Impact,
    /// Why, in words: `the EOfficeTenant is being deleted`.
    pub cause: String,
    /// When it was seen first.
    pub seen_at: Time,
    /// When it was carried out, or undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Time>,
}
