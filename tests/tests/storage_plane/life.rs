//! Made, proved, closed, opened, retained, dropped.

use super::ground::{Tenant, World, claim, door, put, uploads, versions};
use aws_sdk_s3::types::{Tag, Tagging};
use eoffice_crds::{Reason, RecordState, StoreCapabilities};
use eoffice_operator::objectstore::apply::apply;
use eoffice_operator::objectstore::desired::Access;
use eoffice_operator::objectstore::plan::plan_drop;
use eoffice_operator::objectstore::verify::verify_closed;
use eoffice_operator::objectstore::{Step, observe, store};
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

#[tokio::test(flavor = "multi_thread")]
async fn dropping_destroys_everything_of_one_tenant_alone() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.record.frozen.versioning = true;
    let mut neighbour = Tenant::new("tao-mittraphap-3021", false);
    let mut locked = Tenant::new("tao-chan-thuek-3021", true);
    for tenant in [&mut tenant, &mut neighbour, &mut locked] {
        tenant.settle(&world).await;
        assert_eq!(tenant.verify(&world).await, Proof::Passed);
    }
    let refused = plan_drop(&locked.desired(&world), &locked.observe(&world).await);
    assert_eq!(refused.unwrap_err().reason, Reason::DeleteNotAllowed);

    let own = world.client(tenant.key());
    for number in 0..3 {
        put(&own, tenant.bucket(), "a/document").await;
        put(&own, tenant.bucket(), &format!("b/{number}")).await;
    }
    own.delete_object()
        .bucket(tenant.bucket())
        .key("a/document")
        .send()
        .await
        .unwrap();
    own.create_multipart_upload()
        .bucket(tenant.bucket())
        .key("big")
        .send()
        .await
        .unwrap();

    let observed = tenant.observe(&world).await;
    let changes = plan_drop(&tenant.desired(&world), &observed).unwrap();
    let steps: Vec<_> = changes.into_iter().map(|change| change.step).collect();
    // The bucket becomes another's between the plan and the act.
    let s3 = world.part.admin();
    s3.delete_bucket_tagging()
        .bucket(tenant.bucket())
        .send()
        .await
        .unwrap();
    let on_bucket =
        |step: &&Step| matches!(step, Step::EmptyBucket { .. } | Step::DeleteBucket { .. });
    for step in steps.iter().filter(on_bucket) {
        let problem = apply(&world.store, &door(), step).await.unwrap_err();
        assert_eq!(problem.reason, Reason::ForeignObject, "{step}");
    }
    assert_eq!(versions(&world, tenant.bucket()).await, 8);
    let set: Vec<_> = observed
        .bucket
        .unwrap()
        .tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build().unwrap())
        .collect();
    let tagging = Tagging::builder().set_tag_set(Some(set)).build().unwrap();
    s3.put_bucket_tagging()
        .bucket(tenant.bucket())
        .tagging(tagging)
        .send()
        .await
        .unwrap();

    // Every step twice: the first reply may have been lost.
    for step in steps.iter().flat_map(|step| [step, step]) {
        apply(&world.store, &door(), step).await.unwrap();
    }
    let observed = tenant.observe(&world).await;
    assert_eq!(observed, observe::Observed::default());
    assert_eq!(plan_drop(&tenant.desired(&world), &observed).unwrap(), []);
    assert_eq!(neighbour.verify(&world).await, Proof::Passed);
}
