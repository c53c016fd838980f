//! A tenant that is being deleted: access closed, `retained` written, and only then let go.

use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::Problem;
use crate::tenant::kubernetes::{front, guards, wanted};
use crate::tenant::ledger::amend;
use crate::tenant::reconcile::Outcome;
use crate::tenant::status::Findings;
use crate::tenant::store::{Tone, delete_record, has_finalizer, read_record, set_finalizer, tell};
use crate::tenant::{database, storage};
use eoffice_crds::{
    ConditionType, DeletionPolicy, EOfficeTenant, RecordState, TenantClass, TenantRecordSpec,
    tenant_namespace,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;

/// Closes a tenant and lets it go. Whatever cannot be reached delays the end.
pub async fn leave(world: &World, object: &Arc<EOfficeTenant>) -> Outcome {
    let name = object.name_any();
    if !has_finalizer(object) {
        return gone();
    }
    if let Some((problem, left)) = world.memory.waiting(&name, ConditionType::Ready) {
        return delayed(object, problem, left);
    }
    match end(world, object).await {
        Ok(()) => {
            world.memory.forget(&name);
            gone()
        }
        Err(problem) => {
            let wait = world.memory.failed(&name, ConditionType::Ready, &problem);
            delayed(object, problem, wait)
        }
    }
}

fn gone() -> Outcome {
    Outcome {
        findings: None,
        next: None,
    }
}

fn delayed(object: &EOfficeTenant, problem: Problem, wait: std::time::Duration) -> Outcome {
    Outcome {
        findings: Some(Findings {
            generation: object.metadata.generation.unwrap_or_default(),
            lifecycle: object.spec.lifecycle,
            deleting: true,
            proved: false,
            synced: Err(problem.clone()),
            gate: Some(problem),
            parts: Vec::new(),
            open: None,
            facts: None,
        }),
        next: Some(wait),
    }
}

async fn end(world: &World, object: &Arc<EOfficeTenant>) -> Result<(), Problem> {
    let name = object.name_any();
    let record = read_record(world, &name).await?;
    let ours = record.filter(|record| Some(&record.spec.tenant.uid) == object.uid().as_ref());
    let Some(record) = ours else {
        // It never got as far as a record, or another tenant holds the name: nothing is its own.
        return set_finalizer(world, object, false).await;
    };
    let record = record.spec;
    let destroy = object.spec.deletion_policy == DeletionPolicy::Delete
        && record.frozen.allow_delete
        && record.frozen.retention.is_none();
    let class = world.classes.get(&ObjectRef::new(&record.frozen.class));
    let record = shut(world, class.as_deref(), record, !destroy).await?;
    if destroy {
        raze(world, &record).await?;
    }
    let note = if destroy {
        "everything of the tenant was destroyed, as its deletion policy says"
    } else {
        "access is closed; namespace, record, database and bucket are kept"
    };
    tell(
        world,
        object,
        Tone::Normal,
        if destroy { "Destroyed" } else { "Retained" },
        note,
    )
    .await;
    set_finalizer(world, object, false).await
}

/// The way in first, then access, then network, quota and pods; then `retained` in record and marks.
async fn shut(
    world: &World,
    class: Option<&TenantClass>,
    mut record: TenantRecordSpec,
    retain: bool,
) -> Result<TenantRecordSpec, Problem> {
    let closed = class.map(|class| wanted(world, &class.spec, &record, false));
    if let Some(closed) = &closed {
        front(world, closed).await?;
    }
    database::shut(world, &record).await?;
    storage::shut(world, &record).await?;
    if let Some(closed) = &closed {
        guards(world, closed).await?;
    }
    world
        .cluster
        .end_pods(&tenant_namespace(&record.tenant.name))
        .await?;
    if retain && record.state == RecordState::Live {
        let now = Timestamp::now();
        let days = SignedDuration::from_hours(24 * i64::from(record.frozen.retain.days));
        record.state = RecordState::Retained;
        record.retained_at = Some(Time(now));
        record.retain_until = now.checked_add(days).ok().map(Time);
        amend(world, &record).await?;
    }
    if retain {
        // The marks say `retained` as the record does.
        database::shut(world, &record).await?;
        storage::shut(world, &record).await?;
    }
    Ok(record)
}

/// Destroys everything, data first and memory last: as long as anything stands, the record tells of it.
async fn raze(world: &World, record: &TenantRecordSpec) -> Result<(), Problem> {
    let held = || {
        world
            .leadership
            .held()
            .then_some(())
            .ok_or_else(not_leading)
    };
    held()?;
    database::raze(world, record).await?;
    held()?;
    storage::raze(world, record).await?;
    held()?;
    delete_record(world, &record.tenant.name).await?;
    let namespace = tenant_namespace(&record.tenant.name);
    let key = ObjectKey {
        kind: Kind::Namespace,
        name: namespace.clone(),
    };
    world.cluster.delete(&namespace, &key).await
}
