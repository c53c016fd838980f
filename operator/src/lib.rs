//! The e-Office tenant operator.
//!
//! Data flows one way: parse -> desired -> observe -> plan -> apply -> status. Only `observe` and
//! `apply` reach outside, and always through [`effect`]. Each plane has a folder with the same
//! verbs; [`tenant`] alone composes them.

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
