//! The API server and the controller manager.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::audit;
use super::etcd::{Backup, Etcd};
use crate::ground::Ground;
use crate::kubeconfig::{Credential, Kubeconfig};
use crate::net::free_port;
use crate::part::Part;
use crate::pki::{Authority, IdentityFiles, signing_key, write_private};
use crate::probe;
use crate::process::Spec;

/// Without these a namespace would never finish deleting, a ServiceAccount would have no token and a quota no count.
const CONTROLLERS: &[&str] = &[
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "resourcequota-controller",
];

/// etcd, kube-apiserver and kube-controller-manager.
pub struct ControlPlane {
    /// Its memory.
    pub etcd: Etcd,
    /// kube-apiserver.
    pub api_server: Part,
    /// kube-controller-manager.
    pub controller_manager: Part,
    clients: Authority,
    server: String,
    ca: String,
    folder: PathBuf,
    admin: PathBuf,
    client: kube::Client,
}

/// What differs from one sandbox to another.
#[derive(Clone, Copy, Debug, Default)]
pub struct ControlPlaneOptions {
    /// Every write of etcd reaches the disk.
    pub durable: bool,
    /// Writes are recorded, see [`ControlPlane::writes`].
    pub audit: bool,
}

impl ControlPlane {
    /// Prepares one, to be started by [`ControlPlane::start`].
    ///
    /// Its clients' certificates come from an authority of their own: whoever gets a certificate for a host must not
    /// be let into the control plane with it.
    pub async fn new(ground: &Ground, options: ControlPlaneOptions) -> Result<Self> {
        let tls = &ground.tls;
        let folder = ground.home.folder("control-plane")?;
        let etcd = Etcd::new(ground, options.durable)?;
        let clients = Authority::new("e-Office sandbox control plane clients")?;
        let server = format!("https://127.0.0.1:{}", free_port()?);
        let files = Files::write(&folder, tls, &clients)?;
        let config = |user: &str, group| -> Result<Kubeconfig> {
            Ok(Kubeconfig {
                server: server.clone(),
                ca: tls.cert(),
                credential: Credential::Certificate(clients.client(user, group)?),
            })
        };
        let admin = config("admin", Some("system:masters"))?;
        let admin_file = admin.write(&folder, "admin.kubeconfig")?;
        let manager = config("system:kube-controller-manager", None)?
            .write(&folder, "controller-manager.kubeconfig")?;
        let client = admin.client().await?;
        if options.audit {
            audit::write_policy(&folder)?;
        }
        Ok(Self {
            api_server: api_server(ground, &etcd, &server, &files, options)?,
            controller_manager: controller_manager(ground, &files, manager, client.clone()),
            etcd,
            clients,
            server,
            ca: tls.cert(),
            folder,
            admin: admin_file,
            client,
        })
    }

    /// Starts all three and waits until they serve.
    pub async fn start(&self) -> Result<()> {
        self.start_api().await?;
        self.controller_manager.start().await
    }

    /// Starts what answers requests, and waits until it does.
    pub async fn start_api(&self) -> Result<()> {
        self.etcd.part.start().await?;
        self.api_server.start().await
    }

    /// Loses all three, with all they know.
    pub async fn lose(&self) -> Result<()> {
        self.kill().await;
        self.etcd.forget()
    }

    /// Copies all they know; they do not answer for that moment.
    pub async fn backup(&self) -> Result<Backup> {
        let backup = self.etcd.backup().await?;
        self.api_server.ready().await?;
        Ok(backup)
    }

    /// Ends all three; started again, they know what they knew then, and nothing since.
    pub async fn put_back(&self, backup: &Backup) -> Result<()> {
        self.kill().await;
        self.etcd.put_back(backup)
    }

    async fn kill(&self) {
        self.controller_manager.kill().await;
        self.api_server.kill().await;
        self.etcd.part.kill().await;
    }

    /// A client with all rights.
    pub fn admin(&self) -> kube::Client {
        self.client.clone()
    }

    /// The file of a kubeconfig with all rights.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A kubeconfig for `user`, who has the rights that are bound to that name, and no other.
    pub fn kubeconfig_of(&self, user: &str) -> Result<Kubeconfig> {
        Ok(self.kubeconfig(Credential::Certificate(self.clients.client(user, None)?)))
    }

    /// A kubeconfig for `user` of `group`, who has the rights that are bound to either.
    pub fn kubeconfig_of_member(&self, user: &str, group: &str) -> Result<Kubeconfig> {
        let identity = self.clients.client(user, Some(group))?;
        Ok(self.kubeconfig(Credential::Certificate(identity)))
    }

    /// A kubeconfig with a ServiceAccount's token.
    pub async fn kubeconfig_of_service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Kubeconfig> {
        let token = crate::kubeconfig::token(&self.client, namespace, name).await?;
        Ok(self.kubeconfig(Credential::Token(token)))
    }

    fn kubeconfig(&self, credential: Credential) -> Kubeconfig {
        Kubeconfig {
            server: self.server.clone(),
            ca: self.ca.clone(),
            credential,
        }
    }

    /// The folder of its keys and kubeconfigs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All writes so far, where [`ControlPlaneOptions::audit`] is on.
    pub fn writes(&self) -> Result<Vec<audit::Request>> {
        let mut all = audit::read(&self.folder)?;
        all.retain(|request| !request.reads());
        Ok(all)
    }

    /// All that the operator has read so far but for its watches, where [`ControlPlaneOptions::audit`] is on.
    pub fn reads(&self) -> Result<Vec<audit::Request>> {
        let mut all = audit::read(&self.folder)?;
        all.retain(audit::Request::reads);
        Ok(all)
    }

    /// All of both so far.
    pub fn requests(&self) -> Result<Vec<audit::Request>> {
        audit::read(&self.folder)
    }
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

struct Files {
    folder: PathBuf,
    serving: IdentityFiles,
    client_ca: PathBuf,
    tokens_key: PathBuf,
    tokens_public_key: PathBuf,
}

impl Files {
    fn write(folder: &Path, tls: &Authority, clients: &Authority) -> Result<Self> {
        let plain = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        let names = [
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default.svc",
        ];
        let (signing, verifying) = signing_key()?;
        let tokens_key = folder.join("tokens.key");
        write_private(&tokens_key, &signing)?;
        Ok(Self {
            folder: folder.to_owned(),
            serving: tls.server(&names)?.write(folder, "api-server")?,
            client_ca: plain("clients-ca.crt", clients.cert())?,
            tokens_key,
            tokens_public_key: plain("tokens.pub", verifying)?,
        })
    }
}

fn flag(name: &str, value: &Path) -> String {
    format!("--{name}={}", value.display())
}

fn api_server(
    ground: &Ground,
    etcd: &Etcd,
    server: &str,
    files: &Files,
    options: ControlPlaneOptions,
) -> Result<Part> {
    let port = server.rsplit(':').next().unwrap_or_default();
    let mut args = vec![
        format!("--etcd-servers={}", etcd.url()),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        // Nothing runs inside the cluster, and its own endpoints would have to be no loopback address.
        "--endpoint-reconciler-type=none".into(),
        flag("tls-cert-file", &files.serving.cert),
        flag("tls-private-key-file", &files.serving.key),
        flag("client-ca-file", &files.client_ca),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        flag("service-account-key-file", &files.tokens_public_key),
        flag("service-account-signing-key-file", &files.tokens_key),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        "--authorization-mode=RBAC".into(),
        "--enable-admission-plugins=ResourceQuota,ValidatingAdmissionPolicy".into(),
        "--profiling=false".into(),
    ];
    if options.audit {
        args.extend(audit::flags(&files.folder));
    }
    let health = format!("{server}/readyz");
    let http = ground.tls.http_client()?;
    let probe = probe::http(http, health);
    let command = move |spec: Spec| spec.args(&args);
    Ok(Part::new(
        ground,
        "kube-apiserver",
        &ground.tools.kube_apiserver,
        command,
        probe,
    ))
}

fn controller_manager(
    ground: &Ground,
    files: &Files,
    kubeconfig: PathBuf,
    admin: kube::Client,
) -> Part {
    let args = [
        flag("kubeconfig", &kubeconfig),
        flag("service-account-private-key-file", &files.tokens_key),
        flag("root-ca-file", &ground.ca_file),
        format!("--controllers={}", CONTROLLERS.join(",")),
        // Each controller is its own user, with the rights that Kubernetes binds to that; this one has hardly any.
        "--use-service-account-credentials=true".into(),
        "--leader-elect=false".into(),
        // Its metrics are of no use here, and a port is one more thing to be taken.
        "--secure-port=0".into(),
    ];
    let command = move |spec: Spec| spec.args(&args);
    // It serves once its first work is done: every namespace has its ServiceAccount.
    let probe = move || {
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "default");
        async move { Ok(accounts.get("default").await?) }
    };
    Part::new(
        ground,
        "kube-controller-manager",
        &ground.tools.kube_controller_manager,
        command,
        probe,
    )
}
