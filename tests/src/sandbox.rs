//! The whole platform, started at once.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::application::Application;
use crate::apply;
use crate::backends::{Backends, bootstrap_sql};
use crate::ground::Ground;
use crate::helm;
use crate::kubeconfig;
use crate::operator::{INSTALLATION, Operator, OperatorOptions};
use crate::parts::cert_manager::CertManager;
use crate::parts::control_plane::{ControlPlane, ControlPlaneOptions};
use crate::parts::etcd::Backup;
use crate::parts::object_store::ObjectStore;
use crate::parts::postgres::{Postgres, PostgresOptions};
use crate::parts::traefik::Traefik;
use crate::progress::Progress;

/// What differs from one sandbox to another.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names of the PostgreSQL servers.
    pub servers: Vec<String>,
    /// Every write of etcd and PostgreSQL reaches the disk; for benchmarks.
    pub durable: bool,
    /// The API server records all writes, see [`ControlPlane::writes`].
    pub audit: bool,
    /// PostgreSQL logs every statement.
    pub log_statements: bool,
    /// The port of the ingress; absent: a free one.
    pub ingress_port: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: vec!["pg-a".into(), "pg-b".into()],
            durable: false,
            audit: false,
            log_statements: false,
            ingress_port: None,
        }
    }
}

/// A running platform. Dropping it ends every process and removes all data.
#[derive(Debug)]
pub struct Sandbox {
    /// etcd, kube-apiserver and kube-controller-manager.
    pub control_plane: ControlPlane,
    /// The PostgreSQL servers, in the order of their names in [`Options`].
    pub postgres: Vec<Postgres>,
    /// S3 and IAM.
    pub object_store: ObjectStore,
    /// cert-manager.
    pub cert_manager: CertManager,
    /// The ingress.
    pub traefik: Traefik,
    /// What stands for the agencies' applications.
    pub application: Application,
    // The last to go: the parts' data and logs are in it.
    ground: Ground,
}

impl Sandbox {
    /// A client that asks as `user` of `groups`.
    pub async fn person(&self, user: &str, groups: &[&str]) -> Result<kube::Client> {
        kubeconfig::person(self.kubeconfig(), user, groups).await
    }

    /// Installs what is missing and starts everything.
    pub async fn start(options: Options, progress: &Progress) -> Result<Self> {
        let ground = Ground::prepare(progress).await?;
        let (cluster, postgres, object_store, application) = tokio::try_join!(
            start_cluster(&ground, &options, progress),
            start_postgres(&ground, &options, progress),
            start_object_store(&ground, progress),
            Application::start(),
        )?;
        let (control_plane, cert_manager, traefik) = cluster;
        Ok(Self {
            control_plane,
            postgres,
            object_store,
            cert_manager,
            traefik,
            application,
            ground,
        })
    }

    /// Ends every process and removes all data, as dropping does.
    pub fn stop(self) {}

    /// Programs, folder and authority.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Leaves data and logs where they are at the end.
    pub fn keep_files(&mut self) {
        self.ground.home.keep();
    }

    /// A client with all rights.
    pub fn admin(&self) -> kube::Client {
        self.control_plane.admin()
    }

    /// The file of a kubeconfig with all rights.
    pub fn kubeconfig(&self) -> &Path {
        self.control_plane.admin_kubeconfig()
    }

    /// The file of the certificate that all TLS ends chain to.
    pub fn ca_file(&self) -> &Path {
        &self.ground.ca_file
    }

    /// The PostgreSQL server called `name`.
    pub fn server(&self, name: &str) -> Result<&Postgres> {
        let server = self.postgres.iter().find(|server| server.name() == name);
        server.with_context(|| format!("there is no PostgreSQL server {name} in this sandbox"))
    }

    /// Applies the objects of a YAML text, one after the other.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        apply::apply(&self.admin(), &apply::parse(yaml)?).await
    }

    /// An HTTP client for `host` behind the ingress, that trusts the sandbox's authority and nothing else.
    pub fn https(&self, host: &str) -> Result<reqwest::Client> {
        let address = ([127, 0, 0, 1], self.traefik.port()).into();
        crate::pki::http_client_builder(self.ground.tls.tls_client()?)
            .resolve(host, address)
            .build()
            .context("build an HTTP client")
    }

    /// Installs the operator's chart without pods, as none run here, and with `values` over what the sandbox sets.
    pub async fn install_chart(&self, values: &Value) -> Result<()> {
        let mut all = json!({"installationId": INSTALLATION, "replicas": 0});
        merge(&mut all, values);
        helm::install(&self.ground, self.kubeconfig(), &all).await
    }

    /// The file of a kubeconfig with a token of the chart's own ServiceAccount: the operator's rights, and no more.
    pub async fn operator_kubeconfig(&self) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin(), helm::NAMESPACE);
        let of_release = format!("app.kubernetes.io/instance={}", helm::RELEASE);
        let found = accounts
            .list(&ListParams::default().labels(&of_release))
            .await
            .context("find the chart's ServiceAccount")?;
        let [account] = found.items.as_slice() else {
            bail!(
                "the chart should have made one ServiceAccount with the label {of_release} in {}, and there are {}",
                helm::NAMESPACE,
                found.items.len()
            );
        };
        let name = account.metadata.name.as_deref().unwrap_or_default();
        self.control_plane
            .kubeconfig_of_service_account(helm::NAMESPACE, name)
            .await?
            .write(self.control_plane.folder(), "operator.kubeconfig")
    }

    /// Prepares the backends for the operator and describes them to it, as `examples/platform` does.
    pub async fn connect_backends(&self) -> Result<()> {
        let sql = bootstrap_sql()?;
        try_join_all(self.postgres.iter().map(|server| server.bootstrap(&sql))).await?;
        let backends = Backends {
            ca: self.ground.tls.cert(),
            postgres: &self.postgres,
            object_store: &self.object_store,
            ingress: self.traefik.address(),
        };
        backends.describe(&self.admin()).await
    }

    /// Starts an operator with the rights of the chart, and waits until it is ready.
    pub async fn start_operator(&self, options: OperatorOptions) -> Result<Operator> {
        let kubeconfig = self.operator_kubeconfig().await?;
        let operator = Operator::new(&self.ground, &kubeconfig, options).await?;
        operator.part.start().await?;
        Ok(operator)
    }

    /// Loses the whole state of the cluster, and puts an empty one at the same address. The backends stay as they are;
    /// the chart and [`Sandbox::connect_backends`] are the caller's to repeat, as for any new cluster.
    pub async fn lose_cluster(&self) -> Result<()> {
        self.cert_manager.part.kill().await;
        self.traefik.part.kill().await;
        self.control_plane.lose().await?;
        self.start_cluster_again().await
    }

    /// Keeps a copy of the whole state of the cluster, as a backup of etcd has it.
    pub async fn backup(&self) -> Result<Backup> {
        self.control_plane.backup().await
    }

    /// Puts the whole state of the cluster back to a backup, object by object with their UIDs. The backends stay as they
    /// are; an operator must not run meanwhile.
    pub async fn restore(&self, backup: &Backup) -> Result<()> {
        self.cert_manager.part.kill().await;
        self.traefik.part.kill().await;
        self.control_plane.put_back(backup).await?;
        self.start_cluster_again().await
    }

    async fn start_cluster_again(&self) -> Result<()> {
        self.control_plane.start_api().await?;
        start_in_cluster(
            &self.ground,
            &self.control_plane,
            &self.cert_manager,
            &self.traefik,
        )
        .await
    }
}

async fn start_cluster(
    ground: &Ground,
    options: &Options,
    progress: &Progress,
) -> Result<(ControlPlane, CertManager, Traefik)> {
    let task = progress.task("control plane");
    task.step("starting etcd and the API server");
    let control_plane = ControlPlane::new(
        ground,
        ControlPlaneOptions {
            durable: options.durable,
            audit: options.audit,
        },
    )
    .await?;
    let cert_manager = CertManager::new(ground, &control_plane)?;
    let traefik = Traefik::new(ground, &control_plane, options.ingress_port)?;
    control_plane.start_api().await?;
    task.step("starting the controllers, cert-manager and Traefik");
    start_in_cluster(ground, &control_plane, &cert_manager, &traefik).await?;
    task.done("serves");
    Ok((control_plane, cert_manager, traefik))
}

async fn start_in_cluster(
    ground: &Ground,
    control_plane: &ControlPlane,
    cert_manager: &CertManager,
    traefik: &Traefik,
) -> Result<()> {
    let admin = control_plane.admin();
    let certificates = async {
        cert_manager.install(&admin, &ground.tls).await?;
        cert_manager.part.start().await
    };
    let ingress = async {
        traefik.install(&admin).await?;
        traefik.part.start().await
    };
    let controllers = control_plane.controller_manager.start();
    tokio::try_join!(certificates, ingress, controllers)?;
    Ok(())
}

async fn start_postgres(
    ground: &Ground,
    options: &Options,
    progress: &Progress,
) -> Result<Vec<Postgres>> {
    let postgres = PostgresOptions {
        durable: options.durable,
        log_statements: options.log_statements,
    };
    let servers = options.servers.iter().map(|name| async move {
        let task = progress.task(format!("PostgreSQL {name}"));
        task.step("making an empty server");
        let server = Postgres::new(ground, name, postgres).await?;
        server.part.start().await?;
        task.done("serves");
        anyhow::Ok(server)
    });
    try_join_all(servers).await
}

async fn start_object_store(ground: &Ground, progress: &Progress) -> Result<ObjectStore> {
    let task = progress.task("S3 and IAM");
    task.step("starting");
    let store = ObjectStore::new(ground)?;
    store.start().await?;
    task.done("serves");
    Ok(store)
}

/// Puts `over` upon `base`, maps within maps included.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_upon_values() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut base, &json!({"a": {"b": 3}, "d": [2], "e": null}));
        assert_eq!(base, json!({"a": {"b": 3, "c": 2}, "d": [2], "e": null}));
    }
}
