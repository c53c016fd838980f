//! The one task that writes FleetHolds: over exactly the versions that it decided from.

use super::{Ask, Request, Requests};
use crate::breaker::batch::Batch;
use crate::breaker::ledger::{Note, Presence, enter};
use crate::breaker::{Rules, Verdict, judge};
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::effect::{Failure, Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use eoffice_crds::{FIELD_MANAGER, FleetHold, HeldTenant, HoldState, Reason, RecordState};
use jiff::Timestamp;
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};
use kube::runtime::events::{Event, EventType};
use kube::runtime::reflector::ObjectRef;
use kube::{Error, Resource, ResourceExt};
use std::sync::Arc;
use std::time::Duration;

const LIST: Site = Site::read(Plane::Kubernetes, "list_fleet_holds");
const CREATE: Site = Site::write(Plane::Kubernetes, "create_fleet_hold");
const STATUS: Site = Site::write(Plane::Kubernetes, "replace_fleet_hold_status");
const DELETE: Site = Site::write(Plane::Kubernetes, "delete_fleet_hold");
const EVENT: Site = Site::write(Plane::Kubernetes, "create_event");

/// Requests within this time are written together.
const TOGETHER: Duration = Duration::from_millis(200);
/// Pause after a write that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often a write begins anew because another was faster.
const ATTEMPTS: usize = 5;

/// Answers every request, one batch of them after the other.
pub async fn write(world: Arc<World>, mut requests: Requests) {
    // What nobody waits for, and could not be written yet.
    let mut unwritten = Unwritten::default();
    loop {
        let mut received = Vec::new();
        if unwritten.is_empty() {
            match requests.0.recv().await {
                Some(request) => received.push(request),
                None => return,
            }
        } else {
            tokio::time::sleep(RETRY).await;
        }
        tokio::time::sleep(TOGETHER).await;
        while let Ok(request) = requests.0.try_recv() {
            received.push(request);
        }
        answer(&world, received, &mut unwritten).await;
    }
}

/// What is still to be written, although nobody waits for it.
#[derive(Default)]
struct Unwritten {
    notes: Vec<Note>,
    asks: Vec<Ask>,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.asks.is_empty()
    }
}

async fn answer(world: &World, received: Vec<Request>, unwritten: &mut Unwritten) {
    let mut asks = std::mem::take(&mut unwritten.asks);
    for request in received {
        match request {
            Request::Ask(ask) => asks.push(ask),
            Request::Note(note) => unwritten.notes.push(note),
            Request::Tidy => {}
        }
    }
    let seen = asks
        .iter()
        .map(|ask| Note::Seen(ask.tenant.clone(), ask.act.clone()));
    let notes: Vec<Note> = unwritten.notes.iter().cloned().chain(seen).collect();
    let rules = world.breaker.rules();
    match settle(world, &notes, &rules).await {
        Ok(batches) => {
            unwritten.notes.clear();
            let now = Timestamp::now();
            for Ask {
                tenant,
                act,
                answer,
            } in asks
            {
                let verdict = judge(&batches, &tenant.uid, &act, now, &rules);
                match answer {
                    // Whoever asked may have given up.
                    Some(answer) => drop(answer.send(Ok(verdict))),
                    None if matches!(verdict, Verdict::Held(_)) => {}
                    None => world.queue.push(&tenant.namespace, &tenant.name),
                }
            }
        }
        Err(problem) => {
            tracing::warn!(%problem, "the batches could not be written; what would be in them waits");
            for mut ask in asks {
                match ask.answer.take() {
                    Some(answer) => drop(answer.send(Err(problem.clone()))),
                    None => unwritten.asks.push(ask),
                }
            }
        }
    }
}

/// Brings the FleetHolds to what they are with these notes; answers with the batches as they are then.
async fn settle(world: &World, notes: &[Note], rules: &Rules) -> Result<Vec<Batch>, Problem> {
    for _ in 0..ATTEMPTS {
        if !world.leadership.held() {
            return Err(not_leading());
        }
        let live = list(world).await?;
        let now = Timestamp::now();
        let before: Vec<Batch> = live.iter().map(|hold| Batch::of(hold, now)).collect();
        let presence = |entry: &HeldTenant| presence(world, entry);
        let after = enter(before.clone(), notes, presence, now, rules);
        if bring(world, &live, &before, &after, rules).await? {
            return Ok(after);
        }
    }
    Err(Problem::new(
        Reason::KubernetesError,
        "the FleetHolds change faster than they can be written; it is tried again",
    ))
}

/// What is known of the tenant of an entry.
pub fn presence(world: &World, entry: &HeldTenant) -> Presence {
    let place = ObjectRef::new(&entry.name).within(&entry.namespace);
    let tenant = world.tenants.get(&place);
    if tenant.is_some_and(|tenant| tenant.uid().as_ref() == Some(&entry.uid)) {
        return Presence::Stands;
    }
    let released = world.records.with(|registry| {
        registry.get(&entry.name).is_some_and(|record| {
            record.tenant.uid == entry.uid && record.state == RecordState::Live
        })
    });
    if released {
        Presence::Released
    } else {
        Presence::Gone
    }
}

fn api(world: &World) -> Api<FleetHold> {
    Api::all(world.client.clone())
}

async fn list(world: &World) -> Result<Vec<FleetHold>, Problem> {
    let api = api(world);
    let all = ListParams::default();
    let listed = world
        .effects
        .call(LIST, "fleetholds", || api.list(&all))
        .await;
    let listed = listed.map_err(|failure| problem("list", "fleetholds", &failure))?;
    for hold in &listed.items {
        world.breaker.saw(hold);
    }
    Ok(listed.items)
}

/// Writes what differs. False where somebody else wrote in between.
async fn bring(
    world: &World,
    live: &[FleetHold],
    before: &[Batch],
    after: &[Batch],
    rules: &Rules,
) -> Result<bool, Problem> {
    for batch in after {
        let known = live
            .iter()
            .zip(before)
            .find(|(_, it)| it.name == batch.name);
        if known.is_some_and(|(_, before)| before == batch) {
            continue;
        }
        let hold = match known {
            Some((hold, _)) => Some(hold.clone()),
            None => create(world, &batch.name).await?,
        };
        let Some(mut hold) = hold else {
            return Ok(false);
        };
        hold.status = Some(batch.status(rules));
        if !write_status(world, &hold).await? {
            return Ok(false);
        }
        let stood = known.map_or(HoldState::Watching, |(_, before)| before.state);
        if stood != batch.state {
            tell(world, &hold, batch).await;
        }
    }
    for (hold, before) in live.iter().zip(before) {
        if !after.iter().any(|batch| batch.name == before.name) && !remove(world, hold).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn create(world: &World, name: &str) -> Result<Option<FleetHold>, Problem> {
    let api = api(world);
    let hold = FleetHold::new(name, Default::default());
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let made = world
        .effects
        .call(CREATE, name, || api.create(&params, &hold))
        .await;
    unless_conflict(made, "create fleethold", name)
}

async fn write_status(world: &World, hold: &FleetHold) -> Result<bool, Problem> {
    let (api, name) = (api(world), hold.name_any());
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let written = world
        .effects
        .call(STATUS, &name, || api.replace_status(&name, &params, hold))
        .await;
    let written = unless_conflict(written, "write the status of fleethold", &name)?;
    if let Some(hold) = &written {
        world.breaker.saw(hold);
    }
    Ok(written.is_some())
}

async fn remove(world: &World, hold: &FleetHold) -> Result<bool, Problem> {
    let (api, name) = (api(world), hold.name_any());
    let params = DeleteParams::default().preconditions(Preconditions {
        uid: hold.uid(),
        resource_version: hold.resource_version(),
    });
    let removed = world
        .effects
        .call(DELETE, &name, || api.delete(&name, &params))
        .await;
    let removed = unless_conflict(removed, "delete fleethold", &name)?.is_some();
    if removed {
        world.breaker.gone(&name);
    }
    Ok(removed)
}

/// None where it changed since it was read, or is gone or there already.
fn unless_conflict<T>(
    result: Result<T, Failure<Error>>,
    verb: &str,
    name: &str,
) -> Result<Option<T>, Problem> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Call(Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(None),
        Err(failure) => Err(problem(verb, name, &failure)),
    }
}

/// Tells people that a batch is held or decided about. That an Event could not be written holds nothing back.
async fn tell(world: &World, hold: &FleetHold, batch: &Batch) {
    let status = hold.status.clone().unwrap_or_default();
    let note = status.conditions.first().map(|held| held.message.clone());
    let note = note.unwrap_or_default();
    let state = batch.state.as_str();
    tracing::warn!(batch = batch.name, state, tenants = status.count, "{note}");
    let event = Event {
        type_: match batch.state {
            HoldState::Held => EventType::Warning,
            _ => EventType::Normal,
        },
        reason: state.to_owned(),
        note: Some(note.chars().take(1000).collect()),
        action: "Break".to_owned(),
        secondary: None,
    };
    let reference = hold.object_ref(&());
    let told = world
        .effects
        .call(EVENT, &batch.name, || {
            world.recorder.publish(&event, &reference)
        })
        .await;
    if let Err(failure) = told {
        tracing::warn!(%failure, batch = batch.name, "an Event could not be written");
    }
}
