//! The tenant's storage Secret.

use crate::controller::backends::StorageBackend;
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::kubernetes::desired::{Child, Wanted, asked};
use crate::kubernetes::secrets::{self, StorageKey, StorageLocation};
use crate::kubernetes::{Kind, ObjectKey};
use crate::objectstore::Key;
use crate::plan::{Difference, Gate, Problem};
use eoffice_crds::{STORAGE_SECRET, TenantRecordSpec};
use serde_json::Value;

/// The tenant's storage Secret.
pub(super) struct SecretAt<'a> {
    world: &'a World,
    wanted: &'a Wanted,
    location: StorageLocation<'a>,
    key: ObjectKey,
}

impl<'a> SecretAt<'a> {
    pub(super) fn new(
        world: &'a World,
        wanted: &'a Wanted,
        record: &'a TenantRecordSpec,
        backend: &'a StorageBackend,
    ) -> Self {
        let spec = backend.spec();
        Self {
            world,
            wanted,
            location: StorageLocation {
                endpoint: &spec.endpoint,
                region: &spec.region,
                bucket: &record.storage.bucket,
                ca: backend.ca(),
            },
            key: secret_key(),
        }
    }

    /// The access key id in it, if all of it is as it should be.
    pub(super) fn kept(&self) -> Option<String> {
        let blank = secrets::storage(self.wanted, &self.location, &StorageKey::blank());
        let expected = secrets::state(&blank)?.rest;
        let objects = self.world.cluster.index.objects(&self.wanted.namespace);
        let state = objects.get(&self.key)?.secret.clone()?;
        (state.rest == expected && state.digest.is_some()).then_some(state.username)
    }

    /// Fingerprint of all that is asked of it, which is all but the key.
    pub(super) fn asked(&self) -> String {
        let blank = secrets::storage(self.wanted, &self.location, &StorageKey::blank());
        asked(&[Child::new(Kind::Secret, blank)])
    }

    async fn live(&self) -> Result<Option<Value>, Problem> {
        let namespace = &self.wanted.namespace;
        self.world.cluster.get(namespace, &self.key).await
    }

    /// The access key id in it, as the API server has it now.
    pub(super) async fn live_key(&self) -> Result<Option<String>, Problem> {
        let live = self.live().await?;
        let key = live.as_ref().and_then(secrets::storage_key);
        Ok(key.map(|key| key.access_key_id))
    }

    /// Mends what stands beside the key; answers with the key's id, none where the key is gone or
    /// was edited.
    pub(super) async fn mend(&self, gate: &dyn Gate) -> Result<Option<String>, Problem> {
        if let Some(kept) = self.kept() {
            return Ok(Some(kept));
        }
        let live = self.live().await?;
        let Some(kept) = live.as_ref().and_then(secrets::storage_key) else {
            return Ok(None);
        };
        let body = secrets::storage(self.wanted, &self.location, &kept);
        let differences = secrets::differences(&body, live.as_ref());
        if !differences.is_empty() && gate.allows(&differences) {
            self.put(&kept, live.as_ref()).await?;
            gate.made(&differences);
        }
        Ok(Some(kept.access_key_id))
    }

    /// What differs in a Secret whose key has to be replaced, and the Secret as it was read.
    pub(super) async fn replaced(&self) -> Result<(Vec<Difference>, Option<Value>), Problem> {
        let live = self.live().await?;
        let body = secrets::storage(self.wanted, &self.location, &StorageKey::blank());
        Ok((secrets::differences(&body, live.as_ref()), live))
    }

    /// Puts a new key into it, over what was read.
    pub(super) async fn write(&self, key: Key, read: Option<&Value>) -> Result<(), Problem> {
        let key = StorageKey {
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key,
        };
        self.put(&key, read).await
    }

    async fn put(&self, key: &StorageKey, read: Option<&Value>) -> Result<(), Problem> {
        let body = secrets::storage(self.wanted, &self.location, key);
        let child = Child::new(Kind::Secret, body);
        if !self.world.leadership.held() {
            return Err(not_leading());
        }
        let namespace = &self.wanted.namespace;
        self.world.cluster.apply_over(namespace, &child, read).await
    }
}

pub(super) fn secret_key() -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        name: STORAGE_SECRET.into(),
    }
}
