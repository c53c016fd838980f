//! The parts of the platform.

pub mod audit;
pub mod cert_manager;
pub mod control_plane;
pub mod etcd;
pub mod object_store;
pub mod postgres;
pub(crate) mod shared_memory;
pub mod traefik;
