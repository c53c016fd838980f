//! What the queue sees of tenants and their records.

use crate::controller::world::World;
use crate::tenant::parse::paused;
use eoffice_crds::{ConditionType, EOfficeTenant, Reason};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) type Living = HashMap<String, Arc<EOfficeTenant>>;

/// Every tenant that is not being deleted, by UID.
pub(super) fn living(world: &World) -> Living {
    let tenants = world.tenants.state().into_iter();
    tenants
        .filter(|tenant| tenant.metadata.deletion_timestamp.is_none())
        .filter_map(|tenant| Some((tenant.uid()?, tenant)))
        .collect()
}

/// When each tenant was proved that was.
pub(super) fn finished(world: &World) -> Vec<Timestamp> {
    world.records.with(|registry| {
        let proved = registry.records().filter_map(|it| it.verified_at.as_ref());
        proved.map(|at| at.0).collect()
    })
}

/// What a tenant's own record tells.
pub(super) struct Recorded {
    pub(super) proved: bool,
    pub(super) class: String,
}

pub(super) fn record_of(world: &World, tenant: &EOfficeTenant) -> Option<Recorded> {
    world.records.with(|registry| {
        let record = registry.get(&tenant.name_any())?;
        (Some(&record.tenant.uid) == tenant.uid().as_ref()).then(|| Recorded {
            proved: record.verified_at.is_some(),
            class: record.frozen.class.clone(),
        })
    })
}

pub(super) fn is_paused(world: &World, tenant: &EOfficeTenant, recorded: Option<&str>) -> bool {
    let class = recorded.or(tenant.spec.class_name.as_deref());
    let class = class.and_then(|class| world.classes.get(&ObjectRef::new(class)));
    paused(tenant, class.as_deref()).is_some()
}

/// Whether a tenant is Ready, and the reason.
pub(super) fn ready(tenant: &EOfficeTenant) -> Option<(bool, Reason)> {
    let conditions = &tenant.status.as_ref()?.conditions;
    let ready = ConditionType::Ready.as_str();
    let ready = conditions.iter().find(|it| it.type_ == ready)?;
    let mut reasons = Reason::ALL.iter();
    let reason = reasons.find(|reason| reason.as_str() == ready.reason)?;
    Some((ready.status == "True", *reason))
}

/// Whether a tenant waits for the certificate of a host of its own, while that of its default host was issued.
pub(super) fn waits_for_its_own_host(tenant: &EOfficeTenant) -> bool {
    let status = tenant.status.as_ref();
    let default = status.and_then(|status| status.certificate.as_ref());
    let issued = default.is_some_and(|certificate| certificate.not_after.is_some());
    issued && matches!(ready(tenant), Some((false, Reason::NotIssued)))
}
