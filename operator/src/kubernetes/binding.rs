//! A RoleBinding never changes its role: one with another role gives way to a new one.

use super::apply::Cluster;
use super::desired::Child;
use crate::plan::Problem;
use kube::api::{DeleteParams, Preconditions, PropagationPolicy};
use serde_json::Value;

impl Cluster {
    /// Removes exactly the object that is read here, where its role is another than the child's. Until the child is
    /// made, now or by the next pass, nobody has the role.
    pub(super) async fn make_way(&self, namespace: &str, child: &Child) -> Result<(), Problem> {
        match self.get(namespace, &child.key).await? {
            Some(live) if live["roleRef"] != child.body["roleRef"] => {
                self.remove(namespace, &child.key, &exactly(&live)).await
            }
            _ => Ok(()),
        }
    }
}

fn exactly(live: &Value) -> DeleteParams {
    let text = |field: &str| live["metadata"][field].as_str().map(str::to_owned);
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: text("uid"),
            resource_version: text("resourceVersion"),
        }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    }
}
