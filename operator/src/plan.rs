//! What every plane's plan is made of: steps, each with the differences that it ends.

use eoffice_crds::{Action, Reason};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::fmt::Display;

/// One external change. Its `Display` never shows a secret.
pub trait Step: Display {
    /// Whether carrying it out can destroy data.
    fn destructive(&self) -> bool {
        false
    }
}

/// Says whether something that cannot be undone may still be done. It is asked right before.
pub trait Permit: Sync {
    /// Fails with what stands against it, read now.
    fn stands(&self) -> BoxFuture<'_, Result<(), Problem>>;
}

/// A step, with the differences that it ends. The same is shown by a plan, told as drift and written to the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<S> {
    /// What is to be done.
    pub step: S,
    /// What differs; never empty.
    pub differences: Vec<Difference>,
}

impl<S> Change<S> {
    /// A step that ends one difference.
    pub fn new(step: S, difference: Difference) -> Self {
        Self {
            step,
            differences: vec![difference],
        }
    }
}

/// What is to be done, and what stands in the way of the rest: where no plan can be made, access that should end
/// ends all the same.
pub fn closed_at_least<S>(
    plan: Result<Vec<Change<S>>, Problem>,
    close: impl FnOnce() -> Vec<Change<S>>,
) -> (Vec<Change<S>>, Option<Problem>) {
    match plan {
        Ok(changes) => (changes, None),
        Err(problem) => (close(), Some(problem)),
    }
}

/// One thing that is not as it should be. It never holds a secret: a fingerprint at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The object, such as `ResourceQuota/eoffice` or `role eo_3f9c_a`.
    pub object: String,
    /// What of it differs, such as `spec.hard.pods`; empty for the whole object.
    pub field: String,
    /// What the step does to the object.
    pub action: Action,
    /// Whether the step can destroy data or close access.
    pub destructive: bool,
    /// What is there; absent where there is nothing.
    pub before: Option<String>,
    /// What should be there; absent where there should be nothing.
    pub after: Option<String>,
    /// Who made it so, where that can be known.
    pub actor: Option<Actor>,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The field manager.
    pub name: String,
    /// When.
    pub at: Option<Timestamp>,
}

impl Difference {
    /// An object that is missing.
    pub fn create(object: impl Into<String>) -> Self {
        Self::new(object, "", Action::Create)
    }

    /// A field that is another than it should be.
    pub fn update(object: impl Into<String>, field: impl Into<String>) -> Self {
        Self::new(object, field, Action::Update)
    }

    /// An object that should not be there.
    pub fn delete(object: impl Into<String>) -> Self {
        Self::new(object, "", Action::Delete)
    }

    fn new(object: impl Into<String>, field: impl Into<String>, action: Action) -> Self {
        Self {
            object: object.into(),
            field: field.into(),
            action,
            destructive: false,
            before: None,
            after: None,
            actor: None,
        }
    }

    /// With what is there.
    #[must_use]
    pub fn before(mut self, value: impl ToString) -> Self {
        self.before = Some(value.to_string());
        self
    }

    /// With what should be there.
    #[must_use]
    pub fn after(mut self, value: impl ToString) -> Self {
        self.after = Some(value.to_string());
        self
    }

    /// Its step can destroy data or close access.
    #[must_use]
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }
}

/// Decides which changes of a plane are made, and hears of each that was.
pub trait Gate: Send + Sync {
    /// Whether a change with these differences may be made now.
    fn allows(&self, differences: &[Difference]) -> bool;
    /// A change with these differences cannot be made, because one that comes before it may not.
    fn skipped(&self, _: &[Difference]) {}
    /// A change with these differences was made.
    fn made(&self, differences: &[Difference]);
    /// Whether an auditor's access may be ended now that is over, or was taken back.
    fn may_end(&self, differences: &[Difference]) -> bool {
        self.allows(differences)
    }
    /// Whether something may be renewed that is due from time to time, and is nobody's doing.
    fn may_renew(&self, differences: &[Difference]) -> bool {
        self.allows(differences)
    }
    /// It was renewed.
    fn renewed(&self, differences: &[Difference]) {
        self.made(differences);
    }
}

/// Every change may be made, and nobody listens.
impl Gate for () {
    fn allows(&self, _: &[Difference]) -> bool {
        true
    }

    fn made(&self, _: &[Difference]) {}
}

/// Data that a witness names and that is gone or was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Name of the database or bucket.
    pub name: String,
    /// The identity it had.
    pub lost: String,
    /// The identity of what stands there now; absent where nothing does.
    pub found: Option<String>,
}

/// Why a plane is not as it should be: a reason for machines, a sentence for people.
///
/// The sentence says what is wrong, where, and what to do; it holds no secret and is the same
/// from one pass to the next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The reason of the condition that will show it.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
}

impl Problem {
    /// A problem with this reason and sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}
