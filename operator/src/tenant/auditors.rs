//! Auditors of an archived tenant: each has a Secret of his own, and what is in it works until his time.

use crate::controller::world::World;
use crate::kubernetes::desired::Child;
use crate::kubernetes::secrets::{
    self, DatabaseCredential, DatabaseLocation, StorageKey, StorageLocation,
};
use crate::kubernetes::{Kind, ObjectKey};
use crate::objectstore::Key;
use crate::objectstore::auditors::{Auditor as Reader, auditor_user};
use crate::objectstore::desired::Desired;
use crate::plan::{Difference, Gate, Problem};
use crate::postgres::{self, Auditor, Verifier, auditor_login};
use crate::tenant::pass::Pass;
use crate::tenant::{database, storage};
use eoffice_crds::{
    AUDIT_SECRET_PREFIX, AuditAccess, ConditionType, Lifecycle, Plane, TenantRecordSpec,
    tenant_namespace,
};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// One auditor who may read now.
pub struct Admission {
    /// Name, as the spec gives it.
    name: String,
    until: Timestamp,
    credential: DatabaseCredential,
    user: String,
    /// The access key id in the Secret.
    key: Mutex<Option<String>>,
}

impl Admission {
    fn key(&self) -> Option<String> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        key.clone()
    }
}

/// Who may read now: in an archived tenant, until his time.
pub fn admitted(
    lifecycle: Lifecycle,
    access: &[AuditAccess],
    now: Timestamp,
) -> impl Iterator<Item = &AuditAccess> {
    let archived = lifecycle == Lifecycle::Archived;
    access.iter().filter(move |it| archived && it.until.0 > now)
}

/// Whether a tenant has, or may have had, auditors.
pub fn concerned(world: &World, record: &TenantRecordSpec) -> bool {
    !record.tenant_spec.audit_access.is_empty() || !secrets_of(world, record).is_empty()
}

fn secrets_of(world: &World, record: &TenantRecordSpec) -> Vec<ObjectKey> {
    let objects = world
        .cluster
        .index
        .objects(&tenant_namespace(&record.tenant.name));
    let keys = objects.into_keys();
    keys.filter(|key| key.kind == Kind::Secret && key.name.starts_with(AUDIT_SECRET_PREFIX))
        .collect()
}

fn secret_key(auditor: &str) -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        name: format!("{AUDIT_SECRET_PREFIX}{auditor}"),
    }
}

/// Removes the Secrets of those who may not read any more.
pub async fn remove_secrets(
    world: &World,
    record: &TenantRecordSpec,
    kept: &[Admission],
    gate: &dyn Gate,
) -> Result<(), Problem> {
    let over = secrets_of(world, record).into_iter();
    for key in over.filter(|key| !kept.iter().any(|it| secret_key(&it.name) == *key)) {
        let gone = [Difference::delete(key.to_string())];
        if gate.allows(&gone) {
            let namespace = tenant_namespace(&record.tenant.name);
            world.cluster.delete(&namespace, &key).await?;
            gate.made(&gone);
        }
    }
    Ok(())
}

impl Pass<'_> {
    /// Sees to it that each auditor has a Secret with a login, before the backends follow it.
    pub(super) async fn admit_auditors(&mut self) {
        let spec = &self.tenant.object.spec;
        let lifecycle = match self.wanted.open {
            true => Lifecycle::Active,
            false => spec.lifecycle,
        };
        let now = self.world.clock.now();
        let access: Vec<AuditAccess> = admitted(lifecycle, &spec.audit_access, now)
            .cloned()
            .collect();
        let (mut admissions, mut spared) = (Vec::new(), Vec::new());
        for auditor in access {
            self.sooner_at(auditor.until.0);
            match self.admit(&auditor).await {
                Ok(Some(admission)) => admissions.push(admission),
                Ok(None) => spared.push(auditor),
                Err(problem) => {
                    self.settle(ConditionType::NamespaceReady, Err(problem), "");
                    spared.push(auditor);
                }
            }
        }
        (self.auditors, self.spared) = (admissions, spared);
    }

    async fn admit(&mut self, auditor: &AuditAccess) -> Result<Option<Admission>, Problem> {
        let name = auditor.name.as_str();
        let namespace = &self.wanted.namespace;
        let live = self.world.cluster.get(namespace, &secret_key(name)).await?;
        let login = auditor_login(&self.record, name);
        let user = auditor_user(&self.record.storage.user, name);
        let key = live.as_ref().and_then(secrets::storage_key);
        let kept = live
            .as_ref()
            .and_then(secrets::database_credential)
            .filter(|kept| kept.username == login);
        let credential = kept
            .clone()
            .unwrap_or_else(|| database::fresh_credential(&login));
        let body = |credential: &DatabaseCredential| render(self, name, credential, key.as_ref());
        let shown = match kept {
            Some(_) => body(&credential)?,
            None => body(&DatabaseCredential::to_be_made(&login))?,
        };
        let differences = secrets::differences(&shown, live.as_ref());
        if !differences.is_empty() {
            let gate = self.keeper(Plane::Database, "auditors");
            let allowed = gate.allows(&differences);
            if allowed {
                put(self, body(&credential)?).await?;
                gate.made(&differences);
            }
            let notes = gate.notes();
            self.notes.extend(notes);
            if !allowed && kept.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Admission {
            name: name.to_owned(),
            until: auditor.until.0,
            credential,
            user,
            key: Mutex::new(key.map(|key| key.access_key_id)),
        }))
    }

    /// Takes away the Secrets of those who may not read any more, once the backends have shut them out.
    pub(super) async fn dismiss_auditors(&mut self) {
        if !self.brought() {
            return;
        }
        let gate = self.keeper(Plane::Database, "auditors");
        let removed = remove_secrets(self.world, &self.record, &self.auditors, &gate).await;
        let notes = gate.notes();
        self.notes.extend(notes);
        if let Err(problem) = removed {
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
    }

    /// With their logins.
    pub(super) fn with_logins(
        &self,
        desired: postgres::Desired,
    ) -> Result<postgres::Desired, Problem> {
        let of = |admission: &Admission| {
            let login = &admission.credential.username;
            let verifier = admission.credential.verifier.0.clone();
            Auditor::new(login, &Verifier::known(verifier), admission.until)
        };
        let logins = self.auditors.iter().map(of).collect::<Result<_, _>>()?;
        let spared = self.spared.iter();
        let spared = spared.map(|it| auditor_login(&self.record, &it.name));
        Ok(desired.with_auditors(logins).sparing(spared.collect()))
    }

    /// With their users in the store.
    pub(super) fn with_readers(&self, desired: Desired) -> Desired {
        let of = |admission: &Admission| Reader {
            user: admission.user.clone(),
            until: admission.until,
            current_key: admission.key(),
        };
        let spared = self.spared.iter();
        let spared = spared.map(|it| auditor_user(&self.record.storage.user, &it.name));
        desired
            .with_auditors(self.auditors.iter().map(of).collect())
            .sparing(spared.collect())
    }

    /// Puts the new key of this user into its auditor's Secret.
    pub(super) async fn hand_key(&self, user: &str, key: Key) -> Result<(), Problem> {
        let Some(admission) = self.auditors.iter().find(|it| it.user == user) else {
            // Nobody has it: it is a stray, and deleted with the next look.
            return Ok(());
        };
        let id = key.access_key_id.clone();
        let key = StorageKey {
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key,
        };
        let body = render(self, &admission.name, &admission.credential, Some(&key))?;
        put(self, body).await?;
        *admission.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Ok(())
    }
}

fn render(
    pass: &Pass<'_>,
    auditor: &str,
    credential: &DatabaseCredential,
    key: Option<&StorageKey>,
) -> Result<Value, Problem> {
    let record = &pass.record;
    let server = database::backend(pass.world, record)?;
    let store = storage::backend(pass.world, record)?;
    let (of_server, of_store) = (server.spec(), store.spec());
    let database = DatabaseLocation {
        host: &of_server.host,
        port: of_server.port,
        database: &record.database.name,
        ca: server.ca(),
    };
    let storage = StorageLocation {
        endpoint: &of_store.endpoint,
        region: &of_store.region,
        bucket: &record.storage.bucket,
        ca: store.ca(),
    };
    Ok(secrets::audit(
        &pass.wanted,
        auditor,
        (&database, credential),
        (&storage, key),
    ))
}

async fn put(pass: &Pass<'_>, body: Value) -> Result<(), Problem> {
    let child = Child::new(Kind::Secret, body);
    let namespace = &pass.wanted.namespace;
    pass.world.cluster.apply(namespace, &child).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_auditor_reads_an_archived_tenant_until_his_time() {
        let access: Vec<AuditAccess> = serde_json::from_value(json!([
            {"name": "now", "until": "2026-02-01T00:00:00Z"},
            {"name": "over", "until": "2026-01-01T00:00:00Z"},
        ]))
        .unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let names = |lifecycle| -> Vec<&str> {
            let admitted = admitted(lifecycle, &access, now);
            admitted.map(|it| it.name.as_str()).collect()
        };
        assert_eq!(names(Lifecycle::Archived), ["now"]);
        assert!(names(Lifecycle::Active).is_empty());
        assert!(names(Lifecycle::Suspended).is_empty());
    }
}
