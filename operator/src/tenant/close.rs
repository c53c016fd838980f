//! A tenant that is being deleted: access closed, `retained` written, and only then let go.

use crate::audit::{self, Cause};
use crate::breaker::{Act, Origin, Verdict};
use crate::controller::breaker::told;
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::identity::Order;
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::Problem;
use crate::tenant::auditors::remove_secrets;
use crate::tenant::destroy::{Warrant, certificate, condemn, destroy, lost, measure};
use crate::tenant::events::Told;
use crate::tenant::kubernetes::{self, wanted};
use crate::tenant::ledger::amend;
use crate::tenant::parse::paused;
use crate::tenant::purge::kept_until;
use crate::tenant::reconcile::Outcome;
use crate::tenant::stages::deleted_by;
use crate::tenant::status::Findings;
use crate::tenant::store::{
    Tone, delete_record, has_finalizer, read_record, read_tenant, set_finalizer, tell,
    tell_of_record,
};
use crate::tenant::{database, storage, takeover};
use eoffice_crds::{
    ConditionType, DeletionPolicy, DestructionOf, EOfficeTenant, Impact, Plane, RecordState,
    Settled, TenantClass, TenantRecord, TenantRecordSpec, tenant_namespace,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;
use std::time::Duration;

/// How long the end waits to be told how much is left behind.
const MEASURED_WITHIN: Duration = Duration::from_secs(20);

/// Closes a tenant and lets it go. Whatever cannot be reached delays the end.
pub async fn leave(world: &World, object: &Arc<EOfficeTenant>) -> Outcome {
    let name = object.name_any();
    if !has_finalizer(object) {
        return gone();
    }
    let class = object
        .status
        .as_ref()
        .and_then(|status| status.applied.as_ref());
    let class = class.and_then(|applied| world.classes.get(&ObjectRef::new(&applied.frozen.class)));
    if let Some(problem) = paused(object, class.as_deref()) {
        let mut outcome = untouched(object, problem.clone(), None);
        outcome
            .findings
            .iter_mut()
            .for_each(|it| it.paused = Some(problem.clone()));
        return outcome;
    }
    if let Some((problem, left)) = world.memory.waiting(&name, ConditionType::Ready) {
        return delayed(object, problem, Some(left));
    }
    match end(world, object).await {
        Ok(End::Left) => {
            world.memory.forget(&name);
            gone()
        }
        Ok(End::Stays(verdict)) => stays(object, &verdict),
        Err(problem) => {
            let wait = world.memory.failed(&name, ConditionType::Ready, &problem);
            delayed(object, problem, Some(wait))
        }
    }
}

/// How an attempt to let a tenant go came out.
enum End {
    /// It is gone.
    Left,
    /// It may not leave now, and nothing was touched.
    Stays(Verdict),
}

/// Everything stays as it is until its delay is over or a person has decided.
fn stays(object: &EOfficeTenant, verdict: &Verdict) -> Outcome {
    let next = match verdict {
        Verdict::Wait(left) => Some(*left),
        _ => None,
    };
    let Some(problem) = told(verdict) else {
        return gone();
    };
    let held = matches!(verdict, Verdict::Held(_)).then(|| problem.clone());
    let mut outcome = untouched(object, problem, next);
    outcome
        .findings
        .iter_mut()
        .for_each(|it| it.held.clone_from(&held));
    outcome
}

/// Nothing of it was closed: the agency works as well as it did.
fn untouched(object: &EOfficeTenant, problem: Problem, next: Option<Duration>) -> Outcome {
    let mut outcome = delayed(object, problem, next);
    let available = condition(object, ConditionType::Available);
    let available = available.is_some_and(|available| available.status == "True");
    outcome
        .findings
        .iter_mut()
        .for_each(|it| it.proved = available);
    outcome
}

fn condition(object: &EOfficeTenant, kind: ConditionType) -> Option<&Condition> {
    let conditions = &object.status.as_ref()?.conditions;
    conditions.iter().find(|it| it.type_ == kind.as_str())
}

fn gone() -> Outcome {
    Outcome {
        findings: None,
        notes: Vec::new(),
        next: None,
    }
}

fn delayed(object: &EOfficeTenant, problem: Problem, next: Option<Duration>) -> Outcome {
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
            paused: None,
            held: None,
            approval: None,
            facts: None,
        }),
        notes: Vec::new(),
        next,
    }
}

async fn end(world: &World, object: &Arc<EOfficeTenant>) -> Result<End, Problem> {
    let name = object.name_any();
    let namespace = object.namespace().unwrap_or_default();
    let live = read_tenant(world, &namespace, &name).await?;
    let Some(live) = live.filter(|live| live.uid() == object.uid()) else {
        // It has left already, and this pass did not know: what stands there now, if anything, is another.
        return Ok(End::Left);
    };
    let record = read_record(world, &name).await?;
    let ours = record.filter(|record| Some(&record.spec.tenant.uid) == object.uid().as_ref());
    let Some(record) = ours else {
        // It never got as far as a record, or another tenant holds the name: nothing is its own.
        return let_go(world, object).await;
    };
    let record = record.spec;
    let verdict = world.breaker.ask(&record.tenant, &deletion()).await?;
    if verdict != Verdict::Go {
        return Ok(End::Stays(verdict));
    }
    let class = world.classes.get(&ObjectRef::new(&record.frozen.class));
    if let Some(problem) = paused(&live, class.as_deref()) {
        return Err(problem);
    }
    // A hold on what it took over stands against its destruction.
    let record = takeover::complete(world, record).await?;
    let uid = record.tenant.uid.clone();
    let (reason, note) = match wants_destruction(&live, &record) {
        true => destroy_all(world, class.as_deref(), &live, record).await?,
        false => retain(world, class.as_deref(), &live, record).await?,
    };
    tell(world, object, &Told::new(Tone::Normal, reason, note)).await;
    let left = let_go(world, object).await?;
    world.breaker.done(&uid, &deletion());
    Ok(left)
}

/// Closes what the record of a tenant tells of that went without being closed, and keeps it, as `end` does. No word of
/// the tenant's own destroys its data: nobody can ask it any more.
pub async fn close_bereft(world: &World, stored: &TenantRecord) -> Result<(), Problem> {
    let record = takeover::complete(world, stored.spec.clone()).await?;
    let (name, uid) = (record.tenant.name.clone(), record.tenant.uid.clone());
    let mut tenant = EOfficeTenant::new(&name, record.tenant_spec.clone());
    tenant.metadata.namespace = Some(record.tenant.namespace.clone());
    let class = world.classes.get(&ObjectRef::new(&record.frozen.class));
    // Its own pause is gone with it.
    if let Some(problem) = paused(&tenant, class.as_deref()) {
        return Err(problem);
    }
    let closed = retain(world, class.as_deref(), &tenant, record).await;
    // Whoever takes the record up meanwhile finds what was closed under it.
    let (reason, note) = closed.inspect_err(|_| world.push_tenant(&name))?;
    tell_of_record(world, stored, &Told::new(Tone::Warning, reason, note)).await;
    world.breaker.done(&uid, &deletion());
    Ok(())
}

/// Whether the tenant's own word is enough to destroy its data: its class allows it, nothing in it is under retention,
/// and no legal hold stands against it.
fn wants_destruction(tenant: &EOfficeTenant, record: &TenantRecordSpec) -> bool {
    tenant.spec.deletion_policy == DeletionPolicy::Delete
        && record.frozen.allow_delete
        && record.frozen.retention.is_none()
        && !record.legal_hold
        && record.state != RecordState::Retained
}

async fn let_go(world: &World, object: &EOfficeTenant) -> Result<End, Problem> {
    set_finalizer(world, object, false).await?;
    Ok(End::Left)
}

/// What the breaker is asked about.
pub fn deletion() -> Act {
    Act {
        impact: Impact::Delete,
        origin: Origin::Inherited,
        cause: "the EOfficeTenant is being deleted".to_owned(),
    }
}

/// The way in first, then access, then network, quota and pods.
async fn shut(
    world: &World,
    class: Option<&TenantClass>,
    record: &TenantRecordSpec,
) -> Result<(), Problem> {
    let closed = class.map(|class| wanted(world, &class.spec, record, false));
    if let Some(closed) = &closed {
        kubernetes::shut(world, closed, Plane::Ingress).await?;
    }
    database::shut(world, record, Cause::Deletion, Order::AsFound).await?;
    storage::shut(world, record, Cause::Deletion, Order::AsFound).await?;
    remove_secrets(
        world,
        record,
        &[],
        &database::leaving(record, Cause::Deletion),
    )
    .await?;
    if let Some(closed) = &closed {
        kubernetes::shut(world, closed, Plane::Namespace).await?;
    }
    let namespace = tenant_namespace(&record.tenant.name);
    world.cluster.end_pods(&namespace).await
}

/// Closes it, and makes its record the tombstone. The marks say `retained` once the record does.
async fn retain(
    world: &World,
    class: Option<&TenantClass>,
    tenant: &EOfficeTenant,
    record: TenantRecordSpec,
) -> Result<(&'static str, String), Problem> {
    shut(world, class, &record).await?;
    let lost = match record.condemned.is_empty() {
        true => Vec::new(),
        false => lost(world, &record).await?,
    };
    let record = match record.state {
        RecordState::Live => entomb(world, tenant, record, &lost).await?,
        _ => record,
    };
    database::shut(world, &record, Cause::Deletion, Order::AsFound).await?;
    storage::shut(world, &record, Cause::Deletion, Order::AsFound).await?;
    let until = record.retain_until.as_ref();
    let kept = match lost.is_empty() {
        true => "namespace, record, database and bucket are kept".to_owned(),
        false => format!(
            "its destruction had begun and was called off: {} were destroyed already, as the record's certificate says; what is left is kept",
            names(&lost)
        ),
    };
    let note = format!(
        "access is closed; {kept} until {} at least{}",
        until.map_or("a day to be decided".to_owned(), |until| until
            .0
            .to_string()),
        match record.legal_hold {
            true => ", and while the legal hold stands",
            false => "",
        }
    );
    Ok(("Retained", note))
}

async fn entomb(
    world: &World,
    tenant: &EOfficeTenant,
    before: TenantRecordSpec,
    lost: &[DestructionOf],
) -> Result<TenantRecordSpec, Problem> {
    let sizes = tokio::time::timeout(MEASURED_WITHIN, measure(world, &before)).await;
    let now = world.clock.now();
    let mut record = before.clone();
    record.condemned.clear();
    if !lost.is_empty() {
        let certificate = certificate(&record, &Warrant::Policy(tenant), now, lost.to_vec());
        audit::destroyed(&record.tenant.name, &certificate);
        record.destructions.push(certificate);
    }
    record.state = RecordState::Retained;
    record.retained_at = Some(Time(now));
    record.retain_until = Some(Time(kept_until(now, &record)));
    // Who began it may have said so, and the tenant be gone since.
    let known = Some(deleted_by(tenant)).filter(|by| by != audit::UNKNOWN);
    let known = known.or_else(|| before.deleted_by.clone());
    record.deleted_by = Some(known.unwrap_or_else(|| audit::UNKNOWN.to_owned()));
    record.sizes = sizes.ok();
    record.settled = Settled::new();
    amend(world, &before, &record).await
}

/// Destroys everything, data first and memory last: as long as anything stands, the record tells of it.
async fn destroy_all(
    world: &World,
    class: Option<&TenantClass>,
    tenant: &EOfficeTenant,
    mut record: TenantRecordSpec,
) -> Result<(&'static str, String), Problem> {
    if record.state != RecordState::Destroyed {
        shut(world, class, &record).await?;
        let before = record.clone();
        if record.condemned.is_empty() {
            condemn(world, &mut record)
                .await
                .map_err(|halt| halt.problem)?;
            record.deleted_by = Some(deleted_by(tenant));
            record = amend(world, &before, &record).await?;
        }
        let warrant = Warrant::Policy(tenant);
        let destroyed = destroy(world, &record, &warrant)
            .await
            .map_err(|halt| halt.problem)?;
        let before = record.clone();
        let certificate = certificate(&record, &warrant, world.clock.now(), destroyed);
        audit::destroyed(&record.tenant.name, &certificate);
        record.destructions.push(certificate);
        record.condemned.clear();
        record.state = RecordState::Destroyed;
        record = amend(world, &before, &record).await?;
    }
    if !world.leadership.held() {
        return Err(not_leading());
    }
    // The namespace first: where nothing tells of the tenant any more, nothing is left of it.
    let name = &record.tenant.name;
    let namespace = tenant_namespace(name);
    let key = ObjectKey {
        kind: Kind::Namespace,
        name: namespace.clone(),
    };
    world.cluster.delete(&namespace, &key).await?;
    delete_record(world, name).await?;
    Ok(("Destroyed", told_of(&record)))
}

/// The certificate, in a sentence.
fn told_of(record: &TenantRecordSpec) -> String {
    let objects = record
        .destructions
        .last()
        .map(|last| last.objects.as_slice());
    format!(
        "everything of the tenant was destroyed, as its deletion policy says: {}",
        names(objects.unwrap_or_default())
    )
}

fn names(objects: &[DestructionOf]) -> String {
    let names = objects.iter().map(|it| format!("{} {}", it.kind, it.name));
    names.collect::<Vec<_>>().join(", ")
}
