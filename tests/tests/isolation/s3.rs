//! What a tenant's access key can reach and change.

use std::fmt::Debug;

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectLockRetention, ObjectLockRetentionMode, Tag, Tagging,
    VersioningConfiguration,
};
use eoffice_tests::e2e::security::Platform;
use serde_json::json;

use super::Parties;

/// Wants a refusal for want of rights, and nothing else.
fn refused<T: Debug, E: ProvideErrorMetadata + Debug>(
    what: &str,
    answer: std::result::Result<T, E>,
) -> Result<()> {
    match answer {
        Ok(answer) => bail!("it was allowed to {what}: {answer:?}"),
        Err(error) => {
            ensure!(
                error.code() == Some("AccessDenied"),
                "{what} failed for another reason: {error:?}"
            );
            Ok(())
        }
    }
}

pub async fn s3_stays_within_its_own_bucket(platform: &Platform) -> Result<()> {
    let Parties { mine, theirs } = Parties::find(platform).await?;
    let store = &platform.sandbox.object_store;
    let (s3, bucket) = (mine.s3(store), mine.bucket());
    let put = s3.put_object().bucket(bucket).key("letters/1");
    let body = ByteStream::from_static(b"a letter");
    let put = put.body(body).send().await.context("a tenant writes")?;
    let version = put.version_id().context("versions are kept")?.to_owned();
    let get = s3.get_object().bucket(bucket).key("letters/1");
    get.send().await.context("a tenant reads")?;
    s3.list_objects_v2()
        .bucket(bucket)
        .send()
        .await
        .context("a tenant lists")?;
    let their_s3 = theirs.s3(store);
    let put = their_s3.put_object().bucket(theirs.bucket()).key("secret");
    put.body(ByteStream::from_static(b"theirs")).send().await?;

    let before = settings(platform, bucket).await?;
    its_own_rules_hold(&s3, bucket, &version).await?;
    let admin = store.admin();
    let buckets = admin.list_buckets().send().await?;
    let names = buckets.buckets().iter().filter_map(|it| it.name());
    let canary = names.into_iter().find(|name| name.contains("canary"));
    for other in [theirs.bucket(), canary.context("there is a canary")?] {
        nothing_of(&s3, other, bucket).await?;
    }
    match s3.list_buckets().send().await {
        Ok(seen) => {
            let seen: Vec<_> = seen.buckets().iter().filter_map(|it| it.name()).collect();
            ensure!(seen.iter().all(|name| *name == bucket), "it sees {seen:?}");
        }
        error => refused("list buckets", error)?,
    }
    refused(
        "make a bucket",
        s3.create_bucket().bucket("mine-3021").send().await,
    )?;
    iam_is_closed(&mine.iam(store)).await?;
    ensure!(
        settings(platform, bucket).await? == before,
        "the bucket's settings changed"
    );
    let head = admin.head_object().bucket(bucket).key("letters/1");
    head.version_id(version)
        .send()
        .await
        .context("the version is there still")?;
    Ok(())
}

/// What decides about a bucket, as the admin sees it.
async fn settings(platform: &Platform, bucket: &str) -> Result<String> {
    let s3 = platform.sandbox.object_store.admin();
    let policy = s3.get_bucket_policy().bucket(bucket).send().await;
    let tags = s3.get_bucket_tagging().bucket(bucket).send().await?;
    let versioning = s3.get_bucket_versioning().bucket(bucket).send().await?;
    let lock = s3
        .get_object_lock_configuration()
        .bucket(bucket)
        .send()
        .await?;
    let mut tags: Vec<_> = tags
        .tag_set()
        .iter()
        // Renewed by the operator in its own time.
        .filter(|tag| tag.key().starts_with("eoffice-") && !tag.key().contains("renewed"))
        .map(|tag| format!("{}={}", tag.key(), tag.value()))
        .collect();
    tags.sort();
    Ok(format!(
        "{:?} {tags:?} {:?} {:?}",
        policy.ok().and_then(|it| it.policy),
        versioning.status(),
        lock.object_lock_configuration()
    ))
}

/// In its own bucket a tenant changes no rule, and no lock yields to it.
async fn its_own_rules_hold(s3: &aws_sdk_s3::Client, bucket: &str, version: &str) -> Result<()> {
    let everyone = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:*", "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")]}]});
    let put = s3
        .put_bucket_policy()
        .bucket(bucket)
        .policy(everyone.to_string());
    refused("put a bucket policy", put.send().await)?;
    let delete = s3.delete_bucket_policy().bucket(bucket);
    refused("delete the bucket policy", delete.send().await)?;
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended);
    let put = s3.put_bucket_versioning().bucket(bucket);
    let put = put.versioning_configuration(suspended.build());
    refused("suspend versioning", put.send().await)?;
    let put = s3.put_object_lock_configuration().bucket(bucket);
    let unlocked = aws_sdk_s3::types::ObjectLockConfiguration::builder()
        .object_lock_enabled(aws_sdk_s3::types::ObjectLockEnabled::Enabled);
    let put = put.object_lock_configuration(unlocked.build());
    refused("take the default retention away", put.send().await)?;
    let tag = Tag::builder()
        .key("eoffice-state")
        .value("retained")
        .build()?;
    let put = s3.put_bucket_tagging().bucket(bucket);
    let put = put.tagging(Tagging::builder().tag_set(tag).build()?);
    refused("forge the mark", put.send().await)?;
    let delete = s3.delete_bucket_tagging().bucket(bucket);
    refused("remove the mark", delete.send().await)?;
    refused(
        "delete its bucket",
        s3.delete_bucket().bucket(bucket).send().await,
    )?;

    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    let short = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .retain_until_date(DateTime::from(tomorrow));
    let put = s3.put_object_retention().bucket(bucket).key("letters/1");
    let put = put.version_id(version).retention(short.build());
    let put = put.bypass_governance_retention(true);
    refused("shorten a retention", put.send().await)?;
    let put = s3.put_object().bucket(bucket).key("letters/short");
    let put = put
        .object_lock_mode(aws_sdk_s3::types::ObjectLockMode::Governance)
        .object_lock_retain_until_date(DateTime::from(tomorrow))
        .body(ByteStream::from_static(b"short"));
    refused(
        "write an object with a retention of its own",
        put.send().await,
    )?;
    for bypass in [false, true] {
        let delete = s3.delete_object().bucket(bucket).key("letters/1");
        let delete = delete.version_id(version);
        let delete = if bypass {
            delete.bypass_governance_retention(true)
        } else {
            delete
        };
        match delete.send().await {
            // Some stores refuse a locked version by this name.
            Err(error) if error.code() == Some("ObjectLocked") => {}
            answer => refused("delete a locked version", answer)?,
        }
    }
    Ok(())
}

/// Of another's bucket a tenant can do nothing.
async fn nothing_of(s3: &aws_sdk_s3::Client, other: &str, own: &str) -> Result<()> {
    refused(
        "list another's objects",
        s3.list_objects_v2().bucket(other).send().await,
    )?;
    let versions = s3.list_object_versions().bucket(other);
    refused("list another's versions", versions.send().await)?;
    let get = s3.get_object().bucket(other).key("secret");
    refused("read another's object", get.send().await.map(|_| ()))?;
    let put = s3.put_object().bucket(other).key("planted");
    let put = put.body(ByteStream::from_static(b"planted"));
    refused("write into another's bucket", put.send().await)?;
    let delete = s3.delete_object().bucket(other).key("secret");
    refused("delete another's object", delete.send().await)?;
    let copy = s3.copy_object().bucket(own).key("stolen");
    let copy = copy.copy_source(format!("{other}/secret"));
    refused("copy another's object", copy.send().await)?;
    let begin = s3.create_multipart_upload().bucket(other).key("planted");
    refused("begin an upload into another's bucket", begin.send().await)?;
    refused(
        "read another's policy",
        s3.get_bucket_policy().bucket(other).send().await,
    )?;
    refused(
        "read another's mark",
        s3.get_bucket_tagging().bucket(other).send().await,
    )
}

async fn iam_is_closed(iam: &aws_sdk_iam::Client) -> Result<()> {
    refused("list users", iam.list_users().send().await)?;
    refused(
        "make a user",
        iam.create_user().user_name("mine").send().await,
    )?;
    refused("make itself a key", iam.create_access_key().send().await)?;
    let put = iam.put_user_policy().policy_name("mine").user_name("mine");
    let all =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    refused(
        "give itself a policy",
        put.policy_document(all).send().await,
    )
}
