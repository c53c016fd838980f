//! The end of the tenant's database: its size, and its destruction step by step.

use super::backend;
use super::leave::{leaving, shut_down};
use crate::audit::Cause;
use crate::controller::world::World;
use crate::plan::{Gate, Permit, Problem};
use crate::postgres;
use eoffice_crds::{DestructionOf, Reason, TenantRecordSpec};

/// A database and its roles are gone after fewer steps, unless somebody makes them again.
const STEPS: usize = 64;

/// Bytes of the tenant's database; none where there is no database.
pub async fn size(world: &World, record: &TenantRecordSpec) -> Result<Option<i64>, Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let desired = shut_down(world, record)?;
    postgres::size(server, &world.effects, &desired).await
}

/// The database and its roles, where they bear the mark and the identity that the record names, and may be destroyed.
pub async fn standing(
    world: &World,
    record: &TenantRecordSpec,
) -> Result<Vec<DestructionOf>, Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let desired = shut_down(world, record)?;
    postgres::standing(server, &world.effects, &desired).await
}

/// Destroys database and roles. Right before each step it is asked whether it still may.
pub async fn raze(
    world: &World,
    record: &TenantRecordSpec,
    permit: &dyn Permit,
) -> Result<Vec<DestructionOf>, Problem> {
    let backend = backend(world, record)?;
    let (server, _) = backend.usable()?;
    let desired = shut_down(world, record)?;
    let mut destroyed = Vec::new();
    for _ in 0..STEPS {
        let Some(change) = postgres::next_removal(server, &world.effects, &desired).await? else {
            return Ok(destroyed);
        };
        let done = postgres::destroy(server, &world.effects, &change.step, permit).await?;
        leaving(record, Cause::Deletion).made(&change.differences);
        destroyed.extend(done);
    }
    Err(Problem::new(
        Reason::BackendError,
        format!(
            "database {} on {} does not stay destroyed; see who makes it again",
            record.database.name, record.database.server
        ),
    ))
}
