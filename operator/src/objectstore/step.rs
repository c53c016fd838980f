//! One change in a store.

use crate::plan;
use eoffice_crds::{Retention, RetentionMode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// One change in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the user. Its path is its mark.
    CreateUser {
        /// The user.
        user: String,
        /// Its IAM path.
        path: String,
    },
    /// Make the bucket with its tags, the mark and the identity among them.
    CreateBucket {
        /// The bucket.
        bucket: String,
        /// All its tags.
        tags: Tags,
        /// Whether versions can be locked in it.
        lock: bool,
    },
    /// Change tags of the bucket. The others stay as they are at that moment.
    PutTags {
        /// The bucket.
        bucket: String,
        /// Tags to be there.
        set: Tags,
        /// Keys of tags not to be there.
        remove: BTreeSet<String>,
    },
    /// Keep old versions.
    EnableVersioning {
        /// The bucket.
        bucket: String,
    },
    /// Set the default retention, and with it begin its window anew where the store has but one
    /// for the whole bucket.
    SetRetention {
        /// The bucket.
        bucket: String,
        /// The rule.
        retention: Retention,
        /// Tags that say when it was set, written after it: a tag that claims a window before it
        /// begins would leave it too short.
        since: Tags,
    },
    /// Remove the bucket's own policy: rights come from the user's alone.
    RemoveBucketPolicy {
        /// The bucket.
        bucket: String,
    },
    /// Write the user's policy.
    PutUserPolicy {
        /// The user.
        user: String,
        /// The policy.
        document: Value,
    },
    /// Remove an inline policy of the user.
    RemoveUserPolicy {
        /// The user.
        user: String,
        /// Name of the policy.
        policy: String,
    },
    /// Detach a managed policy from the user.
    DetachUserPolicy {
        /// The user.
        user: String,
        /// ARN of the policy.
        arn: String,
    },
    /// Let a key work, or not.
    SetKeyStatus {
        /// The user.
        user: String,
        /// The access key id.
        key: String,
        /// Whether it works.
        active: bool,
    },
    /// Delete a key.
    DeleteKey {
        /// The user.
        user: String,
        /// The access key id.
        key: String,
    },
    /// Make a key. Its secret is shown once, as the outcome of this step.
    CreateKey {
        /// The user.
        user: String,
    },
    /// Delete the user, which has neither policies nor keys any more.
    DeleteUser {
        /// The user.
        user: String,
        /// The path it must have.
        path: String,
    },
}

/// A rule in words, such as `Governance 3650 days`.
pub(super) fn rule(retention: &Retention) -> String {
    let mode = match retention.mode {
        RetentionMode::Governance => "Governance",
        RetentionMode::Compliance => "Compliance",
    };
    format!("{mode} {} days", retention.days)
}

impl plan::Step for Step {
    /// Or close access.
    fn destructive(&self) -> bool {
        matches!(
            self,
            Self::DeleteUser { .. }
                | Self::DeleteKey { .. }
                | Self::SetKeyStatus { active: false, .. }
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateUser { user, path } => write!(f, "create user {user} under {path}"),
            Self::CreateBucket { bucket, lock, .. } => {
                let with = if *lock { " with object lock" } else { "" };
                write!(f, "create bucket {bucket}{with}")
            }
            Self::PutTags { bucket, .. } => write!(f, "write the tags of bucket {bucket}"),
            Self::EnableVersioning { bucket } => write!(f, "enable versioning of bucket {bucket}"),
            Self::SetRetention {
                bucket, retention, ..
            } => {
                let rule = rule(retention);
                write!(f, "set retention of bucket {bucket} to {rule}")
            }
            Self::RemoveBucketPolicy { bucket } => {
                write!(f, "remove the policy of bucket {bucket}")
            }
            Self::PutUserPolicy { user, .. } => write!(f, "write the policy of user {user}"),
            Self::RemoveUserPolicy { user, policy } => {
                write!(f, "remove policy {policy} of user {user}")
            }
            Self::DetachUserPolicy { user, arn } => {
                write!(f, "detach policy {arn} from user {user}")
            }
            Self::SetKeyStatus { user, key, active } => {
                let verb = if *active { "activate" } else { "deactivate" };
                write!(f, "{verb} key {key} of user {user}")
            }
            Self::DeleteKey { user, key } => write!(f, "delete key {key} of user {user}"),
            Self::CreateKey { user } => write!(f, "create a key of user {user}"),
            Self::DeleteUser { user, .. } => write!(f, "delete user {user}"),
        }
    }
}
