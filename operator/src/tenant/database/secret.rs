//! The tenant's database Secret.

use crate::controller::backends::DatabaseBackend;
use crate::controller::lease::not_leading;
use crate::controller::world::World;
use crate::kubernetes::desired::{Child, Wanted, asked};
use crate::kubernetes::secrets::{self, DatabaseCredential, DatabaseLocation};
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::{Difference, Gate, Problem};
use crate::postgres::{Credential, Verifier};
use crate::tenant::keeper::Keeper;
use crate::tenant::pass::Pass;
use eoffice_crds::{DATABASE_SECRET, Plane, TenantRecordSpec};
use serde_json::Value;

/// What the Secret says of the login.
pub(super) enum Held {
    /// The verifier of the login that should be in it.
    Current(Verifier),
    /// Another credential is to be made on the server, and then put into it.
    Successor(Box<Successor>),
    /// Nothing, and it may not be written.
    Nothing,
    /// Nothing, and this is what would be written, once the rest is done.
    Planned(Vec<Difference>),
}

/// A credential that is put into the Secret once it works.
pub(super) struct Successor {
    /// It.
    pub(super) credential: DatabaseCredential,
    /// What that changes in the Secret.
    pub(super) differences: Vec<Difference>,
    /// The Secret as it was read.
    pub(super) read: Option<Value>,
    /// The credential in it, where that is the one that is being replaced: it works until its successor does.
    pub(super) predecessor: Option<Verifier>,
}

/// The tenant's database Secret.
pub(super) struct SecretAt<'a> {
    world: &'a World,
    wanted: &'a Wanted,
    location: DatabaseLocation<'a>,
    login: &'a str,
}

impl<'a> SecretAt<'a> {
    pub(super) fn new(
        world: &'a World,
        wanted: &'a Wanted,
        record: &'a TenantRecordSpec,
        backend: &'a DatabaseBackend,
    ) -> Self {
        let spec = backend.spec();
        Self {
            world,
            wanted,
            location: DatabaseLocation {
                host: &spec.host,
                port: spec.port,
                database: &record.database.name,
                ca: backend.ca(),
            },
            login: &record.database.login,
        }
    }

    fn render(&self, credential: &DatabaseCredential) -> Value {
        secrets::database(self.wanted, &self.location, credential)
    }

    /// Fingerprint of all that is asked of it, which is all but the credential.
    pub(super) fn asked(&self) -> String {
        let blank = self.render(&DatabaseCredential::blank());
        asked(&[Child::new(Kind::Secret, blank)])
    }

    /// What it says of the login. Where it is missing, was edited or names another login, a new credential is made; where
    /// it names the login that is being replaced, that one works until its successor does.
    pub(super) async fn look(&self, pass: &Pass<'_>, gate: &Keeper<'_>) -> Result<Held, Problem> {
        let namespace = &self.wanted.namespace;
        let key = secret_key();
        let seen = self.world.cluster.index.objects(namespace).remove(&key);
        let blank = self.render(&DatabaseCredential::blank());
        let expected = secrets::state(&blank).map(|state| state.rest);
        // What the watch has seen may be older than a rotation that is under way: the same login had another password.
        if !pass.fresh
            && pass.record.rotation.under_way.is_none()
            && let Some(state) = seen.and_then(|seen| seen.secret)
            && Some(state.rest) == expected
            && state.digest.is_some()
            && state.username == self.login
            && let Some(verifier) = state.verifier
        {
            return Ok(Held::Current(Verifier::known(verifier.0)));
        }
        let live = self.world.cluster.get(namespace, &key).await?;
        let found = live.as_ref().and_then(secrets::database_credential);
        let retiring = pass.record.rotation.under_way.as_ref();
        let retiring = retiring.filter(|it| it.login_retired_at.is_none());
        if let (Some(found), Some(retiring)) = (&found, retiring)
            && found.username == retiring.login
        {
            let predecessor = Verifier::known(found.verifier.0.clone());
            let successor = self.successor(live, Some(predecessor));
            return Ok(Held::Successor(Box::new(successor)));
        }
        let kept = found.filter(|kept| kept.username == self.login);
        let Some(kept) = kept else {
            pass.ask_about_credential(Plane::Database, gate).await?;
            let successor = self.successor(live, None);
            if gate.is_planning() {
                return Ok(Held::Planned(successor.differences));
            }
            return Ok(match gate.allows(&successor.differences) {
                true => Held::Successor(Box::new(successor)),
                false => Held::Nothing,
            });
        };
        let verifier = Verifier::known(kept.verifier.0.clone());
        let differences = secrets::differences(&self.render(&kept), live.as_ref());
        if !differences.is_empty() && gate.allows(&differences) {
            self.write(&kept, live.as_ref()).await?;
            gate.made(&differences);
        }
        Ok(Held::Current(verifier))
    }

    fn successor(&self, read: Option<Value>, predecessor: Option<Verifier>) -> Successor {
        let shown = self.render(&DatabaseCredential::to_be_made(self.login));
        Successor {
            credential: fresh_credential(self.login),
            differences: secrets::differences(&shown, read.as_ref()),
            read,
            predecessor,
        }
    }

    /// Writes it whole, over what was read.
    pub(super) async fn write(
        &self,
        credential: &DatabaseCredential,
        read: Option<&Value>,
    ) -> Result<(), Problem> {
        let child = Child::new(Kind::Secret, self.render(credential));
        if !self.world.leadership.held() {
            return Err(not_leading());
        }
        let namespace = &self.wanted.namespace;
        self.world.cluster.apply_over(namespace, &child, read).await
    }
}

/// A credential that nobody has yet.
pub fn fresh_credential(login: &str) -> DatabaseCredential {
    let made = Credential::new(login, rand::random(), rand::random());
    DatabaseCredential {
        username: login.to_owned(),
        password: made.password().clone(),
        verifier: secrets::Verifier(made.verifier().expose().to_owned()),
    }
}

pub(super) fn secret_key() -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        name: DATABASE_SECRET.into(),
    }
}
