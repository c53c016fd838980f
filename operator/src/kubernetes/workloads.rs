//! Restarts what asks for it in a tenant's namespace, as `kubectl rollout restart` does.

use super::apply::{Cluster, problem};
use crate::effect::{Plane, Site};
use crate::plan::Problem;
use eoffice_crds::{FIELD_MANAGER, labels};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
};
use serde_json::json;

const LIST: Site = Site::read(Plane::Kubernetes, "list_workloads");
const RESTART: Site = Site::write(Plane::Kubernetes, "restart_workload");

/// The annotation by which kubectl restarts a workload.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
const KINDS: [(&str, &str); 3] = [
    ("Deployment", "deployments"),
    ("StatefulSet", "statefulsets"),
    ("DaemonSet", "daemonsets"),
];

impl Cluster {
    /// Restarts every workload that is labelled for it. Done again for the same time, it changes nothing.
    pub async fn restart_workloads(&self, namespace: &str, at: Timestamp) -> Result<(), Problem> {
        let at = at.to_string();
        let asking = ListParams::default().labels(&format!("{}=true", labels::RESTART_ON_ROTATION));
        for (kind, plural) in KINDS {
            let gvk = GroupVersionKind::gvk("apps", "v1", kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), namespace, &resource);
            let listed = self
                .effects
                .call(LIST, namespace, || api.list(&asking))
                .await
                .map_err(|failure| problem("list the workloads in", namespace, &failure))?;
            for workload in listed {
                let template = &workload.data["spec"]["template"]["metadata"]["annotations"];
                if template[RESTARTED_AT].as_str() == Some(at.as_str()) {
                    continue;
                }
                let name = workload.name_any();
                let object = format!("{namespace}/{kind}/{name}");
                let patch = Patch::Merge(json!({"spec": {"template": {"metadata": {
                    "annotations": {RESTARTED_AT: at},
                }}}}));
                let params = PatchParams {
                    field_manager: Some(FIELD_MANAGER.into()),
                    ..PatchParams::default()
                };
                self.effects
                    .call(RESTART, &object, || api.patch(&name, &params, &patch))
                    .await
                    .map_err(|failure| problem("restart", &object, &failure))?;
            }
        }
        Ok(())
    }
}
