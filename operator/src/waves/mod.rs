//! New tenants in waves: whose turn it is, how many are made at once, and when a wave stops by itself. Pure.
//!
//! A tenant is new until it was proved once. It waits for its turn, is in the making from then on, and settles: it is
//! done, or it fails. Everything is decided from what is seen of the tenants, so that a process that starts anew goes
//! on where the last one was.

mod breadth;
mod matter;
mod order;
mod report;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod wave;

pub use breadth::Breadth;
pub use matter::{Matter, matter};
pub use order::{Entry, Turns, order};
pub use report::{Report, Summary, pace};
pub use wave::{Member, Rules, Seen, Stage, Wave, stage};

/// The sentence of a tenant that waits for its turn. Its place is told elsewhere: here it would be written at each step.
pub const AWAITING: &str = "it waits for its turn, as only so many new tenants are made at once; its place in the queue is told by kubectl eoffice status";
