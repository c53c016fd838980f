//! The S3 and IAM plane on a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "storage_plane/auditors.rs"]
mod auditors;
#[path = "storage_plane/destroying.rs"]
mod destroying;
#[path = "storage_plane/faults.rs"]
mod faults;
#[path = "storage_plane/ground.rs"]
mod ground;
#[path = "storage_plane/life.rs"]
mod life;
#[path = "storage_plane/locks.rs"]
mod locks;
#[path = "storage_plane/losses.rs"]
mod losses;
#[path = "storage_plane/rotation.rs"]
mod rotation;
#[path = "storage_plane/takeover.rs"]
mod takeover;
#[path = "storage_plane/walls.rs"]
mod walls;
