//! A tenant's bucket and user as the store's admin sees them, and can change them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use aws_sdk_iam::types::StatusType;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, Tag, Tagging, VersioningConfiguration,
};
use eoffice_crds::{RECORD_NAME, TenantRecord, tenant_namespace};
use eoffice_tests::e2e::core::Counts;
use eoffice_tests::e2e::security::{Platform, eventually};
use eoffice_tests::proof::{self, Storage};
use futures::future::BoxFuture;
use kube::api::Api;

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

/// A tenant in its store.
pub struct Place<'a> {
    platform: &'a Platform,
    tenant: &'a str,
    s3: aws_sdk_s3::Client,
    iam: aws_sdk_iam::Client,
    /// The bucket's name.
    pub bucket: String,
    user: String,
}

impl<'a> Place<'a> {
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

    pub async fn put_tags(&self, tags: &BTreeMap<String, String>) -> Result<()> {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let set = tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        let tagging = Tagging::builder().set_tag_set(Some(set)).build()?;
        let put = self.s3.put_bucket_tagging().bucket(&self.bucket);
        put.tagging(tagging).send().await?;
        Ok(())
    }

    pub async fn change_tag(&self, key: &str, value: &str) -> Result<()> {
        let mut tags = self.tags().await?;
        let old = tags.insert(key.to_owned(), value.to_owned());
        ensure!(old.is_some(), "there is no tag {key}");
        self.put_tags(&tags).await
    }

    pub async fn remove_tag(&self, key: &str) -> Result<()> {
        let mut tags = self.tags().await?;
        tags.remove(key)
            .with_context(|| format!("there is no tag {key}"))?;
        self.put_tags(&tags).await
    }

    pub async fn open_to_all(&self) -> Result<()> {
        let policy = OPEN_TO_ALL.replace("{bucket}", &self.bucket);
        self.s3
            .put_bucket_policy()
            .bucket(&self.bucket)
            .policy(policy)
            .send()
            .await?;
        Ok(())
    }

    pub async fn lock_for(&self, days: i32) -> Result<()> {
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

    pub async fn suspend_versioning(&self) -> Result<()> {
        let suspended = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Suspended)
            .build();
        let put = self.s3.put_bucket_versioning().bucket(&self.bucket);
        put.versioning_configuration(suspended).send().await?;
        Ok(())
    }

    pub async fn put_policy(&self, name: &str) -> Result<()> {
        let put = self
            .iam
            .put_user_policy()
            .user_name(&self.user)
            .policy_name(name);
        put.policy_document(EVERYTHING).send().await?;
        Ok(())
    }

    pub async fn remove_policies(&self) -> Result<()> {
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

    pub async fn close_key(&self) -> Result<()> {
        let update = self.iam.update_access_key().user_name(&self.user);
        let update = update.access_key_id(self.current_key().await?);
        update.status(StatusType::Inactive).send().await?;
        Ok(())
    }

    pub async fn add_key(&self) -> Result<()> {
        self.iam
            .create_access_key()
            .user_name(&self.user)
            .send()
            .await?;
        Ok(())
    }

    pub async fn remove_key(&self) -> Result<()> {
        let delete = self.iam.delete_access_key().user_name(&self.user);
        delete
            .access_key_id(self.current_key().await?)
            .send()
            .await?;
        Ok(())
    }

    pub async fn remove_user(&self) -> Result<()> {
        self.remove_policies().await?;
        self.remove_key().await?;
        self.iam.delete_user().user_name(&self.user).send().await?;
        Ok(())
    }

    /// How often the operator has changed anything in a store.
    pub async fn changes(&self) -> Result<f64> {
        let changes = Counts::of(&self.platform.operator).await?.changes();
        let stores =
            |(what, _): &(&String, &f64)| what.starts_with("S3 ") || what.starts_with("Iam ");
        Ok(changes.iter().filter(stores).map(|(_, count)| count).sum())
    }

    /// Does it, and waits until it is undone by a change of the operator's.
    pub async fn undone(&self, damage: BoxFuture<'_, Result<()>>) -> Result<()> {
        let (sound, before) = (self.look().await?, self.changes().await?);
        damage.await?;
        eventually("all is as it was", || async {
            let now = self.look().await?;
            ensure!(now == sound, "it was\n{sound:?}\nand is\n{now:?}");
            ensure!(self.changes().await? > before, "nothing was changed");
            Ok(())
        })
        .await
    }

    /// Does it, and waits until a new key has taken the place of the old one.
    pub async fn replaced(&self, damage: BoxFuture<'_, Result<()>>) -> Result<()> {
        let mut sound = self.look().await?;
        let old = self.current_key().await?;
        damage.await?;
        sound.keys.remove(&old);
        eventually("it has a new key that works", || async {
            let storage = Storage::read(&self.platform.sandbox.admin(), self.tenant).await?;
            ensure!(storage.key.access != old, "it is the old key");
            proof::s3(&storage).await?;
            let mut sound = sound.clone();
            sound.keys.insert(storage.key.access, "Active".to_owned());
            let now = self.look().await?;
            ensure!(now == sound, "it was\n{sound:?}\nand is\n{now:?}");
            Ok(())
        })
        .await
    }
}
