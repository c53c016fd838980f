//! The tenant's database Secret.

use crate::controller::backends::DatabaseBackend;
use crate::controller::world::World;
use crate::kubernetes::desired::{Child, Wanted, asked};
use crate::kubernetes::secrets::{self, DatabaseCredential, DatabaseLocation};
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::{Gate, Problem};
use crate::postgres::{Credential, Verifier};
use crate::tenant::keeper::Keeper;
use crate::tenant::pass::Pass;
use eoffice_crds::{DATABASE_SECRET, Plane, TenantRecordSpec};
use serde_json::Value;

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

    /// The verifier in it. Where it is missing, was edited or says anything else than it should, it is
    /// written first: the server follows. None where there is none and none may be written.
    pub(super) async fn verifier(
        &self,
        pass: &Pass<'_>,
        gate: &Keeper<'_>,
    ) -> Result<Option<Verifier>, Problem> {
        let namespace = &self.wanted.namespace;
        let key = secret_key();
        let seen = self.world.cluster.index.objects(namespace).remove(&key);
        let blank = self.render(&DatabaseCredential::blank());
        let expected = secrets::state(&blank).map(|state| state.rest);
        if !pass.fresh
            && let Some(state) = seen.and_then(|seen| seen.secret)
            && Some(state.rest) == expected
            && state.digest.is_some()
            && state.username == self.login
            && let Some(verifier) = state.verifier
        {
            return Ok(Some(Verifier::known(verifier.0)));
        }
        let live = self.world.cluster.get(namespace, &key).await?;
        let kept = live
            .as_ref()
            .and_then(secrets::database_credential)
            .filter(|kept| kept.username == self.login);
        if kept.is_none() {
            pass.ask_about_credential(Plane::Database, gate).await?;
        }
        let credential = kept.clone().unwrap_or_else(|| self.fresh_credential());
        let shown = match kept {
            Some(_) => self.render(&credential),
            None => self.render(&DatabaseCredential::to_be_made(self.login)),
        };
        let differences = secrets::differences(&shown, live.as_ref());
        let verifier = |credential: DatabaseCredential| Verifier::known(credential.verifier.0);
        if differences.is_empty() {
            return Ok(Some(verifier(credential)));
        }
        if !gate.allows(&differences) {
            return Ok(kept.map(verifier));
        }
        let child = Child::new(Kind::Secret, self.render(&credential));
        self.world.cluster.apply(namespace, &child).await?;
        gate.made(&differences);
        Ok(Some(verifier(credential)))
    }

    fn fresh_credential(&self) -> DatabaseCredential {
        let made = Credential::new(self.login, rand::random(), rand::random());
        DatabaseCredential {
            username: self.login.to_owned(),
            password: made.password().clone(),
            verifier: secrets::Verifier(made.verifier().expose().to_owned()),
        }
    }
}

pub(super) fn secret_key() -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        name: DATABASE_SECRET.into(),
    }
}
