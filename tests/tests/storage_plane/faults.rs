//! Failures, lost replies, deaths, drift and absent backends.

use super::ground::{AtCall, Tenant, World, claim, door, random, versions};
use super::losses::put_tags;
use aws_sdk_iam::types::StatusType;
use aws_sdk_s3::types::{ObjectLockConfiguration, ObjectLockEnabled, Tag, Tagging};
use eoffice_crds::{AgencyCode, CodeScheme, Reason};
use eoffice_operator::effect::Verdict;
use eoffice_operator::objectstore::plan::{is_renewal, plan};
use eoffice_operator::objectstore::{Store, observe, store};
use eoffice_operator::proof::Proof;

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_fails_or_loses_its_reply_heals() {
    let world = World::start().await;
    // A pass ends with the first failure, as it does with the death of its process: what a lost
    // reply held, the secret of a key among it, is nowhere.
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        loop {
            let mut tenant = Tenant::new(&format!("tenant-{verdict:?}-{number}"), true);
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            let outcome = tenant.pass(&world, &effects).await;
            let reached = fault.seen() > number;
            let fails = reached && verdict != Verdict::Twice;
            assert_eq!(outcome.is_err(), fails, "{verdict:?} {number}: {outcome:?}");
            let before = tenant.observe(&world).await.bucket;

            tenant.settle(&world).await;
            let proof = tenant.verify(&world).await;
            assert_eq!(proof, Proof::Passed, "{verdict:?} {number}");
            let after = tenant.observe(&world).await;
            let keys: Vec<_> = after.user.unwrap().keys.into_iter().collect();
            assert_eq!(keys, [(tenant.key().access_key_id.clone(), true)]);
            if let Some(before) = before {
                assert_eq!(after.bucket.unwrap().identity(), before.identity());
            }
            if !reached {
                assert!(number >= 10, "only {number} calls were met");
                break;
            }
            number += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_first_contact_heals() {
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        // One store for all: only the marker's making is new, what is tried on it is tried again.
        let world = World::untouched().await;
        let mut first = None;
        loop {
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            let (claimed, fresh) = (claim(), random());
            drop(store::visit(&world.store, &effects, &claimed, &fresh, None).await);
            let facts = world.visit(&claim()).await.unwrap();
            let first = first.get_or_insert_with(|| facts.clone());
            assert_eq!(&facts, first, "{verdict:?} {number}");
            let canary = store::canary_bucket(&claim().installation);
            assert_eq!(versions(&world, &canary).await, 1, "{verdict:?} {number}");
            if fault.seen() <= number {
                break;
            }
            number += 1;
        }
        assert!(number >= 10, "only {number} calls were met");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_comes_back() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    tenant.codes = vec![AgencyCode {
        scheme: CodeScheme::Dla,
        value: "4302101".into(),
    }];
    tenant.settle(&world).await;
    let (s3, iam) = (world.part.admin(), world.part.iam_admin());
    let (bucket, user) = (tenant.bucket().to_owned(), tenant.user().to_owned());
    let wide = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"]}]}"#
        .replace("BUCKET", &bucket);
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

    let request = s3.put_bucket_policy().bucket(&bucket).policy(wide);
    request.send().await.unwrap();
    let lock = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled);
    let request = s3.put_object_lock_configuration().bucket(&bucket);
    request
        .object_lock_configuration(lock.build())
        .send()
        .await
        .unwrap();
    for name in ["bucket", "more"] {
        let request = iam.put_user_policy().user_name(&user).policy_name(name);
        request.policy_document(all).send().await.unwrap();
    }
    let request = iam.update_access_key().user_name(&user);
    let request = request.access_key_id(&tenant.key().access_key_id);
    request.status(StatusType::Inactive).send().await.unwrap();
    let stray = iam
        .create_access_key()
        .user_name(&user)
        .send()
        .await
        .unwrap();
    let found = observe::tenant(&world.store, &door(), &bucket, &user)
        .await
        .unwrap();
    let mut tags = found.bucket.unwrap().tags;
    tags.insert("eoffice-state".into(), "retained".into());
    tags.insert("eoffice-code-dla".into(), "9".into());
    tags.insert("cost-centre".into(), "7".into());
    let set: Vec<_> = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build().unwrap())
        .collect();
    let tagging = Tagging::builder().set_tag_set(Some(set)).build().unwrap();
    let request = s3.put_bucket_tagging().bucket(&bucket).tagging(tagging);
    request.send().await.unwrap();

    let steps = tenant.settle(&world).await;
    let stray = stray.access_key.unwrap().access_key_id;
    for expected in [
        format!("remove the policy of bucket {bucket}"),
        format!("set retention of bucket {bucket} to Governance 3650 days"),
        format!("write the tags of bucket {bucket}"),
        format!("write the policy of user {user}"),
        format!("remove policy more of user {user}"),
        format!("activate key {} of user {user}", tenant.key().access_key_id),
        format!("delete key {stray} of user {user}"),
    ] {
        assert!(steps.contains(&expected), "{expected} in {steps:?}");
    }
    assert_eq!(steps.len(), 7, "{steps:?}");
    let tags = tenant.observe(&world).await.bucket.unwrap().tags;
    assert_eq!(tags["eoffice-state"], "live");
    assert_eq!(tags["eoffice-code-dla"], "4302101");
    assert_eq!(tags["cost-centre"], "7");
    assert_eq!(tenant.verify(&world).await, Proof::Passed);

    let key = tenant.key().access_key_id.clone();
    let request = iam.delete_access_key().user_name(&user).access_key_id(&key);
    request.send().await.unwrap();
    tenant.settle(&world).await;
    assert_ne!(tenant.key().access_key_id, key);
    assert_eq!(tenant.verify(&world).await, Proof::Passed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_renewed_whatever_fails() {
    const SINCE: &str = "eoffice-retention-since";
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    tenant.settle(&world).await;
    let bucket = tenant.bucket().to_owned();
    let tags = async |tenant: &Tenant| tenant.observe(&world).await.bucket.unwrap().tags;
    let mut old = tags(&tenant).await;
    old.insert(SINCE.into(), "1".into());
    old.insert("cost-centre".into(), "7".into());
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        loop {
            put_tags(&world, &bucket, &old).await;
            let observed = tenant.observe(&world).await;
            let changes = plan(&tenant.desired(&world), &observed).unwrap();
            assert_eq!(changes.len(), 1);
            assert!(is_renewal(&changes[0].differences[0]));
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            drop(tenant.pass(&world, &effects).await);
            tenant.pass(&world, &door()).await.unwrap();
            assert_eq!(tenant.pass(&world, &door()).await.unwrap(), []);
            let mut now = tags(&tenant).await;
            assert_ne!(now.insert(SINCE.into(), "1".into()).as_deref(), Some("1"));
            assert_eq!(now, old, "{verdict:?} {number}");
            if fault.seen() <= number {
                break;
            }
            number += 1;
        }
        assert!(number >= 10, "only {number} calls were met");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_or_refuses_says_so() {
    let world = World::start().await;
    let mut tenant = Tenant::new("town-pak-chong-3021", true);
    tenant.settle(&world).await;

    world.part.iam.kill().await;
    let proof = tenant.verify(&world).await;
    assert!(matches!(proof, Proof::Inconclusive(_)), "{proof:?}");
    let problem = tenant.pass(&world, &door()).await.unwrap_err();
    assert_eq!(problem.reason, Reason::Unreachable);
    world.part.iam.start().await.unwrap();
    world.part.s3.kill().await;
    let problem = tenant.pass(&world, &door()).await.unwrap_err();
    assert_eq!(problem.reason, Reason::Unreachable);
    println!("{problem}");
    let again = tenant.pass(&world, &door()).await.unwrap_err();
    assert_eq!(
        again, problem,
        "a sentence that changes would be a new status each time"
    );
    world.part.s3.start().await.unwrap();
    tenant.settle(&world).await;
    assert_eq!(tenant.verify(&world).await, Proof::Passed);

    let mut address = world.address();
    address.secret_key = "not the secret".into();
    let stranger = Store::new(&address).unwrap();
    let problem = store::visit(&stranger, &door(), &claim(), "x", None)
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::CredentialsInvalid);
    assert!(!problem.message.contains("not the secret"));
    let mut address = world.address();
    address.ca_pem = None;
    let distrustful = Store::new(&address).unwrap();
    let problem = store::visit(&distrustful, &door(), &claim(), "x", None)
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::Unreachable);
    assert!(problem.message.contains("certificate"), "{problem}");
}
