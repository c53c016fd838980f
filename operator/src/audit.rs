//! The audit: one line for every difference that was found, and one for every change that was made.
//!
//! A line is an event of the target `audit`. It never holds a secret: differences do not.

use crate::plan::{Actor, Difference};
use eoffice_crds::{Destruction, DriftAction, Plane};

/// Why a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something else is asked for than before, by the tenant or by its class, server or store.
    SpecChange,
    /// Somebody changed what was as asked.
    Drift,
    /// A credential had to be made anew.
    Rotation,
    /// The tenant is being deleted.
    Deletion,
    /// A person accepted it by name.
    Acceptance,
}

impl Cause {
    const fn name(self) -> &'static str {
        match self {
            Self::SpecChange => "spec change",
            Self::Drift => "drift",
            Self::Rotation => "rotation",
            Self::Deletion => "deletion",
            Self::Acceptance => "acceptance",
        }
    }
}

/// Who is named where nothing tells who changed something.
pub const UNKNOWN: &str = "unknown";

/// The name of who made a difference.
pub fn actor(actor: Option<&Actor>) -> &str {
    actor.map_or(UNKNOWN, |actor| actor.name.as_str())
}

/// A difference that somebody else made was found; `action` is what becomes of it.
pub fn found(tenant: &str, plane: Plane, difference: &Difference, action: DriftAction) {
    tracing::info!(
        target: "audit",
        event = "drift",
        tenant,
        plane = plane.as_str(),
        object = difference.object,
        field = difference.field,
        before = difference.after,
        after = difference.before,
        actor = actor(difference.actor.as_ref()),
        action = action.as_str(),
    );
}

/// All that stood behind a record was destroyed: the certificate, as JSON.
pub fn destroyed(tenant: &str, certificate: &Destruction) {
    let certificate = serde_json::to_string(certificate).unwrap_or_default();
    tracing::info!(target: "audit", event = "destruction", tenant, certificate);
}

/// A change was made.
pub fn made(tenant: &str, plane: Plane, difference: &Difference, cause: Cause) {
    tracing::info!(
        target: "audit",
        event = "change",
        tenant,
        plane = plane.as_str(),
        object = difference.object,
        field = difference.field,
        action = difference.action.as_str(),
        before = difference.before,
        after = difference.after,
        destructive = difference.destructive,
        cause = cause.name(),
    );
}
