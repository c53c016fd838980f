//! The Kubernetes plane on a real API server with a real cert-manager, with the rights of the chart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "kubernetes_plane/certificates.rs"]
mod certificates;
#[path = "kubernetes_plane/drift.rs"]
mod drift;
#[path = "kubernetes_plane/ground.rs"]
mod ground;
#[path = "kubernetes_plane/rows.rs"]
mod rows;

use ground::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_by_field_and_actor_and_put_right() {
    let world = World::start().await;
    drift::told_and_put_right(&world).await;
    drift::what_the_server_rewrites(&world).await;
    drift::changed_in_between(&world).await;
    drift::another_role(&world).await;
    drift::stuck_and_immutable(&world).await;
    certificates::told_and_put_right(&world).await;
}
