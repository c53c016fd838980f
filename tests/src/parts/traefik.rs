//! Traefik, the ingress.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::control_plane::ControlPlane;
use crate::apply::apply;
use crate::ground::Ground;
use crate::kubeconfig::token;
use crate::net::{free_port, is_free};
use crate::part::Part;
use crate::pki::write_private;
use crate::process::Spec;

/// The IngressClass it serves.
pub const INGRESS_CLASS: &str = "traefik";
/// The namespace it is said to run in, which network policies let in.
pub const NAMESPACE: &str = "traefik";
const NAME: &str = "traefik";

/// The ingress controller, serving HTTPS on one port.
#[derive(Debug)]
pub struct Traefik {
    /// The process.
    pub part: Part,
    port: u16,
    token: PathBuf,
}

impl Traefik {
    /// Prepares it, to be installed and then started; on `port`, or a free one.
    pub fn new(ground: &Ground, control_plane: &ControlPlane, port: Option<u16>) -> Result<Self> {
        let port = match port {
            Some(port) if !is_free(port) => bail!(
                "port {port}, asked for the ingress, is taken: end what listens there, or let a free port be picked"
            ),
            Some(port) => port,
            None => free_port()?,
        };
        let folder = ground.home.folder("traefik")?;
        let token = folder.join("token");
        let kubernetes =
            |name: &str, value: &str| format!("--providers.kubernetesingress.{name}={value}");
        let args = [
            format!("--entrypoints.websecure.address=127.0.0.1:{port}"),
            // Without it HTTPS is answered 404, and with a plain entrypoint beside it every Ingress is served plain too.
            "--entrypoints.websecure.http.tls=true".into(),
            "--providers.kubernetesingress=true".into(),
            kubernetes("endpoint", control_plane.server()),
            kubernetes("certauthfilepath", &ground.ca_file.display().to_string()),
            kubernetes("token", &token.display().to_string()),
            kubernetes("ingressclass", INGRESS_CLASS),
            "--providers.providersthrottleduration=100ms".into(),
            "--global.checknewversion=false".into(),
            "--global.sendanonymoususage=false".into(),
            "--log.level=INFO".into(),
        ];
        let dir = folder.clone();
        let command = move |spec: Spec| spec.args(&args).dir(&dir);
        let probe = move || async move { Ok(TcpStream::connect(("127.0.0.1", port)).await?) };
        Ok(Self {
            part: Part::new(ground, "traefik", &ground.tools.traefik, command, probe),
            port,
            token,
        })
    }

    /// Puts its account, rights and class into the cluster, and takes a token; it is to be started after that.
    pub async fn install(&self, admin: &kube::Client) -> Result<()> {
        apply(admin, &objects()).await?;
        let token = token(admin, NAMESPACE, NAME)
            .await
            .context("let Traefik into the cluster")?;
        write_private(&self.token, &token)
    }

    /// Where it serves, `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port it serves on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn objects() -> Vec<Value> {
    let watch = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"]});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAMESPACE}}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAME},
            "rules": [
                // It serves nothing without the right to see nodes, though there are none.
                watch("", &["services", "secrets", "nodes"]),
                watch("discovery.k8s.io", &["endpointslices"]),
                watch("networking.k8s.io", &["ingresses", "ingressclasses"]),
                {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": INGRESS_CLASS},
            "spec": {"controller": "traefik.io/ingress-controller"},
        }),
    ]
}
