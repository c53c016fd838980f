//! The S3 and IAM plane: one bucket, one user with its policy and one key for each tenant.
//!
//! A [`Store`] is an admin's handle on one endpoint; [`store::visit`] says which store it is and
//! what it can do. For a tenant: [`desired`](desired::desired) from its record, [`observe::tenant`],
//! [`plan`](plan::plan), [`apply::apply`] for each step, and [`verify`](verify::verify) with the
//! tenant's own key. Its end for good is [`destroy`].

pub mod apply;
pub mod auditors;
mod capabilities;
pub mod client;
pub mod credential;
pub mod desired;
pub mod destroy;
mod empty;
pub mod last_use;
pub mod observe;
pub mod orphans;
pub mod plan;
mod policy;
mod sites;
pub mod size;
pub mod step;
pub mod store;
pub mod verify;

pub use client::{Store, StoreAddress};
pub use credential::Key;
pub use step::Step;
