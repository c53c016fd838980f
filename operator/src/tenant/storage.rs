//! The tenant's documents: bucket, user and key in its store, then the Secret.

mod destroy;
mod keys;
mod leave;
mod secret;

pub use self::destroy::{may_be_destroyed, raze, size, standing};
use self::keys::retiring;
pub use self::keys::{key_in_use, last_use};
pub use self::leave::{is_open, live_mark, shut};
use self::secret::SecretAt;
use crate::controller::backends::StorageBackend;
use crate::controller::world::World;
use crate::identity::{BackendNames, Mark, Order};
use crate::kubernetes::secrets::StorageKey;
use crate::objectstore::apply::{Outcome, apply};
use crate::objectstore::desired::{Access, Circumstances, Desired, desired};
use crate::objectstore::observe::{Observed, audited_tenant, tenant as observe};
use crate::objectstore::plan::{is_renewal, loss, plan, plan_close};
use crate::objectstore::step::Step;
use crate::objectstore::store::canary_bucket;
use crate::objectstore::{Key, Store, verify};
use crate::plan::{Gate, Problem, closed_at_least};
use crate::proof::Proof;
use crate::tenant::acceptance::{self, identity_of, tell_accepted};
use crate::tenant::auditors::concerned;
use crate::tenant::database;
use crate::tenant::keeper::Keeper;
use crate::tenant::parse::Tenant;
use crate::tenant::pass::{Brought, Pass, hash};
use eoffice_crds::{Plane, Reason, RecordedStorage, TenantRecordSpec};
use std::sync::Arc;

/// How often it is looked at again: a plan is whole, so the second look finds nothing to do unless
/// somebody else changes the same things.
const ROUNDS: usize = 4;

/// What bringing the storage to order found.
pub struct Found {
    /// What the record should say of it.
    pub recorded: RecordedStorage,
    /// Whether a person's acceptance was taken: the plane is to be brought to it.
    pub accepted: bool,
}

/// Brings the tenant's storage to what is asked.
pub async fn bring(pass: &Pass<'_>) -> Brought<Found> {
    let (world, record, wanted) = (pass.world, &pass.record, &pass.wanted);
    let access = if wanted.open {
        Access::Open
    } else {
        Access::Closed
    };
    let prepared = backend(world, record).and_then(|backend| {
        let desired = desired_of(world, record, &backend, access, None)?;
        let desired = pass.with_readers(desired);
        let secret = SecretAt::new(world, wanted, record, &backend);
        let asked = hash(&[&desired.asked(), &secret.asked()]);
        Ok((backend, asked))
    });
    let (backend, asked) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => return Brought::failed(problem),
    };
    if let Err(problem) = pass.ask_about_move(Plane::Storage, &asked).await {
        return Brought::failed(problem);
    }
    let keeper = pass.keeper(Plane::Storage, &asked);
    let result = work(pass, &backend, access, &keeper).await;
    Brought {
        asked,
        notes: keeper.notes(),
        result,
    }
}

async fn work(
    pass: &Pass<'_>,
    backend: &StorageBackend,
    access: Access,
    gate: &Keeper<'_>,
) -> Result<Found, Problem> {
    let (world, record) = (pass.world, &pass.record);
    let secret = SecretAt::new(world, &pass.wanted, record, backend);
    let recorded = |seen: &Observed| Found {
        accepted: false,
        recorded: RecordedStorage {
            bucket_identity: identity(seen).or(record.storage.bucket_identity.clone()),
            ..record.storage.clone()
        },
    };
    let kept = secret.kept();
    if !pass.fresh
        && kept.is_some()
        && let Some(seen) = backend.observed(record)
    {
        let desired = desired_of(world, record, backend, access, kept)?;
        let desired = pass.with_readers(desired);
        if plan(&desired, &seen).is_ok_and(|changes| changes.is_empty()) {
            return Ok(recorded(&seen));
        }
    }
    let mut key = secret.mend(gate).await?;
    if key.is_some() {
        // Another may be in it, which the watch has not told of yet: taken for a stray, it would be deleted.
        key = secret.live_key().await?;
    }
    if key.is_none() {
        pass.ask_about_credential(Plane::Storage, gate).await?;
    }
    let maker = Some((&secret, pass, gate));
    let asked = (access, key, Order::Is(None));
    match converge(world, record, backend, asked, maker, gate).await {
        Ok(seen) => {
            let found = recorded(&seen);
            backend.saw(record, seen);
            Ok(found)
        }
        Err(problem) if problem.reason == Reason::DataMissing => {
            accepted(pass, backend, access, gate, problem).await
        }
        Err(problem) => Err(problem),
    }
}

/// What a person accepted about data that is missing: it goes into the record before anything is done.
async fn accepted(
    pass: &Pass<'_>,
    backend: &StorageBackend,
    access: Access,
    gate: &Keeper<'_>,
    problem: Problem,
) -> Result<Found, Problem> {
    let (store, _) = backend.usable()?;
    let desired = desired_of(pass.world, &pass.record, backend, access, None)?;
    let seen = look(pass.world, store, &pass.record).await?;
    let loss = loss(&desired, &seen).ok_or_else(|| problem.clone())?;
    let accepted = acceptance::of(&pass.tenant.object, &loss).filter(|_| !gate.stops_all());
    let Some(accepted) = accepted else {
        gate.leave(&identity_of("bucket", &loss), false, &problem);
        return Err(problem);
    };
    if !gate.is_planning() {
        tell_accepted(
            &pass.tenant.name,
            Plane::Storage,
            "bucket",
            &loss,
            &accepted,
        );
    }
    Ok(Found {
        accepted: true,
        recorded: accepted.of_bucket(&pass.record.storage, &loss),
    })
}

fn identity(seen: &Observed) -> Option<String> {
    seen.bucket.as_ref()?.identity().map(str::to_owned)
}

/// Looks, plans and acts until nothing is left that may be changed; where no plan can be made, until the access that
/// should end has ended. A new key goes into the Secret at once: the store shows it only this time.
async fn converge(
    world: &World,
    record: &TenantRecordSpec,
    backend: &StorageBackend,
    (access, mut key, order): (Access, Option<String>, Order),
    maker: Option<(&SecretAt<'_>, &Pass<'_>, &Keeper<'_>)>,
    gate: &dyn Gate,
) -> Result<Observed, Problem> {
    let (store, _) = backend.usable()?;
    for _ in 0..ROUNDS {
        let desired = desired_of(world, record, backend, access, key.clone())?;
        let desired = match maker {
            Some((_, pass, _)) => pass.with_readers(desired),
            None => desired,
        };
        let desired = desired.with_order(order.clone());
        // Who is to have no access is looked for, though nothing may tell of him any more.
        let known = backend.observed(record);
        let audited = access == Access::Closed
            || concerned(world, record)
            || known.is_some_and(|seen| !seen.auditors.is_empty());
        let seen = match audited {
            true => audited_tenant(store, &world.effects, record).await?,
            false => look(world, store, record).await?,
        };
        let mut idle = true;
        let (changes, problem) =
            closed_at_least(plan(&desired, &seen), || plan_close(&desired, &seen));
        for change in changes {
            if change.differences.iter().all(is_renewal) {
                if gate.may_renew(&change.differences) {
                    apply(store, &world.effects, &change.step).await?;
                    gate.renewed(&change.differences);
                    idle = false;
                }
                continue;
            }
            if let (Step::CreateKey { user }, Some((_, pass, _))) = (&change.step, maker)
                && *user != record.storage.user
            {
                if gate.allows(&change.differences)
                    && let Outcome::Key(made) = apply(store, &world.effects, &change.step).await?
                {
                    gate.made(&change.differences);
                    pass.hand_key(user, made).await?;
                    idle = false;
                }
                continue;
            }
            let makes_key = matches!(change.step, Step::CreateKey { .. });
            // Without a Secret to put it into no key is made.
            let Some((secret, pass, keeper)) = maker.filter(|_| makes_key) else {
                let may = match desired.ends_auditor(&change.step) {
                    true => gate.may_end(&change.differences),
                    false => !makes_key && gate.allows(&change.differences),
                };
                if may {
                    apply(store, &world.effects, &change.step).await?;
                    gate.made(&change.differences);
                    idle = false;
                }
                continue;
            };
            if key.is_none() || key.as_ref() != retiring(record) {
                pass.ask_about_credential(Plane::Storage, keeper).await?;
            }
            let (replaced, read) = secret.replaced().await?;
            let both = [change.differences.clone(), replaced.clone()].concat();
            if !gate.allows(&both) {
                continue;
            }
            if let Outcome::Key(made) = apply(store, &world.effects, &change.step).await? {
                gate.made(&change.differences);
                key = Some(made.access_key_id.clone());
                secret.write(made, read.as_ref()).await?;
                gate.made(&replaced);
            }
            idle = false;
        }
        if idle {
            return problem.map_or(Ok(seen), Err);
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
            now: world.clock.now(),
            fresh_identity: uuid::Uuid::new_v4().simple().to_string(),
        },
    ))
}

/// The store that the record names, if it is the one that it means.
pub fn backend(world: &World, record: &TenantRecordSpec) -> Result<Arc<StorageBackend>, Problem> {
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
