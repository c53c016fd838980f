//! The S3 and IAM plane: one bucket, one user with its policy and one key for each tenant.
//!
//! A [`Store`] is an admin's handle on one endpoint; [`store::visit`] says which store it is and
//! what it can do. For a tenant: [`desired`](desired::desired) from its record, [`observe::tenant`],
//! [`plan`](plan::plan), [`apply::apply`] for each step, and [`verify`](verify::verify) with the
//! tenant's own key.

pub mod apply;
mod capabilities;
pub mod client;
pub mod credential;
pub mod desired;
mod empty;
pub mod observe;
pub mod orphans;
pub mod plan;
mod policy;
mod sites;
pub mod step;
pub mod store;
pub mod verify;

pub use client::{Store, StoreAddress};
pub use credential::Key;
pub use step::Step;
