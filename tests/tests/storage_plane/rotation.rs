//! A key is renewed while it is used, and the one before is taken away, reversibly.

use super::ground::{AtCall, Tenant, World, door, put};
use eoffice_crds::{RotationCause, RotationUnderWay, StoreCapabilities};
use eoffice_operator::effect::{Effects, Verdict};
use eoffice_operator::objectstore::Key;
use eoffice_operator::objectstore::last_use::{LastUsed, last_used};
use eoffice_operator::proof::Proof;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

async fn works(world: &World, tenant: &Tenant, key: &Key) -> bool {
    let listed = world.client(key).list_objects_v2().bucket(tenant.bucket());
    listed.send().await.is_ok()
}

/// What is written down at the beginning: the key in the Secret is the one to be taken away.
fn begin(tenant: &mut Tenant) {
    let now = || Time(Timestamp::now());
    tenant.record.rotation.under_way = Some(RotationUnderWay {
        cause: RotationCause::Asked,
        since: now(),
        deadline: now(),
        login: tenant.record.database.login.clone(),
        key: Some(tenant.key().access_key_id.clone()),
        handed_out_at: None,
        login_retired_at: None,
        key_retired_at: None,
    });
}

fn under_way(tenant: &mut Tenant) -> &mut RotationUnderWay {
    tenant.record.rotation.under_way.as_mut().unwrap()
}

/// One pass under a fault; where it fails, the passes of an operator that is started again. Whenever one ended, the
/// key in the Secret works.
async fn stage(world: &World, tenant: &mut Tenant, effects: &Effects) {
    drop(tenant.pass(world, effects).await);
    assert!(works(world, tenant, tenant.key()).await);
    tenant.settle(world).await;
    assert!(works(world, tenant, tenant.key()).await);
}

/// A whole rotation. Answers with the key before.
async fn rotate(world: &World, tenant: &mut Tenant, effects: &Effects) -> Key {
    let before = tenant.key().clone();
    begin(tenant);
    stage(world, tenant, effects).await;
    assert_ne!(tenant.key().access_key_id, before.access_key_id);
    assert!(
        works(world, tenant, &before).await,
        "who has not read the Secret again goes on"
    );
    under_way(tenant).handed_out_at = Some(Time(Timestamp::now()));
    stage(world, tenant, effects).await;
    assert!(works(world, tenant, &before).await);

    under_way(tenant).key_retired_at = Some(Time(Timestamp::now()));
    stage(world, tenant, effects).await;
    assert!(!works(world, tenant, &before).await);
    tenant.record.rotation.under_way = None;
    stage(world, tenant, effects).await;
    let user = tenant.observe(world).await.user.unwrap();
    assert!(
        !user.keys[&before.access_key_id],
        "taken away, and still there"
    );
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_ends_in_the_same_whatever_fails_and_no_secret_ever_fails() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    tenant.settle(&world).await;
    let mut points = 0;
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        loop {
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            rotate(&world, &mut tenant, &effects).await;
            let keys = tenant.observe(&world).await.user.unwrap().keys;
            assert_eq!(keys.len(), 2, "{verdict:?} {number}");
            if fault.seen() <= number {
                break;
            }
            number += 1;
        }
        assert!(number >= 20, "only {number} calls were met");
        points += number;
    }
    println!("{points} points passed");
    assert_eq!(tenant.verify(&world).await, Proof::Passed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_taken_away_can_be_given_back_and_not_by_hand() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    let before = tenant.key().clone();
    begin(&mut tenant);
    tenant.settle(&world).await;
    under_way(&mut tenant).key_retired_at = Some(Time(Timestamp::now()));
    tenant.settle(&world).await;
    assert!(!works(&world, &tenant, &before).await);
    let activate = async || {
        let request = world.part.iam_admin().update_access_key();
        let request = request.user_name(tenant.record.storage.user.clone());
        let request = request.access_key_id(&before.access_key_id);
        let active = aws_sdk_iam::types::StatusType::Active;
        request.status(active).send().await.unwrap();
    };
    // By hand it is drift, during the rotation and after it.
    activate().await;
    tenant.settle(&world).await;
    assert!(!works(&world, &tenant, &before).await);

    under_way(&mut tenant).key_retired_at = None;
    tenant.settle(&world).await;
    assert!(works(&world, &tenant, &before).await);

    tenant.record.rotation.under_way = None;
    tenant.settle(&world).await;
    assert!(!works(&world, &tenant, &before).await);
    let user = tenant.observe(&world).await.user.unwrap();
    assert_eq!(user.keys.len(), 1, "it was active and nobody's: a stray");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_told_where_the_store_can() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    let key = tenant.key().access_key_id.clone();
    let ask = async |able: &StoreCapabilities, key: &str| {
        let told = last_used(&world.store, &door(), able, key).await;
        told.unwrap()
    };
    let able = world.capabilities;
    assert_eq!(ask(&able, &key).await, LastUsed::Never);
    let second = |at: Timestamp| at.as_second();
    let before = second(Timestamp::now());
    put(&world.client(tenant.key()), tenant.bucket(), "document").await;
    let LastUsed::At(at) = ask(&able, &key).await else {
        panic!("a use was not seen")
    };
    assert!(
        (before..=second(Timestamp::now())).contains(&second(at)),
        "{at}"
    );
    assert_eq!(ask(&able, "AKIANOBODYSKEY000000").await, LastUsed::Never);
    let unable = StoreCapabilities {
        last_used: false,
        ..able
    };
    assert_eq!(ask(&unable, &key).await, LastUsed::NotTold);
}
