//! Nobody comes at what a tenant left.

use super::tell;
use crate::audit::Cause;
use crate::controller::world::World;
use crate::identity::Order;
use crate::plan::Problem;
use crate::tenant::store::Tone;
use crate::tenant::{database, storage};
use eoffice_crds::{EOfficeTenant, TenantRecord, TenantRecordSpec};
use kube::runtime::reflector::ObjectRef;

/// Whether what was seen last shows an access to what a tenant left. While the tenant is there yet it is closed by itself.
pub fn is_open(world: &World, record: &TenantRecordSpec) -> bool {
    let holder = ObjectRef::<EOfficeTenant>::new(&record.tenant.name);
    let holder = world.tenants.get(&holder.within(&record.tenant.namespace));
    record.state.is_kept()
        && holder.is_none()
        && (database::is_open(world, record) || storage::is_open(world, record))
}

/// Ends an access that somebody opened, and tells of it.
pub(super) async fn keep_shut(world: &World, stored: &TenantRecord) -> Result<(), Problem> {
    let record = &stored.spec;
    if !is_open(world, record) {
        return Ok(());
    }
    let mut opened = Vec::new();
    if database::shut(world, record, Cause::Drift, Order::AsFound).await? {
        opened.push("database");
    }
    if storage::shut(world, record, Cause::Drift, Order::AsFound).await? {
        opened.push("bucket");
    }
    if opened.is_empty() {
        return Ok(());
    }
    let note = format!(
        "somebody opened an access to the kept {}, and it was ended; the audit log says to what, the backend's own log by whom",
        opened.join(" and ")
    );
    tell(world, stored, Tone::Warning, "AccessEnded", &note).await;
    Ok(())
}
