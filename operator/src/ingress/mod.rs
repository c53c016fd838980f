//! The way in as the world sees it: which certificate is served for a host.

mod verify;

pub use verify::{Served, verify};
