//! A tenant whose end or change a person wants undone: let go without being closed, and made again from its record;
//! or its spec put back.

use crate::breaker::recovery::{Step, step};
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::effect::{Failure, Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use crate::tenant::events::Told;
use crate::tenant::store::{Tone, read_record, read_tenant, set_finalizer, tell, write_record};
use eoffice_crds::{
    EOfficeTenant, FIELD_MANAGER, HeldTenant, TenantRecord, TenantRecordSpec, annotations,
};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Error, ResourceExt};
use serde_json::{Value, json};

const CREATE: Site = Site::write(Plane::Kubernetes, "create_tenant");
const SPEC: Site = Site::write(Plane::Kubernetes, "patch_tenant_spec");
/// A tenant that is not being finalized by anybody else is through after this many steps.
const STEPS: usize = 8;

/// How far a recovery came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// It is undone, or nothing is left to undo.
    Done,
    /// It goes on when the resource is gone.
    Waits,
    /// Nothing more can be done here: the tenant's next passes see to the rest.
    Left,
}

/// Undoes an act, from what is there now; it may be called again at any time.
pub async fn recover(world: &World, entry: &HeldTenant) -> Result<Recovered, Problem> {
    for _ in 0..STEPS {
        let tenant = read_tenant(world, &entry.namespace, &entry.name).await?;
        let record = read_record(world, &entry.name).await?;
        let next = step(entry, tenant.as_ref(), record.as_ref());
        if !world.leadership.held() {
            return Err(not_leading());
        }
        match (next, tenant, record) {
            (Step::Done, _, _) => return Ok(Recovered::Done),
            (Step::Await, _, _) => return Ok(Recovered::Waits),
            (Step::Leave, _, _) => return Ok(Recovered::Left),
            (Step::Release, Some(tenant), _) => set_finalizer(world, &tenant, false).await?,
            (Step::Remember(paused), _, Some(record)) => {
                remember(world, record, paused).await?;
            }
            (Step::MakeAgain(tenant), _, _) => make_again(world, &tenant).await?,
            (Step::TakeUp(spec), _, Some(record)) => take_up(world, &record, &spec).await?,
            (Step::PutBack(patch), Some(tenant), _) => {
                put_back(world, &tenant, patch).await?;
                return Ok(Recovered::Left);
            }
            // These steps are decided from what is not there.
            (Step::Release | Step::PutBack(_) | Step::Remember(_) | Step::TakeUp(_), _, _) => {
                return Ok(Recovered::Waits);
            }
        }
    }
    Ok(Recovered::Waits)
}

fn tenants(world: &World, namespace: &str) -> Api<EOfficeTenant> {
    Api::namespaced(world.client.clone(), namespace)
}

async fn remember(
    world: &World,
    mut record: TenantRecord,
    paused: Option<String>,
) -> Result<(), Problem> {
    match paused {
        Some(value) => {
            let annotations = record.annotations_mut();
            annotations.insert(annotations::PAUSED.to_owned(), value);
        }
        None => {
            record.annotations_mut().remove(annotations::PAUSED);
        }
    }
    let spec = record.spec.clone();
    write_record(world, Some(&record), &spec).await.map(drop)
}

async fn make_again(world: &World, tenant: &EOfficeTenant) -> Result<(), Problem> {
    let api = tenants(world, &tenant.namespace().unwrap_or_default());
    let name = tenant.name_any();
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let made = world
        .effects
        .call(CREATE, &name, || api.create(&params, tenant))
        .await;
    match made {
        Ok(made) => {
            let note = "the tenant was being deleted and is made again from its record; nothing of it was closed";
            tell(world, &made, &Told::new(Tone::Normal, "MadeAgain", note)).await;
            Ok(())
        }
        // Somebody was faster; what stands there is looked at next.
        Err(Failure::Call(Error::Api(status))) if status.code == 409 => Ok(()),
        Err(failure) => Err(problem("make tenant", &name, &failure)),
    }
}

async fn take_up(
    world: &World,
    stored: &TenantRecord,
    spec: &TenantRecordSpec,
) -> Result<(), Problem> {
    let stored = write_record(world, Some(stored), spec).await?;
    let tenant = &spec.tenant;
    world.records.settle(&tenant.name, Some(&stored));
    world.queue.push(&tenant.namespace, &tenant.name);
    Ok(())
}

async fn put_back(world: &World, tenant: &EOfficeTenant, mut patch: Value) -> Result<(), Problem> {
    let api = tenants(world, &tenant.namespace().unwrap_or_default());
    let name = tenant.name_any();
    patch["metadata"] = json!({"resourceVersion": tenant.resource_version()});
    let patch = Patch::Merge(patch);
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    world
        .effects
        .call(SPEC, &name, || api.patch(&name, &params, &patch))
        .await
        .map(drop)
        .map_err(|failure| problem("put back the spec of", &name, &failure))
}
