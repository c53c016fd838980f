//! Two operators and one lease.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::{Platform, eventually, short_intervals, tenant};
use eoffice_tests::helm::NAMESPACE;
use eoffice_tests::{Operator, OperatorOptions};
use futures::future::try_join_all;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::leaving::STAYS;

/// As the platform's own operator has it.
const LEASE: Duration = Duration::from_secs(15);

/// From one that ends in order: long before the lease runs out.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(8);

/// From one that is killed: as soon as it runs out.
const LEFT_OVER_WITHIN: Duration = Duration::from_secs(18);

/// Between two looks at what is measured.
const LOOK: Duration = Duration::from_millis(10);

async fn another(platform: &Platform) -> Result<Operator> {
    let options = OperatorOptions {
        args: short_intervals(),
        identity: Some("another".into()),
        ..OperatorOptions::default()
    };
    platform.sandbox.start_operator(options).await
}

async fn holder(platform: &Platform) -> Result<Option<String>> {
    let leases: Api<Lease> = platform.within(NAMESPACE);
    let lease = leases.get("eoffice-operator").await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    Ok(holder.filter(|holder| !holder.is_empty()))
}

fn terminate(operator: &Operator) -> Result<()> {
    let pid = operator.part.pid().context("it does not run")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).context("tell it to end")
}

/// Waits until the operator called `identity` holds the lease, and tells since `began` how long that took.
async fn held_by(platform: &Platform, identity: &str, began: Instant) -> Result<Duration> {
    let wait = async {
        while holder(platform).await?.as_deref() != Some(identity) {
            sleep(LOOK).await;
        }
        anyhow::Ok(began.elapsed())
    };
    let waited = timeout(4 * LEASE, wait).await;
    waited.with_context(|| format!("{identity} never takes the lease"))?
}

/// Whoever leads does the work: a change is carried out.
async fn works(platform: &Platform, connections: i32) -> Result<()> {
    let patch = json!({"spec": {"database": {"connectionLimit": connections}}});
    platform.merge(platform.tenants(), STAYS, patch).await?;
    platform.ready(STAYS).await?;
    let login = platform.credentials(STAYS).await?.login().to_owned();
    let server = platform.sandbox.server("pg-a")?.connect("postgres").await?;
    let limit = server
        .query_one(
            "SELECT rolconnlimit FROM pg_roles WHERE rolname = $1",
            &[&login],
        )
        .await?;
    ensure!(limit.get::<_, i32>(0) == connections);
    Ok(())
}

pub async fn takes_over(platform: &Platform) -> Result<()> {
    let (one, other) = (&platform.operator, another(platform).await?);
    ensure!(holder(platform).await?.as_deref() == Some("operator"));
    works(platform, 7).await?;

    terminate(one)?;
    let took = held_by(platform, "another", Instant::now()).await?;
    ensure!(
        took <= HANDED_OVER_WITHIN,
        "the other took over after {took:?}"
    );
    println!("        taken over {took:?} after SIGTERM");
    works(platform, 8).await?;

    one.part.start().await?;
    other.part.kill().await;
    let took = held_by(platform, "operator", Instant::now()).await?;
    ensure!(
        took <= LEFT_OVER_WITHIN,
        "the other took over after {took:?}"
    );
    println!("        taken over {took:?} after SIGKILL");
    works(platform, 9).await
}

/// Ends in time although tenants are being made, gives the lease back, and leaves nothing that cannot be gone on with.
pub async fn work_in_hand(platform: &Platform) -> Result<()> {
    let names: Vec<String> = (1..=6).map(|it| format!("tao-in-hand-{it}-3021")).collect();
    let tenants: Vec<Value> = names.iter().map(|name| tenant(name)).collect();
    platform.apply(&tenants).await?;
    eventually("work is in hand", || async {
        let begun = platform.tenants().get(&names[0]).await?;
        ensure!(begun.metadata.finalizers.is_some_and(|it| !it.is_empty()));
        Ok(())
    })
    .await?;
    let operator = &platform.operator;
    let began = Instant::now();
    terminate(operator)?;
    let ended = async {
        while operator.part.pid().is_some() {
            sleep(LOOK).await;
        }
    };
    timeout(LEASE, ended)
        .await
        .context("told to end, it goes on for longer than its lease")?;
    println!("        ended {:?} after SIGTERM", began.elapsed());
    ensure!(holder(platform).await?.is_none(), "it keeps the lease");

    let other = another(platform).await?;
    try_join_all(names.iter().map(|name| platform.ready(name))).await?;
    // In order, so that the platform's own does not have to wait for the lease to run out.
    other.part.stop().await;
    operator.part.start().await?;
    held_by(platform, "operator", Instant::now()).await?;
    Ok(())
}
