//! What a record says of the credentials' age and of a rotation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The age of the credentials, and the rotation that is under way.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedRotation {
    /// When the current credentials were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// When they are renewed, where their own time had passed unseen: rotation by age was switched on, its age was
    /// lowered, or nobody looked for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postponed_to: Option<Time>,
    /// What asks for it is to be restarted as of this time; absent once all of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_at: Option<Time>,
    /// The last value of the annotation rotate-requested-at that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<String>,
    /// The last value of the annotation rotate-now-requested-at that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_now: Option<String>,
    /// The rotation that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<RotationUnderWay>,
}

impl RecordedRotation {
    /// Whether it says nothing.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}

/// Why credentials are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RotationCause {
    /// Somebody asked for it.
    Asked,
    /// They were old.
    Age,
    /// An emergency: those before are cut off as soon as the new ones work.
    Emergency,
}

/// A rotation that is under way. `database.login` of the record is the new login from its beginning.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationUnderWay {
    /// Why.
    pub cause: RotationCause,
    /// When it began.
    pub since: Time,
    /// When the credentials before are taken away, even if they are still used.
    pub deadline: Time,
    /// The login before.
    pub login: String,
    /// The access key before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When both Secrets had the new credentials, and what asks for it was told to restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_out_at: Option<Time>,
    /// When the login before was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_retired_at: Option<Time>,
    /// When the key before was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_retired_at: Option<Time>,
}
