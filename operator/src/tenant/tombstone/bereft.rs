//! A record that says that its tenant lives, and the tenant is gone: somebody took its finalizer away, or the records
//! came back before the tenants. Access is closed as with any deletion, once there was time to make the tenant again.

use super::{living, tell};
use crate::breaker::Verdict;
use crate::controller::world::World;
use crate::plan::Problem;
use crate::tenant::close::{close_bereft, deletion};
use crate::tenant::owner::is_of_its_agency;
use crate::tenant::store::Tone;
use eoffice_crds::{EOfficeTenant, RecordState, TenantRecord, TenantRecordSpec};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::time::Duration;

/// Whether a record says that its tenant lives, and the watch shows none.
pub fn is_bereft(world: &World, record: &TenantRecordSpec) -> bool {
    let holder = ObjectRef::<EOfficeTenant>::new(&record.tenant.name);
    let holder = world.tenants.get(&holder.within(&record.tenant.namespace));
    record.state == RecordState::Live
        && holder.is_none_or(|tenant| tenant.uid().as_ref() != Some(&record.tenant.uid))
}

/// Closes what such a record tells of, when its time is over and the breaker lets it; answers with when to look again.
pub(super) async fn close(
    world: &World,
    stored: &TenantRecord,
) -> Result<Option<Duration>, Problem> {
    let record = &stored.spec;
    let (name, grace) = (&record.tenant.name, world.settings.bereft_grace);
    if !is_bereft(world, record) {
        world.memory.not_bereft(name);
        return Ok(None);
    }
    if has_heir(world, record).await? {
        return Ok(Some(grace));
    }
    // One that a person has made again is back at once: nobody is told of it.
    let soon = world.settings.breaker_delay.min(grace);
    let Some(since) = world.memory.bereft_for(name, &record.tenant.uid) else {
        return Ok(Some(soon));
    };
    if since < grace {
        warn(world, stored, grace).await;
        return Ok(Some(grace.saturating_sub(since)));
    }
    match world.breaker.ask(&record.tenant, &deletion()).await? {
        // The breaker takes its time, in which the tenant may have been made again.
        Verdict::Go if has_heir(world, record).await? => Ok(Some(grace)),
        Verdict::Go => {
            close_bereft(world, stored).await?;
            world.memory.not_bereft(name);
            // Others may wait to take over what it left.
            world.push_all();
            Ok(None)
        }
        Verdict::Wait(left) => Ok(Some(left)),
        // A decision leads to a look at once; a tenant made again needs none.
        Verdict::Held(_) | Verdict::Undo(_) => Ok(Some(grace)),
    }
}

/// Whether the tenant stands after all, or another that takes the record up or is held up at it, which its own status
/// tells.
async fn has_heir(world: &World, record: &TenantRecordSpec) -> Result<bool, Problem> {
    let living = living(world, &record.tenant.name).await?;
    Ok(living.iter().any(|tenant| {
        tenant.uid().as_ref() == Some(&record.tenant.uid) || is_of_its_agency(tenant, record)
    }))
}

async fn warn(world: &World, stored: &TenantRecord, grace: Duration) {
    let tenant = &stored.spec.tenant;
    let note = format!(
        "the EOfficeTenant in namespace {} is gone and was not closed: access is open yet, and is closed when it was gone for {} s, unless the tenant is made again before (kubectl eoffice restore {})",
        tenant.namespace,
        grace.as_secs(),
        tenant.name
    );
    tracing::warn!(tenant = tenant.name, "{note}");
    tell(world, stored, Tone::Warning, "Bereft", &note).await;
}
