//! A control plane with the chart's definitions, rights and policies, the plugin on PATH, and a hand in the statuses.

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use eoffice_tests::home::workspace;
use eoffice_tests::parts::control_plane::{ControlPlane, ControlPlaneOptions};
use eoffice_tests::process::Spec;
use eoffice_tests::{Ground, Progress, apply, helm};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

/// What a person's screen shows at least.
const WIDTH: usize = 80;

pub struct Bed {
    pub control_plane: ControlPlane,
    pub ground: Ground,
    pub admin: Client,
    /// The account of the operator, whose part in the statuses is played with it.
    operator: OnceCell<Client>,
    plugin: Plugin,
}

/// The plugin under both its names, and kubectl, which finds it.
pub struct Plugin {
    folder: PathBuf,
    kubectl: PathBuf,
    home: PathBuf,
}

/// What a run of a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The answer, which must have come with this exit code.
    #[track_caller]
    pub fn gave(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        for line in self.out.lines() {
            assert!(columns(line) <= WIDTH, "wider than {WIDTH} columns: {line}");
            assert!(!line.contains('\x1b'), "colours without a terminal: {line}");
        }
        self.out
    }

    /// What a refusal says, after what was asked, on one line.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.code, 1, "{self:#?}");
        let says = |line: &str| line.starts_with("error: ");
        assert!(self.err.lines().any(says), "{self:#?}");
        one_line(&self.err)
    }
}

/// The words, however they are wrapped.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Thai vowels and tone marks above and below a letter take no column.
fn columns(line: &str) -> usize {
    let above_or_below =
        |c: &char| matches!(c, '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}');
    line.chars().filter(|c| !above_or_below(c)).count()
}

impl Plugin {
    /// Builds it, and puts it into the sandbox's home.
    pub async fn install(ground: &Ground) -> Self {
        let program = crate::build::plugin().await;
        let folder = ground.home.folder("plugins").unwrap();
        for name in ["kubectl-eoffice", "kubectl_complete-eoffice"] {
            symlink(&program, folder.join(name)).unwrap();
        }
        Self {
            folder,
            kubectl: ground.tools.kubectl.clone(),
            home: ground.home.root().to_owned(),
        }
    }

    /// Runs `kubectl eoffice`, words divided by blanks.
    pub async fn run(&self, kubeconfig: &Path, words: &str) -> Ran {
        self.shell(kubeconfig, &format!("kubectl eoffice {words}"))
            .await
    }

    /// Runs a line of shell with kubectl and the plugin on PATH.
    pub async fn shell(&self, kubeconfig: &Path, script: &str) -> Ran {
        let kubectl = self.kubectl.parent().unwrap();
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            self.folder.display(),
            kubectl.display()
        );
        let (process, out, err) = Spec::new("kubectl eoffice", "sh")
            .args(["-c", script])
            .env("PATH", path)
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", &self.home)
            .spawn_piped()
            .unwrap();
        let mut out_pipe = tokio::process::ChildStdout::from_std(out).unwrap();
        let mut err_pipe = tokio::process::ChildStderr::from_std(err).unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        tokio::try_join!(
            out_pipe.read_to_string(&mut out),
            err_pipe.read_to_string(&mut err)
        )
        .unwrap();
        Ran {
            code: process.wait().await.code().unwrap(),
            out,
            err,
        }
    }

    /// A file of the sandbox.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Bed {
    pub async fn start() -> Self {
        let ground = Ground::prepare(&Progress::lines()).await.unwrap();
        let control_plane = ControlPlane::new(&ground, ControlPlaneOptions::default())
            .await
            .unwrap();
        control_plane.start().await.unwrap();
        let bed = Self {
            admin: control_plane.admin(),
            operator: OnceCell::new(),
            plugin: Plugin::install(&ground).await,
            control_plane,
            ground,
        };
        bed.apply(&provinces()).await;
        bed
    }

    /// The chart as Helm installs it, without any replica of the operator.
    pub async fn install_the_chart(&self) {
        let values = json!({"installationId": "sandbox", "replicas": 0});
        helm::install(&self.ground, self.control_plane.admin_kubeconfig(), &values)
            .await
            .unwrap();
    }

    /// Servers, store and classes of examples/platform.
    pub async fn describe_the_platform(&self) {
        for entry in fs::read_dir(workspace().join("examples/platform")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if ["tenantclass", "databaseserver", "objectstore"]
                .iter()
                .any(|kind| name.starts_with(kind))
            {
                self.apply(&apply::parse(&fs::read_to_string(path).unwrap()).unwrap())
                    .await;
            }
        }
    }

    /// A client with the rights that the chart gives the operator.
    pub async fn as_operator(&self) -> Client {
        let client = async || {
            let account = self
                .control_plane
                .kubeconfig_of_service_account("eoffice-system", "eoffice-operator");
            account.await.unwrap().client().await.unwrap()
        };
        self.operator.get_or_init(client).await.clone()
    }

    pub async fn apply(&self, objects: &[Value]) {
        apply::apply(&self.admin, objects).await.unwrap();
    }

    /// A tenant in a province's namespace, with the status that the operator would have given it.
    pub async fn tenant(&self, namespace: &str, name: &str, status: Value) {
        self.apply(&[tenant(namespace, name)]).await;
        self.says::<eoffice_crds::EOfficeTenant>(Some(namespace), name, status)
            .await;
    }

    /// Writes into a status, as the operator does.
    pub async fn says<K>(&self, namespace: Option<&str>, name: &str, status: Value)
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        says(
            &self.as_operator().await,
            K::url_path(&(), namespace),
            name,
            status,
        )
        .await;
    }

    pub fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.admin.clone(), namespace)
    }

    /// Runs `kubectl eoffice` as the admin, words divided by blanks.
    pub async fn run(&self, words: &str) -> Ran {
        self.run_as(self.control_plane.admin_kubeconfig(), words)
            .await
    }

    /// Runs it with another kubeconfig.
    pub async fn run_as(&self, kubeconfig: &Path, words: &str) -> Ran {
        self.plugin.run(kubeconfig, words).await
    }

    /// Runs a line of shell with kubectl and the plugin on PATH.
    pub async fn shell(&self, kubeconfig: &Path, script: &str) -> Ran {
        self.plugin.shell(kubeconfig, script).await
    }

    /// A file of the sandbox.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        self.plugin.file(name, text)
    }

    /// Plays the operator: whatever is written of this kind is answered with a new status, where there is an answer.
    pub async fn operator<K>(
        &self,
        answer: impl Fn(&K) -> Option<Value> + Send + Sync + 'static,
    ) -> Operator
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let client = self.as_operator().await;
        Operator(tokio::spawn(async move {
            let objects = watcher(Api::<K>::all(client.clone()), watcher::Config::default())
                .default_backoff()
                .touched_objects();
            let mut objects = std::pin::pin!(objects);
            while let Ok(Some(object)) = objects.try_next().await {
                if let Some(status) = answer(&object) {
                    let path = K::url_path(&(), object.meta().namespace.as_deref());
                    let name = object.meta().name.clone().unwrap();
                    says(&client, path, &name, status).await;
                }
            }
        }))
    }
}

/// Somebody who answers as the operator would, until dropped.
pub struct Operator(JoinHandle<()>);

impl Drop for Operator {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Merges a status. An object that is gone meanwhile needs none.
async fn says(client: &Client, path: String, name: &str, status: Value) {
    let request = kube::core::Request::new(path);
    let change = json!({"status": status});
    let request = request
        .patch_subresource(
            "status",
            name,
            &PatchParams::default(),
            &Patch::Merge(change),
        )
        .unwrap();
    match client.request::<Value>(request).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        answer => drop(answer.unwrap()),
    }
}

fn provinces() -> Vec<Value> {
    let namespace = |code: &str| {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": format!("province-{code}"), "labels": {"eoffice.gdcc.go.th/province": code}},
        })
    };
    ["30", "31", "32", "33", "34"].map(namespace).into()
}

/// An agency's tenant.
pub fn tenant(namespace: &str, name: &str) -> Value {
    let province = namespace.strip_prefix("province-").unwrap();
    json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "agency": {"nameTh": "เทศบาลเมืองปากช่อง", "nameEn": "Pak Chong Town", "kind": "TownMunicipality",
                       "province": province},
            "className": "standard",
        },
    })
}

/// A condition of a status.
pub fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T10:00:00Z",
    })
}

/// The objects of a kind that are there.
pub async fn names<K>(api: &Api<K>) -> Vec<String>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let found = api.list(&Default::default()).await.unwrap();
    found
        .items
        .iter()
        .map(|it| it.meta().name.clone().unwrap())
        .collect()
}

/// Awaits an object that looks so.
pub async fn seen<K>(api: Api<K>, name: &str, looks: impl Fn(&K) -> bool) -> K
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let objects = watcher::watch_object(api, name).default_backoff();
    let mut objects = std::pin::pin!(objects);
    loop {
        if let Some(Ok(Some(object))) = objects.next().await
            && looks(&object)
        {
            return object;
        }
    }
}
