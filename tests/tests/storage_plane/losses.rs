//! What is gone, came back or was replaced, what a person accepts of it, and what is nobody's.

use super::ground::{Tenant, World, claim, door, put, random, versions};
use aws_sdk_s3::types::{Tag, Tagging};
use eoffice_crds::{Plane, Reason, RecordState};
use eoffice_operator::identity::derived_identity;
use eoffice_operator::objectstore::desired::Access;
use eoffice_operator::objectstore::observe::inventory;
use eoffice_operator::objectstore::orphans::{Strangers, strangers};
use eoffice_operator::objectstore::plan::loss;
use eoffice_operator::objectstore::verify::verify_closed;
use eoffice_operator::plan::Loss;
use eoffice_operator::proof::Proof;
use std::collections::BTreeMap;

/// Removes a bucket with all that is in it, as a person would.
async fn destroy(world: &World, bucket: &str) {
    let s3 = world.part.admin();
    let listed = s3.list_object_versions().bucket(bucket).send().await;
    for version in listed.unwrap().versions() {
        let request = s3.delete_object().bucket(bucket);
        let request = request.key(version.key().unwrap());
        let request = request.set_version_id(version.version_id().map(Into::into));
        let request = request.bypass_governance_retention(true);
        request.send().await.unwrap();
    }
    s3.delete_bucket().bucket(bucket).send().await.unwrap();
}

/// A bucket with a document in it, as a restore makes it.
async fn restore(world: &World, bucket: &str, tags: &BTreeMap<String, String>) {
    let s3 = world.part.admin();
    s3.create_bucket().bucket(bucket).send().await.unwrap();
    put(&s3, bucket, "document").await;
    put_tags(world, bucket, tags).await;
}

pub async fn put_tags(world: &World, bucket: &str, tags: &BTreeMap<String, String>) {
    let s3 = world.part.admin();
    if tags.is_empty() {
        let request = s3.delete_bucket_tagging().bucket(bucket);
        request.send().await.unwrap();
        return;
    }
    let tag = |(key, value)| Tag::builder().key(key).value(value).build().unwrap();
    let set: Vec<_> = tags.iter().map(tag).collect();
    let tagging = Tagging::builder().set_tag_set(Some(set)).build().unwrap();
    let request = s3.put_bucket_tagging().bucket(bucket).tagging(tagging);
    request.send().await.unwrap();
}

async fn loss_of(world: &World, tenant: &Tenant) -> Option<Loss> {
    loss(&tenant.desired(world), &tenant.observe(world).await)
}

/// What is written into the record when a person accepts.
fn accept(tenant: &mut Tenant, loss: &Loss) {
    let record = &mut tenant.record;
    record.storage.superseded.push(loss.lost.clone());
    record.storage.bucket_identity = loss.found.clone();
    record.settled.remove(&Plane::Storage);
}

/// The same sentence and an untouched store, however often it is tried.
async fn stands_still(world: &World, tenant: &mut Tenant, reason: Reason) -> String {
    let before = tenant.observe(world).await;
    let mut sentences = Vec::new();
    for _ in 0..2 {
        let problem = tenant.pass(world, &door()).await.unwrap_err();
        assert_eq!(problem.reason, reason, "{problem}");
        sentences.push(problem.message);
    }
    assert_eq!(sentences[0], sentences[1]);
    assert_eq!(tenant.observe(world).await, before);
    sentences.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_made_anew_only_where_its_loss_is_accepted() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    tenant.settle(&world).await;
    let lost = tenant.record.storage.bucket_identity.clone().unwrap();
    destroy(&world, tenant.bucket()).await;
    let found = loss_of(&world, &tenant).await.unwrap();
    assert_eq!((found.lost.as_str(), &found.found), (lost.as_str(), &None));
    let sentence = stands_still(&world, &mut tenant, Reason::DataMissing).await;
    let annotation = format!(
        "eoffice.gdcc.go.th/accept-data-loss: {}/{lost}",
        tenant.bucket()
    );
    assert!(sentence.ends_with(&annotation), "{sentence}");

    accept(&mut tenant, &found);
    let key = tenant.key().access_key_id.clone();
    tenant.settle(&world).await;
    assert_eq!(tenant.key().access_key_id, key);
    assert_eq!(tenant.verify(&world).await, Proof::Passed);
    let new = tenant.record.storage.bucket_identity.clone().unwrap();
    assert_ne!(new, lost);
    // The next loss is another.
    destroy(&world, tenant.bucket()).await;
    assert_eq!(loss_of(&world, &tenant).await.unwrap().lost, new);
    stands_still(&world, &mut tenant, Reason::DataMissing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_bucket_is_taken_up_once_it_is_accepted_and_only_that_one() {
    let world = World::start().await;
    for retention in [false, true] {
        let mut tenant = Tenant::new(&format!("restored-{retention}"), retention);
        tenant.settle(&world).await;
        let bucket = tenant.bucket().to_owned();
        let lost = tenant.record.storage.bucket_identity.clone().unwrap();
        destroy(&world, &bucket).await;
        let note = BTreeMap::from([("restored-by".to_owned(), "nt".to_owned())]);
        restore(&world, &bucket, &note).await;

        let found = loss_of(&world, &tenant).await.unwrap();
        let given = derived_identity(&claim().installation, &lost);
        assert_eq!(found.found.as_ref(), Some(&given));
        let sentence = stands_still(&world, &mut tenant, Reason::DataMissing).await;
        let annotation = format!("eoffice.gdcc.go.th/accept-restored: {bucket}/{given},");
        assert!(sentence.contains(&annotation), "{sentence}");

        accept(&mut tenant, &found);
        tenant.settle(&world).await;
        let seen = tenant.observe(&world).await.bucket.unwrap();
        assert_eq!(seen.identity(), Some(given.as_str()));
        assert_eq!(seen.tags["restored-by"], "nt");
        let own = world.client(tenant.key());
        let read = own.get_object().bucket(&bucket).key("document");
        read.send().await.unwrap();
        assert_eq!(tenant.verify(&world).await, Proof::Passed);

        // It was brought to what is asked. What comes back bare from now on is another.
        let asked = tenant.desired(&world).asked();
        tenant.record.settled.insert(Plane::Storage, asked);
        put_tags(&world, &bucket, &BTreeMap::new()).await;
        let next = loss_of(&world, &tenant).await.unwrap();
        assert_eq!(next.lost, given);
        stands_still(&world, &mut tenant, Reason::DataMissing).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_the_mark_that_are_gone_are_put_back() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    let bucket = tenant.bucket().to_owned();
    let tags = tenant.observe(&world).await.bucket.unwrap().tags;
    // The identity on record says that it is ours.
    for gone in ["installation", "fingerprint", "uid", "state", "twin"] {
        let mut fewer = tags.clone();
        fewer.remove(&format!("eoffice-{gone}")).unwrap();
        put_tags(&world, &bucket, &fewer).await;
        assert_eq!(loss_of(&world, &tenant).await, None);
        assert_eq!(tenant.settle(&world).await.len(), 1, "{gone}");
        assert_eq!(tenant.observe(&world).await.bucket.unwrap().tags, tags);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_ours_with_another_identity_waits_and_another_s_is_left() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    let bucket = tenant.bucket().to_owned();
    let tags = tenant.observe(&world).await.bucket.unwrap().tags;

    destroy(&world, &bucket).await;
    let mut foreign = tags.clone();
    foreign.insert("eoffice-installation".into(), "another".into());
    restore(&world, &bucket, &foreign).await;
    assert_eq!(loss_of(&world, &tenant).await, None);
    stands_still(&world, &mut tenant, Reason::ForeignObject).await;

    let mut other = tags.clone();
    other.insert("eoffice-identity".into(), "other".into());
    other.insert("eoffice-twin".into(), "7".into());
    put_tags(&world, &bucket, &other).await;
    let found = loss_of(&world, &tenant).await.unwrap();
    assert_eq!(found.found.as_deref(), Some("other"));
    stands_still(&world, &mut tenant, Reason::DataMissing).await;
    accept(&mut tenant, &found);
    tenant.settle(&world).await;
    // Its twin is the other plane's finding, until that is accepted too.
    assert_eq!(twin(&world, &tenant).await, "7");
    tenant.record.database.superseded.push(7);
    assert_eq!(tenant.settle(&world).await.len(), 1);
    assert_eq!(twin(&world, &tenant).await, "16384");
}

async fn twin(world: &World, tenant: &Tenant) -> String {
    let bucket = tenant.observe(world).await.bucket.unwrap();
    bucket.mark().unwrap().twin.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn access_to_a_bucket_that_lost_its_mark_ends_and_the_loss_is_told() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    let own = world.client(tenant.key());
    put(&own, tenant.bucket(), "document").await;
    put_tags(&world, tenant.bucket(), &BTreeMap::new()).await;
    let bucket = tenant.observe(&world).await.bucket;

    tenant.access = Access::Closed;
    let problem = tenant.pass(&world, &door()).await.unwrap_err();
    assert_eq!(problem.reason, Reason::DataMissing, "{problem}");
    stands_still(&world, &mut tenant, Reason::DataMissing).await;
    let seen = tenant.observe(&world).await;
    let key = tenant.key();
    assert!(!seen.user.unwrap().keys[&key.access_key_id]);
    assert_eq!(seen.bucket, bucket, "the bucket itself is left");
    let proof = verify_closed(&world.store, &door(), key, tenant.bucket()).await;
    assert_eq!(proof, Proof::Passed);
    let read = own.get_object().bucket(tenant.bucket()).key("document");
    assert!(read.send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_record_names_is_told_of_and_left() {
    let world = World::start().await;
    let installation = claim().installation;
    let mut known = Tenant::new("town-pak-chong-3021", false);
    let mut orphan = Tenant::new("tao-mittraphap-3021", false);
    let mut left = Tenant::new("tao-chan-thuek-3021", false);
    for tenant in [&mut known, &mut orphan, &mut left] {
        tenant.settle(&world).await;
    }
    left.access = Access::Closed;
    left.record.state = RecordState::Retained;
    left.settle(&world).await;
    let s3 = world.part.admin();
    let foreign = format!("foreign-{}", &random()[..8]);
    s3.create_bucket().bucket(&foreign).send().await.unwrap();

    let meet = async |before: Strangers, records: &[&Tenant]| {
        let effects = door();
        let listed = inventory(&world.store, &effects, &installation).await;
        let records = records.iter().map(|tenant| &tenant.record.storage);
        let there = strangers(&listed.unwrap(), &installation, records);
        let count = there.len();
        let met = before.meet(&world.store, &effects, &installation, there);
        (met.await, count)
    };
    let (met, count) = meet(Strangers::default(), &[&known]).await;
    assert_eq!(count, 5, "the canary is no stranger");
    let bucket = format!("bucket {}", orphan.bucket());
    let user = format!("user {}", orphan.user());
    assert_eq!(met.orphans(), [bucket, user]);
    assert_eq!(met.retained(), 1);
    // Remembered while it is listed, and forgotten with its record's return.
    assert_eq!(meet(met.clone(), &[&known]).await.0, met);
    let (met, _) = meet(met, &[&known, &orphan]).await;
    assert_eq!(met.orphans(), [""; 0]);
    // Nothing was touched.
    assert_eq!(orphan.verify(&world).await, Proof::Passed);
    assert_eq!(versions(&world, &foreign).await, 0);
}
