//! Asks for plans, and reads what was done in the operator's audit.

use anyhow::{Context, Result, bail, ensure};
use eoffice_crds::{
    Action, ConditionType, EOfficeTenantSpec, Plane, PlannedTenant, TenantPlan, TenantPlanSpec,
    annotations,
};
use eoffice_tests::e2e::security::{Platform, condition, eventually};
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use serde::Deserialize;
use serde_json::{Value, json};

/// One step, planned or done.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub plane: Plane,
    pub object: String,
    pub field: String,
    pub action: Action,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Whether the plan says that it would not be done now.
    pub withheld: bool,
}

/// Asks for plans.
pub struct Plans {
    api: Api<TenantPlan>,
}

impl Plans {
    pub fn of(platform: &Platform) -> Self {
        Self {
            api: platform.within("province-30"),
        }
    }

    pub fn of_tenant(&self, name: &str) -> TenantPlanSpec {
        question(json!({"tenantName": name}))
    }

    pub fn inline(&self, name: &str, spec: EOfficeTenantSpec) -> TenantPlanSpec {
        let mut question = question(json!({"tenantName": name}));
        question.tenant_name = None;
        question.tenant = Some(PlannedTenant {
            name: name.to_owned(),
            spec,
        });
        question
    }

    pub async fn all(&self) -> Result<Vec<TenantPlan>> {
        Ok(self.api.list(&ListParams::default()).await?.items)
    }

    /// The steps that are planned.
    pub async fn steps(&self, question: TenantPlanSpec) -> Result<Vec<Step>> {
        let status = self.answer(question).await?.status.unwrap_or_default();
        let planned = &status.conditions[0];
        ensure!(
            planned.status == "True",
            "{}: {}",
            planned.reason,
            planned.message
        );
        let step = |step: eoffice_crds::PlannedStep| Step {
            plane: step.plane,
            object: step.object,
            field: step.field,
            action: step.action,
            before: step.before,
            after: step.after,
            withheld: step.withheld.is_some(),
        };
        Ok(status.steps.into_iter().map(step).collect())
    }

    /// Why it cannot be.
    pub async fn refusal(&self, question: TenantPlanSpec) -> Result<String> {
        let status = self.answer(question).await?.status.unwrap_or_default();
        let planned = &status.conditions[0];
        ensure!(planned.status == "False", "it is planned");
        Ok(planned.reason.clone())
    }

    async fn answer(&self, question: TenantPlanSpec) -> Result<TenantPlan> {
        let mut plan = TenantPlan::new("", question);
        plan.metadata.name = None;
        plan.metadata.generate_name = Some("ask-".into());
        let made = self.api.create(&PostParams::default(), &plan).await?;
        eventually("the plan is answered", || async {
            let plan = self.api.get(&made.name_any()).await?;
            let answered = plan.status.as_ref().and_then(|it| it.observed_generation);
            ensure!(answered == plan.metadata.generation, "no answer");
            Ok(plan)
        })
        .await
    }
}

fn question(spec: Value) -> TenantPlanSpec {
    // The literal above is of the type.
    serde_json::from_value(spec).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Stops changes of a tenant, or lets them go on, and awaits that the operator knows.
pub async fn paused(platform: &Platform, name: &str, on: bool) -> Result<()> {
    let value = on.then_some("true");
    let patch = json!({"metadata": {"annotations": {annotations::PAUSED: value}}});
    platform.merge(platform.tenants(), name, patch).await?;
    if on {
        platform
            .until(name, "Paused", |tenant| {
                condition(tenant, ConditionType::Paused).is_some()
            })
            .await?;
    }
    Ok(())
}

/// The changes that the operator's audit tells of this tenant, from this place in its log on.
pub fn made(platform: &Platform, name: &str, from: usize) -> Result<Vec<Step>> {
    #[derive(Deserialize)]
    struct Line {
        tenant: String,
        plane: String,
        object: String,
        #[serde(default)]
        field: String,
        action: String,
        before: Option<String>,
        after: Option<String>,
    }
    let said = platform.operator.said()?;
    let mut steps = Vec::new();
    for line in said[from..].lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if line["target"] != "audit" || line["event"] != "change" || line["tenant"] != name {
            continue;
        }
        let line: Line = serde_json::from_value(line).context("a line of the audit")?;
        ensure!(line.tenant == name);
        let word = |word: &str| Value::String(word.to_owned());
        steps.push(Step {
            plane: serde_json::from_value(word(&line.plane))?,
            object: line.object,
            field: line.field,
            action: serde_json::from_value(word(&line.action))?,
            before: line.before,
            after: line.after,
            withheld: false,
        });
    }
    Ok(steps)
}

/// Shows that what was done is what was planned, plane by plane, in the same order.
pub fn same(planned: &[Step], done: &[Step]) -> Result<()> {
    for plane in Plane::ALL {
        let of = |steps: &[Step]| -> Vec<Step> {
            let mut steps: Vec<Step> = steps.to_vec();
            steps.retain(|step| step.plane == *plane);
            steps.iter_mut().for_each(|step| step.withheld = false);
            steps
        };
        let (planned, done) = (of(planned), of(done));
        if planned != done {
            let show = |steps: &[Step]| {
                let line = |step: &Step| {
                    format!(
                        "  {} {} {}: {:?} -> {:?}",
                        step.action, step.object, step.field, step.before, step.after
                    )
                };
                steps.iter().map(line).collect::<Vec<_>>().join("\n")
            };
            bail!(
                "{plane}: planned\n{}\ndone\n{}",
                show(&planned),
                show(&done)
            );
        }
    }
    Ok(())
}
