//! Tenants made by the operator.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eoffice_crds::{ConditionType, DatabaseServer, EOfficeTenant, ObjectStore};
use eoffice_tests::{Operator, OperatorOptions, Sandbox};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::time::timeout;

use crate::bed::{ask, patience, platform};
use crate::measure::{Reading, Run, peak_rss};

/// The backends are looked at, and the operator waits for tenants, within that time.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// Has an operator, with its default settings, make these tenants on a platform of their own.
pub async fn run(tenants: &[EOfficeTenant]) -> Result<Run> {
    let sandbox = platform(true).await?;
    let (run, operator) = make(&sandbox, tenants).await?;
    operator.part.stop().await;
    Ok(run)
}

/// The same on this platform; the operator runs on.
pub async fn make(sandbox: &Sandbox, tenants: &[EOfficeTenant]) -> Result<(Run, Operator)> {
    let operator = sandbox.start_operator(OperatorOptions::default()).await?;
    timeout(SETTLES_WITHIN, backends_ready(sandbox))
        .await
        .context("the operator found the backends not in order; see its log")??;

    let pid = pid(&operator)?;
    let before = Reading::take(sandbox, &operator.metrics().await?, pid)?;
    let watched: Api<EOfficeTenant> = Api::all(sandbox.admin());
    let ready = tokio::spawn(until_ready(watched, tenants.len()));
    let asked = ask(sandbox, tenants).await?;
    let ready = timeout(patience(tenants.len()), ready)
        .await
        .ok()
        .context("time is up");
    let ready = match ready {
        Ok(ready) => ready??,
        Err(late) => {
            sandbox_says(sandbox).await?;
            return Err(late);
        }
    };
    let last = ready.values().max().copied().unwrap_or(before.at());
    let times = ready
        .iter()
        .filter_map(|(name, at)| Some(*at - asked.get(name)?.at))
        .collect();
    let after = Reading::take(sandbox, &operator.metrics().await?, pid)?;
    let run = before.until(&after, last - before.at(), times, peak_rss(pid)?);
    Ok((run, operator))
}

/// The process that an operator runs as.
pub fn pid(operator: &Operator) -> Result<u32> {
    let pid = operator.part.pid().context("the operator does not run")?;
    u32::try_from(pid).context("a process id")
}

async fn backends_ready(sandbox: &Sandbox) -> Result<()> {
    let servers: Api<DatabaseServer> = Api::all(sandbox.admin());
    for server in &sandbox.postgres {
        await_condition(
            servers.clone(),
            server.name(),
            |server: Option<&DatabaseServer>| {
                let status = server.and_then(|server| server.status.as_ref());
                status.is_some_and(|status| is_ready(&status.conditions))
            },
        )
        .await
        .with_context(|| format!("watch DatabaseServer {}", server.name()))?;
    }
    let stores: Api<ObjectStore> = Api::all(sandbox.admin());
    await_condition(stores, "objects", |store: Option<&ObjectStore>| {
        let status = store.and_then(|store| store.status.as_ref());
        status.is_some_and(|status| is_ready(&status.conditions))
    })
    .await
    .context("watch ObjectStore objects")?;
    Ok(())
}

fn is_ready(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Ready.as_str() && condition.status == "True"
    })
}

/// When each tenant was first seen Ready, once `count` are.
async fn until_ready(api: Api<EOfficeTenant>, count: usize) -> Result<HashMap<String, Instant>> {
    let mut ready = HashMap::new();
    let seen = watcher(api, watcher::Config::default());
    let mut seen = std::pin::pin!(seen.default_backoff().applied_objects());
    while ready.len() < count {
        let Some(tenant) = seen.next().await else {
            bail!("the watch of the tenants ended");
        };
        // The watch begins again by itself; who waits for this has a limit.
        let Ok(tenant) = tenant else { continue };
        if tenant
            .status
            .as_ref()
            .is_some_and(|status| is_ready(&status.conditions))
        {
            ready.entry(tenant.name_any()).or_insert_with(Instant::now);
        }
    }
    Ok(ready)
}

/// Why tenants are not Ready, for whoever reads the failure.
async fn sandbox_says(sandbox: &Sandbox) -> Result<()> {
    let api: Api<EOfficeTenant> = Api::all(sandbox.admin());
    for tenant in api.list(&Default::default()).await?.items {
        let conditions = tenant.status.as_ref().map(|status| &status.conditions);
        for condition in conditions.into_iter().flatten() {
            if condition.type_ == ConditionType::Ready.as_str() && condition.status != "True" {
                eprintln!(
                    "{}: {} {}",
                    tenant.name_any(),
                    condition.reason,
                    condition.message
                );
            }
        }
    }
    Ok(())
}
