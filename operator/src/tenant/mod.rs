//! One tenant, from its resource to its status: the only place that composes the planes.

mod acceptance;
mod brake;
mod close;
mod database;
pub mod drift;
mod events;
pub mod hosts;
pub mod keeper;
mod kubernetes;
mod ledger;
mod open;
pub mod parse;
mod pass;
pub mod placement;
pub mod planning;
pub mod reconcile;
pub mod record;
pub mod recover;
pub mod registry;
pub mod status;
mod storage;
pub mod store;
mod verify;
