//! What is used by whom, written where admission policies and people can see it: finalizers and
//! counts on classes, a label on provinces' namespaces.

use super::backends::is_kept;
use super::world::World;
use crate::effect::{Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use crate::tenant::status::condition;
use eoffice_crds::{
    ConditionType, FIELD_MANAGER, Reason, TenantClass, TenantClassStatus, finalizers, labels,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

const FINALIZERS: Site = Site::write(Plane::Kubernetes, "patch_finalizers");
const STATUS: Site = Site::write(Plane::Kubernetes, "patch_status");
const LABEL: Site = Site::write(Plane::Kubernetes, "label_province");
/// Changes within this time are written together.
const TOGETHER: Duration = Duration::from_secs(1);

/// Keeps it all current, whenever woken. To be begun once every tenant and every record is known: until then what is
/// used would seem to be free.
pub async fn keep(world: Arc<World>) {
    loop {
        world.usage_changed.notified().await;
        tokio::time::sleep(TOGETHER).await;
        for class in world.classes.state() {
            if let Err(problem) = report_class(&world, &class).await {
                tracing::warn!(%problem, "the status of a class could not be written");
            }
        }
        if let Err(problem) = label_provinces(&world).await {
            tracing::warn!(%problem, "a province's namespace could not be labelled");
        }
    }
}

async fn report_class(world: &World, class: &TenantClass) -> Result<(), Problem> {
    let name = class.name_any();
    let tenants = world.records.with(|registry| registry.of_class(&name));
    keep_while_used(world, class, tenants).await?;
    let before = class.status.clone().unwrap_or_default();
    let generation = class.metadata.generation.unwrap_or_default();
    let deleting = class.metadata.deletion_timestamp.is_some();
    let (truth, reason, message) = match (deleting && tenants > 0, tenants) {
        (true, n) => ("False", Reason::InUse, in_use(n)),
        (false, _) => (
            "True",
            Reason::AsExpected,
            "the class can be used".to_owned(),
        ),
    };
    let ready = ConditionType::Ready.as_str();
    let after = TenantClassStatus {
        observed_generation: Some(generation),
        tenants: Some(tenants),
        conditions: vec![condition(
            &before.conditions,
            ready,
            truth,
            reason,
            &message,
            generation,
            Timestamp::now(),
        )],
    };
    write_status(world, class, &before, &after).await
}

/// The sentence for a resource that cannot leave yet.
pub fn in_use(tenants: i64) -> String {
    format!(
        "it is being deleted and stays until no tenant or record uses it any more; {tenants} still do"
    )
}

/// Holds a cluster-wide resource by our finalizer while anything uses it.
pub async fn keep_while_used<K>(world: &World, object: &K, users: i64) -> Result<(), Problem>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let deleting = object.meta().deletion_timestamp.is_some();
    let keep = users > 0;
    if is_kept(object) == keep || (deleting && keep) {
        return Ok(());
    }
    let mut list = object.finalizers().to_vec();
    list.retain(|finalizer| finalizer != finalizers::IN_USE);
    if keep {
        list.push(finalizers::IN_USE.to_owned());
    }
    let patch =
        json!({"metadata": {"finalizers": list, "resourceVersion": object.resource_version()}});
    let api: Api<K> = Api::all(world.client.clone());
    let name = object.name_any();
    let (params, patch) = (manager(), Patch::Merge(patch));
    world
        .effects
        .call(FINALIZERS, &name, || api.patch(&name, &params, &patch))
        .await
        .map(drop)
        .map_err(|failure| problem("change the finalizers of", &name, &failure))
}

/// Writes the status of a cluster-wide resource, if it changed.
pub async fn write_status<K, S>(
    world: &World,
    object: &K,
    before: &S,
    after: &S,
) -> Result<(), Problem>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize + PartialEq,
{
    if before == after {
        return Ok(());
    }
    let api: Api<K> = Api::all(world.client.clone());
    let name = object.name_any();
    let patch: Patch<Value> = Patch::Apply(json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": name, "uid": object.uid()},
        "status": after,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    world
        .effects
        .call(STATUS, &name, || api.patch_status(&name, &params, &patch))
        .await
        .map(drop)
        .map_err(|failure| problem("write the status of", &name, &failure))
}

/// A province's namespace says whether it holds tenants, by which its deletion is refused.
async fn label_provinces(world: &World) -> Result<(), Problem> {
    let used: HashSet<String> = world
        .tenants
        .state()
        .iter()
        .filter_map(|tenant| tenant.namespace())
        .collect();
    let api: Api<Namespace> = Api::all(world.client.clone());
    for namespace in world.provinces.state() {
        let name = namespace.name_any();
        let label = namespace.labels().get(labels::IN_USE).map(String::as_str);
        let wanted = used.contains(&name).then_some("true");
        if label == wanted {
            continue;
        }
        let patch = Patch::Merge(json!({"metadata": {"labels": {labels::IN_USE: wanted}}}));
        let params = manager();
        world
            .effects
            .call(LABEL, &name, || api.patch(&name, &params, &patch))
            .await
            .map_err(|failure| problem("label namespace", &name, &failure))?;
    }
    Ok(())
}

fn manager() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    }
}
