//! The sandbox: a real platform on one machine, without containers, for the demo, the tests and the benchmarks.

pub mod application;
pub mod apply;
pub mod backends;
pub mod demo;
mod descendants;
pub mod e2e;
mod failure;
pub mod ground;
pub mod helm;
pub mod home;
pub mod kubeconfig;
pub mod net;
pub mod operator;
pub mod part;
pub mod parts;
pub mod permit;
pub mod pki;
mod probe;
pub mod process;
pub mod progress;
pub mod proof;
mod random;
pub mod resident;
pub mod sandbox;
pub mod toolchain;

pub use ground::Ground;
pub use operator::{BreakerOptions, Operator, OperatorOptions};
pub use part::Part;
pub use progress::Progress;
pub use resident::Resident;
pub use sandbox::{Options, Sandbox};
