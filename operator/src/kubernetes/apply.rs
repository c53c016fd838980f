//! Carries out changes of a tenant's objects, and the few live reads that decisions need.

use super::canonical::{Fingerprint, canonical, fingerprint};
use super::desired::Child;
use super::diff::differences;
use super::observe::Index;
use super::plan::Step;
use super::{Kind, ObjectKey, certificate};
use crate::effect::{Effects, Failure, Plane, Site};
use crate::plan::{Difference, Problem};
use eoffice_crds::{FIELD_MANAGER, Reason};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Client, Error};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const GET: Site = Site::read(Plane::Kubernetes, "get");
const LIST: Site = Site::read(Plane::Kubernetes, "list");
pub(super) const APPLY: Site = Site::write(Plane::Kubernetes, "apply");
const REPLACE: Site = Site::write(Plane::Kubernetes, "replace");
const RENEW: Site = Site::write(Plane::Kubernetes, "renew");
const STRIP: Site = Site::write(Plane::Kubernetes, "strip");
const DELETE: Site = Site::write(Plane::Kubernetes, "delete");
const END_PODS: Site = Site::write(Plane::Kubernetes, "end_pods");

/// The hands of the Kubernetes plane. One for the whole operator.
pub struct Cluster {
    pub(super) client: Client,
    pub(super) effects: Effects,
    /// What is known of the objects.
    pub index: Index,
    accepted: Mutex<HashMap<Fingerprint, Accepted>>,
}

/// What the API server makes of a desired object that it does not take as it is.
#[derive(Clone)]
pub(super) struct Accepted {
    print: Fingerprint,
    /// In what it differs from the desired one.
    pub(super) rewritten: Vec<Difference>,
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
        Some(self.known(desired)?.print)
    }

    pub(super) fn known(&self, desired: &Fingerprint) -> Option<Accepted> {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(desired)
            .cloned()
    }

    /// Whether a live object of this fingerprint is what the child asks for.
    pub(super) fn fits(&self, child: &Child, live: Fingerprint) -> bool {
        live == child.fingerprint || self.accepted(&child.fingerprint) == Some(live)
    }

    pub(super) fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
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
            Step::Renew(key) => self.renew(namespace, key).await,
            Step::Strip(key) => self.strip(namespace, key).await,
        }
    }

    /// Server-side apply; where others' additions remain, they are replaced away.
    pub async fn apply(&self, namespace: &str, child: &Child) -> Result<(), Problem> {
        let Child { key, body, .. } = child;
        let api = self.api(key.kind, namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let object = format!("{namespace}/{key}");
        let patch = Patch::Apply(body);
        let put = || {
            let effects = &self.effects;
            effects.call(APPLY, &object, || api.patch(&key.name, &params, &patch))
        };
        let applied = match put().await {
            Err(Failure::Call(Error::Api(status)))
                if key.kind.is_fixed() && status.is_invalid() =>
            {
                self.make_way(namespace, child).await?;
                put().await
            }
            result => result,
        }
        .map_err(|failure| problem("apply", &object, &failure))?;
        let live = self.took_in(key.kind, &applied);
        stays(&object, &live.object)?;
        if self.fits(child, live.print) {
            return Ok(());
        }
        let replaced = match self.replace(&object, child, &live.object).await {
            // Somebody changed it in between: what he made of it is replaced, once.
            Err(Failure::Call(Error::Api(status))) if status.is_conflict() => {
                let Some(live) = self.get(namespace, key).await? else {
                    return Err(gone(&object));
                };
                self.replace(&object, child, &live).await
            }
            result => result,
        }
        .map_err(|failure| problem("replace", &object, &failure))?;
        self.learn(child, &replaced);
        Ok(())
    }

    /// Takes in what became of a child that was replaced, and what the API server makes of it.
    pub(super) fn learn(&self, child: &Child, replaced: &DynamicObject) {
        let Child { key, body, .. } = child;
        let live = self.took_in(key.kind, replaced);
        if live.print != child.fingerprint {
            let accepted = Accepted {
                print: live.print,
                rewritten: differences(key, body, &live.object),
            };
            self.accepted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(child.fingerprint, accepted);
        }
    }

    /// Puts the child in the place of exactly this live object, whose finalizers stay: they are
    /// controllers' own.
    pub(super) async fn replace(
        &self,
        object: &str,
        child: &Child,
        live: &Value,
    ) -> Result<DynamicObject, Failure<Error>> {
        let key = &child.key;
        let mut whole = child.body.clone();
        for kept in ["resourceVersion", "finalizers"] {
            if let Some(value) = live["metadata"].get(kept) {
                whole["metadata"][kept] = value.clone();
            }
        }
        let namespace = live["metadata"]["namespace"].as_str().unwrap_or_default();
        if key.kind == Kind::Namespace {
            whole["spec"] = live["spec"].clone();
        }
        let whole: DynamicObject = serde_json::from_value(whole)
            .map_err(|error| Failure::Call(Error::SerdeError(error)))?;
        let params = writer();
        let api = self.api(key.kind, namespace);
        self.effects
            .call(REPLACE, object, || api.replace(&key.name, &params, &whole))
            .await
    }

    pub(super) fn took_in(&self, kind: Kind, object: &DynamicObject) -> Live {
        let object = serde_json::to_value(object).unwrap_or_default();
        self.index.insert(kind, &object);
        Live {
            print: fingerprint(&canonical(object.clone())),
            object,
        }
    }

    /// Has cert-manager issue the certificate anew, as `cmctl renew` does, unless it is at it.
    async fn renew(&self, namespace: &str, key: &ObjectKey) -> Result<(), Problem> {
        let change = |live: &Value| certificate::issuing(live, Timestamp::now());
        self.rewrite(RENEW, namespace, key, change).await
    }

    /// Takes out of a certificate's Secret what others added to it.
    async fn strip(&self, namespace: &str, key: &ObjectKey) -> Result<(), Problem> {
        let change = certificate::stripped;
        self.rewrite(STRIP, namespace, key, change).await
    }

    /// Reads a live object and writes it back changed, twice at most where somebody changes it in
    /// between.
    async fn rewrite(
        &self,
        site: Site,
        namespace: &str,
        key: &ObjectKey,
        change: impl Fn(&Value) -> Option<Value>,
    ) -> Result<(), Problem> {
        let api = self.api(key.kind, namespace);
        let object = format!("{namespace}/{key}");
        let params = writer();
        for last in [false, true] {
            let Some(live) = self.get(namespace, key).await? else {
                return Err(gone(&object));
            };
            let Some(changed) = change(&live) else {
                return Ok(());
            };
            // The error would show what is in the object.
            let changed: DynamicObject =
                serde_json::from_value(changed).map_err(|_| unreadable(&object))?;
            let (api, name, params) = (&api, &key.name, &params);
            let written = self
                .effects
                .call(site, &object, || async {
                    match key.kind {
                        // What is changed of a Certificate is what its controller is to do.
                        Kind::Certificate => api.replace_status(name, params, &changed).await,
                        _ => api.replace(name, params, &changed).await,
                    }
                })
                .await;
            match written {
                Ok(written) => {
                    self.took_in(key.kind, &written);
                    break;
                }
                Err(Failure::Call(Error::Api(status))) if status.is_conflict() && !last => {}
                Err(failure) => return Err(problem(site.verb, &object, &failure)),
            }
        }
        Ok(())
    }

    /// Deletes one object; that it is gone already is no error.
    pub async fn delete(&self, namespace: &str, key: &ObjectKey) -> Result<(), Problem> {
        self.remove(namespace, key, &DeleteParams::background())
            .await
    }

    pub(super) async fn remove(
        &self,
        namespace: &str,
        key: &ObjectKey,
        params: &DeleteParams,
    ) -> Result<(), Problem> {
        let api = self.api(key.kind, namespace);
        let object = format!("{namespace}/{key}");
        let result = self
            .effects
            .call(DELETE, &object, || api.delete(&key.name, params))
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

    /// Every live object of a kind in a tenant's namespace.
    pub async fn list(&self, kind: Kind, namespace: &str) -> Result<Vec<Value>, Problem> {
        let (api, params) = (self.api(kind, namespace), ListParams::default());
        let found = self
            .effects
            .call(LIST, namespace, || api.list(&params))
            .await
            .map_err(|failure| problem(&format!("list {kind} in"), namespace, &failure))?;
        let value = |object: &DynamicObject| serde_json::to_value(object).unwrap_or_default();
        Ok(found.items.iter().map(value).collect())
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

/// Who writes.
pub(super) fn writer() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

/// A live object.
pub(super) struct Live {
    /// Fingerprint of its canonical form.
    pub(super) print: Fingerprint,
    /// All of it.
    pub(super) object: Value,
}

/// Refuses an object that is being deleted: nothing that is written to it stays.
pub(super) fn stays(object: &str, live: &Value) -> Result<(), Problem> {
    let metadata = &live["metadata"];
    let Some(since) = metadata["deletionTimestamp"].as_str() else {
        return Ok(());
    };
    let held: Vec<_> = metadata["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let why = match held.is_empty() {
        true => "it is made anew once it is gone".to_owned(),
        false => format!(
            "its finalizers {} keep it; it is made anew once whoever they belong to, or an admin, removes them",
            held.join(", ")
        ),
    };
    Err(Problem::new(
        Reason::KubernetesError,
        format!("{object} is being deleted since {since}: {why}"),
    ))
}

fn unreadable(object: &str) -> Problem {
    Problem::new(
        Reason::KubernetesError,
        format!("{object} cannot be read as an object; it is tried again"),
    )
}

fn gone(object: &str) -> Problem {
    Problem::new(
        Reason::KubernetesError,
        format!("{object} was deleted while it was being changed; it is tried again"),
    )
}

/// The sentence for a call to the API server that failed.
pub fn problem(verb: &str, object: &str, failure: &Failure<Error>) -> Problem {
    let (why, remedy) = match failure {
        Failure::Call(Error::Api(status)) => (status.message.clone(), remedy(status)),
        other => (other.to_string(), "it is tried again"),
    };
    Problem::new(
        Reason::KubernetesError,
        format!("could not {verb} {object}: {why}; {remedy}"),
    )
}

/// What helps. A field that cannot be changed stays as it is however often it is tried.
fn remedy(status: &Status) -> &'static str {
    if status.is_invalid() && status.message.contains("immutable") {
        "no change of it is possible: delete the object, and it is made anew"
    } else {
        "it is tried again"
    }
}
