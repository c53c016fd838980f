//! Who owns what in the shared backends: the installation, a tenant's fingerprint, names and marks.

use data_encoding::HEXLOWER;
use eoffice_crds::RecordState;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The installation's name, the same after a cluster is rebuilt and different for every other
/// installation that shares a backend. 1 to 32 lower-case letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstallationId(String);

/// An installation id that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "the installation id {0:?} is not 1 to 32 lower-case letters, digits and '-' beginning with a letter: choose one such as korat-prod, and never change it"
)]
pub struct InvalidInstallationId(String);

impl FromStr for InstallationId {
    type Err = InvalidInstallationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidInstallationId(text.into()))
        }
    }
}

impl InstallationId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hash of a tenant's name and province: the owner, whatever its UID. 32 hexadecimal digits.
pub fn fingerprint(tenant: &str, province: &str) -> String {
    hash(&["tenant", tenant, province], 32)
}

/// Names of one tenant's objects in the shared backends. Neighbours can read them, so they are
/// hashes; all are shorter than PostgreSQL's 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendNames {
    /// The database, `eo_<hash>`.
    pub database: String,
    /// The role that owns the tenant's objects and cannot log in, `eo_<hash>_owner`.
    pub role: String,
    /// The first of the two logins that alternate, `eo_<hash>_a`.
    pub login: String,
    /// The documents bucket, `eo-<hash>-documents`.
    pub bucket: String,
    /// The IAM user, `eo-<hash>`.
    pub user: String,
}

impl BackendNames {
    /// The first names of a tenant; from then on its record holds them.
    pub fn first(installation: &InstallationId, tenant: &str) -> Self {
        let stem = hash(&["names", installation.as_str(), tenant], 24);
        Self {
            database: format!("eo_{stem}"),
            role: format!("eo_{stem}_owner"),
            login: format!("eo_{stem}_a"),
            bucket: format!("eo-{stem}-documents"),
            user: format!("eo-{stem}"),
        }
    }
}

/// Hash in the names of what an auditor has in a backend, beside the tenant's own name there: neighbours can read
/// them. 16 hexadecimal digits.
pub fn auditor_hash(tenant: &str, auditor: &str) -> String {
    hash(&["auditor", tenant, auditor], 16)
}

/// What this operator holds against a backend: who it is, and what an admin has accepted there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The installation that wants the backend.
    pub installation: InstallationId,
    /// UID of this cluster's namespace kube-system.
    pub cluster_uid: String,
    /// The backend's identity as pinned in its status.
    pub pinned: Option<String>,
    /// The identity an admin accepts instead of the pinned one.
    pub accept_identity: Option<String>,
    /// UID of the cluster that an admin lets this one take over from.
    pub take_over_from: Option<String>,
}

/// Stem of the names of what the operator itself keeps on a backend (canary, marker): `eo_<stem>_canary`.
/// 16 hexadecimal digits.
pub fn installation_stem(installation: &InstallationId) -> String {
    hash(&["installation", installation.as_str()], 16)
}

/// Identity that a store without a marker gets in place of the one that was pinned and is lost.
/// It follows from the lost one, so that an admin can be told it before anything is made.
/// 32 hexadecimal digits.
pub fn derived_identity(installation: &InstallationId, lost: &str) -> String {
    hash(&["successor", installation.as_str(), lost], 32)
}

/// The first `digits` hexadecimal digits of SHA-256 over the parts, each with its length so that
/// no two lists of parts hash alike.
fn hash(parts: &[&str], digits: usize) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part.len().to_be_bytes());
        sha.update(part);
    }
    let mut text = HEXLOWER.encode(&sha.finalize());
    text.truncate(digits);
    text
}

/// The mark on every object of ours in a shared backend: a database's or role's comment, a
/// bucket's tags. Neighbours can read it, so nothing in it speaks of the agency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The installation.
    pub installation: String,
    /// The tenant's fingerprint.
    pub fingerprint: String,
    /// UID of the EOfficeTenant that last held it.
    pub uid: String,
    /// Whether the tenant lives.
    pub state: RecordState,
    /// Identity of the twin, once both have existed: the database's oid on the bucket, the
    /// bucket's identity on the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
    /// The order to destroy that was taken in, by the word that its record has for it. A record that was put back from
    /// a backup may name an order that was withdrawn since: the mark does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

/// What becomes of the order that a mark names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// It stays as it is found: what is found witnesses against the record.
    #[default]
    AsFound,
    /// This one was taken in, or none stands any more.
    Is(Option<String>),
}

impl Order {
    /// What the mark is to name, by what it was found to name.
    pub fn over(&self, found: Option<String>) -> Option<String> {
        match self {
            Self::AsFound => found,
            Self::Is(order) => order.clone(),
        }
    }
}

/// Prefix of a mark's text and of its tags' keys.
const MARK_PREFIX: &str = "eoffice";

impl Mark {
    /// The mark as one line, for a comment.
    pub fn to_comment(&self) -> String {
        let body = serde_json::to_string(self).unwrap_or_default();
        format!("{MARK_PREFIX}:{body}")
    }

    /// The mark in a comment, if there is one.
    pub fn from_comment(comment: &str) -> Option<Self> {
        let body = comment.strip_prefix(MARK_PREFIX)?.strip_prefix(':')?;
        serde_json::from_str(body).ok()
    }

    /// The mark as tags.
    pub fn to_tags(&self) -> BTreeMap<String, String> {
        let state = match self.state {
            RecordState::Live => "live",
            _ => "retained",
        };
        let mut tags = BTreeMap::from([
            (tag("installation"), self.installation.clone()),
            (tag("fingerprint"), self.fingerprint.clone()),
            (tag("uid"), self.uid.clone()),
            (tag("state"), state.to_owned()),
        ]);
        let optional = [("twin", &self.twin), ("order", &self.order)];
        for (key, value) in optional {
            tags.extend(value.clone().map(|value| (tag(key), value)));
        }
        tags
    }

    /// The mark in a set of tags, if there is one.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Option<Self> {
        let get = |key| tags.get(&tag(key)).cloned();
        Some(Self {
            installation: get("installation")?,
            fingerprint: get("fingerprint")?,
            uid: get("uid")?,
            state: match get("state")?.as_str() {
                "live" => RecordState::Live,
                "retained" => RecordState::Retained,
                _ => return None,
            },
            twin: get("twin"),
            order: get("order"),
        })
    }

    /// Whether both marks are of the same tenant of the same installation, whatever its UID.
    pub fn same_owner(&self, other: &Self) -> bool {
        self.installation == other.installation && self.fingerprint == other.fingerprint
    }
}

/// Key of a tag of ours.
pub fn tag(key: &str) -> String {
    format!("{MARK_PREFIX}-{key}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            installation: "korat".into(),
            fingerprint: fingerprint("town-pak-chong-3021", "30"),
            uid: "0c3f".into(),
            state: RecordState::Live,
            twin: Some("16384".into()),
            order: Some("7f3a".into()),
        }
    }

    #[test]
    fn a_mark_survives_a_comment_and_tags() {
        let mark = mark();
        assert_eq!(Mark::from_comment(&mark.to_comment()), Some(mark.clone()));
        assert_eq!(Mark::from_tags(&mark.to_tags()), Some(mark));
    }

    #[test]
    fn what_is_not_a_mark_is_none() {
        for comment in [
            "",
            "a person's note",
            "eoffice:",
            "eoffice:{}",
            "eoffice:{\"x\":1}",
        ] {
            assert_eq!(Mark::from_comment(comment), None, "{comment:?}");
        }
        assert_eq!(Mark::from_tags(&BTreeMap::new()), None);
    }

    #[test]
    fn names_are_opaque_short_and_differ_by_installation_and_tenant() {
        let korat: InstallationId = "korat".parse().unwrap();
        let test: InstallationId = "test".parse().unwrap();
        let longest = "x".repeat(40);
        let names = BackendNames::first(&korat, &longest);
        for name in [
            &names.database,
            &names.role,
            &names.login,
            &names.bucket,
            &names.user,
        ] {
            assert!(name.len() <= 63 && !name.contains("xx"), "{name}");
        }
        assert_ne!(names, BackendNames::first(&test, &longest));
        assert_ne!(names, BackendNames::first(&korat, "x"));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(fingerprint("a3", "0"), fingerprint("a", "30"));
    }

    #[test]
    fn an_installation_id_is_a_short_label() {
        for bad in ["", "Korat", "1st", "a b", &"x".repeat(33)] {
            assert!(bad.parse::<InstallationId>().is_err(), "{bad:?}");
        }
    }
}
