//! cert-manager, with an issuer that signs with the sandbox's authority.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::control_plane::ControlPlane;
use crate::apply::{apply, apply_together, parse};
use crate::ground::Ground;
use crate::part::Part;
use crate::pki::Authority;
use crate::process::Spec;

/// The ClusterIssuer's name.
pub const ISSUER: &str = "gov";
/// Where the secrets of ClusterIssuers are.
const NAMESPACE: &str = "cert-manager";
/// The user it is known as to the API server.
const USER: &str = "cert-manager";

/// cert-manager's controllers.
#[derive(Debug)]
pub struct CertManager {
    /// The process; it is ready once its issuer is.
    pub part: Part,
    crds: PathBuf,
}

impl CertManager {
    /// Prepares it, to be installed and then started.
    pub fn new(ground: &Ground, control_plane: &ControlPlane) -> Result<Self> {
        let kubeconfig = control_plane
            .kubeconfig_of(USER)?
            .write(control_plane.folder(), "cert-manager.kubeconfig")?;
        let args = [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--cluster-resource-namespace={NAMESPACE}"),
        ];
        let command = move |spec: Spec| spec.args(&args);
        let admin = control_plane.admin();
        let probe = move || {
            let admin = admin.clone();
            async move { issuer_is_ready(&admin).await }
        };
        Ok(Self {
            part: Part::new(
                ground,
                "cert-manager",
                &ground.tools.cert_manager,
                command,
                probe,
            ),
            crds: ground.tools.cert_manager_crds.clone(),
        })
    }

    /// Puts its definitions, its rights and its issuer into the cluster.
    pub async fn install(&self, admin: &kube::Client, tls: &Authority) -> Result<()> {
        let mut definitions = Vec::new();
        for entry in fs::read_dir(&self.crds)
            .with_context(|| format!("read cert-manager's CRDs in {}", self.crds.display()))?
        {
            let path = entry.context("read cert-manager's CRDs")?.path();
            // The group of ACME is left out: nothing of it runs here.
            let wanted = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("cert-manager.io_"));
            if wanted {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("read {}", path.display()))?;
                definitions.extend(parse(&text)?);
            }
        }
        apply_together(admin, &definitions).await?;
        apply(admin, &rights()).await?;
        apply(admin, &issuer(tls)).await
    }
}

async fn issuer_is_ready(admin: &kube::Client) -> Result<()> {
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "ClusterIssuer");
    let issuers: Api<DynamicObject> = Api::all_with(admin.clone(), &ApiResource::from_gvk(&kind));
    let issuer = issuers.get(ISSUER).await?;
    let ready = issuer.data["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        });
    if !ready {
        bail!(
            "ClusterIssuer {ISSUER} is not Ready: {}",
            issuer.data["status"]
        );
    }
    Ok(())
}

fn rights() -> Vec<Value> {
    let rule = |groups: &[&str], resources: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": ["*"]});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": USER},
            "rules": [
                rule(&["cert-manager.io"], &["*"]),
                rule(&[""], &["secrets", "events"]),
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        }),
    ]
}

fn issuer(tls: &Authority) -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "sandbox-ca", "namespace": NAMESPACE},
            "stringData": {"tls.crt": tls.cert(), "tls.key": tls.key()},
        }),
        json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "ClusterIssuer",
            "metadata": {"name": ISSUER},
            "spec": {"ca": {"secretName": "sandbox-ca"}},
        }),
    ]
}
