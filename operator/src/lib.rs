//! The e-Office tenant operator.
//!
//! Data flows one way: parse -> desired -> observe -> plan -> apply -> status. Only `observe` and
//! `apply` reach outside, and always through [`effect`]. Each plane has a folder with the same
//! verbs; [`tenant`] alone composes them.

// A look at a tenant is one future with the futures of four SDKs within it.
#![recursion_limit = "256"]

pub mod audit;
pub mod breaker;
pub mod clock;
pub mod controller;
pub mod effect;
pub mod identity;
pub mod ingress;
pub mod kubernetes;
pub mod objectstore;
pub mod plan;
pub mod postgres;
pub mod proof;
pub mod settings;
pub mod telemetry;
pub mod tenant;
pub mod waves;
