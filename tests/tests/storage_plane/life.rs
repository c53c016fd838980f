//! Made, proved, closed, opened, retained.

use super::ground::{Tenant, World, claim, door, uploads, versions};
use eoffice_crds::{RecordState, StoreCapabilities};
use eoffice_operator::objectstore::desired::Access;
use eoffice_operator::objectstore::verify::verify_closed;
use eoffice_operator::objectstore::{observe, store};
use eoffice_operator::proof::Proof;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_proved_closed_opened_and_retained() {
    let world = World::start().await;
    assert_eq!(
        world.capabilities,
        StoreCapabilities {
            versioning: true,
            object_lock: true,
            retention_per_object: false,
            lifecycle: false,
            encryption: false,
            last_used: true,
        }
    );
    let canary = store::canary_bucket(&claim().installation);
    assert_eq!(versions(&world, &canary).await, 1);

    let mut locked = Tenant::new("town-pak-chong-3021", true);
    let mut plain = Tenant::new("tao-mittraphap-3021", false);
    for tenant in [&mut locked, &mut plain] {
        assert!(!tenant.settle(&world).await.is_empty());
        for _ in 0..3 {
            assert_eq!(tenant.verify(&world).await, Proof::Passed);
        }
        assert_eq!(versions(&world, tenant.bucket()).await, 1);
        assert_eq!(uploads(&world, tenant.bucket()).await, 0);
    }
    // Nothing piles up either where an application hides the probe.
    let own = world.client(locked.key());
    let hide = own.delete_object().bucket(locked.bucket());
    hide.key(".eoffice/probe").send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(locked.verify(&world).await, Proof::Passed);
    }
    assert_eq!(versions(&world, locked.bucket()).await, 2);
    // The canary was not written by any trial.
    assert_eq!(versions(&world, &canary).await, 1);

    let installation = claim().installation;
    let inventory = observe::inventory(&world.store, &door(), &installation)
        .await
        .unwrap();
    assert!(inventory.has(&locked.record.storage) && inventory.has(&plain.record.storage));
    assert_eq!((inventory.buckets.len(), inventory.users.len()), (3, 2));

    let still_open = verify_closed(&world.store, &door(), locked.key(), locked.bucket()).await;
    assert!(matches!(still_open, Proof::Failed(_)), "{still_open:?}");
    locked.access = Access::Closed;
    assert_eq!(locked.settle(&world).await.len(), 1);
    let closed = verify_closed(&world.store, &door(), locked.key(), locked.bucket()).await;
    assert_eq!(closed, Proof::Passed);
    let proof = locked.verify(&world).await;
    assert!(matches!(proof, Proof::Failed(_)), "{proof:?}");

    locked.access = Access::Open;
    locked.settle(&world).await;
    assert_eq!(locked.verify(&world).await, Proof::Passed);

    locked.access = Access::Closed;
    locked.record.state = RecordState::Retained;
    locked.settle(&world).await;
    let mark = locked.observe(&world).await.bucket.unwrap().mark().unwrap();
    assert_eq!(mark.state, RecordState::Retained);
    assert_eq!(mark.twin.as_deref(), Some("16384"));
}
