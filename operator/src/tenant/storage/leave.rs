//! The documents of a tenant that leaves: access to them is ended, and stays so.

use super::secret::secret_key;
use super::{backend, converge, desired_of, look};
use crate::audit::Cause;
use crate::controller::world::World;
use crate::identity::{Mark, Order};
use crate::objectstore::desired::Access;
use crate::objectstore::plan::plan_close;
use crate::plan::Problem;
use crate::tenant::database::unless_not_ours;
use crate::tenant::keeper::Told;
use eoffice_crds::{Plane, TenantRecordSpec, tenant_namespace};

/// Closes every access, and writes the record's state and the order into the mark. Answers with whether there was an
/// access.
pub async fn shut(
    world: &World,
    record: &TenantRecordSpec,
    cause: Cause,
    order: Order,
) -> Result<bool, Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let seen = look(world, store, record).await?;
    if seen.bucket.is_none() && seen.user.is_none() {
        return Ok(false);
    }
    let key = known_key(world, record);
    let closed = desired_of(world, record, &backend, Access::Closed, key.clone())?;
    let was_open = !plan_close(&closed, &seen).is_empty();
    let asked = (Access::Closed, key, order);
    let gate = leaving(record, cause);
    match converge(world, record, &backend, asked, None, &gate).await {
        Ok(seen) => {
            backend.saw(record, seen);
            Ok(was_open)
        }
        Err(problem) => unless_not_ours(problem).map(|()| was_open),
    }
}

/// Whether what was seen last shows an access that can be ended. Of a store that cannot be used nothing is known.
pub fn is_open(world: &World, record: &TenantRecordSpec) -> bool {
    let Ok(backend) = backend(world, record) else {
        return false;
    };
    let key = known_key(world, record);
    let closed = desired_of(world, record, &backend, Access::Closed, key);
    let seen = backend.observed(record);
    seen.zip(closed.ok())
        .is_some_and(|(seen, closed)| !plan_close(&closed, &seen).is_empty())
}

/// The mark on the tenant's bucket, read now; none where there is no bucket, or none of ours.
pub async fn live_mark(world: &World, record: &TenantRecordSpec) -> Result<Option<Mark>, Problem> {
    let backend = backend(world, record)?;
    let (store, _) = backend.usable()?;
    let bucket = look(world, store, record).await?.bucket;
    Ok(bucket.and_then(|bucket| bucket.mark()))
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

/// Who hears of what is done to the storage of a tenant that leaves or has left.
pub(super) fn leaving(record: &TenantRecordSpec, cause: Cause) -> Told<'_> {
    Told {
        tenant: &record.tenant.name,
        plane: Plane::Storage,
        cause,
    }
}
