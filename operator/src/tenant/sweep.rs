//! What is in the namespace of a tenant that has left, removed so that the record stands there alone.

use crate::controller::world::World;
use crate::effect::{Failure, Plane, Site};
use crate::kubernetes::apply::problem;
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::{Permit, Problem};
use eoffice_crds::DestructionOf;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use kube::{Error, ResourceExt};
use std::collections::BTreeSet;

const CLEAR: Site = Site::write(Plane::Kubernetes, "clear");
const VOLUMES: Site = Site::read(Plane::Kubernetes, "list_volume_claims");

/// What a tenant's application may have put there, whoever made it. What makes others goes first.
const APPLICATION: [(&str, &str, &str, &str); 13] = [
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("batch", "v1", "Job", "jobs"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("apps", "v1", "ReplicaSet", "replicasets"),
    ("", "v1", "ReplicationController", "replicationcontrollers"),
    (
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
    ),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Service", "services"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
];

/// Every namespace has one, and gets it again.
const USUAL_ACCOUNT: &str = "default";

/// The volumes that an application has claimed: there may be data in them.
pub async fn volumes(world: &World, namespace: &str) -> Result<Vec<DestructionOf>, Problem> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(world.client.clone(), namespace);
    let every = ListParams::default();
    let listed = world
        .effects
        .call(VOLUMES, namespace, || api.list(&every))
        .await
        .map_err(|failure| problem("list the volume claims in", namespace, &failure))?;
    let told = listed.into_iter().map(|claim| DestructionOf {
        kind: "volume claim".to_owned(),
        name: claim.name_any(),
        place: format!("namespace {namespace}"),
        identity: claim.uid(),
        bytes: None,
    });
    Ok(told.collect())
}

/// Removes all of it, guards last: nothing runs, and nobody gets in, while something is left. Before each kind it is
/// asked whether it still may.
pub async fn all(world: &World, namespace: &str, permit: &dyn Permit) -> Result<(), Problem> {
    for (group, version, kind, plural) in APPLICATION {
        permit.stands().await?;
        let gvk = GroupVersionKind::gvk(group, version, kind);
        clear(
            world,
            namespace,
            &ApiResource::from_gvk_with_plural(&gvk, plural),
        )
        .await?;
    }
    for kind in Kind::ALL.into_iter().rev().filter(|kind| is_ours(*kind)) {
        for name in names(world, kind, namespace).await? {
            let key = ObjectKey { kind, name };
            if !(kind == Kind::ServiceAccount && key.name == USUAL_ACCOUNT) {
                world.cluster.delete(namespace, &key).await?;
            }
        }
    }
    Ok(())
}

/// Removes what the operator made to let the tenant work: credentials, certificates and ways in. The rest is the
/// application's, or guards it.
pub async fn access(world: &World, namespace: &str) -> Result<(), Problem> {
    let objects = world.cluster.index.objects(namespace);
    for key in objects.keys() {
        if matches!(key.kind, Kind::Ingress | Kind::Certificate | Kind::Secret) {
            world.cluster.delete(namespace, key).await?;
        }
    }
    Ok(())
}

/// The namespace holds the record; requests go with their certificates.
fn is_ours(kind: Kind) -> bool {
    !matches!(kind, Kind::Namespace | Kind::CertificateRequest)
}

async fn names(world: &World, kind: Kind, namespace: &str) -> Result<BTreeSet<String>, Problem> {
    let known = world.cluster.index.objects(namespace);
    let known = known.keys().filter(|key| key.kind == kind);
    let known: BTreeSet<String> = known.map(|key| key.name.clone()).collect();
    match world.cluster.list(kind, namespace).await {
        Ok(found) => {
            let name =
                |object: &serde_json::Value| object["metadata"]["name"].as_str().map(str::to_owned);
            Ok(found.iter().filter_map(name).collect())
        }
        // The cluster may lack the kind.
        Err(_) if kind.may_be_absent() && known.is_empty() => Ok(known),
        Err(problem) => Err(problem),
    }
}

async fn clear(world: &World, namespace: &str, resource: &ApiResource) -> Result<(), Problem> {
    let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), namespace, resource);
    let (delete, list) = (DeleteParams::background(), ListParams::default());
    let object = format!("{namespace}/{}", resource.plural);
    let cleared = world
        .effects
        .call(CLEAR, &object, || api.delete_collection(&delete, &list))
        .await;
    match cleared {
        Ok(_) => Ok(()),
        Err(Failure::Call(Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(failure) => Err(problem("remove", &object, &failure)),
    }
}
