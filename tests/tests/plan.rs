//! What a TenantPlan says is what then happens, step by step; it changes nothing, says why a tenant cannot be, and
//! removes itself.

#[path = "plan/ask.rs"]
mod ask;
#[path = "plan/cases.rs"]
mod cases;
#[path = "plan/change.rs"]
mod change;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{Action, ConditionType, EOfficeTenantSpec, TenantPlanSpec, annotations};
use eoffice_tests::e2e::core::{Counts, class};
use eoffice_tests::e2e::security::{Platform, condition, eventually, tenant};
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::json;

use ask::{Plans, Step, made, paused};
use cases::{Case, TENANTS};

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn a_plan_is_what_then_happens() {
    let options = OperatorOptions {
        args: vec![
            "--breaker-limit=1000".into(),
            "--breaker-delay=200ms".into(),
            "--plan-kept=60s".into(),
        ],
        ..OperatorOptions::default()
    };
    let platform = Platform::start(Options::default(), options).await.unwrap();
    let scenarios: Vec<(&str, futures::future::BoxFuture<'_, Result<()>>)> = vec![
        (
            "a new tenant is made just as planned",
            a_new_tenant(&platform).boxed(),
        ),
        (
            "a plan that cannot be says why",
            what_cannot_be(&platform).boxed(),
        ),
        (
            "a hundred changes and drifts are carried out just as planned",
            hundred_cases(&platform).boxed(),
        ),
        (
            "what another class would mean is planned and not done",
            another_class(&platform).boxed(),
        ),
    ];
    for scenario in scenarios {
        platform.all(vec![scenario]).await.unwrap();
    }
}

async fn a_new_tenant(platform: &Platform) -> Result<()> {
    let object = tenant("town-planned-3021");
    let spec: EOfficeTenantSpec = serde_json::from_value(object["spec"].clone())?;
    let plans = Plans::of(platform);
    let question = plans.inline("town-planned-3021", spec);
    let planned = plans.steps(question.clone()).await?;
    let others = || async {
        let mut changes = Counts::of(&platform.operator).await?.changes();
        changes.remove("Kubernetes answer_plan");
        // Of classes, servers and stores, which are looked at all the time.
        changes.remove("Kubernetes patch_status");
        anyhow::Ok(changes)
    };
    let before = others().await?;
    ensure!(
        planned == plans.steps(question).await?,
        "it is the same again"
    );
    let after = others().await?;
    ensure!(
        before == after,
        "a plan changes nothing: {before:?} {after:?}"
    );
    platform.apply(&[object]).await?;
    platform.ready("town-planned-3021").await?;
    let made = made(platform, "town-planned-3021", 0)?;
    // Once both are there, each backend is told of the other, and whose they are: nobody can know before what they
    // will be called.
    let known_before = |steps: Vec<Step>| -> Vec<Step> {
        let later = |step: &Step| {
            step.action == Action::Update
                && (step.object == "TenantRecord/record"
                    || ["mark", "tags.eoffice-twin"].contains(&step.field.as_str()))
        };
        steps.into_iter().filter(|step| !later(step)).collect()
    };
    ask::same(&known_before(planned), &known_before(made))
}

async fn what_cannot_be(platform: &Platform) -> Result<()> {
    let plans = Plans::of(platform);
    let object = tenant("town-refused-3021");
    let spec = |change: &dyn Fn(&mut EOfficeTenantSpec)| -> Result<TenantPlanSpec> {
        let mut spec = serde_json::from_value(object["spec"].clone())?;
        change(&mut spec);
        Ok(plans.inline("town-refused-3021", spec))
    };
    let rows = [
        (
            spec(&|spec| spec.class_name = Some("no-such-class".into()))?,
            "ClassNotFound",
        ),
        (
            spec(&|spec| spec.agency.province = "31".into())?,
            "ProvinceMismatch",
        ),
        (plans.of_tenant("nobody-3021"), "InvalidSpec"),
    ];
    for (question, reason) in rows {
        let said = plans.refusal(question).await?;
        ensure!(said == reason, "{said} instead of {reason}");
    }
    eventually("plans remove themselves", || async {
        let left = plans.all().await?;
        ensure!(left.is_empty(), "{} plans are there", left.len());
        Ok(())
    })
    .await
}

async fn hundred_cases(platform: &Platform) -> Result<()> {
    let names: Vec<String> = (0..TENANTS).map(|n| format!("tao-case-{n:02}")).collect();
    let objects: Vec<_> = names.iter().map(|name| tenant(name)).collect();
    platform.apply(&objects).await?;
    try_join_all(names.iter().map(|name| platform.ready(name))).await?;
    let cases = cases::generate();
    ensure!(cases.iter().map(Vec::len).sum::<usize>() == 100);
    try_join_all(names.iter().zip(&cases).map(|(name, cases)| async move {
        for case in cases {
            one_case(platform, name, case)
                .await
                .with_context(|| format!("{name}: {case:?}"))?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}

/// Changes are stopped, things are changed, a plan is asked for, and changes are let go on.
async fn one_case(platform: &Platform, name: &str, case: &Case) -> Result<()> {
    let plans = Plans::of(platform);
    paused(platform, name, true).await?;
    for change in &case.0 {
        change.make(platform, name).await?;
    }
    let planned = plans.steps(plans.of_tenant(name)).await?;
    ensure!(!planned.is_empty(), "nothing is planned");
    ensure!(
        planned.iter().all(|step| step.withheld),
        "it says that changes are stopped"
    );
    let from = platform.operator.said()?.len();
    paused(platform, name, false).await?;
    eventually(&format!("{name}: what was planned is done"), || async {
        let done = made(platform, name, from)?;
        ask::same(&planned, &done)?;
        let tenant = platform.tenants().get(name).await?;
        let synced = condition(&tenant, ConditionType::Synced);
        ensure!(synced.is_some_and(|it| it.status == "True"), "not Synced");
        ensure!(tenant.status.and_then(|it| it.observed_generation) == tenant.metadata.generation);
        Ok(())
    })
    .await
}

async fn another_class(platform: &Platform) -> Result<()> {
    class(platform, "larger", |spec| {
        spec["resources"]["pods"] = json!("40");
    })
    .await?;
    let plans = Plans::of(platform);
    let name = "town-planned-3021";
    let mut question = plans.of_tenant(name);
    question.class_name = Some("larger".into());
    let planned = plans.steps(question).await?;
    let fields: Vec<_> = planned.iter().map(|step| step.field.as_str()).collect();
    ensure!(fields.contains(&"spec.hard.pods"), "{fields:?}");
    ensure!(fields.contains(&"spec.hosts"), "{fields:?}");
    ensure!(
        plans.steps(plans.of_tenant(name)).await?.is_empty(),
        "nothing was done"
    );
    // Asked for and accepted, it is just that which is done.
    let from = platform.operator.said()?.len();
    let asked = json!({"spec": {"className": "larger"}});
    platform.merge(platform.tenants(), name, asked).await?;
    let tenant = platform
        .until(name, "told of the class", |tenant| {
            tenant
                .status
                .as_ref()
                .is_some_and(|it| it.class_change.is_some())
        })
        .await?;
    let token = tenant.status.and_then(|it| it.class_change);
    let accept = json!({"metadata": {"annotations": {annotations::ACCEPT_CLASS: token}}});
    platform.merge(platform.tenants(), name, accept).await?;
    eventually("the class is taken as planned", || async {
        let mut done = made(platform, name, from)?;
        // That another class is asked for is in the record before it is accepted.
        done.retain(|step| step.field != "spec.tenantSpec.className");
        let planned: Vec<Step> = planned
            .iter()
            .filter(|step| step.field != "spec.tenantSpec.className")
            .cloned()
            .collect();
        ask::same(&planned, &done)
    })
    .await?;
    Ok(())
}
