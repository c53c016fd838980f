//! What the tests that break things look at: everything that stands on the backends, and how a backend or a tenant is
//! said to stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::fs;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Phase, TenantRecord, TenantRecordSpec, labels};
use futures::{TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::security::{condition, eventually, says, until};
use crate::home::workspace;
use crate::parts::object_store::ObjectStore;
use crate::parts::postgres::Postgres;
use crate::{Operator, Sandbox, apply, proof};

/// Proofs at once: each is a handful of connections.
const PROOFS: usize = 4;

/// The 20 agencies of `examples/korat`.
pub fn korat() -> Result<Vec<Value>> {
    let folder = workspace().join("examples/korat");
    let mut tenants = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry.context("read examples/korat")?.path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            tenants.extend(apply::parse(&text)?);
        }
    }
    tenants.sort_by_key(name_of);
    Ok(tenants)
}

/// The name in a manifest.
pub fn name_of(manifest: &Value) -> String {
    manifest["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Things by name, each with what tells it from another that is made under the same name later.
pub type Things = BTreeMap<String, String>;

/// Everything that stands on the backends, and the tenants' namespaces and records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// `server/database`, with its oid.
    pub databases: Things,
    /// `server/role`, with its oid.
    pub roles: Things,
    /// Buckets, with the identity they were given. The time of their making is not told by every store: VersityGW tells
    /// that of the last change.
    pub buckets: Things,
    /// IAM users, with their id and the time of their making.
    pub users: Things,
    /// Access keys as `user/id`, with their status.
    pub keys: Things,
    /// Namespaces that bear a tenant's label, with their UID.
    pub namespaces: Things,
    /// Records as `namespace/name`, with their UID.
    pub records: Things,
}

impl Census {
    /// Asks every backend and the API server with an admin's rights.
    pub async fn take(sandbox: &Sandbox) -> Result<Self> {
        let mut census = Self::backends(sandbox).await?;
        let tenants = ListParams::default().labels(labels::TENANT);
        let namespaces: Api<Namespace> = Api::all(sandbox.admin());
        census.namespaces = by_uid(&namespaces.list(&tenants).await?.items);
        census.records = by_uid(&records(sandbox).await?);
        Ok(census)
    }

    /// Asks the backends alone.
    pub async fn backends(sandbox: &Sandbox) -> Result<Self> {
        let mut census = Self::default();
        for server in &sandbox.postgres {
            census.databases.extend(of_server(server, DATABASES).await?);
            census.roles.extend(of_server(server, ROLES).await?);
        }
        census.ask_store(&sandbox.object_store).await?;
        Ok(census)
    }

    async fn ask_store(&mut self, store: &ObjectStore) -> Result<()> {
        let s3 = store.admin();
        let buckets = s3.list_buckets().send().await;
        for bucket in buckets.context("list the buckets")?.buckets() {
            let name = bucket.name().unwrap_or_default();
            let tags = s3.get_bucket_tagging().bucket(name).send().await;
            // A bucket without tags is answered with an error.
            let tags = tags.map(|it| it.tag_set).unwrap_or_default();
            let identity = tags.into_iter().find(|tag| tag.key == IDENTITY);
            let identity = identity.map(|tag| tag.value).unwrap_or_default();
            self.buckets.insert(name.to_owned(), identity);
        }
        let iam = store.iam_admin();
        let users: Vec<_> = iam
            .list_users()
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .context("list the users")?;
        for user in users {
            let name = user.user_name().to_owned();
            let made = user.create_date();
            let keys = iam.list_access_keys().user_name(&name).send().await;
            for key in keys.context("list a user's keys")?.access_key_metadata() {
                let id = key.access_key_id().unwrap_or_default();
                let status = key.status().map(|it| it.as_str()).unwrap_or_default();
                self.keys.insert(format!("{name}/{id}"), status.to_owned());
            }
            self.users
                .insert(name, format!("{} {made}", user.user_id()));
        }
        Ok(())
    }

    /// What is here and was not in `before`, by name.
    pub fn without(&self, before: &Self) -> Self {
        let rest = |all: &Things, known: &Things| {
            let new = all.iter().filter(|(name, _)| !known.contains_key(*name));
            new.map(|(name, it)| (name.clone(), it.clone())).collect()
        };
        Self {
            databases: rest(&self.databases, &before.databases),
            roles: rest(&self.roles, &before.roles),
            buckets: rest(&self.buckets, &before.buckets),
            users: rest(&self.users, &before.users),
            keys: rest(&self.keys, &before.keys),
            namespaces: rest(&self.namespaces, &before.namespaces),
            records: rest(&self.records, &before.records),
        }
    }

    /// Shows that whatever stood here stands in `later` too, and is the same one: nothing was made a second time. Keys
    /// are left out, for one whose secret was lost with a reply has to be replaced.
    pub fn lives_on_in(&self, later: &Self) -> Result<()> {
        for (what, then, now) in [
            ("database", &self.databases, &later.databases),
            ("role", &self.roles, &later.roles),
            ("bucket", &self.buckets, &later.buckets),
            ("user", &self.users, &later.users),
            ("namespace", &self.namespaces, &later.namespaces),
            ("record", &self.records, &later.records),
        ] {
            for (name, it) in then.iter().filter(|(_, it)| !it.is_empty()) {
                ensure!(
                    now.get(name) == Some(it),
                    "the {what} {name} was {it}, and is now {:?}",
                    now.get(name)
                );
            }
        }
        Ok(())
    }

    /// Shows that these are exactly what the records name, one of each for each tenant and nothing besides; the oids and
    /// the keys are those that records and Secrets have.
    pub async fn is_what_records_name(&self, sandbox: &Sandbox) -> Result<()> {
        let mut databases = Things::new();
        let (mut roles, mut buckets, mut users) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut keys, mut namespaces) = (Things::new(), BTreeSet::new());
        for record in records(sandbox).await? {
            let TenantRecordSpec {
                database, storage, ..
            } = record.spec;
            let tenant = record.spec.tenant.name;
            let place = |name: &str| format!("{}/{name}", database.server);
            let oid = database.oid.map(|oid| oid.to_string());
            databases.insert(place(&database.name), oid.unwrap_or_default());
            roles.extend([place(&database.role), place(&database.login)]);
            buckets.insert(storage.bucket.clone());
            users.insert(storage.user.clone());
            let given = proof::Credentials::read(&sandbox.admin(), &tenant).await?;
            let key = format!("{}/{}", storage.user, given.storage.key.access);
            keys.insert(key, "Active".into());
            namespaces.insert(eoffice_crds::tenant_namespace(&tenant));
        }
        same("databases and oids", &self.databases, &databases)?;
        same("roles", &names(&self.roles), &roles)?;
        same("buckets", &names(&self.buckets), &buckets)?;
        same("users", &names(&self.users), &users)?;
        same("keys", &self.keys, &keys)?;
        same("namespaces", &names(&self.namespaces), &namespaces)
    }
}

/// The tag that tells a bucket from a later one of the same name.
const IDENTITY: &str = "eoffice-identity";
const DATABASES: &str = "select datname::text, oid::text from pg_database";
const ROLES: &str = "select rolname::text, oid::text from pg_roles where rolname !~ '^pg_'";

async fn of_server(server: &Postgres, question: &str) -> Result<Things> {
    let client = server.connect("postgres").await?;
    let rows = client.query(question, &[]).await?;
    let named = rows.iter().map(|row| {
        let name: String = row.get(0);
        (format!("{}/{name}", server.name()), row.get(1))
    });
    Ok(named.collect())
}

/// Databases and roles of one server, with their oids.
pub async fn catalog(server: &Postgres) -> Result<[Things; 2]> {
    let databases = of_server(server, DATABASES).await?;
    Ok([databases, of_server(server, ROLES).await?])
}

fn by_uid<K: ResourceExt>(objects: &[K]) -> Things {
    let place = |object: &K| match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    };
    let named = objects
        .iter()
        .map(|object| (place(object), object.uid().unwrap_or_default()));
    named.collect()
}

fn names(things: &Things) -> BTreeSet<String> {
    things.keys().cloned().collect()
}

fn same<T: PartialEq + Debug>(what: &str, found: &T, named: &T) -> Result<()> {
    ensure!(
        found == named,
        "{what}: there are\n{found:#?}\nand the records name\n{named:#?}"
    );
    Ok(())
}

/// Every TenantRecord.
pub async fn records(sandbox: &Sandbox) -> Result<Vec<TenantRecord>> {
    let all: Api<TenantRecord> = Api::all(sandbox.admin());
    let found = all.list(&ListParams::default()).await;
    Ok(found.context("list the records")?.items)
}

/// The record of one tenant.
pub async fn record(sandbox: &Sandbox, tenant: &str) -> Result<TenantRecordSpec> {
    let namespace = eoffice_crds::tenant_namespace(tenant);
    let api: Api<TenantRecord> = Api::namespaced(sandbox.admin(), &namespace);
    let found = api.get(eoffice_crds::RECORD_NAME).await;
    Ok(found
        .with_context(|| format!("read the record of {tenant}"))?
        .spec)
}

/// Phase, Ready, Available, Reconciling and Stalled: a row of the API page's table.
pub fn row(tenant: &EOfficeTenant) -> String {
    let phase = tenant.status.as_ref().and_then(|status| status.phase);
    let mut words = vec![phase.map_or("none", Phase::as_str)];
    for kind in [
        ConditionType::Ready,
        ConditionType::Available,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ] {
        words.push(condition(tenant, kind).map_or("none", |it| it.status.as_str()));
    }
    words.join(" ")
}

/// Awaits that a tenant stands in this row of the API page's table, `part` being False or Unknown for this reason, with
/// each of these words in its sentence.
pub async fn stands(
    api: &Api<EOfficeTenant>,
    name: &str,
    expected: &str,
    (part, reason): (ConditionType, impl Display),
    words: &[&str],
) -> Result<EOfficeTenant> {
    let what = format!("{expected:?}, with {part} {reason} saying {words:?}");
    let reason = reason.to_string();
    until(api, name, &what, |tenant| {
        row(tenant) == expected
            && condition(tenant, part).is_some_and(|it| {
                it.status != "True"
                    && it.reason == reason
                    && words.iter().all(|word| it.message.contains(word))
            })
    })
    .await
}

/// Wants every one of these words in the sentence of Ready, which is the first that people read.
pub fn says_of_ready(tenant: &EOfficeTenant, words: &[&str]) -> Result<()> {
    says(tenant, ConditionType::Ready, words)
}

/// Awaits that a DatabaseServer or ObjectStore is Ready or not, for this reason and with each of these words in its
/// sentence, which comes back.
pub async fn backend<K>(
    api: &Api<K>,
    name: &str,
    (status, reason): (&str, impl Display),
    words: &[&str],
) -> Result<String>
where
    K: Resource + Clone + serde::de::DeserializeOwned + serde::Serialize + Debug,
{
    let reason = reason.to_string();
    let what = format!("{name} becomes Ready={status} {reason} saying {words:?}");
    eventually(&what, || async {
        let object = serde_json::to_value(api.get(name).await?)?;
        let conditions = object["status"]["conditions"].as_array();
        let ready = conditions.and_then(|all| all.iter().find(|it| it["type"] == "Ready"));
        let ready = ready.context("it has no condition Ready")?;
        let message = ready["message"].as_str().unwrap_or_default();
        ensure!(
            ready["status"] == status
                && ready["reason"] == *reason
                && words.iter().all(|word| message.contains(word)),
            "it is {ready}"
        );
        Ok(message.to_owned())
    })
    .await
}

/// Proves tenants by use, from outside the operator.
pub async fn prove_all(sandbox: &Sandbox, tenants: &[&str]) -> Result<()> {
    stream::iter(tenants.iter().map(anyhow::Ok))
        .try_for_each_concurrent(PROOFS, |tenant| proof::prove(sandbox, tenant))
        .await
}

/// Every Certificate, with how often it was asked for: its generation.
pub async fn asked_for(sandbox: &Sandbox) -> Result<BTreeMap<String, i64>> {
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
    let all: Api<DynamicObject> = Api::all_with(sandbox.admin(), &ApiResource::from_gvk(&kind));
    let found = all.list(&ListParams::default()).await;
    let certificates = found.context("list the certificates")?.items.into_iter();
    Ok(certificates
        .map(|it| {
            let place = format!("{}/{}", it.namespace().unwrap_or_default(), it.name_any());
            (place, it.metadata.generation.unwrap_or_default())
        })
        .collect())
}

/// UID of the cluster, as backends know it.
pub async fn cluster_uid(sandbox: &Sandbox) -> Result<String> {
    let namespaces: Api<Namespace> = Api::all(sandbox.admin());
    let system = namespaces.get("kube-system").await;
    system
        .context("read kube-system")?
        .uid()
        .context("kube-system has no UID")
}

/// Awaits that servers and stores were looked at again, twice at least.
pub async fn looks_again(operator: &Operator) -> Result<()> {
    for plane in ["Postgres", "S3"] {
        let from = reads(operator, plane).await?;
        eventually("the operator looks at the backends", || async {
            let now = reads(operator, plane).await?;
            ensure!(now >= from + LOOKS, "{plane}: {now} reads, {from} before");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Reads of a plane that are more than one look at each of its backends.
const LOOKS: u64 = 12;

/// How often the operator read from a plane, as its metrics count.
async fn reads(operator: &Operator, plane: &str) -> Result<u64> {
    let plane = format!("plane=\"{plane}\"");
    let metrics = operator.metrics().await?;
    let of_plane = metrics.lines().filter(|line| {
        line.starts_with("eoffice_external_calls_total{")
            && line.contains(&plane)
            && line.contains("access=\"Read\"")
            && line.contains("outcome=\"ok\"")
    });
    let counts = of_plane.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}
