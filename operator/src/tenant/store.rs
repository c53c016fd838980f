//! Reads and writes of the tenant's own resources: finalizer, record, status, Events.

use crate::controller::world::World;
use crate::effect::{Failure, Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use crate::tenant::events::Told;
use crate::tenant::stages;
use eoffice_crds::{
    EOfficeTenant, EOfficeTenantStatus, FIELD_MANAGER, GROUP, RECORD_NAME, RecordState,
    TenantRecord, TenantRecordSpec, TenantRecordStatus, finalizers, labels, tenant_namespace,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType};
use kube::runtime::reflector::ObjectRef;
use kube::{Error, Resource, ResourceExt};
use serde_json::json;

const FINALIZER: Site = Site::write(Plane::Kubernetes, "patch_finalizers");
const READ: Site = Site::read(Plane::Kubernetes, "get_tenant");
const STATUS: Site = Site::write(Plane::Kubernetes, "apply_status");
const READ_RECORD: Site = Site::read(Plane::Kubernetes, "get_record");
const CREATE_RECORD: Site = Site::write(Plane::Kubernetes, "create_record");
const REPLACE_RECORD: Site = Site::write(Plane::Kubernetes, "replace_record");
const DELETE_RECORD: Site = Site::write(Plane::Kubernetes, "delete_record");
const RECORD_STATUS: Site = Site::write(Plane::Kubernetes, "apply_record_status");
const EVENT: Site = Site::write(Plane::Kubernetes, "create_event");

/// Whether the tenant's resource bears our finalizer.
pub fn has_finalizer(tenant: &EOfficeTenant) -> bool {
    tenant.finalizers().iter().any(|f| f == finalizers::TENANT)
}

/// Puts our finalizer on the tenant's resource, or takes it off, over exactly the version that
/// was decided on.
pub async fn set_finalizer(world: &World, tenant: &EOfficeTenant, on: bool) -> Result<(), Problem> {
    let api: Api<EOfficeTenant> = Api::namespaced(
        world.client.clone(),
        &tenant.namespace().unwrap_or_default(),
    );
    let mut list = tenant.finalizers().to_vec();
    list.retain(|finalizer| finalizer != finalizers::TENANT);
    if on {
        list.push(finalizers::TENANT.to_owned());
    }
    let patch = Patch::Merge(json!({"metadata": {
        "finalizers": list,
        "resourceVersion": tenant.resource_version(),
    }}));
    let name = tenant.name_any();
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let result = world
        .effects
        .call(FINALIZER, &name, || api.patch(&name, &params, &patch))
        .await;
    match result {
        Ok(_) => Ok(()),
        Err(Failure::Call(Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(failure) => Err(problem("change the finalizers of", &name, &failure)),
    }
}

/// A tenant's resource as the API server has it now.
pub async fn read_tenant(
    world: &World,
    namespace: &str,
    name: &str,
) -> Result<Option<EOfficeTenant>, Problem> {
    let api: Api<EOfficeTenant> = Api::namespaced(world.client.clone(), namespace);
    world
        .effects
        .call(READ, name, || api.get_opt(name))
        .await
        .map_err(|failure| problem("read tenant", name, &failure))
}

fn records(world: &World, tenant: &str) -> Api<TenantRecord> {
    Api::namespaced(world.client.clone(), &tenant_namespace(tenant))
}

/// The record as the API server has it now.
pub async fn read_record(world: &World, tenant: &str) -> Result<Option<TenantRecord>, Problem> {
    let api = records(world, tenant);
    world
        .effects
        .call(READ_RECORD, tenant, || api.get_opt(RECORD_NAME))
        .await
        .map_err(|failure| problem("read the record of", tenant, &failure))
}

/// Writes a record over exactly the version that was read, or makes the first one.
pub async fn write_record(
    world: &World,
    stored: Option<&TenantRecord>,
    spec: &TenantRecordSpec,
) -> Result<TenantRecord, Problem> {
    let tenant = &spec.tenant.name;
    let api = records(world, tenant);
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let mut record = stored
        .cloned()
        .unwrap_or_else(|| TenantRecord::new(RECORD_NAME, spec.clone()));
    record.spec = spec.clone();
    if let Some(stored) = stored {
        keep_peoples_word(&mut record.spec, &stored.spec);
    }
    keep_while_it_holds_data(&mut record);
    record.labels_mut().extend([
        (labels::TENANT.to_owned(), tenant.clone()),
        (
            labels::PROVINCE.to_owned(),
            spec.tenant_spec.agency.province.clone(),
        ),
        (
            labels::MANAGED_BY.to_owned(),
            labels::MANAGED_BY_VALUE.to_owned(),
        ),
    ]);
    let result = if stored.is_some() {
        world
            .effects
            .call(REPLACE_RECORD, tenant, || {
                api.replace(RECORD_NAME, &params, &record)
            })
            .await
    } else {
        world
            .effects
            .call(CREATE_RECORD, tenant, || api.create(&params, &record))
            .await
    };
    let written = result.map_err(|failure| problem("write the record of", tenant, &failure))?;
    let heir = written.spec.successor.as_ref();
    let heir = heir.and_then(|by| {
        let by = ObjectRef::<EOfficeTenant>::new(&by.name).within(&by.namespace);
        world.tenants.get(&by)
    });
    let before = stored.map(|stored| &stored.spec);
    stages::tell_record(before, &written.spec, heir.as_deref());
    Ok(written)
}

/// What people write into a record is theirs. An order to destroy is about what a tenant left: that of a tenant that
/// lives is none.
fn keep_peoples_word(spec: &mut TenantRecordSpec, stored: &TenantRecordSpec) {
    let left = |state| {
        matches!(
            state,
            RecordState::Retained | RecordState::Purging | RecordState::Destroyed
        )
    };
    let stands = left(stored.state) && left(spec.state);
    spec.purge = stored.purge.clone().filter(|_| stands);
    // A record that is made anew over one with nothing behind it may bring its own.
    spec.legal_hold = stored.legal_hold || (spec.legal_hold && !stored.state.holds_data());
}

/// Puts our finalizer on a record, or takes it off one with nothing behind it.
fn keep_while_it_holds_data(record: &mut TenantRecord) {
    let (holds, goes) = (
        record.spec.state.holds_data(),
        record.metadata.deletion_timestamp.is_some(),
    );
    let list = record.finalizers_mut();
    let there = list.iter().any(|it| it == finalizers::RECORD);
    match (holds, there) {
        // Nothing is added to what is being deleted.
        (true, false) if !goes => list.push(finalizers::RECORD.to_owned()),
        (false, true) => list.retain(|it| it != finalizers::RECORD),
        _ => {}
    }
}

/// Deletes the record of a tenant whose data was destroyed as asked.
pub async fn delete_record(world: &World, tenant: &str) -> Result<(), Problem> {
    let api = records(world, tenant);
    let params = DeleteParams::default();
    let result = world
        .effects
        .call(DELETE_RECORD, tenant, || api.delete(RECORD_NAME, &params))
        .await;
    match result {
        Ok(_) => Ok(()),
        Err(Failure::Call(Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(failure) => Err(problem("delete the record of", tenant, &failure)),
    }
}

/// Writes the status over exactly the version that was looked at, if it is not what the resource has already. False
/// if that version is not the newest any more.
pub async fn write_status(
    world: &World,
    tenant: &EOfficeTenant,
    status: &EOfficeTenantStatus,
) -> Result<bool, Problem> {
    if tenant.status.as_ref() == Some(status) {
        return Ok(true);
    }
    let api: Api<EOfficeTenant> = Api::namespaced(
        world.client.clone(),
        &tenant.namespace().unwrap_or_default(),
    );
    let name = tenant.name_any();
    let patch = Patch::Apply(json!({
        "apiVersion": EOfficeTenant::api_version(&()),
        "kind": EOfficeTenant::kind(&()),
        "metadata": {"name": name, "resourceVersion": tenant.resource_version()},
        "status": status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let result = world
        .effects
        .call(STATUS, &name, || api.patch_status(&name, &params, &patch))
        .await;
    match result {
        Ok(_) => Ok(true),
        Err(Failure::Call(Error::Api(status))) if status.is_not_found() => Ok(true),
        Err(Failure::Call(Error::Api(status))) if status.is_conflict() => Ok(false),
        Err(failure) => Err(problem("write the status of", &name, &failure)),
    }
}

/// Whether people should worry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Good to know.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Writes the status of a record.
pub async fn write_record_status(
    world: &World,
    record: &TenantRecord,
    status: &TenantRecordStatus,
) -> Result<(), Problem> {
    let tenant = &record.spec.tenant.name;
    let api = records(world, tenant);
    let patch = Patch::Apply(json!({
        "apiVersion": TenantRecord::api_version(&()),
        "kind": TenantRecord::kind(&()),
        "metadata": {"name": RECORD_NAME, "uid": record.uid()},
        "status": status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let result = world
        .effects
        .call(RECORD_STATUS, tenant, || {
            api.patch_status(RECORD_NAME, &params, &patch)
        })
        .await;
    match result {
        Ok(_) => Ok(()),
        Err(Failure::Call(Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(failure) => Err(problem(
            "write the status of the record of",
            tenant,
            &failure,
        )),
    }
}

/// Tells people about a tenant. That an Event could not be written holds nothing back.
pub async fn tell(world: &World, tenant: &EOfficeTenant, told: &Told) {
    publish(world, &tenant.name_any(), &tenant.object_ref(&()), told).await;
}

/// Tells people about a record.
pub async fn tell_of_record(world: &World, record: &TenantRecord, told: &Told) {
    let tenant = &record.spec.tenant.name;
    publish(world, tenant, &record.object_ref(&()), told).await;
}

async fn publish(world: &World, name: &str, about: &ObjectReference, told: &Told) {
    let event = Event {
        type_: match told.tone {
            Tone::Normal => EventType::Normal,
            Tone::Warning => EventType::Warning,
        },
        reason: told.reason.to_owned(),
        note: Some(told.note.chars().take(1000).collect()),
        action: told.action.clone(),
        secondary: None,
    };
    let result = world
        .effects
        .call(EVENT, name, || world.recorder.publish(&event, about))
        .await;
    if let Err(failure) = result {
        tracing::warn!(%failure, group = GROUP, "an Event could not be written");
    }
}
