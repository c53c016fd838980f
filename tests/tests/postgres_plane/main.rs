//! The PostgreSQL plane against a real server: made, kept, closed, refused, and removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bed;
mod crash;
mod drift;
mod hostile;
mod life;
mod server;
mod strangers;
