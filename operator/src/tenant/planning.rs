//! What would be done for a tenant, by the very code that does it, with every gate shut.

use crate::controller::world::World;
use crate::plan::{Difference, Problem};
use crate::tenant::approval::parse_approved;
use crate::tenant::keeper::{Fate, Note};
use crate::tenant::ledger::{self, Entry};
use crate::tenant::open;
use crate::tenant::parse::{Tenant, parse};
use crate::tenant::record::differences;
use eoffice_crds::{EOfficeTenant, Plane, PlannedStep, TenantClass, TenantRecordSpec, annotations};
use kube::ResourceExt;
use std::sync::Arc;

/// The steps for a tenant as it stands in `object`, in the order of its planes, or why it cannot be.
pub async fn plan(
    world: &World,
    object: EOfficeTenant,
    classes: &[Arc<TenantClass>],
) -> Result<Vec<PlannedStep>, Problem> {
    let recorded = recorded(world, &object);
    let province = world.province(&object.namespace().unwrap_or_default());
    let tenant = parse_approved(Arc::new(object), &province, recorded.as_ref(), classes)?;
    if let Some(awaited) = &tenant.approval.awaited {
        return Err(awaited.clone());
    }
    of(world, &tenant, recorded.as_ref()).await
}

fn recorded(world: &World, object: &EOfficeTenant) -> Option<TenantRecordSpec> {
    let name = object.name_any();
    world.records.with(|registry| registry.get(&name).cloned())
}

async fn of(
    world: &World,
    tenant: &Tenant,
    recorded: Option<&TenantRecordSpec>,
) -> Result<Vec<PlannedStep>, Problem> {
    let entry = ledger::preview(world, tenant).await?;
    let notes = survey(world, tenant, &entry, recorded).await?;
    Ok(notes.iter().map(|note| step(&tenant.name, note)).collect())
}

/// The same where another class is asked for, approved and accepted.
pub async fn plan_with_class(
    world: &World,
    mut object: EOfficeTenant,
    class: &str,
    classes: &[Arc<TenantClass>],
) -> Result<Vec<PlannedStep>, Problem> {
    object.spec.class_name = Some(class.to_owned());
    let recorded = recorded(world, &object);
    let province = world.province(&object.namespace().unwrap_or_default());
    let read = |object: &EOfficeTenant| {
        parse(
            Arc::new(object.clone()),
            &province.labels,
            recorded.as_ref(),
            classes,
        )
    };
    let mut tenant = read(&object)?;
    if let Some(change) = tenant.class_change {
        if !change.possible {
            return Err(change.problem);
        }
        object
            .annotations_mut()
            .insert(annotations::ACCEPT_CLASS.to_owned(), change.token);
        tenant = read(&object)?;
    }
    of(world, &tenant, recorded.as_ref()).await
}

async fn survey(
    world: &World,
    tenant: &Tenant,
    entry: &Entry,
    recorded: Option<&TenantRecordSpec>,
) -> Result<Vec<Note>, Problem> {
    let pass = open::survey(world, tenant, entry).await;
    let cannot = pass.parts.values().find_map(|part| part.as_ref().err());
    let withheld = |note: &Note| matches!(note.fate, Fate::Withheld(_) | Fate::Left(_));
    if let Some(problem) = cannot.filter(|_| !pass.notes.iter().any(withheld)) {
        return Err(problem.clone());
    }
    let mut notes = pass.notes.clone();
    if let Some(problem) = &entry.refused_host {
        return Err(problem.clone());
    }
    if entry.changed || pass.record != entry.record {
        // The record is written before all else but the namespace that it is in.
        let ground = Difference::create(format!("Namespace/{}", tenant.own_namespace()));
        let first = |note: &Note| {
            note.difference.object == ground.object && note.difference.action == ground.action
        };
        let at = notes.iter().rposition(first).map_or(0, |at| at + 1);
        let written = differences(recorded, &pass.record).into_iter();
        let fate = match &tenant.paused {
            Some(problem) => Fate::Withheld(problem.clone()),
            None => Fate::Planned,
        };
        let written = written.map(|difference| note(Plane::Namespace, difference, fate.clone()));
        notes.splice(at..at, written);
    }
    Ok(notes)
}

fn note(plane: Plane, difference: Difference, fate: Fate) -> Note {
    Note {
        plane,
        difference,
        cause: crate::audit::Cause::SpecChange,
        fate,
    }
}

fn step(tenant: &str, note: &Note) -> PlannedStep {
    let difference = note.difference.clone();
    PlannedStep {
        tenant: tenant.to_owned(),
        plane: note.plane,
        object: difference.object,
        field: difference.field,
        action: difference.action,
        destructive: difference.destructive,
        before: difference.before,
        after: difference.after,
        withheld: match &note.fate {
            Fate::Withheld(problem) | Fate::Left(problem) => Some(problem.message.clone()),
            _ => None,
        },
    }
}
