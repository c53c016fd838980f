//! Contact with one backend: the way to it, which one it is, and what its status says of that.

use super::Tended;
use crate::controller::access::blame;
use crate::controller::usage::in_use;
use crate::controller::world::World;
use crate::identity::Claim;
use crate::plan::Problem;
use crate::tenant::status::condition;
use eoffice_crds::{ConditionType, Reason, annotations};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::object::HasSpec;
use kube::{Resource, ResourceExt};
use std::sync::Arc;
use std::time::Instant;

/// How contact with a backend stands.
pub struct Contact<T: Tended> {
    /// Its resource, as it was when it was looked at.
    pub object: Arc<T::Object>,
    ca: Option<String>,
    handle: Option<T::Handle>,
    facts: Result<T::Facts, Problem>,
    /// When all of it was looked at last.
    pub seen: Option<Instant>,
}

impl<T: Tended> Contact<T> {
    /// The way to it, if it may be worked with.
    pub fn usable(&self) -> Result<(&T::Handle, &T::Facts), Problem> {
        let facts = self.facts.as_ref().map_err(Clone::clone)?;
        let handle = self.handle.as_ref().ok_or_else(|| {
            Problem::new(
                Reason::BackendNotReady,
                format!(
                    "{} {} is not connected yet",
                    T::Object::kind(&()),
                    self.object.name_any()
                ),
            )
        })?;
        Ok((handle, facts))
    }

    /// The CA of its certificate, PEM.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// What says which one it is, if it may be worked with.
    pub fn facts(&self) -> Option<&T::Facts> {
        self.facts.as_ref().ok()
    }

    /// Whether it is the same backend, and as usable, as at this contact.
    pub fn stands_as(&self, before: &Self) -> bool {
        self.facts == before.facts && self.object.spec() == before.object.spec()
    }

    /// Whether it can be worked with, as its status says it. `users` are on it.
    pub fn ready(&self, object: &T::Object, users: i64, before: &[Condition]) -> Condition {
        let deleting = object.meta().deletion_timestamp.is_some();
        let (truth, reason, message) = match &self.facts {
            _ if deleting && users > 0 => ("False", Reason::InUse, in_use(users)),
            Ok(_) => (
                "True",
                Reason::AsExpected,
                "reachable, the pinned one, and able to take tenants".to_owned(),
            ),
            Err(problem) => ("False", problem.reason, problem.message.clone()),
        };
        condition(
            before,
            ConditionType::Ready.as_str(),
            truth,
            reason,
            &message,
            object.meta().generation.unwrap_or_default(),
            Timestamp::now(),
        )
    }
}

/// Looks at a backend, on the way that was good the last time or on a new one.
pub async fn look<T: Tended>(
    world: &World,
    object: Arc<T::Object>,
    before: Option<&Contact<T>>,
) -> (Contact<T>, Option<T::Found>) {
    let kept = before
        .filter(|before| before.object.spec() == object.spec() && before.facts.is_ok())
        .and_then(|before| Some((before.handle.clone()?, before.ca.clone())));
    let connected = match kept {
        Some(kept) => Ok(kept),
        None => T::connect(world, &object).await,
    };
    let seen = before.and_then(|before| before.seen);
    let (handle, ca) = match connected {
        Ok((handle, ca)) => (handle, ca),
        Err(problem) => {
            let contact = Contact {
                object,
                ca: None,
                handle: None,
                facts: Err(problem),
                seen,
            };
            return (contact, None);
        }
    };
    let began = Instant::now();
    let looked = T::look(world, &object, &handle, &claim::<T>(world, &object)).await;
    let (facts, found) = match looked {
        Ok((facts, found)) => (Ok(facts), Some(found)),
        Err(problem) => (Err(blame(problem, T::admin(&object))), None),
    };
    let contact = Contact {
        object,
        ca,
        handle: Some(handle),
        seen: if facts.is_ok() { Some(began) } else { seen },
        facts,
    };
    (contact, found)
}

fn claim<T: Tended>(world: &World, object: &T::Object) -> Claim {
    let annotation = |key: &str| object.annotations().get(key).cloned();
    Claim {
        installation: world.installation().clone(),
        cluster_uid: world.cluster_uid.clone(),
        pinned: T::pinned(object),
        accept_identity: annotation(annotations::ACCEPT_IDENTITY),
        take_over_from: annotation(annotations::TAKE_OVER_FROM),
    }
}
