//! Auditors of an archived tenant: users of their own that read its bucket, and nothing else.

use super::desired::Desired;
use super::observe::User;
use super::step::Step;
use crate::identity::auditor_hash;
use jiff::Timestamp;

/// One auditor who may read the bucket now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auditor {
    /// Its IAM user, see [`auditor_user`].
    pub user: String,
    /// When his time is over.
    pub until: Timestamp,
    /// The access key id in the auditor's Secret, read just now: any other key is a stray.
    pub current_key: Option<String>,
}

/// Name of the IAM user of the auditor of this name, for the tenant with this user. Opaque, as all names in
/// backends are.
pub fn auditor_user(tenant_user: &str, auditor: &str) -> String {
    stem(tenant_user) + &auditor_hash(tenant_user, auditor)
}

/// What the names of all users of a tenant's auditors begin with.
pub(super) fn stem(tenant_user: &str) -> String {
    format!("{tenant_user}-")
}

/// The tenant's user whose auditor has a user of this name, if it is such a name.
pub(super) fn tenant_user(user: &str) -> Option<&str> {
    user.rsplit_once('-').map(|(tenant, _)| tenant)
}

impl Desired {
    /// The same, with users of auditors that stay as they are.
    #[must_use]
    pub fn sparing(mut self, users: Vec<String>) -> Self {
        self.spared = users;
        self
    }

    /// The same, with these auditors.
    #[must_use]
    pub fn with_auditors(mut self, auditors: Vec<Auditor>) -> Self {
        self.auditors = auditors;
        self
    }

    /// Whether a step of its plan ends the access of an auditor who is not to have any.
    pub fn ends_auditor(&self, step: &Step) -> bool {
        let (Step::DeleteKey { user, .. }
        | Step::RemoveUserPolicy { user, .. }
        | Step::DetachUserPolicy { user, .. }
        | Step::DeleteUser { user, .. }) = step
        else {
            return false;
        };
        tenant_user(user) == Some(&self.user) && !self.auditors.iter().any(|it| it.user == *user)
    }

    /// Whether a user bears this tenant's mark, or that of the tenant whose data it took over.
    pub(super) fn owns_user(&self, user: &User) -> bool {
        user.path == self.user_path || self.inherited(user)
    }

    /// Whether a user is that of the tenant whose data was taken over. Its path cannot be rewritten.
    pub(super) fn inherited(&self, user: &User) -> bool {
        self.predecessor_path.as_ref() == Some(&user.path)
    }
}
