//! One look at one tenant: parse, record, planes, proof, status.

use crate::controller::world::World;
use crate::plan::Problem;
use crate::tenant::parse::{Tenant, parse};
use crate::tenant::status::{Findings, Nature, nature, status};
use crate::tenant::store::{Tone, has_finalizer, set_finalizer, tell, write_status};
use crate::tenant::{close, events, ledger, open};
use eoffice_crds::{ConditionType, EOfficeTenant, Reason};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// What a look found, and when the next one is due without a change.
pub struct Outcome {
    /// What the status is made from; none where the tenant is gone with this look.
    pub findings: Option<Findings>,
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
    let ready = match &outcome.findings {
        Some(findings) => report(world, &object, findings).await,
        None => true,
    };
    world
        .metrics
        .reconciled(ready, started.elapsed().as_secs_f64());
    outcome
        .next
        .map_or_else(Action::await_change, Action::requeue)
}

/// Writes the status and tells people what they would want to know. True if it is Ready.
async fn report(world: &World, object: &EOfficeTenant, findings: &Findings) -> bool {
    let before = object.status.clone().unwrap_or_default();
    let after = status(findings, &before, Timestamp::now());
    if let Err(problem) = write_status(world, object, &after).await {
        tracing::warn!(%problem, "the status is written with the next look");
        world
            .queue
            .push(&object.namespace().unwrap_or_default(), &object.name_any());
    } else if let Some(event) = events::of_change(&before, &after) {
        tell(world, object, event.tone, event.reason, &event.note).await;
    }
    after.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Ready.as_str() && condition.status == "True"
    })
}

/// A tenant that is not being deleted.
async fn live(world: &World, object: &Arc<EOfficeTenant>) -> Outcome {
    let name = object.name_any();
    let recorded = world.records.with(|registry| registry.get(&name).cloned());
    let ours = recorded.filter(|record| Some(&record.tenant.uid) == object.uid().as_ref());
    let labels = world.province_labels(&object.namespace().unwrap_or_default());
    let classes = world.classes.state();
    let tenant = match parse(Arc::clone(object), &labels, ours.as_ref(), &classes) {
        Ok(tenant) => tenant,
        Err(problem) => {
            return gate(
                object,
                ours.is_some_and(|r| r.verified_at.is_some()),
                problem,
                None,
            );
        }
    };
    if spec_is_new(object) {
        for part in ConditionType::ALL {
            world.memory.clear(&name, *part);
        }
    }
    match begin(world, &tenant).await {
        Ok(decided) => open::keep(world, &tenant, decided).await,
        Err(problem) => {
            // What a person does about it may be where nothing is watched: a foreign namespace removed.
            let again = (nature(problem.reason) != Nature::Progress)
                .then(|| world.memory.failed(&name, ConditionType::Ready, &problem));
            let proved = ours.is_some_and(|record| record.verified_at.is_some());
            gate(object, proved, problem, again)
        }
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
    let recorded = world
        .records
        .with(|registry| registry.get(&tenant.name).is_some());
    let approved = tenant
        .object
        .spec
        .approval
        .as_ref()
        .is_some_and(|approval| approval.is_complete());
    if tenant.class.spec.approval_required && !approved && !recorded {
        return Err(Problem::new(
            Reason::AwaitingApproval,
            "the class requires an approval: spec.approval needs mouReference, approvedBy and approvedAt",
        ));
    }
    if !has_finalizer(&tenant.object) {
        set_finalizer(world, &tenant.object, true).await?;
    }
    let entry = ledger::enter(world, tenant).await?;
    world.memory.clear(&tenant.name, ConditionType::Ready);
    if entry.restored {
        tell(
            world,
            &tenant.object,
            Tone::Normal,
            "Restored",
            "the data of the earlier tenant of this agency was found and is taken up again, with new credentials where the old ones are gone",
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
            gate: Some(problem),
            parts: Vec::new(),
            open: None,
            facts: None,
        }),
        next,
    }
}
