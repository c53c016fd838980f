//! The breaker over the fleet: whether what would close, delete or move a tenant, or take a credential from it,
//! may be done now, or is one of so many that a person has to decide. Pure.
//!
//! An act is entered into a batch (a `FleetHold`) before it is carried out. [`ledger::enter`] keeps the batches,
//! [`judge`] decides, [`recovery::step`] tells how an act that a person wants undone is undone.

pub mod batch;
mod judge;
pub mod ledger;
pub mod recovery;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use judge::{is_entered, judge};

use eoffice_crds::Impact;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Where an act comes from, which decides how it is counted and whether it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a deletion, or from a class, a server or a store: one hand can cause a mass of them, so each waits a
    /// moment in which the others are seen.
    Inherited,
    /// From the tenant's own spec, or from a rotation: at once, until there are too many.
    Asked,
    /// From an approver, who named this tenant: neither counted nor held.
    ByName,
}

/// Something that would be done to a tenant. Impact and cause tell it from others; its origin does not.
#[derive(Clone, Debug)]
pub struct Act {
    /// What it would mean for the tenant.
    pub impact: Impact,
    /// Where it comes from.
    pub origin: Origin,
    /// Why, in words that stay the same from one pass to the next and differ for another cause, such as
    /// `generation 7 of class standard moves it to another base domain`. An act with another cause is another act.
    pub cause: String,
}

impl PartialEq for Act {
    fn eq(&self, other: &Self) -> bool {
        (self.impact, &self.cause) == (other.impact, &other.cause)
    }
}

impl Eq for Act {}

impl Hash for Act {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.impact, &self.cause).hash(state);
    }
}

/// A batch that keeps an act from being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Name of the FleetHold.
    pub batch: String,
    /// A sentence for the tenant's conditions, the same from one pass to the next.
    pub message: String,
}

/// What may be done about an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out now.
    Go,
    /// Not before this time has passed; ask again then.
    Wait(Duration),
    /// A person decides first; the tenant is looked at again when that has happened.
    Held(Hold),
    /// A person wants it undone: it is not carried out, whatever asks for it.
    Undo(Hold),
}

/// When acts are too many, and how long each waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// With more tenants than this in a window, all are held.
    pub limit: usize,
    /// Length of the sliding window.
    pub window: Duration,
    /// How long an inherited act waits after it was seen.
    pub delay: Duration,
}

impl Rules {
    /// `least` tenants, or `percent` of the fleet where that is more.
    pub fn limit(least: usize, percent: usize, tenants: usize) -> usize {
        least.max((tenants * percent).div_ceil(100))
    }
}

/// The sentence of a tenant whose act waits for its delay.
pub const DELAYED: &str = "nothing is done yet: it waits a moment, so that a mass of the same would be seen before the first is done";
