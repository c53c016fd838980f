//! Auditors of an archived tenant: each reads all with a key of his own, until his time.

use super::ground::{AtCall, Tenant, World, claim, door, put, random, versions};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use eoffice_operator::effect::Verdict;
use eoffice_operator::objectstore::desired::Access;
use eoffice_operator::objectstore::observe::{inventory, listed_tenant};
use eoffice_operator::objectstore::orphans::strangers;
use eoffice_operator::objectstore::plan::plan_close;
use eoffice_operator::objectstore::{apply::apply, store};
use eoffice_operator::proof::Proof;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

const NAME: &str = "oag-somchai";

/// An archived tenant with a document of two versions and one that was deleted.
async fn archived(world: &World, name: &str) -> Tenant {
    let mut tenant = Tenant::new(name, true);
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

fn answer<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "allowed".into(),
        Err(error) => error.code().unwrap_or("no code").into(),
    }
}

async fn reads_everything(s3: &Client, bucket: &str) {
    s3.list_objects_v2().bucket(bucket).send().await.unwrap();
    s3.get_bucket_location()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    let read = s3.get_object().bucket(bucket).key("document").send().await;
    read.unwrap();
    let listed = s3.list_object_versions().bucket(bucket).send().await;
    let listed = listed.unwrap();
    let documents = listed.versions().iter();
    let documents = documents.filter(|it| it.key() != Some(".eoffice/probe"));
    let mut count = 0;
    for version in documents {
        let read = s3.get_object().bucket(bucket).key(version.key().unwrap());
        let read = read.version_id(version.version_id().unwrap()).send().await;
        let body = read.unwrap().body.collect().await.unwrap();
        assert_eq!(body.into_bytes(), "a document");
        count += 1;
    }
    assert_eq!(count, 3, "the deleted document and the old version too");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_all_and_changes_nothing_until_his_time() {
    let world = World::start().await;
    let mut tenant = archived(&world, "town-pak-chong-3021").await;
    let neighbour = archived(&world, "tao-mittraphap-3021").await;
    tenant.auditors.insert(NAME.into(), None);
    tenant.settle(&world).await;
    let key = tenant.auditors[NAME].clone().unwrap();
    let s3 = world.client(&key);
    let bucket = tenant.bucket();
    reads_everything(&s3, bucket).await;

    let before = versions(&world, bucket).await;
    let read = s3.get_object().bucket(bucket).key("document").send().await;
    let version = read.unwrap().version_id.unwrap();
    let body = || ByteStream::from_static(b"x");
    let canary = store::canary_bucket(&claim().installation);
    let (other, made) = (neighbour.bucket(), format!("made-{}", &random()[..8]));
    let answers = [
        answer(
            s3.put_object()
                .bucket(bucket)
                .key("new")
                .body(body())
                .send()
                .await,
        ),
        answer(
            s3.put_object()
                .bucket(bucket)
                .key("document")
                .body(body())
                .send()
                .await,
        ),
        answer(
            s3.copy_object()
                .bucket(bucket)
                .key("copy")
                .copy_source(format!("{bucket}/document"))
                .send()
                .await,
        ),
        answer(
            s3.create_multipart_upload()
                .bucket(bucket)
                .key("big")
                .send()
                .await,
        ),
        answer(
            s3.delete_object()
                .bucket(bucket)
                .key("document")
                .send()
                .await,
        ),
        answer(
            s3.delete_object()
                .bucket(bucket)
                .key("document")
                .version_id(&version)
                .send()
                .await,
        ),
        answer(
            s3.delete_object()
                .bucket(bucket)
                .key("document")
                .version_id(&version)
                .bypass_governance_retention(true)
                .send()
                .await,
        ),
        answer(s3.delete_bucket_policy().bucket(bucket).send().await),
        answer(s3.delete_bucket_tagging().bucket(bucket).send().await),
        answer(s3.delete_bucket().bucket(bucket).send().await),
        answer(s3.create_bucket().bucket(&made).send().await),
        answer(s3.list_objects_v2().bucket(other).send().await),
        answer(s3.list_object_versions().bucket(other).send().await),
        answer(s3.get_object().bucket(other).key("document").send().await),
        answer(
            s3.put_object()
                .bucket(other)
                .key("document")
                .body(body())
                .send()
                .await,
        ),
        answer(s3.list_objects_v2().bucket(&canary).send().await),
        answer(s3.get_object().bucket(&canary).key("canary").send().await),
    ];
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer, "AccessDenied", "{number}");
    }
    let listed = s3.list_buckets().send().await;
    let names = listed.map(|it| it.buckets().to_vec()).unwrap_or_default();
    assert!(
        names.iter().all(|it| it.name() == Some(bucket)),
        "{names:?}"
    );
    assert_eq!(versions(&world, bucket).await, before);
    let closed = tenant.verify(&world).await;
    assert!(
        matches!(closed, Proof::Failed(_)),
        "the tenant's own key stays closed"
    );

    // The lists of the patrol show the same as the close look, and tell of no stranger.
    let listed = inventory(&world.store, &door(), &claim().installation).await;
    let listed = listed.unwrap();
    let seen = listed_tenant(&world.store, &door(), bucket, tenant.user(), &listed).await;
    assert_eq!(seen.unwrap(), tenant.observe(&world).await);
    let records = [&tenant, &neighbour].map(|it| &it.record.storage);
    let nobodys = strangers(&listed, &claim().installation, records.into_iter());
    assert_eq!(nobodys.len(), 0);

    tenant.auditors.clear();
    tenant.settle(&world).await;
    let refused = s3.list_objects_v2().bucket(tenant.bucket()).send().await;
    assert!(refused.is_err());
    assert_eq!(tenant.observe(&world).await.auditors.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_come_and_go_whatever_fails() {
    let world = World::start().await;
    let mut tenant = archived(&world, "town-pak-chong-3021").await;
    let mut points = 0;
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        loop {
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            tenant.auditors.insert(NAME.into(), None);
            drop(tenant.pass(&world, &effects).await);
            tenant.settle(&world).await;
            let key = tenant.auditors[NAME].clone().unwrap();
            let s3 = world.client(&key);
            reads_everything(&s3, tenant.bucket()).await;
            tenant.auditors.clear();
            drop(tenant.pass(&world, &effects).await);
            tenant.settle(&world).await;
            let listed = s3.list_objects_v2().bucket(tenant.bucket()).send().await;
            assert!(listed.is_err(), "{verdict:?} {number}");
            let seen = tenant.observe(&world).await;
            assert_eq!(seen.auditors.len(), 0, "{verdict:?} {number}");
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
async fn an_auditor_s_access_ends_whatever_became_of_the_bucket() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    tenant.access = Access::Closed;
    tenant.auditors.insert(NAME.into(), None);
    tenant.settle(&world).await;
    let key = tenant.auditors[NAME].clone().unwrap();
    let s3 = world.client(&key);
    s3.list_objects_v2()
        .bucket(tenant.bucket())
        .send()
        .await
        .unwrap();

    // Closed for good: nothing of it waits for the bucket.
    tenant.auditors.clear();
    let request = world.part.admin().delete_bucket_tagging();
    request.bucket(tenant.bucket()).send().await.unwrap();
    let seen = tenant.observe(&world).await;
    let closing = plan_close(&tenant.desired(&world), &seen);
    for change in closing {
        apply(&world.store, &door(), &change.step).await.unwrap();
    }
    assert!(
        s3.list_objects_v2()
            .bucket(tenant.bucket())
            .send()
            .await
            .is_err()
    );
    assert_eq!(tenant.observe(&world).await.auditors.len(), 0);

    let tags = seen.bucket.unwrap().tags;
    assert_eq!(tags.len(), 0, "nothing was put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_itself_ends_an_auditor_s_access_with_his_time() {
    let world = World::start().await;
    let mut tenant = archived(&world, "town-pak-chong-3021").await;
    tenant.until = Timestamp::now() + SignedDuration::from_secs(10);
    tenant.auditors.insert(NAME.into(), None);
    tenant.settle(&world).await;
    let s3 = world.client(tenant.auditors[NAME].as_ref().unwrap());
    let bucket = tenant.bucket().to_owned();
    reads_everything(&s3, &bucket).await;
    // Nobody looks at the tenant meanwhile.
    let over = async {
        while s3.list_objects_v2().bucket(&bucket).send().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), over).await;
    in_time.expect("his key outlives his time");
    assert!(Timestamp::now() + SignedDuration::from_secs(1) >= tenant.until);
    let read = s3.get_object().bucket(&bucket).key("document").send().await;
    assert_eq!(answer(read), "AccessDenied");

    tenant.until = Timestamp::now() + SignedDuration::from_hours(1);
    assert_eq!(tenant.settle(&world).await.len(), 1, "his policy");
    reads_everything(&s3, &bucket).await;
}
