//! One look at one tenant: parse, record, planes, proof, status.

use crate::controller::world::{WRITING, World};
use crate::plan::Problem;
use crate::tenant::approval::parse_approved;
use crate::tenant::events::Told;
use crate::tenant::keeper::Note;
use crate::tenant::misfit::as_taken;
use crate::tenant::parse::Tenant;
use crate::tenant::status::{Findings, Nature, nature, status};
use crate::tenant::store::{Tone, has_finalizer, read_tenant, set_finalizer, tell, write_status};
use crate::tenant::{close, drift, events, ledger, open, rotation, stages};
use eoffice_crds::{ConditionType, EOfficeTenant, EOfficeTenantStatus, Reason, TenantRecordSpec};
use kube::ResourceExt;
use kube::runtime::controller::Action;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// How often a status is written over a newer version of its resource before the next look.
const WRITES: usize = 4;

/// Under what a spec that cannot be taken is remembered between looks: it delays neither a part nor the end.
const MISFIT: ConditionType = ConditionType::Stalled;

/// What a look found, and when the next one is due without a change.
pub struct Outcome {
    /// What the status is made from; none where the tenant is gone with this look.
    pub findings: Option<Findings>,
    /// What became of each difference.
    pub notes: Vec<Note>,
    /// When to look again.
    pub next: Option<Duration>,
}

/// Looks at one tenant and does what is due. Failures are findings, never errors.
pub async fn reconcile(
    object: Arc<EOfficeTenant>,
    world: Arc<World>,
) -> Result<Action, Infallible> {
    let id = format!("{:08x}", rand::random::<u32>());
    let span = tracing::info_span!("reconcile", tenant = object.name_any(), reconcile = id);
    Ok(look(object, &world).instrument(span).await)
}

async fn look(object: Arc<EOfficeTenant>, world: &World) -> Action {
    let started = Instant::now();
    let outcome = if object.metadata.deletion_timestamp.is_some() {
        close::leave(world, &object).await
    } else {
        live(world, &object).await
    };
    let mut next = outcome.next;
    let ready = match &outcome.findings {
        Some(findings) => match report(world, &object, findings, &outcome.notes).await {
            Ok(ready) => ready,
            Err(problem) => {
                tracing::warn!(%problem, "the status is written with the next look");
                let wait = world.memory.failed(&object.name_any(), WRITING, &problem);
                next = Some(next.map_or(wait, |next| next.min(wait)));
                false
            }
        },
        None => true,
    };
    world
        .metrics
        .reconciled(ready, started.elapsed().as_secs_f64());
    next.map_or_else(Action::await_change, Action::requeue)
}

/// Writes the status and tells people what they would want to know. True if it is Ready.
async fn report(
    world: &World,
    object: &EOfficeTenant,
    findings: &Findings,
    notes: &[Note],
) -> Result<bool, Problem> {
    let Some((before, after)) = write(world, object, findings, notes).await? else {
        // Another tenant of the name stands there by now: it is looked at by itself.
        return Ok(false);
    };
    world.memory.clear(&object.name_any(), WRITING);
    // A new phase is told of already.
    let events = events::of_change(&before, &after, None)
        .filter(|_| before.phase == after.phase)
        .into_iter()
        .chain(events::of_hold(&before, findings.held.as_ref()))
        .chain(events::of_drift(&before.drift, &after.drift));
    for event in events {
        tell(world, object, &event).await;
    }
    Ok(after.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Ready.as_str() && condition.status == "True"
    }))
}

/// Tells of a new stage. The status is written only afterwards, for the stage is new by that alone: whoever dies in
/// between tells of it again, and nobody keeps it to himself.
async fn tell_stage(
    world: &World,
    object: &EOfficeTenant,
    before: &EOfficeTenantStatus,
    after: &EOfficeTenantStatus,
) {
    let Some(stage) = stages::change(object, before, after) else {
        return;
    };
    let uid = object.uid().unwrap_or_default();
    if !world.memory.tells(&object.name_any(), &uid, &stage) {
        return;
    }
    stages::tell(&object.name_any(), &stage);
    if let Some(event) = events::of_change(before, after, Some(&stage)) {
        tell(world, object, &event).await;
    }
}

/// Writes what this look found over the status as it is; answers with both. What was found is not lost where the
/// resource was changed meanwhile: it is read again, and written over that.
async fn write(
    world: &World,
    object: &EOfficeTenant,
    findings: &Findings,
    notes: &[Note],
) -> Result<Option<(EOfficeTenantStatus, EOfficeTenantStatus)>, Problem> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let mut newest = object.clone();
    for _ in 0..WRITES {
        let before = newest.status.clone().unwrap_or_default();
        let now = world.clock.now();
        let mut after = status(findings, &before, now);
        after.drift = drift::fold(&before.drift, notes, now);
        tell_stage(world, object, &before, &after).await;
        if write_status(world, &newest, &after).await? {
            return Ok(Some((before, after)));
        }
        match read_tenant(world, &namespace, &name).await? {
            Some(live) if live.uid() == object.uid() => newest = live,
            _ => return Ok(None),
        }
    }
    Err(Problem::new(
        Reason::KubernetesError,
        format!("the status of {name} is changed faster than it can be written"),
    ))
}

/// A tenant that is not being deleted.
async fn live(world: &World, object: &Arc<EOfficeTenant>) -> Outcome {
    let name = object.name_any();
    let recorded = world.records.with(|registry| registry.get(&name).cloned());
    let province = world.province(&object.namespace().unwrap_or_default());
    let classes = world.classes.state();
    let parsed = parse_approved(Arc::clone(object), &province, recorded.as_ref(), &classes);
    let ours = recorded.filter(|record| Some(&record.tenant.uid) == object.uid().as_ref());
    let as_taken = |misfit| as_taken(object, ours.as_ref(), &classes, misfit);
    let mut tenant = match parsed.or_else(as_taken) {
        Ok(tenant) => tenant,
        Err(problem) => {
            let uid = object.uid().unwrap_or_default();
            world.waves.refused(&uid, &problem);
            return gate(
                object,
                ours.is_some_and(|r| r.verified_at.is_some()),
                problem,
                None,
            );
        }
    };
    if spec_is_new(object) {
        world.memory.clear_parts(&name);
    }
    let urgent = |record: &TenantRecordSpec| rotation::is_urgent(&tenant.object, record);
    if open::is_asked_for(&tenant) || ours.as_ref().is_some_and(urgent) {
        world.memory.hurry(&name);
    }
    let mut entered = enter(world, &tenant, ours.as_ref()).await;
    let mut again = None;
    if let Err(problem) = &entered
        && tenant.misfit.is_none()
        && nature(problem.reason) == Nature::Person
        && let Ok(taken) = as_taken(problem.clone())
    {
        // What a person does about it may be where nothing is watched: a foreign namespace removed.
        again = Some(world.memory.failed(&name, MISFIT, problem));
        tenant = taken;
        entered = enter(world, &tenant, ours.as_ref()).await;
    }
    match entered {
        Ok(decided) => {
            let mut outcome = open::keep(world, &tenant, decided).await;
            outcome.next = outcome.next.into_iter().chain(again).min();
            outcome
        }
        Err(problem) => {
            world.waves.refused(&tenant.uid, &problem);
            let again = (nature(problem.reason) != Nature::Progress)
                .then(|| world.memory.failed(&name, ConditionType::Ready, &problem));
            let proved = ours.is_some_and(|record| record.verified_at.is_some());
            let mut outcome = gate(object, proved, problem, again);
            let shown = tenant.approval.shown;
            outcome
                .findings
                .iter_mut()
                .for_each(|it| it.approval.clone_from(&shown));
            outcome
        }
    }
}

async fn enter(
    world: &World,
    tenant: &Tenant,
    ours: Option<&TenantRecordSpec>,
) -> Result<ledger::Entry, Problem> {
    match (&tenant.paused, ours) {
        (None, _) => begin(world, tenant).await,
        (Some(_), Some(record)) => Ok(ledger::as_it_is(record)),
        (Some(problem), None) => Err(problem.clone()),
    }
}

fn spec_is_new(object: &EOfficeTenant) -> bool {
    let seen = object
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    seen != object.metadata.generation
}

/// Approval, finalizer, namespace and record: what must stand before the first backend object.
async fn begin(world: &World, tenant: &Tenant) -> Result<ledger::Entry, Problem> {
    if let Some(awaited) = &tenant.approval.awaited {
        return Err(awaited.clone());
    }
    let admission = world.waves.admit(world, tenant)?;
    if !has_finalizer(&tenant.object) {
        set_finalizer(world, &tenant.object, true).await?;
    }
    let entry = ledger::enter(world, tenant, admission).await?;
    world.memory.clear(&tenant.name, ConditionType::Ready);
    if tenant.misfit.is_none() {
        world.memory.clear(&tenant.name, MISFIT);
    }
    if entry.restored {
        let note = "the data of the earlier tenant of this agency was found and is taken up again, with new credentials where the old ones are gone";
        tell(
            world,
            &tenant.object,
            &Told::new(Tone::Normal, "Restored", note),
        )
        .await;
    }
    Ok(entry)
}

/// Nothing can be done: everything that was made stays as it is.
fn gate(object: &EOfficeTenant, proved: bool, problem: Problem, next: Option<Duration>) -> Outcome {
    Outcome {
        findings: Some(Findings {
            generation: object.metadata.generation.unwrap_or_default(),
            lifecycle: object.spec.lifecycle,
            deleting: false,
            proved,
            synced: Err(problem.clone()),
            paused: (problem.reason == Reason::Paused).then(|| problem.clone()),
            gate: Some(problem),
            parts: Vec::new(),
            open: None,
            held: None,
            approval: None,
            facts: None,
        }),
        notes: Vec::new(),
        next,
    }
}
