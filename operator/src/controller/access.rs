//! Admin credentials and CAs of the backends, read from their Secrets when they are needed.

use super::world::World;
use crate::effect::{Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use eoffice_crds::{ObjectRef, Reason, annotations};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
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
    /// Reads the admin's credentials, if they may be sent to all of these addresses: whoever describes a backend may
    /// have no right to the Secret that he names, nor to have it sent elsewhere.
    pub async fn for_use_at(
        world: &World,
        at: &ObjectRef,
        addresses: &[&str],
    ) -> Result<Self, Problem> {
        let secret = read(world, at).await?;
        let place = format!("{}/{}", at.namespace, at.name);
        let allowed = secret.annotations().get(annotations::SEND_ONLY_TO);
        check_addresses(&place, allowed.map(String::as_str), addresses)?;
        Ok(Self::of(place, secret))
    }

    fn of(place: String, secret: Secret) -> Self {
        let data = secret.data.unwrap_or_default();
        Self {
            place,
            data: data
                .into_iter()
                .filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?)))
                .collect(),
        }
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
    let Some(at) = at else {
        return Ok(None);
    };
    let place = format!("{}/{}", at.namespace, at.name);
    let secret = read(world, at).await?;
    Access::of(place, secret).text("ca.crt").map(Some)
}

async fn read(world: &World, at: &ObjectRef) -> Result<Secret, Problem> {
    let api: Api<Secret> = Api::namespaced(world.client.clone(), &at.namespace);
    let place = format!("{}/{}", at.namespace, at.name);
    world
        .effects
        .call(READ, &place, || api.get_opt(&at.name))
        .await
        .map_err(|failure| problem("read Secret", &place, &failure))?
        .ok_or_else(|| {
            Problem::new(
                Reason::CredentialsInvalid,
                format!("there is no Secret {place}; create it with the admin's credentials"),
            )
        })
}

/// Whether a Secret's own annotation allows each of these addresses.
fn check_addresses(place: &str, allowed: Option<&str>, addresses: &[&str]) -> Result<(), Problem> {
    let plain = |address: &str| address.trim().trim_end_matches('/').to_ascii_lowercase();
    let allowed: Vec<String> = allowed.unwrap_or_default().split(',').map(plain).collect();
    let Some(other) = addresses.iter().find(|it| !allowed.contains(&plain(it))) else {
        return Ok(());
    };
    let key = annotations::SEND_ONLY_TO;
    let (namespace, name) = place.split_once('/').unwrap_or_default();
    Err(Problem::new(
        Reason::CredentialsInvalid,
        format!(
            "the credentials in Secret {place} are not for {other}, and nothing was sent there: either the address is wrong, or somebody who may write that Secret has to allow it with kubectl annotate --overwrite secret -n {namespace} {name} {key}={}",
            addresses.join(",")
        ),
    ))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_nowhere_but_where_their_own_secret_allows() {
        let check = |allowed, addresses: &[&str]| check_addresses("a/b", allowed, addresses);
        for (allowed, addresses) in [
            ("pg-a.example:5432", &["pg-a.example:5432"][..]),
            ("PG-A.example:5432 ,pg-b:1", &["pg-a.Example:5432"]),
            (
                "https://s3.example/, https://iam.example",
                &["https://s3.example", "https://iam.example/"],
            ),
        ] {
            assert_eq!(check(Some(allowed), addresses), Ok(()), "{allowed}");
        }
        for (allowed, addresses) in [
            (None, &["pg-a.example:5432"][..]),
            (Some(""), &["pg-a.example:5432"]),
            (Some("*"), &["pg-a.example:5432"]),
            (Some("pg-a.example"), &["pg-a.example:5432"]),
            (Some("pg-a.example:5432"), &["evil.example:5432"]),
            (Some("pg-a.example:5432"), &["pg-a.example:5433"]),
            (
                Some("https://s3.example"),
                &["https://s3.example", "https://evil.example"],
            ),
        ] {
            let refused = check(allowed, addresses).unwrap_err();
            let last = addresses.last().unwrap();
            assert_eq!(refused.reason, Reason::CredentialsInvalid);
            assert!(
                refused
                    .message
                    .contains(&format!("Secret a/b are not for {last}"))
            );
            assert!(
                refused
                    .message
                    .contains("-n a b eoffice.gdcc.go.th/send-only-to=")
            );
        }
    }
}
