//! The tenant's documents: bucket, user and key in its store, then the Secret.

use crate::controller::backends::StorageBackend;
use crate::controller::world::World;
use crate::identity::{BackendNames, Mark};
use crate::kubernetes::desired::{Child, Wanted};
use crate::kubernetes::secrets::{self, StorageKey, StorageLocation};
use crate::kubernetes::{Kind, ObjectKey};
use crate::objectstore::apply::{Outcome, apply};
use crate::objectstore::desired::{Access, Circumstances, Desired, desired};
use crate::objectstore::observe::{Observed, tenant as observe};
use crate::objectstore::plan::{plan, plan_drop};
use crate::objectstore::step::Step;
use crate::objectstore::store::canary_bucket;
use crate::objectstore::{Key, Store, verify};
use crate::plan::Problem;
use crate::proof::Proof;
use crate::tenant::database::{self, unless_not_ours};
use crate::tenant::open::Pass;
use crate::tenant::parse::Tenant;
use eoffice_crds::{Reason, STORAGE_SECRET, TenantRecordSpec, tenant_namespace};
use jiff::Timestamp;
use std::sync::Arc;

/// How often it is looked at again: a plan is whole, so the second look finds nothing to do unless
/// somebody else changes the same things.
const ROUNDS: usize = 4;

/// What bringing the storage to order found.
pub struct Found {
    /// The bucket's identity, once it exists.
    pub identity: Option<String>,
    /// Whether anything was changed.
    pub changed: bool,
}

/// Brings the tenant's storage to what is asked.
pub async fn bring(pass: &Pass<'_>) -> Result<Found, Problem> {
    let (world, record, wanted) = (pass.world, &pass.record, &pass.wanted);
    let backend = backend(world, record)?;
    let access = if wanted.open {
        Access::Open
    } else {
        Access::Closed
    };
    let secret = SecretAt::new(world, wanted, record, &backend);
    let kept = secret.kept();
    let desired = desired_of(world, record, &backend, access, kept.clone())?;
    if kept.is_some()
        && let Some(seen) = backend.observed(record)
        && plan(&desired, &seen).is_ok_and(|steps| steps.is_empty())
    {
        let identity = identity(&seen);
        return Ok(Found {
            identity,
            changed: false,
        });
    }
    let (key, rewritten) = secret.mend().await?;
    let (seen, changed) = converge(world, record, &backend, access, key, Some(&secret)).await?;
    let identity = identity(&seen);
    backend.saw(record, seen);
    Ok(Found {
        identity,
        changed: changed || rewritten,
    })
}

fn identity(seen: &Observed) -> Option<String> {
    seen.bucket.as_ref()?.identity().map(str::to_owned)
}

/// Looks, plans and acts until nothing differs. A new key goes into the Secret at once: the store
/// shows it only this time.
async fn converge(
    world: &World,
    record: &TenantRecordSpec,
    backend: &StorageBackend,
    access: Access,
    mut key: Option<String>,
    secret: Option<&SecretAt<'_>>,
) -> Result<(Observed, bool), Problem> {
    let (store, _) = backend.usable()?;
    let mut changed = false;
    for _ in 0..ROUNDS {
        let desired = desired_of(world, record, backend, access, key.clone())?;
        let seen = look(world, store, record).await?;
        let steps = plan(&desired, &seen)?;
        // Without a Secret to put it into no key is made.
        let steps: Vec<_> = steps
            .into_iter()
            .filter(|step| secret.is_some() || !matches!(step, Step::CreateKey { .. }))
            .collect();
        if steps.is_empty() {
            return Ok((seen, changed));
        }
        for step in steps {
            let outcome = apply(store, &world.effects, &step).await?;
            changed = true;
            if let (Outcome::Key(made), Some(secret)) = (outcome, secret) {
                key = Some(made.access_key_id.clone());
                secret.write(made).await?;
            }
        }
    }
    Err(Problem::new(
        Reason::BackendError,
        format!(
            "bucket {} in store {} does not stay as it is set; see who else changes it",
            record.storage.bucket, record.storage.store
        ),
    ))
}

async fn look(
    world: &World,
    store: &Store,
    record: &TenantRecordSpec,
) -> Result<Observed, Problem> {
    observe(
        store,
        &world.effects,
        &record.storage.bucket,
        &record.storage.user,
    )
    .await
}

fn desired_of(
    world: &World,
    record: &TenantRecordSpec,
    backend: &StorageBackend,
    access: Access,
    current_key: Option<String>,
) -> Result<Desired, Problem> {
    let (_, facts) = backend.usable()?;
    let database = database::mark(world, record);
    Ok(desired(
        record,
        Circumstances {
            database: database.as_ref(),
            codes: &record.tenant_spec.agency.codes,
            access,
            current_key,
            capabilities: facts.capabilities,
            now: Timestamp::now(),
            fresh_identity: uuid::Uuid::new_v4().simple().to_string(),
        },
    ))
}

/// The store that the record names, if it is the one that it means.
fn backend(world: &World, record: &TenantRecordSpec) -> Result<Arc<StorageBackend>, Problem> {
    let name = &record.storage.store;
    let backend = world.storage.get(name).ok_or_else(|| not_looked_at(name))?;
    let (_, facts) = backend.usable()?;
    if facts.identity != record.storage.store_identity {
        return Err(Problem::new(
            Reason::IdentityChanged,
            format!(
                "ObjectStore {name} is now another store ({}) than the one that holds this tenant's documents ({}); nothing is done to it",
                facts.identity, record.storage.store_identity
            ),
        ));
    }
    Ok(backend)
}

fn not_looked_at(store: &str) -> Problem {
    Problem::new(
        Reason::BackendNotReady,
        format!("ObjectStore {store} has not been looked at yet"),
    )
}

/// The tenant's storage Secret.
struct SecretAt<'a> {
    world: &'a World,
    wanted: &'a Wanted,
    location: StorageLocation<'a>,
    key: ObjectKey,
}

impl<'a> SecretAt<'a> {
    fn new(
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
                ca: backend.ca.as_deref(),
            },
            key: secret_key(),
        }
    }

    /// The access key id in it, if all of it is as it should be.
    fn kept(&self) -> Option<String> {
        let blank = secrets::storage(self.wanted, &self.location, &StorageKey::blank());
        let expected = secrets::state(&blank)?.rest;
        let objects = self.world.cluster.index.objects(&self.wanted.namespace);
        let state = objects.get(&self.key)?.secret.clone()?;
        (state.rest == expected && state.digest.is_some()).then_some(state.username)
    }

    /// Mends what stands beside the key; answers with the key's id, none where the key is gone or
    /// was edited, and with whether anything was written.
    async fn mend(&self) -> Result<(Option<String>, bool), Problem> {
        if let Some(kept) = self.kept() {
            return Ok((Some(kept), false));
        }
        let live = self
            .world
            .cluster
            .get(&self.wanted.namespace, &self.key)
            .await?;
        let Some(kept) = live.as_ref().and_then(secrets::storage_key) else {
            return Ok((None, false));
        };
        let id = kept.access_key_id.clone();
        self.put(&kept).await?;
        Ok((Some(id), true))
    }

    async fn write(&self, key: Key) -> Result<(), Problem> {
        self.put(&StorageKey {
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key,
        })
        .await
    }

    async fn put(&self, key: &StorageKey) -> Result<(), Problem> {
        let body = secrets::storage(self.wanted, &self.location, key);
        let child = Child::new(Kind::Secret, body);
        self.world
            .cluster
            .apply(&self.wanted.namespace, &child)
            .await
    }
}

fn secret_key() -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        name: STORAGE_SECRET.into(),
    }
}

/// The access key id in the tenant's Secret, edited or not.
fn known_key(world: &World, record: &TenantRecordSpec) -> Option<String> {
    let namespace = tenant_namespace(&record.tenant.name);
    let seen = world
        .cluster
        .index
        .objects(&namespace)
        .remove(&secret_key())?;
    seen.secret.map(|state| state.username)
}

/// Closes every access, and writes the record's state into the mark.
pub async fn shut(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let seen = look(world, store, record).await?;
    if seen.bucket.is_none() && seen.user.is_none() {
        return Ok(());
    }
    let key = known_key(world, record);
    match converge(world, record, &backend, Access::Closed, key, None).await {
        Ok((seen, _)) => {
            backend.saw(record, seen);
            Ok(())
        }
        Err(problem) => unless_not_ours(problem),
    }
}

/// Destroys bucket, user and key.
pub async fn raze(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    for _ in 0..ROUNDS {
        let desired = desired_of(world, record, &backend, Access::Closed, None)?;
        let seen = look(world, store, record).await?;
        let steps = plan_drop(&desired, &seen)?;
        if steps.is_empty() {
            return Ok(());
        }
        for step in steps {
            apply(store, &world.effects, &step).await?;
        }
    }
    Err(Problem::new(
        Reason::BackendError,
        format!(
            "bucket {} could not be removed; it is tried again",
            record.storage.bucket
        ),
    ))
}

/// Tries the tenant's own key.
pub async fn prove(
    world: &World,
    record: &TenantRecordSpec,
    key: StorageKey,
) -> Result<Proof, Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let key = Key {
        access_key_id: key.access_key_id,
        secret_access_key: key.secret_access_key,
    };
    let subject = verify::Subject {
        bucket: &record.storage.bucket,
        canary: &canary_bucket(world.installation()),
        versioning: record.frozen.versioning,
        retention: record.frozen.retention.is_some(),
    };
    Ok(verify::verify(store, &world.effects, &key, &subject).await)
}

/// The mark on the tenant's bucket, as last seen.
pub fn mark(world: &World, record: &TenantRecordSpec) -> Option<Mark> {
    let backend = world.storage.get(&record.storage.store)?;
    backend.observed(record)?.bucket?.mark()
}

/// Identity of the class's store, and the mark of the bucket of the tenant's name there.
pub async fn first_look(world: &World, tenant: &Tenant) -> Result<(String, Option<Mark>), Problem> {
    let name = &tenant.class.spec.storage.store_name;
    let backend = world.storage.get(name).ok_or_else(|| {
        let known = world.stores.state().iter().any(|store| store.metadata.name.as_ref() == Some(name));
        if known {
            not_looked_at(name)
        } else {
            Problem::new(
                Reason::StoreNotFound,
                format!("the class's storage.storeName: there is no ObjectStore {name}; have the platform team create it"),
            )
        }
    })?;
    let (store, facts) = backend.usable().map_err(|problem| {
        Problem::new(
            Reason::Queued,
            format!("waits for ObjectStore {name}: {problem}"),
        )
    })?;
    let identity = facts.identity.clone();
    let names = BackendNames::first(world.installation(), &tenant.name);
    if !backend.may_hold(&names.bucket) {
        return Ok((identity, None));
    }
    let seen = observe(store, &world.effects, &names.bucket, &names.user).await?;
    Ok((identity, seen.bucket.and_then(|bucket| bucket.mark())))
}
