//! The end of a tenant's documents: what the record names, as its law allows, and nothing else.

use super::ground::{AtCall, Tenant, World, claim, door, put, uploads, versions};
use super::losses::put_tags;
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use eoffice_crds::{Reason, RecordState, RetentionMode};
use eoffice_operator::effect::{Effects, Verdict};
use eoffice_operator::objectstore::desired::Access;
use eoffice_operator::objectstore::destroy::{Done, Doomed, Halt, Progress, lawful, step};
use eoffice_operator::objectstore::observe::Observed;
use eoffice_operator::objectstore::store;
use eoffice_operator::proof::Proof;
use eoffice_tests::permit::{Permitted, Withdrawn};
use futures::{StreamExt, stream};
use jiff::Timestamp;

/// A living tenant with some documents, a deleted one and a begun upload.
async fn living(world: &World, name: &str, mode: RetentionMode, days: i32) -> Tenant {
    let mut tenant = Tenant::new(name, true);
    let retention = tenant.record.frozen.retention.as_mut().unwrap();
    (retention.mode, retention.days) = (mode, days);
    tenant.settle(world).await;
    assert_eq!(tenant.verify(world).await, Proof::Passed);
    let own = world.client(tenant.key());
    for key in ["document", "document", "deleted"] {
        put(&own, tenant.bucket(), key).await;
    }
    let deleted = own.delete_object().bucket(tenant.bucket()).key("deleted");
    deleted.send().await.unwrap();
    let upload = own.create_multipart_upload().bucket(tenant.bucket());
    upload.key("big").send().await.unwrap();
    tenant
}

/// The same, and it has left.
pub async fn tombstone(world: &World, name: &str, mode: RetentionMode, days: i32) -> Tenant {
    let mut tenant = living(world, name, mode, days).await;
    leave(world, &mut tenant).await;
    tenant
}

async fn leave(world: &World, tenant: &mut Tenant) {
    tenant.access = Access::Closed;
    tenant.record.state = RecordState::Retained;
    tenant.settle(world).await;
    tenant.record.state = RecordState::Purging;
}

pub async fn once(world: &World, doomed: &Doomed, now: Timestamp) -> Result<Done, Halt> {
    let remembers = (&mut Progress::default(), &Permitted as _);
    step(&world.store, &door(), doomed, now, remembers).await
}

/// All steps to the end, or to the first that does not go on.
pub async fn raze(world: &World, effects: &Effects, tenant: &Tenant) -> Result<Vec<Done>, Halt> {
    let doomed = Doomed::of(&tenant.record);
    lawful(&world.store, effects, &doomed, Timestamp::now()).await?;
    let mut done = Vec::new();
    let mut progress = Progress::default();
    loop {
        let now = Timestamp::now();
        match step(
            &world.store,
            effects,
            &doomed,
            now,
            (&mut progress, &Permitted),
        )
        .await?
        {
            Done::Gone => return Ok(done),
            did => done.push(did),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn governance_is_bypassed_and_the_neighbour_lives() {
    const MANY: u64 = 1_100;
    let world = World::start().await;
    let mut tenant = living(
        &world,
        "town-pak-chong-3021",
        RetentionMode::Governance,
        3650,
    )
    .await;
    let neighbour = living(
        &world,
        "tao-mittraphap-3021",
        RetentionMode::Governance,
        3650,
    )
    .await;
    let beside = versions(&world, neighbour.bucket()).await;
    // More than one page.
    let own = world.client(tenant.key());
    stream::iter(0..MANY)
        .for_each_concurrent(16, |number| {
            let (own, bucket) = (own.clone(), tenant.bucket());
            async move { put(&own, bucket, &format!("many/{number}")).await }
        })
        .await;
    tenant.auditors.insert("oag-somchai".into(), None);
    tenant.access = Access::Closed;
    tenant.settle(&world).await;
    tenant.auditors.clear();
    // The auditor's user is left to be destroyed with the tenant.
    tenant.record.state = RecordState::Purging;
    let mut tags = tenant.observe(&world).await.bucket.unwrap().tags;
    tags.insert("eoffice-state".into(), "retained".into());
    put_tags(&world, tenant.bucket(), &tags).await;

    let doomed = Doomed::of(&tenant.record);
    let there = lawful(&world.store, &door(), &doomed, Timestamp::now()).await;
    let there = there.unwrap();
    // The probe and three versions beside the many; none is of a marker.
    assert!(there.newest.is_some());
    assert_eq!(there.objects, MANY + 4);
    let probe = there.bytes - (MANY + 3) * "a document".len() as u64;
    assert!((1..100).contains(&probe), "{probe}");

    let done = raze(&world, &door(), &tenant).await.unwrap();
    let pages = done.iter().filter_map(|did| match did {
        Done::Objects { count, bytes } => Some((*count, *bytes)),
        _ => None,
    });
    let pages: Vec<_> = pages.collect();
    assert!(pages.len() >= 2, "{done:?}");
    let count: u64 = pages.iter().map(|(count, _)| count).sum();
    let bytes: u64 = pages.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!((count, bytes), (there.objects, there.bytes));
    assert_eq!(done[0], Done::Uploads { count: 1 });
    let identity = doomed_identity(&tenant);
    let bucket = Done::Bucket {
        name: tenant.bucket().into(),
        identity,
    };
    let users = [tenant.user().to_owned(), tenant.auditor_user("oag-somchai")];
    let users = users.map(|name| Done::User { name });
    let last: Vec<_> = done.iter().rev().take(3).rev().cloned().collect();
    assert_eq!(last[0], bucket);
    assert!(
        users.iter().all(|user| last[1..].contains(user)),
        "{last:?}"
    );
    assert_eq!(tenant.observe(&world).await, Observed::default());
    // Again, as after a lost certificate: there is nothing left.
    assert_eq!(raze(&world, &door(), &tenant).await.unwrap(), []);

    assert_eq!(neighbour.verify(&world).await, Proof::Passed);
    assert_eq!(versions(&world, neighbour.bucket()).await, beside);
}

fn doomed_identity(tenant: &Tenant) -> String {
    tenant.record.storage.bucket_identity.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn destroying_goes_on_after_every_interruption() {
    let world = World::start().await;
    let mut points = 0;
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        loop {
            let name = format!("tenant-{verdict:?}-{number}");
            let tenant = tombstone(&world, &name, RetentionMode::Governance, 3650).await;
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            drop(raze(&world, &effects, &tenant).await);
            raze(&world, &door(), &tenant).await.unwrap();
            let seen = tenant.observe(&world).await;
            assert_eq!(seen, Observed::default(), "{verdict:?} {number}");
            if fault.seen() <= number {
                break;
            }
            number += 1;
        }
        assert!(number >= 20, "only {number} calls were met");
        points += number;
    }
    println!("{points} points passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_very_bucket_on_record_is_not_touched() {
    let world = World::start().await;
    let tenant = tombstone(
        &world,
        "town-pak-chong-3021",
        RetentionMode::Governance,
        3650,
    )
    .await;
    let bucket = tenant.bucket();
    let before = versions(&world, bucket).await;
    let tags = tenant.observe(&world).await.bucket.unwrap().tags;
    let canary = store::canary_bucket(&claim().installation);
    let refused = async |what: &str, reason: Reason| {
        let doomed = Doomed::of(&tenant.record);
        let now = Timestamp::now();
        let asked = lawful(&world.store, &door(), &doomed, now).await;
        let tried = once(&world, &doomed, now).await;
        for halt in [asked.unwrap_err(), tried.unwrap_err()] {
            assert_eq!(
                (halt.problem.reason, halt.until),
                (reason, None),
                "{what}: {halt}"
            );
        }
        assert_eq!(versions(&world, bucket).await, before, "{what}");
        assert_eq!(uploads(&world, bucket).await, 1, "{what}");
    };
    for (key, value) in [
        ("eoffice-fingerprint", "0123"),
        ("eoffice-installation", "another"),
        ("eoffice-identity", "forged"),
        ("eoffice-state", "live"),
    ] {
        let mut forged = tags.clone();
        forged.insert(key.into(), value.into());
        put_tags(&world, bucket, &forged).await;
        refused(key, Reason::ForeignObject).await;
    }
    put_tags(&world, bucket, &Default::default()).await;
    refused("no tags", Reason::ForeignObject).await;
    put_tags(&world, bucket, &tags).await;

    let marker = world.part.admin().get_bucket_tagging().bucket(&canary);
    let marker = marker.send().await.unwrap().tag_set;
    let marker = marker.into_iter().map(|tag| (tag.key, tag.value));
    let marker: std::collections::BTreeMap<_, _> = marker.collect();
    let mut another = marker.clone();
    another.insert("eoffice-identity".into(), "two".into());
    put_tags(&world, &canary, &another).await;
    refused("another store", Reason::IdentityChanged).await;
    put_tags(&world, &canary, &marker).await;

    // Withdrawn in the last moment.
    let doomed = Doomed::of(&tenant.record);
    let remembers = (&mut Progress::default(), &Withdrawn as _);
    let halt = step(&world.store, &door(), &doomed, Timestamp::now(), remembers).await;
    assert_eq!(halt.unwrap_err().problem.reason, Reason::PurgeRefused);
    assert_eq!(uploads(&world, bucket).await, 1);

    // Forged between two steps: what was begun stops.
    let doomed = Doomed::of(&tenant.record);
    let did = once(&world, &doomed, Timestamp::now()).await;
    assert_eq!(did.unwrap(), Done::Uploads { count: 1 });
    let mut forged = tags.clone();
    forged.insert("eoffice-identity".into(), "forged".into());
    put_tags(&world, bucket, &forged).await;
    let halt = raze(&world, &door(), &tenant).await.unwrap_err();
    assert_eq!(halt.problem.reason, Reason::ForeignObject);
    assert_eq!(versions(&world, bucket).await, before);
    put_tags(&world, bucket, &tags).await;
    raze(&world, &door(), &tenant).await.unwrap();
    assert_eq!(tenant.observe(&world).await, Observed::default());
}

/// A tenant whose class promises no retention, and that is deleted for good.
async fn trial(world: &World, name: &str, versioning: bool) -> Tenant {
    let mut tenant = Tenant::new(name, false);
    tenant.record.frozen.versioning = versioning;
    tenant.settle(world).await;
    let own = world.client(tenant.key());
    for key in ["document", "document", "deleted"] {
        put(&own, tenant.bucket(), key).await;
    }
    let deleted = own.delete_object().bucket(tenant.bucket()).key("deleted");
    deleted.send().await.unwrap();
    tenant.access = Access::Closed;
    tenant.settle(world).await;
    tenant
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_own_word_destroys_all_of_it_but_passes_no_lock() {
    let world = World::start().await;
    for versioning in [false, true] {
        let tenant = trial(&world, &format!("trial-{versioning}"), versioning).await;
        assert_ne!(versions(&world, tenant.bucket()).await, 0);
        raze(&world, &door(), &tenant).await.unwrap();
        assert_eq!(tenant.observe(&world).await, Observed::default());
    }
    // A person has locked it since: that is no test tenant any more.
    let tenant = trial(&world, "trial-locked", true).await;
    let rule = DefaultRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .days(10);
    let rule = ObjectLockRule::builder().default_retention(rule.build());
    let lock = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(rule.build());
    let request = world.part.admin().put_object_lock_configuration();
    let request = request.bucket(tenant.bucket());
    let locked = request.object_lock_configuration(lock.build()).send().await;
    locked.unwrap();
    let before = versions(&world, tenant.bucket()).await;
    let halt = raze(&world, &door(), &tenant).await.unwrap_err();
    assert_eq!(halt.problem.reason, Reason::DeleteNotAllowed, "{halt}");
    let doomed = Doomed::of(&tenant.record);
    let tried = async || once(&world, &doomed, Timestamp::now()).await;
    // Markers are under no lock.
    assert_eq!(tried().await.unwrap(), Done::Objects { count: 0, bytes: 0 });
    tried().await.unwrap_err();
    assert_eq!(versions(&world, tenant.bucket()).await, before - 1);
}
