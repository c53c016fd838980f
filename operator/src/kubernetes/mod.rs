//! The Kubernetes plane: namespace, guards, Secrets, certificates and ingress of a tenant.
//!
//! Desired objects are written with every field that the API server would default, so that a live
//! object is in order exactly when its canonical form equals the desired one. Of each live object
//! only the fingerprint of that form is kept in memory.

pub mod apply;
pub mod canonical;
mod certificate;
pub mod desired;
mod guards;
mod ingress;
mod kind;
mod namespace;
pub mod observe;
pub mod plan;
pub mod secrets;

pub use kind::{Kind, ObjectKey};
