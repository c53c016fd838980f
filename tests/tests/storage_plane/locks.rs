//! What the law of a bucket keeps is not destroyed before its time.

use super::destroying::{once, raze, tombstone};
use super::ground::{World, door, versions};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode,
};
use eoffice_crds::{Reason, RetentionMode};
use eoffice_operator::objectstore::destroy::{Done, Doomed, lawful};
use eoffice_operator::objectstore::observe::Observed;
use eoffice_operator::objectstore::size::size;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn compliance_is_waited_for_until_its_day() {
    let world = World::start().await;
    let tenant = tombstone(&world, "town-pak-chong-3021", RetentionMode::Compliance, 2).await;
    let before = versions(&world, tenant.bucket()).await;
    let tags = tenant.observe(&world).await.bucket.unwrap().tags;
    let since: i64 = tags["eoffice-retention-since"].parse().unwrap();
    let day = Timestamp::from_second(since + 2 * 24 * 60 * 60).unwrap();
    let doomed = Doomed::of(&tenant.record);
    let now = Timestamp::now();
    for _ in 0..2 {
        let halt = lawful(&world.store, &door(), &doomed, now)
            .await
            .unwrap_err();
        assert_eq!(halt.problem.reason, Reason::RetentionNotOver);
        assert_eq!(halt.until, Some(day));
        assert!(halt.problem.message.contains(&day.to_string()), "{halt}");
    }
    // Who goes on all the same is refused by the store, and told the same.
    let halt = loop {
        match once(&world, &doomed, now).await {
            Ok(Done::Uploads { .. }) => {}
            Ok(Done::Objects { count: 0, .. }) => {}
            Ok(did) => panic!("{did:?}"),
            Err(halt) => break halt,
        }
    };
    assert_eq!(
        (halt.problem.reason, halt.until),
        (Reason::RetentionNotOver, Some(day))
    );
    // A clock that is ahead opens no lock: it is the store that keeps it.
    let ahead = day + SignedDuration::from_secs(1);
    lawful(&world.store, &door(), &doomed, ahead).await.unwrap();
    let halt = once(&world, &doomed, ahead).await.unwrap_err();
    assert_eq!(
        (halt.problem.reason, halt.until),
        (Reason::BackendError, None)
    );
    let there = size(&world.store, &door(), tenant.bucket()).await.unwrap();
    assert_eq!(there.objects, 4);
    assert_eq!(
        versions(&world, tenant.bucket()).await,
        before - 1,
        "one marker"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_under_a_lock_of_its_own_keeps_all_until_its_time_is_over() {
    let world = World::start().await;
    let tenant = tombstone(
        &world,
        "town-pak-chong-3021",
        RetentionMode::Governance,
        3650,
    )
    .await;
    let before = versions(&world, tenant.bucket()).await;
    let s3 = world.part.admin();
    let hold = async |status: ObjectLockLegalHoldStatus| {
        let hold = ObjectLockLegalHold::builder().status(status).build();
        let request = s3.put_object_legal_hold().bucket(tenant.bucket());
        request
            .key("document")
            .legal_hold(hold)
            .send()
            .await
            .unwrap();
    };
    hold(ObjectLockLegalHoldStatus::On).await;
    let halt = raze(&world, &door(), &tenant).await.unwrap_err();
    assert_eq!(halt.problem.reason, Reason::LegalHold, "{halt}");
    assert_eq!(versions(&world, tenant.bucket()).await, before);
    hold(ObjectLockLegalHoldStatus::Off).await;

    let until = Timestamp::now().as_second() + 6;
    let lock = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Compliance)
        .retain_until_date(DateTime::from_secs(until));
    let request = s3.put_object_retention().bucket(tenant.bucket());
    let request = request.key("document").retention(lock.build());
    request.send().await.unwrap();

    let halt = raze(&world, &door(), &tenant).await.unwrap_err();
    assert_eq!(halt.problem.reason, Reason::RetentionNotOver, "{halt}");
    assert_eq!(halt.until, Some(Timestamp::from_second(until).unwrap()));
    assert_eq!(versions(&world, tenant.bucket()).await, before);
    let patience = Instant::now() + Duration::from_secs(30);
    while let Err(halt) = raze(&world, &door(), &tenant).await {
        assert!(Instant::now() < patience, "{halt}");
        let left = halt.until.map_or(0, |until| {
            until.as_millisecond() - Timestamp::now().as_millisecond()
        });
        tokio::time::sleep(Duration::from_millis(left.clamp(50, 1_000) as u64)).await;
    }
    assert!(Timestamp::now().as_second() >= until);
    assert_eq!(tenant.observe(&world).await, Observed::default());
}
