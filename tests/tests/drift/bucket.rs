//! A tenant's bucket and user as the store's admin sees them, and can change them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_sdk_iam::types::StatusType;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, Tag, Tagging, VersioningConfiguration,
};
use eoffice_crds::{RECORD_NAME, TenantRecord, tenant_namespace};
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::proof::Storage;
use kube::api::Api;

use crate::row::StoreDeed;

const OPEN_TO_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}]}"#;
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

/// When the rule of the lock was set last: renewed, it is another.
const SINCE: &str = "eoffice-retention-since";

/// Everything about one tenant in its store that somebody decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Portrait {
    tags: BTreeMap<String, String>,
    versioning: Option<BucketVersioningStatus>,
    lock: Option<ObjectLockConfiguration>,
    policy: Option<String>,
    path: String,
    policies: BTreeMap<String, String>,
    keys: BTreeMap<String, String>,
}

impl Portrait {
    /// The same, whichever the keys are.
    pub fn but_for_keys(&self) -> Self {
        let mut portrait = self.clone();
        portrait.keys.clear();
        portrait
    }
}

/// A tenant in its store.
pub struct Store<'a> {
    platform: &'a Platform,
    tenant: &'a str,
    s3: aws_sdk_s3::Client,
    iam: aws_sdk_iam::Client,
    /// The bucket's name.
    pub bucket: String,
    /// The user's name.
    pub user: String,
}

impl<'a> Store<'a> {
    pub async fn of(platform: &'a Platform, tenant: &'a str) -> Result<Self> {
        let records: Api<TenantRecord> = platform.within(&tenant_namespace(tenant));
        let storage = records.get(RECORD_NAME).await?.spec.storage;
        Ok(Self {
            platform,
            tenant,
            s3: platform.sandbox.object_store.admin(),
            iam: platform.sandbox.object_store.iam_admin(),
            bucket: storage.bucket,
            user: storage.user,
        })
    }

    pub async fn tags(&self) -> Result<BTreeMap<String, String>> {
        let answer = self
            .s3
            .get_bucket_tagging()
            .bucket(&self.bucket)
            .send()
            .await;
        Ok(match answer {
            Ok(answer) => answer
                .tag_set
                .into_iter()
                .map(|tag| (tag.key, tag.value))
                .collect(),
            Err(error)
                if error
                    .raw_response()
                    .is_some_and(|it| it.status().as_u16() == 404) =>
            {
                BTreeMap::new()
            }
            Err(error) => return Err(error.into()),
        })
    }

    /// What there is.
    pub async fn look(&self) -> Result<Portrait> {
        let (bucket, user) = (&self.bucket, &self.user);
        let mut tags = self.tags().await?;
        tags.remove(SINCE);
        let versioning = self
            .s3
            .get_bucket_versioning()
            .bucket(bucket)
            .send()
            .await?;
        let lock = self
            .s3
            .get_object_lock_configuration()
            .bucket(bucket)
            .send()
            .await;
        let policy = self.s3.get_bucket_policy().bucket(bucket).send().await;
        let path = self.iam.get_user().user_name(user).send().await?;
        let names = self.iam.list_user_policies().user_name(user).send().await?;
        let mut policies = BTreeMap::new();
        for name in names.policy_names {
            let get = self
                .iam
                .get_user_policy()
                .user_name(user)
                .policy_name(&name);
            policies.insert(name, get.send().await?.policy_document);
        }
        let keys = self.iam.list_access_keys().user_name(user).send().await?;
        let key = |key: aws_sdk_iam::types::AccessKeyMetadata| {
            let status = key.status.map(|it| it.as_str().to_owned());
            (
                key.access_key_id.unwrap_or_default(),
                status.unwrap_or_default(),
            )
        };
        Ok(Portrait {
            tags,
            versioning: versioning.status,
            lock: lock.ok().and_then(|it| it.object_lock_configuration),
            policy: policy.ok().and_then(|it| it.policy),
            path: path.user.map(|it| it.path).unwrap_or_default(),
            policies,
            keys: keys.access_key_metadata.into_iter().map(key).collect(),
        })
    }

    pub async fn current_key(&self) -> Result<String> {
        let storage = Storage::read(&self.platform.sandbox.admin(), self.tenant).await?;
        Ok(storage.key.access)
    }

    async fn put_tags(&self, tags: &BTreeMap<String, String>) -> Result<()> {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let set = tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        let tagging = Tagging::builder().set_tag_set(Some(set)).build()?;
        let put = self.s3.put_bucket_tagging().bucket(&self.bucket);
        put.tagging(tagging).send().await?;
        Ok(())
    }

    /// Does it; tells the id of a key that it made.
    pub async fn change(&self, deed: &StoreDeed) -> Result<Option<String>> {
        match deed {
            StoreDeed::Open => self.open_to_all().await,
            StoreDeed::Lock(days) => self.lock_for(*days).await,
            StoreDeed::SuspendVersioning => self.suspend_versioning().await,
            StoreDeed::Tag(key, value) => self.put_tag(key, value).await,
            StoreDeed::Untag(key) => self.remove_tag(key).await,
            StoreDeed::Allow(name) => self.put_policy(name).await,
            StoreDeed::DenyAll => self.remove_policies().await,
            StoreDeed::CloseKey => self.close_key().await,
            StoreDeed::AddKey => return self.add_key().await.map(Some),
            StoreDeed::RemoveKey => self.remove_key().await,
            StoreDeed::RemoveUser => self.remove_user().await,
        }?;
        Ok(None)
    }

    async fn put_tag(&self, key: &str, value: &str) -> Result<()> {
        let mut tags = self.tags().await?;
        tags.insert(key.to_owned(), value.to_owned());
        self.put_tags(&tags).await
    }

    async fn remove_tag(&self, key: &str) -> Result<()> {
        let mut tags = self.tags().await?;
        tags.remove(key)
            .with_context(|| format!("there is no tag {key}"))?;
        self.put_tags(&tags).await
    }

    async fn open_to_all(&self) -> Result<()> {
        let policy = OPEN_TO_ALL.replace("{bucket}", &self.bucket);
        self.s3
            .put_bucket_policy()
            .bucket(&self.bucket)
            .policy(policy)
            .send()
            .await?;
        Ok(())
    }

    async fn lock_for(&self, days: i32) -> Result<()> {
        let rule = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance);
        let rule = ObjectLockRule::builder()
            .default_retention(rule.days(days).build())
            .build();
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(rule)
            .build();
        let put = self.s3.put_object_lock_configuration().bucket(&self.bucket);
        put.object_lock_configuration(lock).send().await?;
        Ok(())
    }

    async fn suspend_versioning(&self) -> Result<()> {
        let suspended = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Suspended)
            .build();
        let put = self.s3.put_bucket_versioning().bucket(&self.bucket);
        put.versioning_configuration(suspended).send().await?;
        Ok(())
    }

    async fn put_policy(&self, name: &str) -> Result<()> {
        let put = self
            .iam
            .put_user_policy()
            .user_name(&self.user)
            .policy_name(name);
        put.policy_document(EVERYTHING).send().await?;
        Ok(())
    }

    async fn remove_policies(&self) -> Result<()> {
        let names = self
            .iam
            .list_user_policies()
            .user_name(&self.user)
            .send()
            .await?;
        for name in names.policy_names {
            let delete = self.iam.delete_user_policy().user_name(&self.user);
            delete.policy_name(name).send().await?;
        }
        Ok(())
    }

    async fn close_key(&self) -> Result<()> {
        let update = self.iam.update_access_key().user_name(&self.user);
        let update = update.access_key_id(self.current_key().await?);
        update.status(StatusType::Inactive).send().await?;
        Ok(())
    }

    async fn add_key(&self) -> Result<String> {
        let create = self.iam.create_access_key().user_name(&self.user);
        let made = create.send().await?.access_key;
        Ok(made.context("no key came back")?.access_key_id)
    }

    async fn remove_key(&self) -> Result<()> {
        let delete = self.iam.delete_access_key().user_name(&self.user);
        delete
            .access_key_id(self.current_key().await?)
            .send()
            .await?;
        Ok(())
    }

    async fn remove_user(&self) -> Result<()> {
        self.remove_policies().await?;
        self.remove_key().await?;
        self.iam.delete_user().user_name(&self.user).send().await?;
        Ok(())
    }

    /// Gives it the tags that it had; when the rule of its lock was set stays as it is.
    pub async fn put_back_tags(&self, sound: &Portrait) -> Result<()> {
        let mut tags = self.tags().await?;
        tags.retain(|key, _| key == SINCE);
        tags.extend(sound.tags.clone());
        self.put_tags(&tags).await
    }

    pub async fn exists(&self) -> Result<bool> {
        let found = self.s3.list_buckets().send().await?;
        Ok(found
            .buckets()
            .iter()
            .any(|it| it.name() == Some(&self.bucket)))
    }

    /// Removes it with all that is in it.
    pub async fn remove_bucket(&self) -> Result<()> {
        let all = self
            .s3
            .list_object_versions()
            .bucket(&self.bucket)
            .send()
            .await?;
        let versions = all.versions().iter().map(|it| (it.key(), it.version_id()));
        let markers = all
            .delete_markers()
            .iter()
            .map(|it| (it.key(), it.version_id()));
        for (key, version) in versions.chain(markers) {
            let delete = self.s3.delete_object().bucket(&self.bucket);
            delete
                .set_key(key.map(Into::into))
                .set_version_id(version.map(Into::into))
                .send()
                .await?;
        }
        self.s3.delete_bucket().bucket(&self.bucket).send().await?;
        Ok(())
    }

    /// Makes it again, as one does who knows of no mark, with one object in it.
    pub async fn make_bucket(&self, key: &str, text: &'static str) -> Result<()> {
        self.s3.create_bucket().bucket(&self.bucket).send().await?;
        let put = self.s3.put_object().bucket(&self.bucket).key(key);
        put.body(ByteStream::from_static(text.as_bytes()))
            .send()
            .await?;
        Ok(())
    }
}
