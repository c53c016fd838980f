//! A province of 343 agencies is onboarded in waves while a portal's tenant arrives in the middle; a pipeline deletes
//! all of them by mistake, and one command brings all of them back with every letter and document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../benches/tenants/agencies.rs"]
mod agencies;
#[path = "plugin/build.rs"]
mod build;
#[path = "onboarding/data.rs"]
mod data;
#[allow(dead_code, reason = "the other test of waves has more of it")]
#[path = "waves/log.rs"]
mod log;
#[path = "onboarding/seen.rs"]
mod seen;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use data::Data;
use eoffice_crds::{ConditionType, EOfficeTenant, FleetHold, HoldState, Reason, RecordState};
use eoffice_tests::e2e::faults::{Census, records};
use eoffice_tests::e2e::security::{Platform, is, is_ready};
use eoffice_tests::process::Spec;
use eoffice_tests::{BreakerOptions, OperatorOptions, Options, Progress, Sandbox};
use futures::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, PostParams};
use log::Log;
use seen::Seen;
use serde_json::json;

const AGENCIES: usize = 343;
/// How many are Ready when the portal's tenant arrives.
const MIDDLE: usize = 100;
/// As the operator's default is.
const WAVE: usize = 10;
/// How often its time alone is allowed to a tenant that arrives in the middle.
const TIMES: u32 = 3;
/// Tenants that are asked for at once.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes on two cores: a command of its own, which the README names"]
async fn a_province_is_onboarded_deleted_by_mistake_and_brought_back() {
    let platform = start().await.unwrap();
    let program = build::plugin().await;
    let mut seen = Seen::begin(&platform);
    let alone = time_alone(&platform, &mut seen).await.unwrap();
    let all = onboarded(&platform, &mut seen, alone).await.unwrap();
    let data = Data::put_in(&platform, &all).await.unwrap();
    let census = Census::take(&platform.sandbox).await.unwrap();
    let batch = deleted_by_a_pipeline(&platform, &mut seen, all.len())
        .await
        .unwrap();
    nothing_is_gone(&platform, &census).await.unwrap();
    data.is_all_there().await.unwrap();

    let began = Instant::now();
    let said = Spec::new("kubectl eoffice recover", program)
        .args(["recover", &batch])
        .env("KUBECONFIG", platform.sandbox.kubeconfig())
        .output()
        .await
        .unwrap();
    println!(
        "one command undid it in {:.0?}: {}",
        began.elapsed(),
        said.lines().last().unwrap()
    );
    seen.until("all are Ready again", |it| {
        it.len() == all.len() && it.values().all(|it| is_ready(it) && !seen::leaves(it))
    })
    .await
    .unwrap();
    println!("all were Ready again after {:.0?}", began.elapsed());
    nothing_is_gone(&platform, &census).await.unwrap();
    data.is_all_there().await.unwrap();
}

async fn start() -> Result<Platform> {
    eoffice_tests::operator::binary().await?;
    let sandbox = Sandbox::start(Options::default(), &Progress::lines()).await?;
    sandbox.install_chart(&json!({})).await?;
    sandbox.connect_backends().await?;
    let options = OperatorOptions {
        args: vec!["--wave-failed-percent=30".to_owned()],
        breaker: BreakerOptions {
            limit: 5,
            delay: Duration::from_secs(5),
        },
        ..OperatorOptions::default()
    };
    let operator = sandbox.start_operator(options).await?;
    Ok(Platform { operator, sandbox })
}

async fn ask(platform: &Platform, tenant: &EOfficeTenant, manager: &str) -> Result<()> {
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    let name = tenant.name_any();
    let made = platform.tenants().create(&params, tenant).await;
    made.with_context(|| format!("ask for {name}"))?;
    Ok(())
}

/// A tenant that a portal asks for.
fn of_portal(name: &str) -> Result<EOfficeTenant> {
    let tenant = eoffice_tests::e2e::security::tenant(name);
    Ok(serde_json::from_value(tenant)?)
}

/// Asks for a tenant as the portal; answers with the time until it is Ready.
async fn portal(platform: &Platform, seen: &mut Seen, name: &str) -> Result<Duration> {
    let began = Instant::now();
    ask(platform, &of_portal(name)?, "portal").await?;
    seen.ready(name).await?;
    Ok(began.elapsed())
}

/// The time of a portal's tenant while nobody else is made: the middle one of three.
async fn time_alone(platform: &Platform, seen: &mut Seen) -> Result<Duration> {
    let mut times = Vec::new();
    for name in ["portal-alone-a", "portal-alone-b", "portal-alone-c"] {
        times.push(portal(platform, seen, name).await?);
    }
    println!("a tenant alone is Ready after {times:.2?}");
    times.sort();
    Ok(times[1])
}

/// All agencies, asked for by a pipeline, and one of a portal in the middle.
async fn onboarded(platform: &Platform, seen: &mut Seen, alone: Duration) -> Result<Vec<String>> {
    let log = Log::begin(platform, &[]).await?;
    let agencies = agencies::agencies(AGENCIES)?;
    ensure!(
        agencies
            .iter()
            .all(|it| it.namespace().as_deref() == Some(agencies::NAMESPACE))
    );
    let began = Instant::now();
    stream::iter(&agencies)
        .map(|tenant| ask(platform, tenant, "pipeline"))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    println!(
        "{AGENCIES} agencies are asked for within {:.1?}",
        began.elapsed()
    );
    let ready = |it: &seen::Tenants| it.values().filter(|it| is_ready(it)).count();
    seen.until("the first are Ready", |it| ready(it) >= MIDDLE)
        .await?;
    let left = AGENCIES.saturating_sub(ready(seen.tenants()));
    let in_the_middle = portal(platform, seen, "portal-in-the-middle").await?;
    println!(
        "a tenant of a portal is Ready after {in_the_middle:.2?}, {:.1} times its time alone; {left} were before it",
        in_the_middle.as_secs_f64() / alone.as_secs_f64()
    );
    let behind = AGENCIES.saturating_sub(ready(seen.tenants()));
    seen.until("all are Ready", |it| it.values().all(is_ready))
        .await?;
    let took = began.elapsed();
    let pace = AGENCIES as f64 * 60.0 / took.as_secs_f64();
    println!("{AGENCIES} agencies are Ready after {took:.0?}, {pace:.0} a minute");
    let most = log.most();
    ensure!(most <= WAVE, "{most} were in the making at once");
    ensure!(
        behind > AGENCIES / 2,
        "it was not in the middle: {behind} were left"
    );
    ensure!(
        in_the_middle <= alone * TIMES,
        "a tenant alone takes {alone:.2?}, and in the middle {in_the_middle:.2?}"
    );
    Ok(seen.tenants().keys().cloned().collect())
}

/// All at once; every one of them is held, in one batch.
async fn deleted_by_a_pipeline(
    platform: &Platform,
    seen: &mut Seen,
    count: usize,
) -> Result<String> {
    let began = Instant::now();
    let (how, which) = (DeleteParams::default(), ListParams::default());
    platform.tenants().delete_collection(&how, &which).await?;
    seen.until("all are held", |it| {
        let held = |it: &&EOfficeTenant| {
            seen::leaves(it) && is(it, ConditionType::Ready, "Unknown", Reason::Held)
        };
        it.len() == count && it.values().filter(held).count() == count
    })
    .await?;
    println!("{count} deletions are held after {:.1?}", began.elapsed());
    let holds = platform.cluster::<FleetHold>();
    let holds = holds.list(&ListParams::default()).await?.items;
    let status = |it: &FleetHold| it.status.clone().unwrap_or_default();
    let held: Vec<_> = holds
        .iter()
        .filter(|it| status(it).state == Some(HoldState::Held))
        .collect();
    ensure!(held.len() == 1, "{} batches are held", held.len());
    let entries = status(held[0]).tenants;
    ensure!(entries.len() == count && entries.iter().all(|it| it.done_at.is_none()));
    Ok(held[0].name_any())
}

/// Databases, roles, buckets, users, keys, namespaces and records are exactly those of before.
async fn nothing_is_gone(platform: &Platform, before: &Census) -> Result<()> {
    let now = Census::take(&platform.sandbox).await?;
    before.lives_on_in(&now)?;
    now.lives_on_in(before)?;
    println!(
        "{} databases, {} buckets and {} records are those of before",
        now.databases.len(),
        now.buckets.len(),
        now.records.len()
    );
    for record in records(&platform.sandbox).await? {
        ensure!(
            record.spec.state == RecordState::Live,
            "{}",
            record.spec.tenant.name
        );
    }
    Ok(())
}
