//! One tenant, from its resource to its status: the only place that composes the planes.

mod close;
mod database;
mod events;
pub mod hosts;
mod kubernetes;
mod ledger;
mod open;
pub mod parse;
pub mod placement;
pub mod reconcile;
pub mod record;
pub mod registry;
pub mod status;
mod storage;
mod store;
mod verify;
