//! What one tenant should have in its store. Pure.

use super::auditors::Auditor;
use super::observe::Bucket;
use super::policy;
use crate::identity::{Mark, Order, derived_identity, tag};
use eoffice_crds::{
    AgencyCode, Plane, RecordState, RecordedStorage, Retention, RetentionMode, StoreCapabilities,
    TenantRecordSpec,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whether the tenant may use its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its key works.
    Open,
    /// No key works; the data stays.
    Closed,
}

/// Something that says the bucket existed, and under which identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What says so, for a sentence: `its record`.
    pub who: &'static str,
    /// The bucket's identity.
    pub identity: String,
}

/// What the world holds besides the record.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// The mark found on the tenant's database, if one was: the twin that witnesses the bucket.
    pub database: Option<&'a Mark>,
    /// Codes of the agency that claims the bucket.
    pub codes: &'a [AgencyCode],
    /// Whether the tenant may use its storage.
    pub access: Access,
    /// The access key id in the tenant's Secret, read just now: any other key is a stray.
    pub current_key: Option<String>,
    /// What the store can do.
    pub capabilities: StoreCapabilities,
    /// The time.
    pub now: Timestamp,
    /// A new random value, 1 to 64 letters and digits: the bucket's identity, should it be made.
    pub fresh_identity: String,
}

/// The key before the one that is to come, while both may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retiring {
    /// Its access key id.
    pub key: String,
    /// Whether it was taken away: it stays, and does not work.
    pub retired: bool,
}

/// What one tenant should have in its store.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Name of the ObjectStore, for sentences.
    pub store: String,
    /// The documents bucket.
    pub bucket: String,
    /// The IAM user.
    pub user: String,
    /// The user's IAM path, which is its mark: not every IAM has tags on users.
    pub user_path: String,
    /// Path of the users of the tenant whose data was taken over: they are removed and made again.
    pub predecessor_path: Option<String>,
    /// The user's only policy.
    pub policy: Value,
    /// Whether the bucket keeps old versions.
    pub versioning: bool,
    /// For how long each object is locked.
    pub retention: Option<Retention>,
    /// The mark on the bucket.
    pub mark: Mark,
    /// What becomes of the order in it.
    pub order: Order,
    /// Fingerprint in the marks of the tenant whose data was taken over: they are rewritten.
    pub predecessor: Option<String>,
    /// The agency's codes, as tags.
    pub code_tags: BTreeMap<String, String>,
    /// What says that the bucket existed. Empty: it may be made.
    pub witnesses: Vec<Witness>,
    /// The identity for a bucket that came back without one, as a person has accepted. Absent once
    /// it was given: the next loss is another.
    pub take_up: Option<String>,
    /// Identities of buckets that a person accepted as lost or replaced. They witness nothing.
    pub superseded: Vec<String>,
    /// Identities of databases that a person accepted as lost or replaced: no twins of the bucket any more.
    pub superseded_twins: Vec<String>,
    /// Whether the tenant may use it.
    pub access: Access,
    /// The access key id in the tenant's Secret.
    pub current_key: Option<String>,
    /// The key that a rotation takes away. While it is the one in the Secret, a successor is to be made.
    pub retiring: Option<Retiring>,
    /// Who else may read the bucket now.
    pub auditors: Vec<Auditor>,
    /// Users of auditors about whom nothing could be decided: they stay as they are.
    pub spared: Vec<String>,
    /// What the store can do.
    pub capabilities: StoreCapabilities,
    /// The time.
    pub now: Timestamp,
    /// The bucket's identity, should it be made.
    pub fresh_identity: String,
}

/// What the tenant of this record should have.
pub fn desired(record: &TenantRecordSpec, circumstances: Circumstances<'_>) -> Desired {
    let Circumstances {
        database,
        codes,
        access,
        current_key,
        capabilities,
        now,
        fresh_identity,
    } = circumstances;
    let storage = &record.storage;
    let frozen = &record.frozen;
    let witness = |who, identity: Option<&String>| {
        let identity = identity.filter(|identity| !storage.superseded.contains(identity))?;
        Some(Witness {
            who,
            identity: identity.clone(),
        })
    };
    let predecessor = record.predecessor.as_ref();
    let predecessor = predecessor.map(|it| it.fingerprint.clone());
    // The plane is brought to what is asked once the identity is given.
    let brought = record.settled.contains_key(&Plane::Storage);
    Desired {
        store: storage.store.clone(),
        bucket: storage.bucket.clone(),
        user: storage.user.clone(),
        user_path: user_path(&record.installation_id, &record.fingerprint),
        predecessor_path: predecessor
            .as_ref()
            .map(|it| user_path(&record.installation_id, it)),
        predecessor,
        policy: policy::document(&storage.bucket, frozen.retention.is_some()),
        versioning: frozen.versioning || frozen.retention.is_some(),
        retention: frozen.retention.clone(),
        mark: Mark {
            installation: record.installation_id.clone(),
            fingerprint: record.fingerprint.clone(),
            uid: record.tenant.uid.clone(),
            state: record.state.in_marks(),
            twin: record.database.oid.map(|oid| oid.to_string()),
            order: None,
        },
        order: match record.state {
            RecordState::Live => Order::Is(None),
            _ => Order::AsFound,
        },
        code_tags: codes.iter().map(code_tag).collect(),
        witnesses: [
            witness("its record", storage.bucket_identity.as_ref()),
            witness(
                "the mark on its database",
                database.and_then(|mark| mark.twin.as_ref()),
            ),
        ]
        .into_iter()
        .flatten()
        .collect(),
        take_up: accepted(&record.installation_id, storage).filter(|_| !brought),
        superseded: storage.superseded.clone(),
        superseded_twins: record
            .database
            .superseded
            .iter()
            .map(ToString::to_string)
            .collect(),
        access,
        current_key,
        retiring: retiring(record),
        auditors: Vec::new(),
        spared: Vec::new(),
        capabilities,
        now,
        fresh_identity,
    }
}

fn retiring(record: &TenantRecordSpec) -> Option<Retiring> {
    let rotation = record.rotation.under_way.as_ref()?;
    Some(Retiring {
        key: rotation.key.clone()?,
        retired: rotation.key_retired_at.is_some(),
    })
}

/// The recorded identity, if it is one that was accepted for a bucket without any.
fn accepted(installation: &str, storage: &RecordedStorage) -> Option<String> {
    let successors = storage.superseded.iter();
    let mut successors = successors.filter_map(|lost| successor(installation, lost));
    let identity = storage.bucket_identity.as_ref()?;
    successors.find(|successor| successor == identity)
}

/// The identity that a bucket without one would get in place of the lost one.
pub(super) fn successor(installation: &str, lost: &str) -> Option<String> {
    let installation = installation.parse().ok()?;
    Some(derived_identity(&installation, lost))
}

/// IAM path of every user of an installation.
pub(super) fn installation_path(installation: &str) -> String {
    format!("/eoffice/{installation}/")
}

/// IAM path of a tenant's user.
pub(super) fn user_path(installation: &str, fingerprint: &str) -> String {
    format!("{}{fingerprint}/", installation_path(installation))
}

/// Key of the tag with the bucket's identity.
pub(super) fn identity_tag() -> String {
    tag("identity")
}

/// Key of the tag with the time at which the default retention was last set, in seconds.
pub(super) fn since_tag() -> String {
    tag("retention-since")
}

/// Prefix of the tags with the agency's codes.
pub(super) fn code_tag_prefix() -> String {
    tag("code-")
}

fn code_tag(code: &AgencyCode) -> (String, String) {
    let scheme = serde_json::to_value(code.scheme).unwrap_or_default();
    let key = code_tag_prefix() + scheme.as_str().unwrap_or_default();
    (key, code.value.clone())
}

impl Desired {
    /// Fingerprint of everything that is asked: another one means that the asking has changed. 16
    /// hexadecimal digits.
    pub fn asked(&self) -> String {
        policy::fingerprint(&json!([
            [self.bucket, self.user, self.user_path],
            self.policy,
            self.versioning,
            self.retention,
            [self.mark.installation, self.mark.fingerprint, self.mark.uid],
            self.mark.state,
            self.code_tags,
            self.access == Access::Open,
            self.auditors
                .iter()
                .map(|it| (&it.user, policy::second(it.until)))
                .collect::<Vec<_>>(),
            self.retiring.as_ref().map(|it| (&it.key, it.retired)),
        ]))
    }

    /// With an order in the bucket's mark, or without any.
    #[must_use]
    pub fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Whether the key in the tenant's Secret is the one that is taken away: a successor is to be made.
    pub fn renews(&self) -> bool {
        let retiring = self.retiring.as_ref().map(|retiring| &retiring.key);
        retiring.is_some() && retiring == self.current_key.as_ref()
    }

    /// Whether these tags are a mark of the same tenant, or of the one whose data it took over.
    pub(super) fn owns(&self, tags: &BTreeMap<String, String>) -> bool {
        self.owner()
            .iter()
            .all(|(key, values)| tags.get(key).is_some_and(|found| values.contains(&found)))
    }

    /// Whether these tags are another's mark: a tag that is missing was removed, one that is another
    /// names its owner.
    pub(super) fn disowns(&self, tags: &BTreeMap<String, String>) -> bool {
        self.owner()
            .iter()
            .any(|(key, values)| tags.get(key).is_some_and(|found| !values.contains(&found)))
    }

    /// What the tags of a mark may say.
    fn owner(&self) -> [(String, Vec<&String>); 2] {
        let fingerprints = [&self.mark.fingerprint]
            .into_iter()
            .chain(&self.predecessor);
        [
            (tag("installation"), vec![&self.mark.installation]),
            (tag("fingerprint"), fingerprints.collect()),
        ]
    }

    /// The identity that a bucket of ours has, or that was accepted for it.
    pub(super) fn identity_of<'a>(&'a self, bucket: &'a Bucket) -> Option<&'a str> {
        match self.takes_up(bucket) {
            true => self.take_up.as_deref(),
            false => bucket.identity(),
        }
    }

    /// Whether this bucket came back without mark or identity, and was accepted so.
    pub(super) fn takes_up(&self, bucket: &Bucket) -> bool {
        let whole = self.owns(&bucket.tags) && bucket.identity().is_some();
        let given = bucket.identity() == self.take_up.as_deref();
        self.take_up.is_some() && !whole && !given && !self.disowns(&bucket.tags)
    }

    /// Whether the tenant has left.
    pub(super) fn left(&self) -> bool {
        self.mark.state == RecordState::Retained
    }
}

/// The stronger of two rules in each respect: a lock is never loosened, neither by us nor because
/// a person has tightened it.
pub(super) fn stronger(one: &Retention, other: &Retention) -> Retention {
    let compliance = [one, other]
        .iter()
        .any(|rule| rule.mode == RetentionMode::Compliance);
    Retention {
        mode: if compliance {
            RetentionMode::Compliance
        } else {
            RetentionMode::Governance
        },
        days: one.days.max(other.days),
    }
}
