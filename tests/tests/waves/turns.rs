//! Whose turn it is.

use anyhow::{Result, ensure};
use eoffice_crds::{ConditionType, Reason};
use eoffice_tests::e2e::faults::record;
use eoffice_tests::e2e::security::{Platform, is, is_ready, until};
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use crate::ask::{Asked, OTHER, UNISSUED, api, ask_all, delete};
use crate::log::Log;
use crate::told::{counts, place, plugin_says, waits};

const BLOCKERS: [&str; 2] = ["tao-blocks-a-3021", "tao-blocks-b-3021"];

const fn blocker(name: &'static str) -> Asked {
    Asked {
        province: "30",
        manager: "pipeline",
        name,
        class: UNISSUED,
    }
}

const fn of(province: &'static str, manager: &'static str, name: &'static str) -> Asked {
    Asked {
        province,
        manager,
        name,
        class: "standard",
    }
}

/// In the order in which they are asked for.
const ALL: [Asked; 7] = [
    of("30", "pipeline", "tao-a-3021"),
    of("30", "pipeline", "tao-b-3021"),
    of("30", "pipeline", "tao-c-3021"),
    of("30", "pipeline", "tao-d-3021"),
    of("30", "portal", "tao-e-portal-3021"),
    of(OTHER, "pipeline", "tao-x-3101"),
    of(OTHER, "pipeline", "tao-y-3101"),
];

/// Province 30 had the last turns, and in it the pipeline.
const FAIR: [&str; 7] = [
    "tao-x-3101",
    "tao-e-portal-3021",
    "tao-y-3101",
    "tao-a-3021",
    "tao-b-3021",
    "tao-c-3021",
    "tao-d-3021",
];

/// Two are in the making for ever; when one of them leaves, the others take turns in its stead.
pub async fn are_fair_and_few(platform: &Platform) -> Result<()> {
    let blockers = BLOCKERS.map(blocker);
    ask_all(platform, &blockers).await?;
    for blocker in &blockers {
        let tenants = api(platform, blocker.province);
        let in_the_making = |it: &_| {
            is(
                it,
                ConditionType::CertificateReady,
                "Unknown",
                Reason::NotIssued,
            )
        };
        until(&tenants, blocker.name, "in the making", in_the_making).await?;
    }
    ask_all(platform, &ALL).await?;
    all_wait(platform).await?;
    platform.operator.part.kill().await;
    platform.operator.part.start().await?;
    all_wait(platform).await?;

    let log = Log::begin(platform, &BLOCKERS).await?;
    delete(platform, &blockers[0]).await?;
    log.until_begun(3).await?;
    platform.operator.part.kill().await;
    platform.operator.part.start().await?;
    for asked in &ALL {
        let tenants = api(platform, asked.province);
        until(&tenants, asked.name, "Ready", is_ready).await?;
    }
    let begun = log.begun();
    ensure!(begun == FAIR, "they were begun in the order {begun:?}");
    let most = log.most();
    ensure!(
        most == 1,
        "one turn was left, and {most} were in the making"
    );
    counts(platform, 0, 1, false).await?;
    delete(platform, &blockers[1]).await?;
    counts(platform, 0, 0, false).await
}

/// Each of them, and nothing is made or written for it while it waits.
async fn all_wait(platform: &Platform) -> Result<()> {
    let mut versions = Vec::new();
    for asked in &ALL {
        versions.push(waits(platform, asked).await?.resource_version());
    }
    counts(platform, ALL.len(), 2, false).await?;
    for (asked, index) in FAIR.iter().zip(1..) {
        let told = place(platform, asked).await?;
        ensure!(told == f64::from(index), "{asked} is told at place {told}");
        ensure!(
            record(&platform.sandbox, asked).await.is_err(),
            "{asked} has a record"
        );
    }
    let portal = "tao-e-portal-3021";
    plugin_says(
        platform,
        &["status", portal, "-n", "province-30"],
        &["queue place 2 of 7"],
    )
    .await?;
    let sum = ["queue: 7 wait, 2 in the making"];
    plugin_says(platform, &["status", "-A"], &sum).await?;
    for (asked, before) in ALL.iter().zip(versions) {
        let now = api(platform, asked.province).get(asked.name).await?;
        ensure!(
            now.resource_version() == before,
            "{} is written while it waits",
            asked.name
        );
        ensure!(now.finalizers().is_empty());
    }
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = platform.cluster();
    let made = namespaces.list(&ListParams::default()).await?.items;
    let made = made
        .iter()
        .filter(|it| it.name_any().starts_with("eoffice-tao-"));
    ensure!(
        made.count() == BLOCKERS.len(),
        "a namespace is made before its turn"
    );
    Ok(())
}
