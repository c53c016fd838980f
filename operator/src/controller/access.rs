//! Admin credentials and CAs of the backends, read from their Secrets when they are needed.

use super::world::World;
use crate::effect::{Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use eoffice_crds::{ObjectRef, Reason};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use secrecy::SecretString;
use std::collections::BTreeMap;

const READ: Site = Site::read(Plane::Kubernetes, "get_secret");

/// The content of an admin's Secret.
pub struct Access {
    place: String,
    data: BTreeMap<String, String>,
}

impl Access {
    /// Reads a Secret.
    pub async fn read(world: &World, at: &ObjectRef) -> Result<Self, Problem> {
        let api: Api<Secret> = Api::namespaced(world.client.clone(), &at.namespace);
        let place = format!("{}/{}", at.namespace, at.name);
        let secret = world
            .effects
            .call(READ, &place, || api.get_opt(&at.name))
            .await
            .map_err(|failure| problem("read Secret", &place, &failure))?
            .ok_or_else(|| {
                Problem::new(
                    Reason::CredentialsInvalid,
                    format!("there is no Secret {place}; create it with the admin's credentials"),
                )
            })?;
        let data = secret.data.unwrap_or_default();
        Ok(Self {
            place,
            data: data
                .into_iter()
                .filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?)))
                .collect(),
        })
    }

    /// A value that has to be there.
    pub fn text(&self, key: &str) -> Result<String, Problem> {
        self.data.get(key).cloned().ok_or_else(|| {
            Problem::new(
                Reason::CredentialsInvalid,
                format!("Secret {} has no key {key}; add it", self.place),
            )
        })
    }

    /// A secret value that has to be there.
    pub fn secret(&self, key: &str) -> Result<SecretString, Problem> {
        self.text(key).map(SecretString::from)
    }
}

/// The CA certificate of a backend, PEM.
pub async fn ca(world: &World, at: Option<&ObjectRef>) -> Result<Option<String>, Problem> {
    match at {
        Some(at) => Access::read(world, at).await?.text("ca.crt").map(Some),
        None => Ok(None),
    }
}

/// Names the Secret in a problem with the credentials that are in it.
pub fn blame(problem: Problem, at: &ObjectRef) -> Problem {
    match problem.reason {
        Reason::CredentialsInvalid => Problem::new(
            problem.reason,
            format!("{} (Secret {}/{})", problem.message, at.namespace, at.name),
        ),
        _ => problem,
    }
}
