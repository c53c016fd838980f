//! Destroys a tenant's storage for good, one destructive call at a time.
//!
//! [`lawful`] says whether it may be begun, and how much there is. Then [`step`] until it says
//! [`Done::Gone`]: each reads the marks again, live, does one thing and tells it, so that between any two the caller
//! can look at its lease and at the order to destroy again.

mod locks;
mod prove;
mod work;

use self::work::Next;
use super::client::Store;
use super::desired::user_path;
use super::empty::Item;
use super::size::Size;
use crate::effect::Effects;
use crate::plan::{Permit, Problem};
use eoffice_crds::{RecordState, TenantRecordSpec};
use jiff::Timestamp;

/// What is to be destroyed, and what must be read on it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    pub(super) installation: String,
    pub(super) fingerprints: Vec<String>,
    pub(super) uid: String,
    pub(super) state: RecordState,
    pub(super) store_identity: String,
    pub(super) bucket: String,
    pub(super) identity: Option<String>,
    pub(super) user: String,
    /// The order on which it is destroyed: the bucket's mark must name it. None where its tenant's own word is enough.
    pub(super) order: Option<String>,
    /// Whether its tenant has left, so that only an order destroys it: that goes past locks in Governance mode, a tenant's
    /// own word does not.
    pub(super) left: bool,
}

impl Doomed {
    /// What the tenant of this record has in its store.
    pub fn of(record: &TenantRecordSpec) -> Self {
        let predecessor = record.predecessor.iter();
        let predecessor = predecessor.map(|it| it.fingerprint.clone());
        Self {
            installation: record.installation_id.clone(),
            fingerprints: [record.fingerprint.clone()]
                .into_iter()
                .chain(predecessor)
                .collect(),
            uid: record.tenant.uid.clone(),
            state: record.state.in_marks(),
            store_identity: record.storage.store_identity.clone(),
            bucket: record.storage.bucket.clone(),
            identity: record.storage.bucket_identity.clone(),
            user: record.storage.user.clone(),
            order: record.order().map(str::to_owned),
            left: record.state != RecordState::Live,
        }
    }

    /// IAM paths of its users.
    fn paths(&self) -> impl Iterator<Item = String> {
        let paths = self.fingerprints.iter();
        paths.map(|fingerprint| user_path(&self.installation, fingerprint))
    }
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It aborted begun uploads.
    Uploads {
        /// How many.
        count: u64,
    },
    /// It destroyed versions of objects and markers of deletions.
    Objects {
        /// Versions of objects, without the markers.
        count: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// It removed the bucket.
    Bucket {
        /// Its name.
        name: String,
        /// Its identity.
        identity: String,
    },
    /// It removed a user, with its keys and policies.
    User {
        /// Its name.
        name: String,
    },
    /// What there was to do is not there any more.
    Nothing,
    /// There was nothing left to do.
    Gone,
}

/// Why it does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Halt {
    /// What stands against it.
    pub problem: Problem,
    /// When it is worth another try, if that is known.
    pub until: Option<Timestamp>,
}

impl<P: Into<Problem>> From<P> for Halt {
    fn from(problem: P) -> Self {
        Self {
            problem: problem.into(),
            until: None,
        }
    }
}

/// Proves that this is what the record names, and that the law of the bucket allows its destruction at this time; says
/// how much is in it. Destroys nothing.
pub async fn lawful(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
    now: Timestamp,
) -> Result<Size, Halt> {
    prove::store(store, effects, doomed).await?;
    let Some(proved) = prove::bucket(store, effects, doomed).await? else {
        return Ok(Size::default());
    };
    let size = super::size::size(store, effects, &doomed.bucket).await?;
    locks::over(store, effects, &proved, &size, now).await?;
    Ok(size)
}

/// The users that go with it: the tenant's, and those of its auditors.
pub async fn users(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
) -> Result<Vec<String>, Problem> {
    let users = work::users(store, effects, doomed).await?;
    Ok(users.into_iter().map(|(name, _)| name).collect())
}

/// What is remembered from one step to the next: that a store goes on listing what is gone must not keep it going for
/// ever.
#[derive(Debug, Default)]
pub struct Progress {
    no_uploads: bool,
    last: Vec<Item>,
}

/// Finds the next destructive thing to do, proves again, asks, and does it.
pub async fn step(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
    now: Timestamp,
    (progress, permit): (&mut Progress, &dyn Permit),
) -> Result<Done, Halt> {
    let Some(next) = work::next(store, effects, doomed, progress.no_uploads).await? else {
        return Ok(Done::Gone);
    };
    prove::store(store, effects, doomed).await?;
    let proved = prove::bucket(store, effects, doomed).await?;
    permit.stands().await?;
    match (next, proved) {
        (Next::User(name, path), None) => work::user(store, effects, name, &path).await,
        (Next::Uploads(uploads), Some(proved)) => {
            let done = work::uploads(store, effects, &proved, &uploads).await?;
            progress.no_uploads = done == Done::Uploads { count: 0 };
            Ok(done)
        }
        (Next::Objects(items), Some(proved)) => {
            if progress.last == items {
                return Err(work::stands_still(store, &proved).into());
            }
            progress.last.clone_from(&items);
            work::objects(store, effects, &proved, &items, now).await
        }
        (Next::Bucket, Some(proved)) => work::bucket(store, effects, &proved).await,
        // The bucket came or went meanwhile.
        (Next::User(..), Some(_)) | (_, None) => Ok(Done::Nothing),
    }
}
