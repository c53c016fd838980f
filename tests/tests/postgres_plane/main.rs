//! The PostgreSQL plane against a real server: made, kept, closed, refused, and removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bed;
mod crash;
mod drift;
mod gate;
mod hostile;
mod life;
mod lost;
mod server;
mod strangers;
