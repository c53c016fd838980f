//! What an operator costs that has nothing to do: on a platform full of tenants, started anew and left alone.
//!
//! First without the rotation of proofs, whose limit is its own; then with a rotation that is faster than the usual
//! one, so that a short window sees many proofs. At last the audit of each server, beside its bare query.

mod audits;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use eoffice_crds::{DatabaseServer, EOfficeTenant, ObjectStore};
use eoffice_tests::{Operator, OperatorOptions, Sandbox};
use kube::api::Api;
use tokio::time::{sleep, timeout};

use crate::bed::{patience, platform};
use crate::governed::{make, pid};
use crate::measure::{Reading, Run, calls, peak_rss};
use report::Report;

/// A proof every so many hours is none within any window.
const NO_ROTATION: Duration = Duration::from_secs(8760 * 3600);

/// Six times as fast as by default.
const FAST_ROTATION: Duration = Duration::from_secs(600);

/// Within what time the operator looks closely at every tenant of a store: its default.
const STORAGE_PASS: Duration = Duration::from_secs(600);

/// How often an operator is asked whether it has come to rest.
const SLICE: Duration = Duration::from_secs(10);

/// Audits of each server and lists of the store that a window sees at least.
const ROUNDS: u64 = 2;

/// After this long beyond its time a window has seen too little.
const OVERTIME: Duration = Duration::from_secs(300);

/// What an operator did from its start until it came to rest, and in a window after that.
struct Rest {
    start: Run,
    window: Run,
}

/// Makes these tenants, and measures an operator that has nothing more to do with them.
pub async fn run(tenants: &[EOfficeTenant], window: Duration) -> Result<Report> {
    let sandbox = platform(false).await?;
    let count = tenants.len();
    eprintln!("{count} tenants are made");
    let (made, operator) = make(&sandbox, tenants).await?;
    eprintln!("  all Ready after {:.1} s", made.wall.as_secs_f64());
    timeout(OVERTIME, all_counted(&sandbox, count))
        .await
        .context("the backends' status does not count all tenants")??;
    operator.part.stop().await;
    eprintln!("an operator is started anew, and left alone");
    let idle = rest(&sandbox, count, NO_ROTATION, window).await?;
    eprintln!("another one, with a rotation of proofs");
    let rotating = rest(&sandbox, count, FAST_ROTATION, window).await?;
    eprintln!("audits and bare queries");
    let audits = audits::compare(&sandbox).await?;
    Ok(Report {
        tenants: count,
        start: idle.start,
        idle: idle.window,
        rotating: rotating.window,
        audits,
    })
}

/// Waits until the backends' status says that all are there: the last that is written of them.
async fn all_counted(sandbox: &Sandbox, count: usize) -> Result<()> {
    let count = i64::try_from(count)?;
    let servers: Api<DatabaseServer> = Api::all(sandbox.admin());
    let stores: Api<ObjectStore> = Api::all(sandbox.admin());
    loop {
        let servers = servers.list(&Default::default()).await?.items;
        let stores = stores.list(&Default::default()).await?.items;
        let databases = servers
            .iter()
            .filter_map(|it| it.status.as_ref()?.databases)
            .sum::<i64>();
        let buckets = stores
            .iter()
            .filter_map(|it| it.status.as_ref()?.buckets)
            .sum::<i64>();
        if databases == count && buckets == count {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn rest(sandbox: &Sandbox, count: usize, proofs: Duration, least: Duration) -> Result<Rest> {
    let options = OperatorOptions {
        args: vec![format!("--verify-interval={}s", proofs.as_secs())],
        ..OperatorOptions::default()
    };
    let before = Reading::before_start(sandbox)?;
    let operator = sandbox.start_operator(options).await?;
    timeout(
        patience(count) + STORAGE_PASS,
        at_rest(&operator, count, proofs),
    )
    .await
    .context("the operator does not come to rest")??;
    let pid = pid(&operator)?;
    let started = Reading::take(sandbox, &operator.metrics().await?, pid)?;
    let start = before.until(
        &started,
        started.at() - before.at(),
        Vec::new(),
        peak_rss(pid)?,
    );
    let seen = watch(sandbox, &operator, started, least);
    let window = timeout(least + OVERTIME, seen)
        .await
        .context("the operator looks at its backends too seldom")??;
    operator.part.stop().await;
    Ok(Rest { start, window })
}

/// Waits until everything was looked at once, the next round of close looks has begun, and what is done since is no more
/// than what comes at a steady pace.
async fn at_rest(operator: &Operator, count: usize, proofs: Duration) -> Result<()> {
    let mut before = Pace::of(operator).await?;
    loop {
        sleep(SLICE).await;
        let now = Pace::of(operator).await?;
        let all = u64::try_from(count)?;
        if now.looks >= all
            && now.close_looks > all
            && now.looks - before.looks <= at_most(count, proofs)
            && now.close_looks - before.close_looks <= at_most(count, STORAGE_PASS)
        {
            return Ok(());
        }
        before = now;
    }
}

/// Twice of what a round over all tenants within `round` comes to in a slice of time.
fn at_most(count: usize, round: Duration) -> u64 {
    let share = SLICE.as_secs_f64() / round.as_secs_f64();
    (2.0 * share * count as f64).round() as u64
}

struct Pace {
    /// At tenants, from all sides.
    looks: u64,
    /// At tenants' buckets and users.
    close_looks: u64,
}

impl Pace {
    async fn of(operator: &Operator) -> Result<Self> {
        let metrics = operator.metrics().await?;
        let looks = metrics.lines().filter_map(|line| {
            let (_, count) = line
                .strip_prefix("eoffice_reconciles_total{")?
                .rsplit_once(' ')?;
            count.parse::<u64>().ok()
        });
        Ok(Self {
            looks: looks.sum(),
            close_looks: called(&calls(&metrics), CLOSE_LOOK),
        })
    }
}

/// Made once in every close look at a tenant's bucket and user.
const CLOSE_LOOK: &str = "Iam/Read/get_user_policy";
const AUDIT: &str = "Postgres/Read/audit";
const LIST: &str = "S3/Read/list_buckets";
/// Made once in every proof.
const PROOF: &str = "Postgres/Read/prove_use";

fn called(calls: &BTreeMap<String, u64>, what: &str) -> u64 {
    calls.get(what).copied().unwrap_or(0)
}

/// What happens from now on for at least this long, and until every backend was looked at often enough.
async fn watch(
    sandbox: &Sandbox,
    operator: &Operator,
    before: Reading,
    least: Duration,
) -> Result<Run> {
    let servers = u64::try_from(sandbox.postgres.len())?;
    let pid = pid(operator)?;
    let mut pause = least;
    loop {
        sleep(pause).await;
        pause = Duration::from_secs(5);
        let after = Reading::take(sandbox, &operator.metrics().await?, pid)?;
        let run = before.until(&after, after.at() - before.at(), Vec::new(), peak_rss(pid)?);
        if called(&run.calls, AUDIT) >= ROUNDS * servers && called(&run.calls, LIST) >= ROUNDS {
            return Ok(run);
        }
    }
}
