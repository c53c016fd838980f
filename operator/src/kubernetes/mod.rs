//! The Kubernetes plane: namespace, guards, Secrets, certificates and ingress of a tenant.
//!
//! Desired objects are written with every field that the API server would default, so that a live
//! object is in order exactly when its canonical form equals the desired one. Of each live object
//! only the fingerprint of that form is kept in memory: it tells that an object differs. What
//! differs, and who made it so, is read live, and only then.

pub mod actor;
pub mod apply;
mod binding;
pub mod canonical;
pub mod certificate;
pub mod desired;
pub mod diff;
mod examine;
mod guards;
mod ingress;
mod kind;
mod namespace;
pub mod observe;
mod over;
pub mod path;
pub mod plan;
mod quantity;
pub mod secrets;
mod workloads;

pub use kind::{Kind, ObjectKey};

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
