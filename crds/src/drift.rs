//! Differences between what should be and what is: how they are named, decided about and told of.

use crate::conditions::words;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

words! {
    /// A part of a tenant that is planned, observed and kept by itself.
    Plane {
        /// The tenant's namespace and what guards it: quota, limits, network policies, service account, record.
        Namespace,
        /// Database, roles and their Secret.
        Database,
        /// Bucket, user, policy, key and their Secret.
        Storage,
        /// Certificates and the Secrets they are in.
        Certificate,
        /// The way in.
        Ingress,
    }
}

words! {
    /// What a step does to an object.
    Action {
        /// Makes it.
        Create,
        /// Changes it.
        Update,
        /// Removes it.
        Delete,
    }
}

words! {
    /// What became of a difference.
    DriftAction {
        /// It was put right.
        Corrected,
        /// It is left as it is, as the policy asks.
        Reported,
        /// It is left as it is until a person decides, or until two writers stop fighting over it.
        Held,
    }
}

words! {
    /// What is done about what somebody else changed.
    DriftPolicy {
        /// Put it right.
        Correct,
        /// Tell of it, and change nothing.
        Report,
    }
}

/// What is done about drift, plane by plane. A plane that is not named follows the class, and there Correct.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftPolicies {
    /// Namespace and guards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<DriftPolicy>,
    /// Database, roles and their Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DriftPolicy>,
    /// Bucket, user, policy, key and their Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<DriftPolicy>,
    /// Certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<DriftPolicy>,
    /// The way in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<DriftPolicy>,
}

impl DriftPolicies {
    /// What is said of a plane.
    pub fn of(&self, plane: Plane) -> Option<DriftPolicy> {
        match plane {
            Plane::Namespace => self.namespace,
            Plane::Database => self.database,
            Plane::Storage => self.storage,
            Plane::Certificate => self.certificate,
            Plane::Ingress => self.ingress,
        }
    }
}

/// One difference that was found, and what became of it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The plane.
    pub plane: Plane,
    /// The object, such as `ResourceQuota/eoffice` or `role eo_3f9c_a`.
    pub object: String,
    /// What of it differs, such as `spec.hard.pods`; empty for the whole object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What should be there; a fingerprint where it is secret, absent where nothing should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found; a fingerprint where it is secret, absent where there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// Who changed it: a field manager, or `unknown`.
    pub actor: String,
    /// When it was found first.
    pub first_seen: Time,
    /// When it was found last; written at most hourly while it stays the same.
    pub last_seen: Time,
    /// How often it was found anew.
    pub count: i64,
    /// What became of it.
    pub action: DriftAction,
}

/// Fingerprints of what each plane was last brought to. A plane whose fingerprint is still that one differs only
/// because somebody else changed it.
pub type Settled = BTreeMap<Plane, String>;
