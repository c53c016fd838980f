//! A real API server and cert-manager, a tenant's namespace, and the passes that the operator makes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eoffice_operator::effect::Effects;
use eoffice_operator::kubernetes::apply::Cluster;
use eoffice_operator::kubernetes::desired::{
    Child, Endpoint, Officers, Wanted, certificates, front, guards,
};
use eoffice_operator::kubernetes::plan::{Step, plan};
use eoffice_operator::kubernetes::{Kind, ObjectKey};
use eoffice_operator::plan::{Change, Problem};
use eoffice_tests::operator::OFFICER_ROLE;
use eoffice_tests::parts::cert_manager::CertManager;
use eoffice_tests::parts::control_plane::{ControlPlane, ControlPlaneOptions};
use eoffice_tests::process::Spec;
use eoffice_tests::{Ground, Progress, helm};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ListParams};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

pub const NAMESPACE: &str = "eoffice-town-pak-chong-3021";
pub const HOST: &str = "town-pak-chong-3021.eoffice.example";

pub struct World {
    pub cluster: Cluster,
    pub control_plane: ControlPlane,
    pub cert_manager: CertManager,
    // The last to go.
    ground: Ground,
}

impl World {
    pub async fn start() -> Self {
        let ground = Ground::prepare(&Progress::lines()).await.unwrap();
        let control_plane = ControlPlane::new(&ground, ControlPlaneOptions::default())
            .await
            .unwrap();
        control_plane.start().await.unwrap();
        let cert_manager = CertManager::new(&ground, &control_plane).unwrap();
        let admin = control_plane.admin();
        cert_manager.install(&admin, &ground.tls).await.unwrap();
        cert_manager.part.start().await.unwrap();
        let values = json!({"installationId": "kubernetes-plane", "replicas": 0});
        helm::install(&ground, control_plane.admin_kubeconfig(), &values)
            .await
            .unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(admin, helm::NAMESPACE);
        let of_release = format!("app.kubernetes.io/instance={}", helm::RELEASE);
        let of_release = ListParams::default().labels(&of_release);
        let mut found = accounts.list(&of_release).await.unwrap().items;
        let account = found.remove(0).metadata.name.unwrap();
        let rights = control_plane.kubeconfig_of_service_account(helm::NAMESPACE, &account);
        let client = rights.await.unwrap().client().await.unwrap();
        Self {
            cluster: Cluster::new(client, Effects::new(&mut Registry::default())),
            control_plane,
            cert_manager,
            ground,
        }
    }

    /// Runs `kubectl` as a person with all rights.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        Spec::new("kubectl", &self.ground.tools.kubectl)
            .args(args)
            .arg(format!("--namespace={NAMESPACE}"))
            .env("KUBECONFIG", self.control_plane.admin_kubeconfig())
            .output()
            .await
    }

    /// The same, with something to apply or an editor's script in a file.
    pub async fn kubectl_with(&self, args: &[&str], content: &str) -> Result<String> {
        let file = self.ground.home.folder("kubectl")?.join("file");
        std::fs::write(&file, content)?;
        let file = file.display().to_string();
        let args: Vec<_> = args.iter().map(|arg| arg.replace("FILE", &file)).collect();
        self.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .await
    }

    /// Runs `kubectl edit` with this sed script as the editor.
    pub async fn edit(&self, object: &str, script: &str) -> Result<String> {
        Spec::new("kubectl", &self.ground.tools.kubectl)
            .args(["edit", object])
            .arg(format!("--namespace={NAMESPACE}"))
            .env("KUBECONFIG", self.control_plane.admin_kubeconfig())
            .env("KUBE_EDITOR", format!("sed -i '{script}'"))
            .output()
            .await
    }

    /// Takes in what the watches would have told of by now.
    pub async fn watched(&self) {
        for kind in Kind::ALL {
            let index = &self.cluster.index;
            let objects = match kind {
                Kind::Namespace => {
                    let live = self.cluster.get(NAMESPACE, &key(kind, NAMESPACE)).await;
                    live.unwrap().into_iter().collect()
                }
                _ => self.cluster.list(kind, NAMESPACE).await.unwrap(),
            };
            let of_tenant = |object: &&Value| {
                object["metadata"]["labels"][eoffice_crds::labels::TENANT].is_string()
            };
            let objects: Vec<_> = objects.iter().filter(of_tenant).collect();
            let located = |object: &&Value| {
                eoffice_operator::kubernetes::observe::locate(kind, object).unwrap()
            };
            for object in &objects {
                index.insert(kind, object);
            }
            index.retain_listed(kind, &objects.iter().map(located).collect::<Vec<_>>());
        }
    }

    /// What the plan says to do now.
    pub async fn steps(&self, desired: Vec<Child>) -> Vec<Step> {
        self.watched().await;
        let observed = self.cluster.index.objects(NAMESPACE);
        let kinds: BTreeSet<_> = Kind::ALL.into_iter().collect();
        let kinds: Vec<_> = kinds
            .into_iter()
            .filter(|kind| !matches!(kind, Kind::Secret | Kind::CertificateRequest))
            .collect();
        plan(desired, &observed, &kinds, |print| {
            self.cluster.accepted(print)
        })
    }

    /// What the plan says, each step examined.
    pub async fn changes(&self, desired: Vec<Child>) -> Result<Vec<Change<Step>>, Problem> {
        let mut changes = Vec::new();
        for step in self.steps(desired).await {
            changes.extend(self.cluster.examine(NAMESPACE, step).await?);
        }
        Ok(changes)
    }

    /// Carries out what the plan says, after which it says nothing more.
    pub async fn settle(&self, desired: Vec<Child>) {
        for change in self.changes(desired.clone()).await.unwrap() {
            let done = self.cluster.carry_out(NAMESPACE, &change.step).await;
            done.unwrap();
        }
        assert_eq!(self.steps(desired).await, []);
    }
}

pub fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        name: name.into(),
    }
}

pub fn wanted() -> Wanted {
    let class = json!({
        "baseDomain": "eoffice.example",
        "database": {"serverSelector": {"matchLabels": {"tier": "standard"}}, "connectionLimit": 20, "size": "10Gi"},
        "storage": {"storeName": "objects", "size": "50Gi", "versioning": true},
        "certificate": {"issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "gov"}},
        "ingress": {"className": "traefik",
            "controller": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}},
            "service": {"name": "eoffice", "port": 8080}, "probeAddress": "203.0.113.10:443"},
        "resources": {"requests.cpu": "2", "requests.memory": "4Gi", "pods": "20"},
    });
    let network = |cidr: &str, port| Endpoint {
        cidrs: vec![cidr.into()],
        port,
    };
    Wanted {
        tenant: "town-pak-chong-3021".into(),
        tenant_namespace: "province-30".into(),
        province: "30".into(),
        namespace: NAMESPACE.into(),
        class: serde_json::from_value(class).unwrap(),
        hosts: vec![HOST.into()],
        database_network: network("192.0.2.10/32", 5432),
        storage_network: network("192.0.2.20/32", 7070),
        open: true,
        officers: Some(Officers {
            group: "eoffice:province-30".into(),
            role: OFFICER_ROLE.into(),
        }),
    }
}

pub fn desired(wanted: &Wanted) -> Vec<Child> {
    [guards(wanted), certificates(wanted), front(wanted)].concat()
}

/// Awaits what other programs do in their own time.
pub async fn eventually<T, F: Future<Output = Result<T>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if Instant::now() >= deadline => {
                panic!("{:?}", Err::<(), _>(error).context(what.to_owned()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
