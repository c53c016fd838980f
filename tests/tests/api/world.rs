//! A control plane with the chart installed, and who asks it.

use std::time::{Duration, Instant};

use eoffice_tests::kubeconfig::person;
use eoffice_tests::parts::control_plane::{ControlPlane, ControlPlaneOptions};
use eoffice_tests::process::Spec;
use eoffice_tests::{Ground, Progress, apply, helm};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, Error};
use serde_json::{Value, json};

/// Whoever has every right that RBAC gives, and is no platform admin: only admission stands in the way.
pub const OFFICERS: &str = "test:officers";
/// The operator.
pub const OPERATOR: &str = "system:serviceaccount:eoffice-system:eoffice-operator";

pub struct World {
    pub control_plane: ControlPlane,
    pub ground: Ground,
}

impl World {
    pub async fn start() -> Self {
        let ground = Ground::prepare(&Progress::lines()).await.unwrap();
        let control_plane = ControlPlane::new(&ground, ControlPlaneOptions::default())
            .await
            .unwrap();
        control_plane.start().await.unwrap();
        let values = json!({"installationId": "sandbox", "replicas": 0});
        helm::install(&ground, control_plane.admin_kubeconfig(), &values)
            .await
            .unwrap();
        let world = Self {
            control_plane,
            ground,
        };
        world.apply(BEFORE).await;
        world
    }

    pub fn admin(&self) -> Client {
        self.control_plane.admin()
    }

    /// A client that asks as `user` of `groups`.
    pub async fn client(&self, user: &str, groups: &[&str]) -> Client {
        let file = self.control_plane.admin_kubeconfig();
        person(file, user, groups).await.unwrap()
    }

    pub async fn apply(&self, yaml: &str) {
        apply::apply(&self.admin(), &apply::parse(yaml).unwrap())
            .await
            .unwrap();
    }

    /// Runs kubectl as the admin.
    pub async fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        let cache = self.ground.home.folder("kubectl")?;
        Spec::new("kubectl", &self.ground.tools.kubectl)
            .args(args)
            .arg(format!("--cache-dir={}", cache.display()))
            .env("KUBECONFIG", self.control_plane.admin_kubeconfig())
            .output()
            .await
    }
}

/// One object whose API is found out by its kind.
pub struct Handle {
    pub api: Api<DynamicObject>,
    pub name: String,
    object: DynamicObject,
}

impl Handle {
    pub async fn new(client: &Client, object: &Value) -> Self {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let kind = GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
        let (resource, scope): (ApiResource, Scope) = eventually(|| async {
            let (resource, capabilities) = pinned_kind(client, &kind).await?;
            Ok((resource, capabilities.scope))
        })
        .await;
        let api = match scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => {
                let namespace = object.metadata.namespace.as_deref().unwrap();
                Api::namespaced_with(client.clone(), namespace, &resource)
            }
        };
        let name = object.metadata.name.clone().unwrap();
        Self { api, name, object }
    }

    pub async fn create(&self) -> Result<(), Error> {
        self.api
            .create(&PostParams::default(), &self.object)
            .await
            .map(drop)
    }

    pub async fn try_create(&self) -> Result<(), Error> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        self.api.create(&params, &self.object).await.map(drop)
    }

    pub async fn patch(&self, patch: &Value) -> Result<(), Error> {
        let params = PatchParams::default();
        self.api
            .patch(&self.name, &params, &Patch::Merge(patch))
            .await
            .map(drop)
    }

    pub async fn try_patch(&self, patch: &Value) -> Result<(), Error> {
        let params = PatchParams::default().dry_run();
        self.api
            .patch(&self.name, &params, &Patch::Merge(patch))
            .await
            .map(drop)
    }

    pub async fn delete(&self) -> Result<(), Error> {
        self.api
            .delete(&self.name, &DeleteParams::default())
            .await
            .map(drop)
    }

    pub async fn try_delete(&self) -> Result<(), Error> {
        self.api
            .delete(&self.name, &DeleteParams::default().dry_run())
            .await
            .map(drop)
    }
}

/// The API server takes up definitions, policies and namespaces' labels in its own time.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn eventually<T, F: Future<Output = Result<T, Error>>>(
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Awaits that the attempt is let through.
pub async fn allowed<F: Future<Output = Result<(), Error>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = attempt().await {
        assert!(
            Instant::now() < deadline,
            "{what} should be allowed: {error}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Awaits that the attempt is refused with this sentence. The attempt must be a dry run: it may pass at first.
pub async fn refused<F: Future<Output = Result<(), Error>>>(
    what: &str,
    sentence: &str,
    mut attempt: impl FnMut() -> F,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let result = attempt().await;
        if result
            .as_ref()
            .is_err_and(|error| error.to_string().contains(sentence))
        {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{what} should be refused with {sentence:?}: {result:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const BEFORE: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: province-30, labels: {eoffice.gdcc.go.th/province: "30"}}
---
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: v1
kind: Namespace
metadata:
  name: eoffice-town
  labels: {eoffice.gdcc.go.th/tenant: town, eoffice.gdcc.go.th/province: "30"}
  annotations: {eoffice.gdcc.go.th/hosts: "town.eoffice.example,eoffice.pakchong.go.th"}
---
# A tenant's namespace in another province.
apiVersion: v1
kind: Namespace
metadata: {name: province-32, labels: {eoffice.gdcc.go.th/province: "32"}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: eoffice-other
  labels: {eoffice.gdcc.go.th/tenant: other, eoffice.gdcc.go.th/province: "32"}
---
# As the operator makes it.
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: eoffice-officers, namespace: eoffice-town}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: eoffice-operator-officer-look}
subjects: [{kind: Group, name: "eoffice:province-30", apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-officers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: "test:officers", apiGroup: rbac.authorization.k8s.io}]
"#;
