//! A platform with an operator in a hurry, and what can be seen and done there with a tenant's own credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use eoffice_crds::{
    ConditionType, DATABASE_SECRET, EOfficeTenant, Reason, STORAGE_SECRET, tenant_namespace,
};
use futures::future::{BoxFuture, join_all};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::parts::object_store::{Key, ObjectStore};
use crate::parts::postgres::Postgres;
use crate::{Operator, OperatorOptions, Options, Progress, Resident, Sandbox, apply};

/// What a tenant or a backend comes to, it comes to within that time, on a busy machine too.
pub const SOON: Duration = Duration::from_secs(180);

/// How long a look lasts that finds nothing yet before the next one.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The province of most tests' tenants, which `examples/platform` makes.
pub const PROVINCE: &str = "30";

/// The namespace of a province.
pub fn namespace_of(province: &str) -> String {
    format!("province-{province}")
}

/// A sandbox with chart, backends and an operator that looks at everything every second.
#[derive(Debug)]
pub struct Platform {
    // It ends before what it works on.
    /// The operator.
    pub operator: Operator,
    /// Everything else.
    pub sandbox: Sandbox,
}

impl Platform {
    /// Starts it all; `more` is put upon the operator's short intervals.
    pub async fn start(options: Options, more: OperatorOptions) -> Result<Self> {
        let platform = Self::prepare(options, more).await?;
        platform.operator.part.start().await?;
        Ok(platform)
    }

    /// Starts all but the operator.
    pub async fn prepare(options: Options, more: OperatorOptions) -> Result<Self> {
        crate::operator::binary().await?;
        let sandbox = Sandbox::start(options, &Progress::lines()).await?;
        sandbox.install_chart(&json!({})).await?;
        sandbox.connect_backends().await?;
        let kubeconfig = sandbox.operator_kubeconfig().await?;
        let operator = Operator::new(sandbox.ground(), &kubeconfig, hurried(more)).await?;
        Ok(Self { operator, sandbox })
    }

    /// An operator in this process with the same short intervals, and `more` upon them; it is not started yet. The
    /// platform's own must not run beside it: they would take turns.
    pub async fn resident(&self, more: OperatorOptions) -> Result<Resident> {
        Resident::new(&self.sandbox, hurried(more)).await
    }

    /// Applies objects with all rights, as a platform engineer.
    pub async fn apply(&self, objects: &[Value]) -> Result<()> {
        apply::apply(&self.sandbox.admin(), objects).await
    }

    /// Changes an object of any kind that is in no namespace, or is given with one.
    pub async fn merge<K>(&self, api: Api<K>, name: &str, patch: Value) -> Result<K>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .with_context(|| format!("change {name}"))
    }

    /// Objects of a kind in a namespace.
    pub fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.sandbox.admin(), namespace)
    }

    /// Objects of a kind that is in no namespace.
    pub fn cluster<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>,
    {
        Api::all(self.sandbox.admin())
    }

    /// Tenants of the usual province.
    pub fn tenants(&self) -> Api<EOfficeTenant> {
        self.within(&namespace_of(PROVINCE))
    }

    /// Awaits what a tenant of the usual province comes to.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&EOfficeTenant) -> bool,
    ) -> Result<EOfficeTenant> {
        until(&self.tenants(), name, what, holds).await
    }

    /// Awaits that a tenant of the usual province is Ready.
    pub async fn ready(&self, name: &str) -> Result<EOfficeTenant> {
        self.until(name, "Ready", is_ready).await
    }

    /// The credentials in a tenant's Secrets.
    pub async fn credentials(&self, tenant: &str) -> Result<Credentials> {
        let secrets: Api<Secret> = self.within(&tenant_namespace(tenant));
        Ok(Credentials {
            database: texts(&secrets.get(DATABASE_SECRET).await?),
            storage: texts(&secrets.get(STORAGE_SECRET).await?),
        })
    }

    /// Runs scenarios side by side, and says of each how it came out.
    pub async fn all(&self, scenarios: Vec<Scenario<'_>>) -> Result<()> {
        let began = Instant::now();
        let outcomes = join_all(scenarios.into_iter().map(|(name, scenario)| async move {
            let outcome = scenario.await;
            let after = began.elapsed().as_secs_f32();
            match &outcome {
                Ok(()) => println!("ok      {name} ({after:.1} s)"),
                Err(error) => println!("FAILED  {name} ({after:.1} s)\n        {error:#}"),
            }
            outcome.err().map(|error| format!("{name}: {error:#}"))
        }))
        .await;
        let failed: Vec<String> = outcomes.into_iter().flatten().collect();
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        Ok(())
    }
}

/// What an operator is told that looks at everything every second.
pub fn short_intervals() -> Vec<String> {
    [
        "--postgres-interval=1s",
        "--storage-interval=1s",
        "--storage-pass=2s",
        "--lease-duration=15s",
    ]
    .map(String::from)
    .into()
}

/// An operator that looks at everything every second, and what else `more` says.
fn hurried(more: OperatorOptions) -> OperatorOptions {
    let mut args = short_intervals();
    args.extend(more.args);
    OperatorOptions { args, ..more }
}

/// A sentence, and what has to hold.
pub type Scenario<'a> = (&'static str, BoxFuture<'a, Result<()>>);

/// A tenant of the usual province, of the class `standard`.
pub fn tenant(name: &str) -> Value {
    json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "EOfficeTenant",
        "metadata": {"name": name, "namespace": namespace_of(PROVINCE)},
        "spec": {
            "agency": {"nameTh": "เทศบาลทดสอบ", "kind": "TownMunicipality", "province": PROVINCE},
            "className": "standard",
        },
    })
}

/// Tries until it succeeds; the last error, where it never does.
pub async fn eventually<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + SOON;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what}, within {SOON:?}")));
            }
            Err(_) => sleep(BETWEEN_LOOKS).await,
        }
    }
}

/// Awaits what a tenant comes to; where it does not, the error has its conditions.
pub async fn until(
    api: &Api<EOfficeTenant>,
    name: &str,
    what: &str,
    holds: impl Fn(&EOfficeTenant) -> bool,
) -> Result<EOfficeTenant> {
    eventually(&format!("{name} becomes {what}"), || async {
        let tenant = api.get(name).await?;
        if holds(&tenant) {
            Ok(tenant)
        } else {
            Err(anyhow!("it is\n{}", told(&tenant)))
        }
    })
    .await
}

/// Phase and conditions for people.
pub fn told(tenant: &EOfficeTenant) -> String {
    let status = tenant.status.clone().unwrap_or_default();
    let conditions = status.conditions.iter().map(|it| {
        format!(
            "          {}={} {}: {}",
            it.type_, it.status, it.reason, it.message
        )
    });
    let phase = status.phase.map_or("no phase", |phase| phase.as_str());
    [format!("          {phase}")]
        .into_iter()
        .chain(conditions)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A condition of a tenant.
pub fn condition(tenant: &EOfficeTenant, kind: ConditionType) -> Option<&Condition> {
    let conditions = &tenant.status.as_ref()?.conditions;
    conditions.iter().find(|it| it.type_ == kind.as_str())
}

/// Whether a tenant is Ready, as of its latest spec.
pub fn is_ready(tenant: &EOfficeTenant) -> bool {
    is(tenant, ConditionType::Ready, "True", Reason::AsExpected)
}

/// Whether a condition that speaks of the latest spec has this status and this reason.
pub fn is(tenant: &EOfficeTenant, kind: ConditionType, status: &str, reason: Reason) -> bool {
    let observed = tenant.status.as_ref().and_then(|it| it.observed_generation);
    observed == tenant.meta().generation
        && condition(tenant, kind)
            .is_some_and(|it| it.status == status && it.reason == reason.as_str())
}

/// Whether a condition is True.
pub fn holds(tenant: &EOfficeTenant, kind: ConditionType) -> bool {
    condition(tenant, kind).is_some_and(|it| it.status == "True")
}

/// Wants every one of these words in a condition's sentence.
pub fn says(tenant: &EOfficeTenant, kind: ConditionType, words: &[&str]) -> Result<()> {
    let found = condition(tenant, kind).with_context(|| format!("no condition {kind}"))?;
    for word in words {
        ensure!(
            found.message.contains(word),
            "the condition {kind} of {} lacks the word {word:?}: {}",
            tenant.name_any(),
            found.message
        );
    }
    Ok(())
}

/// What an application has.
#[derive(Clone)]
pub struct Credentials {
    /// The Secret `eoffice-database`.
    pub database: BTreeMap<String, String>,
    /// The Secret `eoffice-storage`.
    pub storage: BTreeMap<String, String>,
}

impl Credentials {
    /// The name of the database.
    pub fn database_name(&self) -> &str {
        &self.database["database"]
    }

    /// The name of the login.
    pub fn login(&self) -> &str {
        &self.database["username"]
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.storage["BUCKET_NAME"]
    }

    /// A session in its own database.
    pub async fn sql(&self, server: &Postgres) -> Result<tokio_postgres::Client> {
        self.sql_in(server, self.database_name()).await
    }

    /// A session in any database.
    pub async fn sql_in(
        &self,
        server: &Postgres,
        database: &str,
    ) -> Result<tokio_postgres::Client> {
        server
            .connect_as(self.login(), &self.database["password"], database)
            .await
    }

    /// The access key.
    pub fn key(&self) -> Key {
        Key {
            access: self.storage["AWS_ACCESS_KEY_ID"].clone(),
            secret: self.storage["AWS_SECRET_ACCESS_KEY"].clone(),
        }
    }

    /// An S3 client.
    pub fn s3(&self, store: &ObjectStore) -> aws_sdk_s3::Client {
        store.client(&self.key())
    }

    /// An IAM client.
    pub fn iam(&self, store: &ObjectStore) -> aws_sdk_iam::Client {
        let Key { access, secret } = self.key();
        let mine = aws_sdk_iam::config::Credentials::new(access, secret, None, None, "tenant");
        let config = store.iam_admin().config().to_builder();
        aws_sdk_iam::Client::from_conf(config.credentials_provider(mine).build())
    }
}

/// The entries of a Secret that are text.
pub fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter()
        .filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?)))
        .collect()
}

/// The first value of the first row of a question to PostgreSQL, as text.
pub async fn ask(client: &tokio_postgres::Client, sql: &str) -> Result<Option<String>> {
    for message in client.simple_query(sql).await? {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            return Ok(row.get(0).map(str::to_owned));
        }
    }
    bail!("no row came for {sql}")
}
