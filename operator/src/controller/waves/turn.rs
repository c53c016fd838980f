//! A turn that a new tenant was given.

use eoffice_crds::Reason;
use jiff::Timestamp;

/// A turn that was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) at: Timestamp,
    pub(super) grip: Grip,
    pub(super) failing_since: Option<Timestamp>,
    /// When its record was made, where there is one.
    pub(super) recorded: Option<Timestamp>,
    /// How many were in the making with it, itself included; 0 while it was not seen in the making.
    pub(super) company: usize,
}

impl Turn {
    pub(super) fn new(at: Timestamp, grip: Grip) -> Self {
        Self {
            at,
            grip,
            failing_since: None,
            recorded: None,
            company: 0,
        }
    }
}

/// What became of a turn, as long as there is no record that tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grip {
    /// The tenant is woken, and was not looked at since.
    Given,
    /// It is being begun.
    Taken,
    /// It could not be begun.
    Failed(Reason),
}
