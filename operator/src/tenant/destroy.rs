//! The one way in which data is destroyed for good: on a warrant that is looked at again before every step.

use crate::audit;
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::objectstore::destroy::Halt;
use crate::plan::{Permit, Problem};
use crate::tenant::store::{read_record, read_tenant};
use crate::tenant::{database, storage, sweep, takeover};
use eoffice_crds::{
    DeletionPolicy, Destruction, DestructionOf, EOfficeTenant, Reason, RecordState, RecordedSizes,
    TenantRecordSpec, tenant_namespace,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

/// On whose word data is destroyed.
#[derive(Clone, Copy, Debug)]
pub enum Warrant<'a> {
    /// A committee's, written into the record of a tenant that has left.
    Order,
    /// The tenant's own, which is being deleted with the policy Delete.
    Policy(&'a EOfficeTenant),
}

/// A warrant, for exactly what this record names.
struct Held<'a> {
    world: &'a World,
    record: &'a TenantRecordSpec,
    warrant: &'a Warrant<'a>,
}

impl Permit for Held<'_> {
    fn stands(&self) -> BoxFuture<'_, Result<(), Problem>> {
        self.warrant.stands(self.world, self.record).boxed()
    }
}

impl Warrant<'_> {
    /// Reads live whether it still stands, for exactly what this record names, and whether this process still leads.
    pub async fn stands(&self, world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
        let name = &record.tenant.name;
        let stored = read_record(world, name).await?.map(|stored| stored.spec);
        let stored = stored.ok_or_else(|| stopped(record, "the record is gone"))?;
        if !same_data(&stored, record) {
            return Err(stopped(record, "the record names other data than before"));
        }
        if stored.legal_hold {
            return Err(Problem::new(
                Reason::LegalHold,
                sentence(record, "a legal hold stands against it"),
            ));
        }
        match self {
            Self::Order => ordered(&stored)?,
            Self::Policy(tenant) => asked(world, tenant, &stored).await?,
        }
        match world.leadership.held() {
            true => Ok(()),
            false => Err(not_leading()),
        }
    }
}

/// A committee's order is the one that was taken in, and was not withdrawn.
fn ordered(stored: &TenantRecordSpec) -> Result<(), Problem> {
    let accepted = stored.purge_accepted.as_ref().map(|it| &it.order);
    match (&stored.purge, accepted) {
        _ if stored.state != RecordState::Purging => {
            Err(stopped(stored, "the record does not say Purging"))
        }
        (Some(order), Some(accepted)) if order == accepted => Ok(()),
        (Some(_), _) => Err(stopped(stored, "another order was given")),
        (None, _) => Err(stopped(stored, "the order was withdrawn")),
    }
}

async fn asked(
    world: &World,
    tenant: &EOfficeTenant,
    stored: &TenantRecordSpec,
) -> Result<(), Problem> {
    let namespace = tenant.namespace().unwrap_or_default();
    let live = read_tenant(world, &namespace, &tenant.name_any()).await?;
    let deleting = live.is_some_and(|live| {
        live.uid() == tenant.uid()
            && live.metadata.deletion_timestamp.is_some()
            && live.spec.deletion_policy == DeletionPolicy::Delete
    });
    match deleting && stored.state == RecordState::Live {
        true => Ok(()),
        false => Err(stopped(
            stored,
            "its tenant is not being deleted with deletionPolicy Delete any more",
        )),
    }
}

/// Whether both records name the same data of the same tenant.
fn same_data(stored: &TenantRecordSpec, record: &TenantRecordSpec) -> bool {
    stored.tenant == record.tenant
        && stored.installation_id == record.installation_id
        && stored.fingerprint == record.fingerprint
        && stored.predecessor == record.predecessor
        && stored.database == record.database
        && stored.storage == record.storage
}

fn stopped(record: &TenantRecordSpec, why: &str) -> Problem {
    Problem::new(Reason::PurgeRefused, sentence(record, why))
}

fn sentence(record: &TenantRecordSpec, why: &str) -> String {
    format!(
        "nothing more of what the record in namespace {} keeps is destroyed: {why}",
        tenant_namespace(&record.tenant.name)
    )
}

/// Writes into a record what there is to destroy, as its certificate will tell, whoever destroys it. Fails where that is
/// not what the record names, or the law of the bucket does not allow it yet.
pub async fn condemn(world: &World, record: &mut TenantRecordSpec) -> Result<(), Halt> {
    let (size, documents) = storage::may_be_destroyed(world, record).await?;
    let mut condemned = database::standing(world, record).await?;
    let bytes = condemned.iter().find_map(|it| it.bytes);
    condemned.extend(documents);
    condemned.extend(volumes(world, record).await?);
    record.sizes = Some(sizes(bytes, size.as_ref()));
    record.condemned = condemned;
    Ok(())
}

/// What of the condemned is not there any more.
pub async fn lost(world: &World, record: &TenantRecordSpec) -> Result<Vec<DestructionOf>, Problem> {
    let mut standing = database::standing(world, record).await?;
    standing.extend(storage::standing(world, record).await?);
    standing.extend(volumes(world, record).await?);
    let condemned = record.condemned.iter();
    let lost = condemned.filter(|one| !is_among(one, &standing));
    let mut lost: Vec<_> = lost.cloned().collect();
    let objects = record.sizes.as_ref().and_then(|sizes| sizes.objects);
    let left = storage::size(world, record).await?;
    if let (Some(objects), Some(left)) = (objects, left) {
        let left = i64::try_from(left.objects).unwrap_or(i64::MAX);
        if left < objects {
            lost.push(DestructionOf {
                kind: "documents".to_owned(),
                name: format!("{} of {objects} versions", objects - left),
                place: format!("bucket {}", record.storage.bucket),
                identity: record.storage.bucket_identity.clone(),
                bytes: None,
            });
        }
    }
    Ok(lost)
}

/// The volumes that applications have claimed, those of the tenants whose data it took over among them.
async fn volumes(world: &World, record: &TenantRecordSpec) -> Result<Vec<DestructionOf>, Problem> {
    let mut all = Vec::new();
    for namespace in takeover::namespaces(world, record).await? {
        all.extend(sweep::volumes(world, &namespace).await?);
    }
    Ok(all)
}

/// How much stands behind a record; what cannot be told is left out.
pub async fn measure(world: &World, record: &TenantRecordSpec) -> RecordedSizes {
    let (database, storage) =
        tokio::join!(database::size(world, record), storage::size(world, record));
    let told = |problem: &Problem| tracing::warn!(%problem, "a size is left out of the record");
    let database = database.inspect_err(told).ok().flatten();
    let storage = storage.inspect_err(told).ok().flatten();
    sizes(database, storage.as_ref())
}

fn sizes(database: Option<i64>, storage: Option<&crate::objectstore::size::Size>) -> RecordedSizes {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    RecordedSizes {
        database_bytes: database,
        storage_bytes: storage.map(|size| number(size.bytes)),
        objects: storage.map(|size| number(size.objects)),
    }
}

/// Whether all that was there when it was measured last still is.
pub async fn is_untouched(world: &World, record: &TenantRecordSpec) -> Result<bool, Problem> {
    let before = record.sizes.clone().unwrap_or_default();
    let database = database::size(world, record).await?;
    let now = sizes(database, storage::size(world, record).await?.as_ref());
    Ok(
        before.database_bytes.is_some() == now.database_bytes.is_some()
            && before.objects == now.objects
            && before.storage_bytes == now.storage_bytes,
    )
}

/// Destroys the documents, then the database, with the users and roles of each, and in the end what an application put
/// into its namespaces: a lock on a document is met while the database still stands, with the order in its mark.
pub async fn destroy(
    world: &World,
    record: &TenantRecordSpec,
    warrant: &Warrant<'_>,
) -> Result<Vec<DestructionOf>, Halt> {
    let held = Held {
        world,
        record,
        warrant,
    };
    let mut destroyed = storage::raze(world, record, &held).await?;
    destroyed.extend(database::raze(world, record, &held).await?);
    let own = tenant_namespace(&record.tenant.name);
    for namespace in takeover::namespaces(world, record).await? {
        // The records stay, alone in their namespaces; that of a tenant that asks for it goes as a whole.
        if matches!(warrant, Warrant::Order) || namespace != own {
            sweep::all(world, &namespace, &held).await?;
        }
    }
    Ok(destroyed)
}

/// Whether a thing of this kind, name and place is one of these.
fn is_among(one: &DestructionOf, all: &[DestructionOf]) -> bool {
    all.iter()
        .any(|it| (&it.kind, &it.name, &it.place) == (&one.kind, &one.name, &one.place))
}

/// The certificate: what stood when the destruction began, whether this process destroyed it or one before, and what
/// besides was destroyed just now.
pub fn certificate(
    record: &TenantRecordSpec,
    warrant: &Warrant<'_>,
    now: Timestamp,
    destroyed: Vec<DestructionOf>,
) -> Destruction {
    let accepted = record.purge_accepted.as_ref();
    let deleted_at = match warrant {
        Warrant::Order => None,
        Warrant::Policy(tenant) => tenant.metadata.deletion_timestamp.clone(),
    };
    let deleted_by = record.deleted_by.clone();
    let mut objects = record.condemned.clone();
    for one in destroyed {
        if !is_among(&one, &objects) {
            objects.push(one);
        }
    }
    Destruction {
        agency: record.tenant_spec.agency.name_th.clone(),
        committee_reference: accepted.map(|it| it.order.committee_reference.clone()),
        approved_by: accepted
            .map(|it| it.order.approved_by.clone())
            .or(deleted_by)
            .unwrap_or_else(|| audit::UNKNOWN.to_owned()),
        decided_at: (accepted.map(|it| it.at.clone()))
            .or(deleted_at)
            .unwrap_or(Time(now)),
        destroyed_at: Time(now),
        retained_until: record.retain_until.clone(),
        objects,
    }
}
