//! The PostgreSQL plane against a real server: made, kept, closed, refused, and removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auditors;
mod bed;
mod crash;
mod destroy;
mod drift;
mod expiry;
mod gate;
mod hostile;
mod life;
mod lost;
mod rotation;
mod server;
mod strangers;
