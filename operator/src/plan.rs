//! What every plane's plan is made of.

use eoffice_crds::Reason;
use std::fmt::Display;

/// One external change. Its `Display` never shows a secret.
pub trait Step: Display {
    /// Whether carrying it out can destroy data.
    fn destructive(&self) -> bool {
        false
    }
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
