//! TenantPlans: each is answered once, and removed when its time is over.

use super::world::World;
use crate::effect::{Failure, Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use crate::tenant::planning::{plan, plan_with_class};
use crate::tenant::status::condition;
use crate::tenant::store::read_tenant;
use eoffice_crds::{
    EOfficeTenant, FIELD_MANAGER, PlannedStep, PlannedTenant, Reason, TenantClass, TenantPlan,
    TenantPlanStatus,
};
use futures::{Stream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::watcher::Event;
use kube::{Error, Resource, ResourceExt};
use serde_json::json;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const STATUS: Site = Site::write(Plane::Kubernetes, "answer_plan");
const DELETE: Site = Site::write(Plane::Kubernetes, "delete_plan");

/// Steps that a status holds at most.
const STEPS: usize = 500;
/// The type of a plan's one condition.
const PLANNED: &str = "Planned";

/// Answers plans as they come, and removes them when their time is over.
pub async fn answer(events: impl Stream<Item = Event<TenantPlan>>, world: Arc<World>) {
    let mut ends: HashMap<(String, String), (Instant, TenantPlan)> = HashMap::new();
    let mut events = pin!(events);
    loop {
        let next = ends.values().map(|(at, _)| *at).min();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Apply(plan) | Event::InitApply(plan)) => {
                    ends.insert(key(&plan), (end(&world, &plan), plan.clone()));
                    let answered = plan.status.as_ref().and_then(|status| status.observed_generation);
                    if answered != plan.metadata.generation {
                        let world = Arc::clone(&world);
                        tokio::spawn(async move {
                            if let Err(problem) = respond(&world, &plan).await {
                                tracing::warn!(plan = plan.name_any(), %problem, "a plan could not be answered");
                            }
                        });
                    }
                }
                Some(Event::Delete(plan)) => {
                    ends.remove(&key(&plan));
                }
                Some(Event::Init | Event::InitDone) => {}
                None => return,
            },
            () = due => {
                let now = Instant::now();
                let over: Vec<_> = ends.extract_if(|_, (at, _)| *at <= now).collect();
                for (_, (_, plan)) in over {
                    if let Err(problem) = remove(&world, &plan).await {
                        tracing::warn!(plan = plan.name_any(), %problem, "a plan whose time is over could not be removed");
                    }
                }
            }
        }
    }
}

fn key(plan: &TenantPlan) -> (String, String) {
    (plan.namespace().unwrap_or_default(), plan.name_any())
}

fn expires(world: &World, plan: &TenantPlan) -> Timestamp {
    let made = plan.creation_timestamp().map(|time| time.0);
    let kept = SignedDuration::try_from(world.settings.plan_kept).unwrap_or_default();
    made.unwrap_or_else(Timestamp::now)
        .saturating_add(kept)
        .unwrap_or(Timestamp::MAX)
}

fn end(world: &World, plan: &TenantPlan) -> Instant {
    let left = expires(world, plan).duration_since(Timestamp::now());
    Instant::now() + Duration::try_from(left).unwrap_or_default()
}

async fn respond(world: &World, asked: &TenantPlan) -> Result<(), Problem> {
    let answer = steps(world, asked).await;
    let generation = asked.metadata.generation.unwrap_or_default();
    let said = |truth, reason, message: &str| {
        condition(
            &[],
            PLANNED,
            truth,
            reason,
            message,
            generation,
            Timestamp::now(),
        )
    };
    let mut status = TenantPlanStatus {
        observed_generation: Some(generation),
        expires_at: Some(Time(expires(world, asked))),
        ..TenantPlanStatus::default()
    };
    match answer {
        Ok(mut steps) => {
            let count = |count: usize| i64::try_from(count).ok();
            let made = |step: &&PlannedStep| step.withheld.is_none();
            status.changes = count(steps.iter().filter(made).count());
            status.destructive = count(
                steps
                    .iter()
                    .filter(made)
                    .filter(|step| step.destructive)
                    .count(),
            );
            let message = match steps.iter().filter(made).count() {
                0 => "nothing would be changed".to_owned(),
                n => format!("{n} changes would be made"),
            };
            status.conditions = vec![said("True", Reason::Planned, &message)];
            steps.truncate(STEPS);
            status.steps = steps;
        }
        Err(problem) => {
            status.conditions = vec![said("False", problem.reason, &problem.message)];
        }
    }
    let (namespace, name) = key(asked);
    let api: Api<TenantPlan> = Api::namespaced(world.client.clone(), &namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": TenantPlan::api_version(&()),
        "kind": TenantPlan::kind(&()),
        "metadata": {"name": name, "uid": asked.uid()},
        "status": status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let result = world
        .effects
        .call(STATUS, &name, || api.patch_status(&name, &params, &patch))
        .await;
    unless_gone(result.map(drop), "answer plan", &name)
}

async fn remove(world: &World, plan: &TenantPlan) -> Result<(), Problem> {
    let (namespace, name) = key(plan);
    let api: Api<TenantPlan> = Api::namespaced(world.client.clone(), &namespace);
    let params = DeleteParams::default().preconditions(Preconditions {
        uid: plan.uid(),
        resource_version: None,
    });
    let result = world
        .effects
        .call(DELETE, &name, || api.delete(&name, &params))
        .await;
    unless_gone(result.map(drop), "remove plan", &name)
}

fn unless_gone(result: Result<(), Failure<Error>>, verb: &str, name: &str) -> Result<(), Problem> {
    match result {
        Err(Failure::Call(Error::Api(status))) if status.is_not_found() || status.code == 409 => {
            Ok(())
        }
        other => other.map_err(|failure| problem(verb, name, &failure)),
    }
}

/// The steps of what is asked for.
async fn steps(world: &World, asked: &TenantPlan) -> Result<Vec<PlannedStep>, Problem> {
    let namespace = asked.namespace().unwrap_or_default();
    let classes = world.classes.state();
    let spec = &asked.spec;
    if let Some(tenant) = &spec.tenant {
        let object = inline(world, &namespace, tenant).await?;
        return plan(world, object, &classes).await;
    }
    if let Some(name) = &spec.tenant_name {
        let object = existing(world, &namespace, name).await?;
        return match &spec.class_name {
            Some(class) => plan_with_class(world, object, class, &classes).await,
            None => plan(world, object, &classes).await,
        };
    }
    let Some(change) = &spec.class_change else {
        return Ok(Vec::new());
    };
    let mut changed = TenantClass::new(&change.name, change.spec.clone());
    let mut others = classes;
    if let Some(at) = others
        .iter()
        .position(|class| class.name_any() == change.name)
    {
        changed.metadata = others.remove(at).metadata.clone();
    }
    others.push(Arc::new(changed));
    let mut steps = Vec::new();
    for tenant in world.tenants.state() {
        let of_class = world.records.with(|registry| {
            let record = registry.get(&tenant.name_any());
            record.is_some_and(|record| record.frozen.class == change.name)
        });
        if of_class && tenant.namespace().as_deref() == Some(&namespace) {
            let planned = plan(world, (*tenant).clone(), &others).await;
            let named = |problem: Problem| {
                let name = tenant.name_any();
                Problem::new(problem.reason, format!("{name}: {}", problem.message))
            };
            steps.extend(planned.map_err(named)?);
        }
    }
    Ok(steps)
}

/// A tenant as it would be applied: over the one that exists, or new.
async fn inline(
    world: &World,
    namespace: &str,
    asked: &PlannedTenant,
) -> Result<EOfficeTenant, Problem> {
    let stored = read_tenant(world, namespace, &asked.name).await?;
    claims_nothing_new(stored.as_ref(), asked)?;
    let mut object = stored.unwrap_or_else(|| {
        let mut new = EOfficeTenant::new(&asked.name, asked.spec.clone());
        new.metadata.namespace = Some(namespace.to_owned());
        new
    });
    object.spec = asked.spec.clone();
    Ok(object)
}

/// Whoever may ask for plans need be no approver: what a tenant of another province left is not told to him.
fn claims_nothing_new(
    stored: Option<&EOfficeTenant>,
    asked: &PlannedTenant,
) -> Result<(), Problem> {
    let own = stored.and_then(|stored| stored.spec.restore_from.as_ref());
    match &asked.spec.restore_from {
        Some(from) if Some(from) != own => Err(Problem::new(
            Reason::RestoreRefused,
            format!(
                "spec.tenant.spec.restoreFrom: {from} is not what tenant {} has: a plan shows no take-over, which approvers alone ask for; leave it out, or have an approver set it on the tenant first",
                asked.name
            ),
        )),
        _ => Ok(()),
    }
}

async fn existing(world: &World, namespace: &str, name: &str) -> Result<EOfficeTenant, Problem> {
    // Read live: who asks may have changed it just before.
    let found = read_tenant(world, namespace, name).await?;
    found.ok_or_else(|| {
        Problem::new(
            Reason::InvalidSpec,
            format!(
                "spec.tenantName: there is no EOfficeTenant {name} in namespace {namespace}; ask with spec.tenant for one that is still to be made"
            ),
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_claims_only_what_its_tenant_has() {
        let spec = |from: Option<&str>| {
            let agency = json!({"nameTh": "ก", "kind": "Other", "province": "30"});
            serde_json::from_value(json!({"agency": agency, "restoreFrom": from})).unwrap()
        };
        let (nothing, old, other) = (None, Some("eoffice-old"), Some("eoffice-other"));
        for (stored, asked, allowed) in [
            (None, nothing, true),
            (None, old, false),
            (Some(nothing), nothing, true),
            (Some(nothing), old, false),
            (Some(old), old, true),
            (Some(old), nothing, true),
            (Some(old), other, false),
        ] {
            let tenant = stored.map(|from| EOfficeTenant::new("town", spec(from)));
            let name = "town".to_owned();
            let planned = PlannedTenant {
                name,
                spec: spec(asked),
            };
            let told = claims_nothing_new(tenant.as_ref(), &planned);
            assert_eq!(told.is_ok(), allowed, "{stored:?} {asked:?}");
        }
    }
}
