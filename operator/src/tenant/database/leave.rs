//! The database of a tenant that leaves: its access is ended, and stays so.

use super::secret::secret_key;
use super::{backend, unless_not_ours};
use crate::audit::Cause;
use crate::controller::world::World;
use crate::identity::{Mark, Order};
use crate::plan::Problem;
use crate::postgres::{
    Access, Credential, Desired, Verifier, converge, desired, mark_of, observe, plan_close,
};
use crate::tenant::keeper::Told;
use crate::tenant::storage;
use eoffice_crds::{Plane, TenantRecordSpec};

/// Closes every access, and writes the record's state and the order into the marks. Answers with whether there was an
/// access.
pub async fn shut(
    world: &World,
    record: &TenantRecordSpec,
    cause: Cause,
    order: Order,
) -> Result<bool, Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let desired = shut_down(world, record)?.with_order(order);
    let found = observe(server, &world.effects, &desired).await?;
    if found.database.is_none() && found.roles.is_empty() {
        return Ok(false);
    }
    let was_open = !plan_close(&desired, &found).is_empty();
    match converge(server, &world.effects, &desired, &leaving(record, cause)).await {
        Ok(converged) => {
            backend.saw(record, converged.observed);
            Ok(was_open)
        }
        Err(problem) => unless_not_ours(problem).map(|()| was_open),
    }
}

/// Whether what was seen last shows an access that can be ended. Of a server that cannot be used nothing is known.
pub fn is_open(world: &World, record: &TenantRecordSpec) -> bool {
    let seen = backend(world, record).ok();
    let seen = seen.and_then(|backend| backend.observed(record));
    // Which password is behind an access makes no difference.
    let closed = closed(world, record, &Verifier::known(String::new()));
    seen.zip(closed.ok())
        .is_some_and(|(seen, closed)| !plan_close(&closed, &seen).is_empty())
}

/// The mark on the tenant's database, read now; none where there is no database, or none of ours.
pub async fn live_mark(world: &World, record: &TenantRecordSpec) -> Result<Option<Mark>, Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    mark_of(server, &world.effects, &record.database.name).await
}

/// What the record of a tenant says should be on its server when all access is closed.
pub(super) fn shut_down(world: &World, record: &TenantRecordSpec) -> Result<Desired, Problem> {
    let namespace = eoffice_crds::tenant_namespace(&record.tenant.name);
    let seen = world
        .cluster
        .index
        .objects(&namespace)
        .remove(&secret_key());
    let verifier = match seen.and_then(|seen| seen.secret?.verifier) {
        Some(verifier) => Verifier::known(verifier.0),
        // Whoever made away with the Secret is locked out as well.
        None => Credential::new(&record.database.login, rand::random(), rand::random())
            .verifier()
            .clone(),
    };
    closed(world, record, &verifier)
}

fn closed(
    world: &World,
    record: &TenantRecordSpec,
    verifier: &Verifier,
) -> Result<Desired, Problem> {
    let bucket = storage::mark(world, record);
    desired(
        record,
        record.database.connection_limit,
        &record.database.login,
        verifier,
        bucket.as_ref(),
        Access::Closed,
    )
}

/// Who hears of what is done to the database of a tenant that leaves or has left.
pub fn leaving(record: &TenantRecordSpec, cause: Cause) -> Told<'_> {
    Told {
        tenant: &record.tenant.name,
        plane: Plane::Database,
        cause,
    }
}
