//! What people are told of a tombstone.

use super::tell;
use crate::controller::world::World;
use crate::plan::Problem;
use crate::tenant::purge::Said;
use crate::tenant::status::condition;
use crate::tenant::store::{Tone, read_record, write_record_status};
use eoffice_crds::{
    ConditionType, EOfficeTenant, Reason, RecordState, TenantRecord, TenantRecordSpec,
    TenantRecordStatus, finalizers,
};
use kube::runtime::reflector::ObjectRef;
use std::time::Duration;

/// A time that has come is a little past.
const BEYOND: Duration = Duration::from_millis(50);

/// Says what stands against it; answers with when to look again.
pub(super) async fn say(
    world: &World,
    stored: &TenantRecord,
    said: &Said,
) -> Result<Option<Duration>, Problem> {
    report(world, stored, Some(said)).await?;
    let left = said
        .until
        .map(|until| until.duration_since(world.clock.now()));
    Ok(left.map(|left| Duration::try_from(left).unwrap_or_default() + BEYOND))
}

/// The same about the record as it is by now.
pub(super) async fn say_again(
    world: &World,
    name: &str,
    said: &Said,
) -> Result<Option<Duration>, Problem> {
    match read_record(world, name).await? {
        Some(stored) => say(world, &stored, said).await,
        None => Ok(None),
    }
}

/// Says what an order fails with; it is tried again.
pub(super) async fn fails(
    world: &World,
    name: &str,
    problem: Problem,
) -> Result<Option<Duration>, Problem> {
    if let Some(stored) = read_record(world, name).await? {
        let reason = match stored.spec.state {
            RecordState::Purging => Reason::Purging,
            _ => problem.reason,
        };
        let message = format!("{problem}; it is tried again");
        say(world, &stored, &Said::new(reason, message)).await?;
    }
    Err(problem)
}

/// Writes the condition, if it changed.
pub(super) async fn report(
    world: &World,
    stored: &TenantRecord,
    said: Option<&Said>,
) -> Result<(), Problem> {
    let before = stored.status.clone().unwrap_or_default();
    let truth = |reason| match reason {
        Reason::Destroyed => "True",
        _ => "False",
    };
    let conditions = said.map(|said| {
        condition(
            &before.conditions,
            ConditionType::Purged.as_str(),
            truth(said.reason),
            said.reason,
            &said.message,
            stored.metadata.generation.unwrap_or_default(),
            world.clock.now(),
        )
    });
    let after = TenantRecordStatus {
        conditions: conditions.into_iter().collect(),
    };
    match before == after {
        true => Ok(()),
        false => write_record_status(world, stored, &after).await,
    }
}

/// What is said of one that was destroyed.
pub(super) fn done(record: &TenantRecordSpec) -> Said {
    let last = record.destructions.last();
    let message = last.map_or("the data was destroyed".to_owned(), |last| {
        let on = last.committee_reference.as_deref();
        format!(
            "the data was destroyed at {} on decision {} of {}; spec.destructions has the certificate",
            last.destroyed_at.0,
            on.unwrap_or("of its tenant"),
            last.approved_by
        )
    });
    Said::new(Reason::Destroyed, message)
}

/// Tells that only the finalizer keeps the record.
pub(super) async fn tell_forced(world: &World, stored: &TenantRecord) {
    let name = &stored.spec.tenant.name;
    let holder = ObjectRef::<EOfficeTenant>::new(name).within(&stored.spec.tenant.namespace);
    let left = match world.tenants.get(&holder) {
        Some(_) => "its tenant goes on as long as nothing in the namespace has to be made anew",
        None => "what its tenant left is kept",
    };
    let note = format!(
        "somebody had this record or its namespace deleted while data stands behind it: its finalizer {} keeps it, and {left}; it goes once the data is destroyed as ordered",
        finalizers::RECORD
    );
    tracing::warn!(tenant = name, "{note}");
    tell(world, stored, Tone::Warning, "DeletionForced", &note).await;
}
