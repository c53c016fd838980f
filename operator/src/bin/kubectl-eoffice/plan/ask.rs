//! One question put to the operator: a TenantPlan made, awaited, read and removed.

use super::question::Question;
use crate::client::{Cluster, FIELD_MANAGER, call, follow};
use crate::failure::{Failure, Kind, Result};
use eoffice_crds::{TenantPlan, TenantPlanStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, PostParams, Request};
use kube::{Resource, ResourceExt};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the operator answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// All of it.
    pub status: TenantPlanStatus,
    /// The condition Planned.
    pub planned: Option<Condition>,
}

impl From<TenantPlanStatus> for Answer {
    fn from(status: TenantPlanStatus) -> Self {
        let planned = status
            .conditions
            .iter()
            .find(|it| it.type_ == "Planned")
            .cloned();
        Self { status, planned }
    }
}

impl Answer {
    /// Whether it could be carried out.
    pub fn is_possible(&self) -> bool {
        self.planned.as_ref().is_some_and(|it| it.status == "True")
    }

    /// How many steps would be carried out.
    pub fn changes(&self) -> i64 {
        self.status.changes.unwrap_or_default()
    }

    /// How many of them can destroy data or close access.
    pub fn destructive(&self) -> i64 {
        self.status.destructive.unwrap_or_default()
    }
}

/// Puts the question and takes it away again, whatever becomes of it.
pub async fn ask(
    cluster: &Cluster,
    question: &Question,
    within: Duration,
    stop: &CancellationToken,
) -> Result<Answer> {
    let doing = format!(
        "plan {} in namespace {}",
        question.subject, question.namespace
    );
    let interrupted = || Failure::new(format!("{doing}: interrupted"));
    if stop.is_cancelled() {
        return Err(interrupted());
    }
    let plan = create(cluster, question, &doing).await?;
    let api = cluster.within::<TenantPlan>(&question.namespace);
    let (name, generation) = (plan.name_any(), plan.metadata.generation);
    let answered = follow(&doing, api.clone(), &name, within, |plan| match plan {
        None => Some(Err(Failure::new(format!(
            "{doing}: the question was deleted before it was answered"
        )))),
        Some(plan) => {
            let status = plan.status.clone()?;
            (status.observed_generation.is_some() && status.observed_generation >= generation)
                .then_some(Ok(status))
        }
    });
    let answer = tokio::select! {
        answer = answered => answer.and_then(|answer| answer),
        () = stop.cancelled() => Err(interrupted()),
    };
    // A question that stays removes itself within an hour: its answer counts all the same.
    let _ = call(&doing, api.delete(&name, &DeleteParams::default())).await;
    answer.map(Answer::from)
}

/// Fields that do not exist are refused, as kubectl has them refused: a misspelt one would change nothing in silence.
async fn create(cluster: &Cluster, question: &Question, doing: &str) -> Result<TenantPlan> {
    let Question {
        namespace,
        name,
        spec,
        ..
    } = question;
    let object = json!({
        "apiVersion": TenantPlan::api_version(&()),
        "kind": TenantPlan::kind(&()),
        "metadata": {"generateName": format!("{name}-")},
        "spec": spec,
    });
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let unsent = || {
        Failure::new(format!(
            "{doing}: the request cannot be made; is the name of it well formed?"
        ))
    };
    let path = TenantPlan::url_path(&(), Some(namespace));
    let mut request = Request::new(path)
        .create(&params, object.to_string().into_bytes())
        .map_err(|_| unsent())?;
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict.parse().map_err(|_| unsent())?;
    call(doing, cluster.client.request::<TenantPlan>(request))
        .await
        .map_err(|failure| match failure.kind {
            Kind::Forbidden => Failure::of(
                Kind::Forbidden,
                format!("{failure}. Ask for a role in namespace {namespace} that allows create, get, list, watch and \
                         delete on tenantplans, such as edit"),
            ),
            _ => failure,
        })
}
