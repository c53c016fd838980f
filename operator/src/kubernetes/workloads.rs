//! Restarts what asks for it in a tenant's namespace, as `kubectl rollout restart` does.

use super::apply::{Cluster, problem};
use crate::effect::{Plane, Site};
use crate::plan::Problem;
use eoffice_crds::{FIELD_MANAGER, Reason, labels};
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
    /// Restarts every workload that is labelled for it. One that cannot be restarted keeps none of the others from it,
    /// and is named in the problem. Done again for the same time, it changes nothing.
    pub async fn restart_workloads(&self, namespace: &str, at: Timestamp) -> Result<(), Problem> {
        let at = at.to_string();
        let mut failed = Vec::new();
        for (kind, plural) in KINDS {
            let gvk = GroupVersionKind::gvk("apps", "v1", kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
            let api = Api::namespaced_with(self.client.clone(), namespace, &resource);
            match self.labelled(&api, namespace).await {
                Ok(workloads) => {
                    for workload in workloads {
                        failed.extend(self.restart(&api, (kind, &workload), &at).await.err());
                    }
                }
                Err(problem) => failed.push(problem),
            }
        }
        match failed.len() {
            0 => Ok(()),
            1 => Err(failed.remove(0)),
            count => Err(Problem::new(
                Reason::KubernetesError,
                format!(
                    "{count} restarts failed, the first so: {}",
                    failed[0].message
                ),
            )),
        }
    }

    async fn labelled(
        &self,
        api: &Api<DynamicObject>,
        namespace: &str,
    ) -> Result<Vec<DynamicObject>, Problem> {
        let asking = ListParams::default().labels(&format!("{}=true", labels::RESTART_ON_ROTATION));
        let listed = self
            .effects
            .call(LIST, namespace, || api.list(&asking))
            .await;
        listed
            .map(|list| list.items)
            .map_err(|failure| problem("list the workloads in", namespace, &failure))
    }

    async fn restart(
        &self,
        api: &Api<DynamicObject>,
        (kind, workload): (&str, &DynamicObject),
        at: &str,
    ) -> Result<(), Problem> {
        let template = &workload.data["spec"]["template"]["metadata"]["annotations"];
        if template[RESTARTED_AT].as_str() == Some(at) {
            return Ok(());
        }
        let name = workload.name_any();
        let object = format!("{}/{kind}/{name}", workload.namespace().unwrap_or_default());
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
            .map(drop)
            .map_err(|failure| problem("restart", &object, &failure))
    }
}
