//! Rotations one after the other, and the operator killed in the midst of them.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_crds::tenant_namespace;
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::proof::Credentials;
use futures::future::{join_all, try_join_all};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{Tally, lists, logs_in};
use crate::{ask, done, make};

/// Side by side, so that many rotations take little time.
const TENANTS: [&str; 5] = [
    "town-fire-a-3021",
    "town-fire-b-3021",
    "town-fire-c-3021",
    "town-fire-d-3021",
    "town-fire-e-3021",
];

/// Of each tenant.
const ROTATIONS: usize = 10;
const KILLS: usize = 20;

/// Asks to be restarted after a rotation.
const ASKS: &str = "asks";
const DOES_NOT: &str = "does-not";

pub async fn no_attempt_fails(platform: &Platform) -> Result<()> {
    make(platform, &TENANTS).await?;
    for name in TENANTS {
        platform
            .apply(&[
                workload(name, ASKS, "true"),
                workload(name, DOES_NOT, "false"),
            ])
            .await?;
    }
    let began = Instant::now();
    let tally = Tally::default();
    let clients = TENANTS.iter().map(|name| async {
        let name: &str = name;
        let both = tokio::try_join!(
            logs_in(platform, name, &tally),
            lists(platform, name, &tally)
        );
        // Whoever fails ends the test for all.
        tally.stop.store(true, Ordering::Relaxed);
        both.map(drop)
    });
    let fire = async {
        let rotations = try_join_all(TENANTS.iter().map(|name| rotations(platform, name)));
        let fired = tokio::try_join!(rotations, kills(platform, &tally));
        tally.stop.store(true, Ordering::Relaxed);
        fired.map(drop)
    };
    let (attempts, fired) = tokio::join!(join_all(clients), fire);
    println!(
        "{} rotations and {KILLS} kills in {:.0?}: {tally:?}",
        TENANTS.len() * ROTATIONS,
        began.elapsed()
    );
    for attempt in attempts {
        attempt.context("an attempt failed")?;
    }
    fired?;
    try_join_all(TENANTS.iter().map(|name| restarted(platform, name))).await?;
    Ok(())
}

async fn rotations(platform: &Platform, name: &str) -> Result<()> {
    let admin = platform.sandbox.admin();
    for rotation in 1..=ROTATIONS {
        let before = Credentials::read(&admin, name).await?;
        let word = format!("rotation-{rotation}");
        ask(platform, name, &word).await?;
        done(platform, name, &word).await?;
        let after = Credentials::read(&admin, name).await?;
        ensure!(after.database.username != before.database.username);
        ensure!(after.storage.key.access != before.storage.key.access);
        let old = before.database.log_in_at(&before.database).await?;
        ensure!(old.is_err(), "{} still logs in", before.database.username);
    }
    Ok(())
}

/// Kills the operator again and again, at any moment.
async fn kills(platform: &Platform, tally: &Tally) -> Result<()> {
    for _ in 0..KILLS {
        let moment = rand::rng().random_range(300..1500);
        sleep(Duration::from_millis(moment)).await;
        if tally.stop.load(Ordering::Relaxed) {
            break;
        }
        platform.operator.part.kill().await;
        platform.operator.part.start().await?;
    }
    Ok(())
}

/// What asks for it was restarted once for each rotation, and what does not never.
async fn restarted(platform: &Platform, name: &str) -> Result<()> {
    let workloads: Api<Deployment> = platform.within(&tenant_namespace(name));
    for (workload, times) in [(ASKS, ROTATIONS), (DOES_NOT, 0)] {
        // Nobody else changes its spec: the first generation is its making.
        let generation = workloads.get(workload).await?.metadata.generation;
        let found = generation.unwrap_or_default() - 1;
        ensure!(
            found == i64::try_from(times)?,
            "{workload} of {name} was restarted {found} times, not {times}"
        );
    }
    Ok(())
}

pub fn workload(tenant: &str, name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": tenant_namespace(tenant),
                     "labels": {"eoffice.gdcc.go.th/restart-on-rotation": label}},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        }},
    })
}
