//! Carries out changes of a tenant's objects, and the few live reads that decisions need.

use super::canonical::{Fingerprint, canonical, fingerprint};
use super::desired::Child;
use super::observe::Index;
use super::plan::Step;
use super::{Kind, ObjectKey};
use crate::effect::{Effects, Failure, Plane, Site};
use crate::plan::Problem;
use eoffice_crds::{FIELD_MANAGER, Reason};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const GET: Site = Site::read(Plane::Kubernetes, "get");
const APPLY: Site = Site::write(Plane::Kubernetes, "apply");
const REPLACE: Site = Site::write(Plane::Kubernetes, "replace");
const DELETE: Site = Site::write(Plane::Kubernetes, "delete");
const END_PODS: Site = Site::write(Plane::Kubernetes, "end_pods");

/// The hands of the Kubernetes plane. One for the whole operator.
pub struct Cluster {
    client: Client,
    effects: Effects,
    /// What is known of the objects.
    pub index: Index,
    accepted: Mutex<HashMap<Fingerprint, Fingerprint>>,
}

impl Cluster {
    /// Hands that work with this client.
    pub fn new(client: Client, effects: Effects) -> Self {
        Self {
            client,
            effects,
            index: Index::default(),
            accepted: Mutex::default(),
        }
    }

    /// What the API server is known to make of a desired object, where it rewrites a value.
    pub fn accepted(&self, desired: &Fingerprint) -> Option<Fingerprint> {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(desired)
            .copied()
    }

    fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        let resource = kind.api_resource();
        match kind {
            Kind::Namespace => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    /// Carries out one step in a tenant's namespace.
    pub async fn carry_out(&self, namespace: &str, step: &Step) -> Result<(), Problem> {
        match step {
            Step::Apply(child) => self.apply(namespace, child).await,
            Step::Delete(key) => self.delete(namespace, key).await,
        }
    }

    /// Server-side apply; where others' additions remain, they are replaced away.
    pub async fn apply(&self, namespace: &str, child: &Child) -> Result<(), Problem> {
        let Child { key, body, .. } = child;
        let api = self.api(key.kind, namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let object = format!("{namespace}/{key}");
        let patch = Patch::Apply(body);
        let applied = self
            .effects
            .call(APPLY, &object, || api.patch(&key.name, &params, &patch))
            .await
            .map_err(|failure| problem("apply", &object, &failure))?;
        let mut live = self.took_in(key.kind, &applied);
        if live.print != child.fingerprint && self.accepted(&child.fingerprint) != Some(live.print)
        {
            let mut whole = body.clone();
            whole["metadata"]["resourceVersion"] =
                live.object["metadata"]["resourceVersion"].clone();
            if key.kind == Kind::Namespace {
                whole["spec"] = live.object["spec"].clone();
            }
            let whole: DynamicObject = serde_json::from_value(whole)
                .map_err(|error| Problem::new(Reason::KubernetesError, error.to_string()))?;
            let params = PostParams {
                field_manager: Some(FIELD_MANAGER.into()),
                ..PostParams::default()
            };
            let replaced = self
                .effects
                .call(REPLACE, &object, || api.replace(&key.name, &params, &whole))
                .await
                .map_err(|failure| problem("replace", &object, &failure))?;
            live = self.took_in(key.kind, &replaced);
            if live.print != child.fingerprint {
                self.accepted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(child.fingerprint, live.print);
            }
        }
        Ok(())
    }

    fn took_in(&self, kind: Kind, object: &DynamicObject) -> Live {
        let object = serde_json::to_value(object).unwrap_or_default();
        self.index.insert(kind, &object);
        Live {
            print: fingerprint(&canonical(object.clone())),
            object,
        }
    }

    /// Deletes one object; that it is gone already is no error.
    pub async fn delete(&self, namespace: &str, key: &ObjectKey) -> Result<(), Problem> {
        let api = self.api(key.kind, namespace);
        let object = format!("{namespace}/{key}");
        let params = DeleteParams::background();
        let result = self
            .effects
            .call(DELETE, &object, || api.delete(&key.name, &params))
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(Failure::Call(Error::Api(status))) if status.is_not_found() => Ok(()),
            Err(failure) => Err(problem("delete", &object, &failure)),
        }
    }

    /// The live object, or `None` where there is none.
    pub async fn get(&self, namespace: &str, key: &ObjectKey) -> Result<Option<Value>, Problem> {
        let api = self.api(key.kind, namespace);
        let object = format!("{namespace}/{key}");
        let found = self
            .effects
            .call(GET, &object, || api.get_opt(&key.name))
            .await
            .map_err(|failure| problem("read", &object, &failure))?;
        Ok(found.map(|found| serde_json::to_value(found).unwrap_or_default()))
    }

    /// Ends the pods of a closed tenant.
    pub async fn end_pods(&self, namespace: &str) -> Result<(), Problem> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let (delete, list) = (DeleteParams::default(), ListParams::default());
        self.effects
            .call(END_PODS, namespace, || {
                api.delete_collection(&delete, &list)
            })
            .await
            .map(drop)
            .map_err(|failure| problem("end the pods of", namespace, &failure))
    }
}

struct Live {
    print: Fingerprint,
    object: Value,
}

/// The sentence for a call to the API server that failed.
pub fn problem(verb: &str, object: &str, failure: &Failure<Error>) -> Problem {
    let why = match failure {
        Failure::Call(Error::Api(status)) => status.message.clone(),
        other => other.to_string(),
    };
    Problem::new(
        Reason::KubernetesError,
        format!("could not {verb} {object}: {why}; it is tried again"),
    )
}
