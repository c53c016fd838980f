//! What a tenant cannot do, and what the operator does not touch.

use super::ground::{Tenant, World, claim, door, put, versions};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold,
    ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
    Tagging, VersioningConfiguration,
};
use eoffice_crds::Reason;
use eoffice_operator::objectstore::apply::apply;
use eoffice_operator::objectstore::destroy::{Doomed, Progress, step};
use eoffice_operator::objectstore::plan::plan;
use eoffice_operator::objectstore::store;
use eoffice_operator::objectstore::verify::{Subject, verify};
use eoffice_operator::proof::Proof;
use eoffice_tests::permit::Permitted;
use jiff::Timestamp;

/// The code of a refusal, or `allowed`.
fn answer<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "allowed".into(),
        Err(error) => error.code().unwrap_or("no code").into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cannot_loosen_what_holds_it() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    let mut neighbour = Tenant::new("tao-mittraphap-3021", false);
    tenant.settle(&world).await;
    neighbour.settle(&world).await;
    let s3 = world.client(tenant.key());
    let bucket = tenant.bucket();
    put(&s3, bucket, "document").await;
    let read = s3.get_object().bucket(bucket).key("document").send().await;
    let version = read.unwrap().version_id.unwrap();
    put(
        &world.client(neighbour.key()),
        neighbour.bucket(),
        "document",
    )
    .await;

    let until = DateTime::from_secs(4_000_000_000);
    let soon = DateTime::from_secs(jiff::Timestamp::now().as_second() + 5);
    let short = ObjectLockRetention::builder().mode(ObjectLockRetentionMode::Governance);
    let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::On);
    let unlock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended);
    let no_tags = Tagging::builder()
        .set_tag_set(Some(vec![]))
        .build()
        .unwrap();
    let document = || {
        s3.put_object()
            .bucket(bucket)
            .key("other")
            .body(ByteStream::from_static(b"x"))
    };
    let locked = |until| {
        document()
            .object_lock_mode(ObjectLockMode::Governance)
            .object_lock_retain_until_date(until)
    };
    let other = neighbour.bucket();
    let answers = [
        ("put locked for long", answer(locked(until).send().await)),
        ("put locked for short", answer(locked(soon).send().await)),
        (
            "put held",
            answer(
                document()
                    .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On)
                    .send()
                    .await,
            ),
        ),
        (
            "retention",
            answer(
                s3.put_object_retention()
                    .bucket(bucket)
                    .key("document")
                    .version_id(&version)
                    .retention(short.retain_until_date(soon).build())
                    .send()
                    .await,
            ),
        ),
        (
            "legal hold",
            answer(
                s3.put_object_legal_hold()
                    .bucket(bucket)
                    .key("document")
                    .legal_hold(hold.build())
                    .send()
                    .await,
            ),
        ),
        (
            "delete the version",
            answer(
                s3.delete_object()
                    .bucket(bucket)
                    .key("document")
                    .version_id(&version)
                    .send()
                    .await,
            ),
        ),
        (
            "bypass",
            answer(
                s3.delete_object()
                    .bucket(bucket)
                    .key("document")
                    .version_id(&version)
                    .bypass_governance_retention(true)
                    .send()
                    .await,
            ),
        ),
        (
            "lift the rule",
            answer(
                s3.put_object_lock_configuration()
                    .bucket(bucket)
                    .object_lock_configuration(unlock.build())
                    .send()
                    .await,
            ),
        ),
        (
            "suspend versions",
            answer(
                s3.put_bucket_versioning()
                    .bucket(bucket)
                    .versioning_configuration(suspended.build())
                    .send()
                    .await,
            ),
        ),
        (
            "forge tags",
            answer(
                s3.put_bucket_tagging()
                    .bucket(bucket)
                    .tagging(no_tags)
                    .send()
                    .await,
            ),
        ),
        (
            "read tags",
            answer(s3.get_bucket_tagging().bucket(bucket).send().await),
        ),
        (
            "remove tags",
            answer(s3.delete_bucket_tagging().bucket(bucket).send().await),
        ),
        (
            "bucket policy",
            answer(
                s3.put_bucket_policy()
                    .bucket(bucket)
                    .policy("{}")
                    .send()
                    .await,
            ),
        ),
        (
            "delete the bucket",
            answer(s3.delete_bucket().bucket(bucket).send().await),
        ),
        (
            "make a bucket",
            answer(s3.create_bucket().bucket("another-bucket").send().await),
        ),
        ("list buckets", answer(s3.list_buckets().send().await)),
        (
            "list the neighbour",
            answer(s3.list_objects_v2().bucket(other).send().await),
        ),
        (
            "read the neighbour",
            answer(s3.get_object().bucket(other).key("document").send().await),
        ),
        (
            "write the neighbour",
            answer(
                s3.put_object()
                    .bucket(other)
                    .key("document")
                    .body(ByteStream::from_static(b"x"))
                    .send()
                    .await,
            ),
        ),
        (
            "copy the neighbour",
            answer(
                s3.copy_object()
                    .bucket(bucket)
                    .key("copy")
                    .copy_source(format!("{other}/document"))
                    .send()
                    .await,
            ),
        ),
    ];
    for (what, answer) in answers {
        assert_eq!(answer, "AccessDenied", "{what}");
    }
    // A marker hides a document, and removing the marker shows it again.
    s3.delete_object()
        .bucket(bucket)
        .key("document")
        .send()
        .await
        .unwrap();
    let read = s3
        .get_object()
        .bucket(bucket)
        .key("document")
        .version_id(&version);
    read.send().await.unwrap();
    assert_eq!(tenant.pass(&world, &door()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_fails_where_something_is_wrong() {
    let world = World::start().await;
    let (s3, iam) = (world.part.admin(), world.part.iam_admin());
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    tenant.settle(&world).await;
    assert_eq!(tenant.verify(&world).await, Proof::Passed);
    let user = tenant.user().to_owned();
    let policy = async |actions: &str, resource: &str| {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"{resource}"}}]}}"#
        );
        let request = iam.put_user_policy().user_name(&user).policy_name("bucket");
        request.policy_document(document).send().await.unwrap();
    };
    let failure = async |tenant: &Tenant| match tenant.verify(&world).await {
        Proof::Failed(why) => why,
        other => panic!("{other:?}"),
    };

    policy(r#""s3:*""#, "*").await;
    assert!(failure(&tenant).await.contains("canary"));
    let own = format!("arn:aws:s3:::{}*", tenant.bucket());
    policy(r#"["s3:ListBucket*","s3:GetObject*"]"#, &own).await;
    assert!(failure(&tenant).await.contains("own key was refused"));
    // A refusal for want of the right is no proof of the lock.
    let but_versions = r#"["s3:ListBucket*","s3:GetObject*","s3:PutObject","s3:AbortMultipartUpload","s3:DeleteObject"]"#;
    policy(but_versions, &own).await;
    assert!(failure(&tenant).await.contains("own key was refused"));
    tenant.settle(&world).await;
    assert_eq!(tenant.verify(&world).await, Proof::Passed);

    let lock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
    let request = s3.put_object_lock_configuration().bucket(tenant.bucket());
    let request = request.object_lock_configuration(lock.build());
    request.send().await.unwrap();
    assert!(failure(&tenant).await.contains("under retention"));
    tenant.settle(&world).await;
    assert_eq!(tenant.verify(&world).await, Proof::Passed);

    // Without the canary nothing is shown either way.
    let effects = door();
    let subject = Subject {
        bucket: tenant.bucket(),
        canary: "eo-no-such-canary",
        versioning: true,
        retention: true,
    };
    let proof = verify(&world.store, &effects, tenant.key(), &subject).await;
    assert!(matches!(proof, Proof::Inconclusive(_)), "{proof:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_bucket_or_user_is_left_untouched() {
    let world = World::start().await;
    let (s3, iam) = (world.part.admin(), world.part.iam_admin());
    let mut tenant = Tenant::new("bucket-taken", true);
    s3.create_bucket()
        .bucket(tenant.bucket())
        .send()
        .await
        .unwrap();
    for with_object in [false, true] {
        if with_object {
            put(&s3, tenant.bucket(), "theirs").await;
        }
        let before = tenant.observe(&world).await;
        let problem = tenant.pass(&world, &door()).await.unwrap_err();
        assert_eq!(problem.reason, Reason::ForeignObject);
        assert!(problem.message.contains(tenant.bucket()));
        assert_eq!(tenant.observe(&world).await, before);
        assert!(before.user.is_none());
        tenant.record.storage.bucket_identity = None;
        let doomed = Doomed::of(&tenant.record);
        let remembers = (&mut Progress::default(), &Permitted as _);
        let halt = step(&world.store, &door(), &doomed, Timestamp::now(), remembers).await;
        assert_eq!(halt.unwrap_err().problem.reason, Reason::ForeignObject);
        assert_eq!(tenant.observe(&world).await, before);
    }
    // It appears after we had looked.
    let mut late = Tenant::new("bucket-taken-late", false);
    let observed = late.observe(&world).await;
    let changes = plan(&late.desired(&world), &observed).unwrap();
    s3.create_bucket()
        .bucket(late.bucket())
        .send()
        .await
        .unwrap();
    iam.create_user()
        .user_name(late.user())
        .send()
        .await
        .unwrap();
    for change in &changes[..2] {
        let step = &change.step;
        let problem = apply(&world.store, &door(), step).await.unwrap_err();
        assert_eq!(problem.reason, Reason::ForeignObject, "{step}");
    }
    let problem = late.pass(&world, &door()).await.unwrap_err();
    assert_eq!(problem.reason, Reason::ForeignObject);

    let mut tenant = Tenant::new("user-taken", true);
    iam.create_user()
        .user_name(tenant.user())
        .send()
        .await
        .unwrap();
    let problem = tenant.pass(&world, &door()).await.unwrap_err();
    assert_eq!(problem.reason, Reason::ForeignObject);
    assert!(tenant.observe(&world).await.bucket.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_bucket_is_not_made_again() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", false);
    tenant.settle(&world).await;
    let s3 = world.part.admin();
    s3.delete_bucket()
        .bucket(tenant.bucket())
        .send()
        .await
        .unwrap();
    let recorded = tenant.record.storage.bucket_identity.clone();
    let problem = tenant.pass(&world, &door()).await.unwrap_err();
    assert_eq!(problem.reason, Reason::DataMissing);
    assert!(problem.message.contains(&recorded.unwrap()));
    assert!(tenant.observe(&world).await.bucket.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_known_by_its_marker() {
    let world = World::untouched().await;
    let first = world.visit(&claim()).await.unwrap();
    let mut claim = claim();
    claim.pinned = Some(first.identity.clone());
    assert_eq!(world.visit(&claim).await.unwrap(), first);
    let canary = store::canary_bucket(&claim.installation);
    assert_eq!(versions(&world, &canary).await, 1, "probes pile up");

    claim.cluster_uid = "cluster-2".into();
    let problem = world.visit(&claim).await.unwrap_err();
    assert_eq!(problem.reason, Reason::HeldByOtherCluster);
    claim.take_over_from = Some("cluster-1".into());
    assert_eq!(world.visit(&claim).await.unwrap(), first);
    claim.take_over_from = None;
    assert_eq!(world.visit(&claim).await.unwrap(), first);

    // An empty store answers at the address.
    let empty = World::untouched().await;
    let problem = empty.visit(&claim).await.unwrap_err();
    assert_eq!(problem.reason, Reason::IdentityChanged);
    let buckets = empty.part.admin().list_buckets().send().await.unwrap();
    assert!(buckets.buckets().is_empty(), "something was made there");
    let accept = problem.message.rsplit('=').next().unwrap();
    claim.accept_identity = Some(accept.into());
    let second = empty.visit(&claim).await.unwrap();
    assert_eq!(second.identity, accept);
    // And the old one is now the strange one.
    claim.pinned = Some(second.identity);
    let problem = world.visit(&claim).await.unwrap_err();
    assert_eq!(problem.reason, Reason::IdentityChanged);
}
