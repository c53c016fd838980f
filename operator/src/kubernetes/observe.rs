//! What is known of tenants' objects: fed by the watches, and by the answers to our own writes.

use super::canonical::{Fingerprint, canonical, fingerprint};
use super::certificate::{CertificateState, Issued, TlsState};
use super::secrets::{self, SecretState};
use super::{Kind, ObjectKey};
use eoffice_crds::FIELD_MANAGER;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is kept of one live object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Fingerprint of its canonical form.
    pub fingerprint: Fingerprint,
    /// Whether the operator applied it.
    pub ours: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Of one of the two Secrets.
    pub secret: Option<SecretState>,
    /// Of a Certificate.
    pub certificate: Option<CertificateState>,
    /// Of a Secret with a host's certificate.
    pub tls: Option<Box<TlsState>>,
    /// Of a CertificateRequest that was answered.
    pub issued: Option<Box<Issued>>,
}

impl Seen {
    /// What is kept of this object.
    pub fn of(kind: Kind, object: &Value) -> Self {
        let object = &typed(kind, object.clone());
        fn boxed<T>(it: Option<T>) -> Option<Box<T>> {
            it.map(Box::new)
        }
        let managers = object["metadata"]["managedFields"].as_array();
        Self {
            fingerprint: fingerprint(&canonical(object.clone())),
            ours: managers.is_some_and(|all| all.iter().any(|m| m["manager"] == FIELD_MANAGER)),
            deleting: object["metadata"]["deletionTimestamp"].is_string(),
            secret: (kind == Kind::Secret)
                .then(|| secrets::state(object))
                .flatten(),
            certificate: (kind == Kind::Certificate).then(|| CertificateState::of(object)),
            tls: boxed(
                (kind == Kind::Secret)
                    .then(|| TlsState::of(object))
                    .flatten(),
            ),
            issued: boxed(
                (kind == Kind::CertificateRequest)
                    .then(|| Issued::of(object))
                    .flatten(),
            ),
        }
    }
}

/// The object with its kind, which the items of a list come without.
fn typed(kind: Kind, mut object: Value) -> Value {
    let resource = kind.api_resource();
    object["apiVersion"] = resource.api_version.into();
    object["kind"] = resource.kind.into();
    object
}

/// The objects of one tenant.
pub type Objects = BTreeMap<ObjectKey, Seen>;

struct Entry {
    version: u64,
    seen: Seen,
}

/// The objects of every tenant, by namespace.
#[derive(Default)]
pub struct Index {
    namespaces: Mutex<HashMap<String, BTreeMap<ObjectKey, Entry>>>,
}

impl Index {
    /// What is known of the objects in this namespace.
    pub fn objects(&self, namespace: &str) -> Objects {
        self.lock()
            .get(namespace)
            .map(|entries| {
                entries
                    .iter()
                    .map(|(key, entry)| (key.clone(), entry.seen.clone()))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Takes in an object, unless a newer version of it is known. True if that changed anything.
    pub fn insert(&self, kind: Kind, object: &Value) -> bool {
        let Some((namespace, key)) = locate(kind, object) else {
            return false;
        };
        let seen = Seen::of(kind, object);
        let version = version(object);
        let mut namespaces = self.lock();
        let entries = namespaces.entry(namespace).or_default();
        match entries.get(&key) {
            Some(known) if known.version >= version => return false,
            Some(known) if known.seen == seen => {
                entries.insert(key, Entry { version, seen });
                return false;
            }
            _ => {}
        }
        entries.insert(key, Entry { version, seen });
        true
    }

    /// Forgets an object that is gone, or no longer bears the tenant's label.
    pub fn remove(&self, kind: Kind, object: &Value) -> bool {
        let Some((namespace, key)) = locate(kind, object) else {
            return false;
        };
        let mut namespaces = self.lock();
        let Some(entries) = namespaces.get_mut(&namespace) else {
            return false;
        };
        let stale = entries
            .get(&key)
            .is_some_and(|known| known.version <= version(object));
        if stale {
            entries.remove(&key);
            if entries.is_empty() {
                namespaces.remove(&namespace);
            }
        }
        stale
    }

    /// Forgets an object that was looked for and is not there.
    pub fn forget(&self, namespace: &str, key: &ObjectKey) {
        if let Some(entries) = self.lock().get_mut(namespace) {
            entries.remove(key);
        }
    }

    /// Forgets all objects of a kind that are not among those listed; answers with the namespaces
    /// that lost one.
    pub fn retain_listed(&self, kind: Kind, listed: &[(String, ObjectKey)]) -> Vec<String> {
        let listed: std::collections::HashSet<_> = listed.iter().collect();
        let mut lost = Vec::new();
        for (namespace, entries) in self.lock().iter_mut() {
            let before = entries.len();
            entries.retain(|key, _| {
                key.kind != kind || listed.contains(&(namespace.clone(), key.clone()))
            });
            if entries.len() < before {
                lost.push(namespace.clone());
            }
        }
        lost
    }

    // A panic while the lock is held cannot leave a map half-written: every change is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<ObjectKey, Entry>>> {
        self.namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenant's namespace that an object belongs to, and its key there.
pub fn locate(kind: Kind, object: &Value) -> Option<(String, ObjectKey)> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str()?.to_owned();
    let namespace = match kind {
        Kind::Namespace => name.clone(),
        _ => metadata["namespace"].as_str()?.to_owned(),
    };
    Some((namespace, ObjectKey { kind, name }))
}

/// Resource versions of one kind are comparable numbers (guaranteed since Kubernetes 1.35).
fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_out_of_a_list_is_the_same_as_alone() {
        for kind in Kind::ALL {
            let resource = kind.api_resource();
            let item = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"c": 1}});
            let mut alone = item.clone();
            alone["apiVersion"] = resource.api_version.into();
            alone["kind"] = resource.kind.into();
            assert_eq!(Seen::of(kind, &item), Seen::of(kind, &alone));
        }
    }
}
