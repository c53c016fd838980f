//! The operator is killed again and again while it works: the end is the same as without.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{DatabaseServer, EOfficeTenant, ObjectStore, Reason};
use eoffice_tests::e2e::faults::{
    Census, asked_for, backend, korat, looks_again, name_of, prove_all,
};
use eoffice_tests::e2e::security::{Platform, eventually, is_ready, until};
use eoffice_tests::{Operator, OperatorOptions, Options, apply};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

const KILLS: usize = 10;

/// The operator is killed right after so many changes, at most. Ten times as many do not make 20 tenants.
const CHANGES: usize = 60;

/// A seed to repeat a run with: `EOFFICE_TEST_SEED=7 cargo test --test crash`.
const SEED_VARIABLE: &str = "EOFFICE_TEST_SEED";

#[tokio::test(flavor = "multi_thread")]
async fn killed_ten_times_while_20_tenants_are_made_the_operator_makes_each_thing_once() {
    let options = OperatorOptions::default();
    let platform = Platform::start(Options::default(), options).await.unwrap();
    let bare = bare(&platform).await.unwrap();
    let (seed, mut random) = random();
    println!("seed {seed}: repeat this run with {SEED_VARIABLE}={seed}");

    let tenants = korat().unwrap();
    let names: Vec<String> = tenants.iter().map(name_of).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names.len(), 20);
    platform.operator.part.kill().await;
    let admin = platform.sandbox.admin();
    apply::apply_together(&admin, &tenants).await.unwrap();
    let mut before = bare.clone();
    for kill in 1..=KILLS {
        let now = killed_once(&platform, &mut random).await;
        let now = now.with_context(|| format!("kill {kill}")).unwrap();
        before.lives_on_in(&now).unwrap();
        before = now;
    }
    platform.operator.part.start().await.unwrap();
    let made = all_made(&platform, &names, &bare).await.unwrap();
    before.lives_on_in(&made).unwrap();

    // What is made stays made, whoever looks at it next.
    platform.operator.part.kill().await;
    platform.operator.part.start().await.unwrap();
    looks_again(&platform.operator).await.unwrap();
    let still = all_made(&platform, &names, &bare).await.unwrap();
    assert_eq!(still, made);
}

fn random() -> (u64, StdRng) {
    let seed = std::env::var(SEED_VARIABLE);
    let seed = seed.map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    (seed, StdRng::seed_from_u64(seed))
}

/// The backends as the operator prepared them for itself, before the first tenant.
async fn bare(platform: &Platform) -> Result<Census> {
    let ready = ("True", Reason::AsExpected);
    for server in &platform.sandbox.postgres {
        let servers: Api<DatabaseServer> = platform.cluster();
        backend(&servers, server.name(), ready, &[]).await?;
    }
    let stores: Api<ObjectStore> = platform.cluster();
    backend(&stores, "objects", ready, &[]).await?;
    Census::take(&platform.sandbox).await
}

/// Lets an operator make a random number of changes, and kills it within a random moment after that.
async fn killed_once(platform: &Platform, random: &mut StdRng) -> Result<Census> {
    let changes = random.random_range(1..=CHANGES);
    let moment = Duration::from_micros(random.random_range(0..20_000));
    let mut watch = Changes::of(&platform.operator)?;
    platform.operator.part.launch()?;
    eventually("the operator makes changes", || {
        let made = watch.made();
        async move {
            let made = made?;
            ensure!(made >= changes, "it made {made} of {changes}");
            Ok(())
        }
    })
    .await?;
    sleep(moment).await;
    platform.operator.part.kill().await;
    let made = watch.made()?;
    let ready = tenants(platform)
        .await?
        .iter()
        .filter(|it| is_ready(it))
        .count();
    println!("killed {moment:?} after change {changes}: {made} made, {ready} tenants Ready");
    ensure!(ready < 20, "all was made already: kill it sooner");
    Census::take(&platform.sandbox).await
}

/// All 20 are Ready and work; there is one of each thing for each, and no other.
async fn all_made(platform: &Platform, names: &[&str], bare: &Census) -> Result<Census> {
    for tenant in tenants(platform).await? {
        let api = Api::namespaced(platform.sandbox.admin(), &tenant.namespace().unwrap());
        until(&api, &tenant.name_any(), "Ready", is_ready).await?;
    }
    let all = Census::take(&platform.sandbox).await?;
    let made = all.without(bare);
    made.is_what_records_name(&platform.sandbox).await?;
    ensure!(
        made.records.len() == names.len(),
        "there are {} records",
        made.records.len()
    );
    // cert-manager may issue one twice by itself, where its view of the Secret is behind that of the Certificate.
    let mut often = asked_for(&platform.sandbox).await?;
    often.retain(|_, times| *times != 1);
    let anew = platform.operator.said()?.contains(r#""verb":"renew""#);
    ensure!(
        often.is_empty() && !anew,
        "certificates asked for not once: {often:?}, anew: {anew}"
    );
    prove_all(&platform.sandbox, names).await?;
    Ok(all)
}

async fn tenants(platform: &Platform) -> Result<Vec<EOfficeTenant>> {
    let all: Api<EOfficeTenant> = Api::all(platform.sandbox.admin());
    Ok(all.list(&ListParams::default()).await?.items)
}

/// Counts the changes in the operator's log, from when it was made.
struct Changes {
    log: std::fs::File,
    seen: String,
}

impl Changes {
    fn of(operator: &Operator) -> Result<Self> {
        let mut log = std::fs::File::open(operator.part.log())?;
        log.seek(SeekFrom::End(0))?;
        let seen = String::new();
        Ok(Self { log, seen })
    }

    /// How many there are by now; the lease's own are none.
    fn made(&mut self) -> Result<usize> {
        let mut more = Vec::new();
        self.log.read_to_end(&mut more)?;
        self.seen += &String::from_utf8_lossy(&more);
        let changes = self.seen.lines().filter(|line| {
            line.contains("\"target\":\"audit\"") && !line.contains("\"verb\":\"write_lease\"")
        });
        Ok(changes.count())
    }
}
