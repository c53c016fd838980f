//! People of all offices, and the moment from which admission tells them apart.

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eoffice_tests::kubeconfig::Kubeconfig;
use kube::api::{Api, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bed::Bed;

/// The group of approvers in the chart's values.
const APPROVERS: &str = "eoffice:approvers";
/// The group of platform admins there.
const PLATFORM_ADMINS: &str = "eoffice:platform-admins";
/// A policy is in force within 3 s.
const PATIENCE: Duration = Duration::from_secs(30);

impl Bed {
    /// The kubeconfig of a person with a built-in role in one namespace.
    pub async fn person(&self, name: &str, role: &str, namespace: &str) -> PathBuf {
        self.person_of("ClusterRole", name, role, namespace).await
    }

    /// The kubeconfig of a person with a Role or ClusterRole in one namespace.
    pub async fn person_of(&self, kind: &str, name: &str, role: &str, namespace: &str) -> PathBuf {
        self.apply(&[json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}],
        })])
        .await;
        let kubeconfig: Kubeconfig = self.control_plane.kubeconfig_of(name).unwrap();
        let folder = self.ground.home.folder("people").unwrap();
        kubeconfig
            .write(&folder, &format!("{name}.kubeconfig"))
            .unwrap()
    }

    /// The kubeconfig of an approver, with the role that the chart has for approvers.
    pub async fn approver(&self, name: &str) -> PathBuf {
        self.member(name, APPROVERS, "approver").await
    }

    /// The same of a platform admin.
    pub async fn platform_admin(&self, name: &str) -> PathBuf {
        self.member(name, PLATFORM_ADMINS, "platform-admin").await
    }

    async fn member(&self, name: &str, group: &str, role: &str) -> PathBuf {
        self.apply(&[json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{role}s")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": format!("eoffice-operator-{role}")},
            "subjects": [{"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}],
        })])
        .await;
        let admin = fs::read_to_string(self.control_plane.admin_kubeconfig()).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&admin).unwrap();
        let user = &mut kubeconfig["users"][0]["user"];
        user["as"] = name.into();
        user["as-groups"] = json!([group, "system:authenticated"]);
        self.file(&format!("{name}.kubeconfig"), &kubeconfig.to_string())
    }
}

/// Awaits that admission refuses a change, which is tried without effect.
pub async fn is_refused<K>(api: &Api<K>, name: &str, change: &Value)
where
    K: Clone + Debug + DeserializeOwned,
{
    let deadline = Instant::now() + PATIENCE;
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    while api
        .patch(name, &params, &Patch::Merge(change))
        .await
        .is_ok()
    {
        assert!(Instant::now() < deadline, "{name}: {change} is not refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
