//! The end of the tenant's documents: how much there is, and its destruction step by step.

use super::leave::leaving;
use super::{backend, look};
use crate::audit::Cause;
use crate::controller::world::World;
use crate::objectstore::destroy::{Done, Doomed, Halt, Progress, lawful, step, users};
use crate::objectstore::size::{self, Size};
use crate::plan::{Difference, Gate, Permit, Problem};
use eoffice_crds::{DestructionOf, TenantRecordSpec};

const BUCKET: &str = "bucket";

/// How much is in the tenant's bucket; none where there is no bucket.
pub async fn size(world: &World, record: &TenantRecordSpec) -> Result<Option<Size>, Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    if look(world, store, record).await?.bucket.is_none() {
        return Ok(None);
    }
    let size = size::size(store, &world.effects, &record.storage.bucket).await?;
    Ok(Some(size))
}

/// The same, with the bucket and its users, where the law of the bucket allows their destruction now.
pub async fn may_be_destroyed(
    world: &World,
    record: &TenantRecordSpec,
) -> Result<(Option<Size>, Vec<DestructionOf>), Halt> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let doomed = Doomed::of(record);
    let size = lawful(store, &world.effects, &doomed, world.clock.now()).await?;
    let mut standing = standing(world, record).await?;
    let bucket = standing.iter_mut().find(|it| it.kind == BUCKET);
    let size = bucket.map(|bucket| {
        bucket.bytes = i64::try_from(size.bytes).ok();
        size
    });
    Ok((size, standing))
}

/// The bucket and its users, as far as they are there.
pub async fn standing(
    world: &World,
    record: &TenantRecordSpec,
) -> Result<Vec<DestructionOf>, Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let bucket = look(world, store, record).await?.bucket.map(|_| {
        let storage = &record.storage;
        of(
            record,
            BUCKET,
            &storage.bucket,
            storage.bucket_identity.as_ref(),
        )
    });
    let users = users(store, &world.effects, &Doomed::of(record)).await?;
    let users = users.iter().map(|user| of(record, "user", user, None));
    Ok(bucket.into_iter().chain(users).collect())
}

/// Destroys what is in the bucket, the bucket and the users. Right before each step it is asked whether it still may.
pub async fn raze(
    world: &World,
    record: &TenantRecordSpec,
    permit: &dyn Permit,
) -> Result<Vec<DestructionOf>, Halt> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let doomed = Doomed::of(record);
    let mut destroyed = Vec::new();
    let mut progress = Progress::default();
    loop {
        let now = world.clock.now();
        let remembers = (&mut progress, permit);
        let done = step(store, &world.effects, &doomed, now, remembers).await?;
        let gone = match &done {
            Done::Gone => return Ok(destroyed),
            Done::Nothing => continue,
            Done::Uploads { count } => Difference::delete(format!(
                "{count} begun uploads in bucket {}",
                record.storage.bucket
            )),
            Done::Objects { count, bytes } => Difference::delete(format!(
                "{count} versions of objects in bucket {}",
                record.storage.bucket
            ))
            .before(format!("{bytes} bytes")),
            Done::Bucket { name, identity } => {
                destroyed.push(of(record, BUCKET, name, Some(identity)));
                Difference::delete(format!("bucket {name}")).before(format!("identity {identity}"))
            }
            Done::User { name } => {
                destroyed.push(of(record, "user", name, None));
                Difference::delete(format!("user {name}"))
            }
        };
        leaving(record, Cause::Deletion).made(&[gone.destructive()]);
    }
}

fn of(
    record: &TenantRecordSpec,
    kind: &str,
    name: &str,
    identity: Option<&String>,
) -> DestructionOf {
    DestructionOf {
        kind: kind.to_owned(),
        name: name.to_owned(),
        place: place(record),
        identity: identity.cloned(),
        bytes: None,
    }
}

/// Where the documents are, for a certificate.
fn place(record: &TenantRecordSpec) -> String {
    let storage = &record.storage;
    format!(
        "ObjectStore {} (identity {})",
        storage.store, storage.store_identity
    )
}
