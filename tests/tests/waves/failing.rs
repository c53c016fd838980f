//! A wave that fails.

use anyhow::{Context, Result, ensure};
use eoffice_crds::annotations::PAUSED;
use eoffice_crds::{ConditionType, EOfficeTenant, ObjectStore, Reason};
use eoffice_tests::e2e::core::Counts;
use eoffice_tests::e2e::faults::backend;
use eoffice_tests::e2e::security::{Platform, condition, eventually, is, is_ready, told, until};
use futures::future::try_join_all;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::json;

use crate::ask::{Asked, SERVERLESS, UNISSUED, api, ask, ask_all, ask_with, delete, issue};
use crate::told::{counts, event, plugin_says, told_of, waits};

const fn of(name: &'static str, class: &'static str) -> Asked {
    Asked {
        province: "30",
        manager: "pipeline",
        name,
        class,
    }
}

const DOWN: [Asked; 6] = [
    of("tao-down-1-3021", "standard"),
    of("tao-down-2-3021", "standard"),
    of("tao-down-3-3021", "standard"),
    of("tao-down-4-3021", "standard"),
    of("tao-down-5-3021", "standard"),
    of("tao-down-6-3021", "standard"),
];

const LATE: [Asked; 9] = [
    of("tao-late-1-3021", UNISSUED),
    of("tao-late-2-3021", UNISSUED),
    of("tao-late-3-3021", UNISSUED),
    of("tao-late-4-3021", UNISSUED),
    of("tao-late-5-3021", UNISSUED),
    of("tao-late-6-3021", UNISSUED),
    of("tao-late-7-3021", UNISSUED),
    of("tao-late-8-3021", UNISSUED),
    of("tao-late-9-3021", UNISSUED),
];

async fn ready(platform: &Platform, asked: &Asked) -> Result<EOfficeTenant> {
    until(
        &api(platform, asked.province),
        asked.name,
        "Ready",
        is_ready,
    )
    .await
}

/// The store is down while they are asked for, and comes back. Nothing of them can be begun: none takes up a turn or
/// fails.
pub async fn waits_for_a_backend_without_a_turn(platform: &Platform) -> Result<()> {
    let stores: Api<ObjectStore> = platform.cluster();
    platform.sandbox.object_store.stop().await;
    backend(&stores, "objects", ("False", Reason::Unreachable), &[]).await?;
    ask_all(platform, &DOWN).await?;
    for asked in &DOWN {
        let waits = |it: &_| is(it, ConditionType::Ready, "Unknown", Reason::Queued);
        until(&api(platform, "30"), asked.name, "Queued", waits).await?;
    }
    waits_in_peace(platform, &DOWN).await?;
    counts(platform, 0, 0, false).await?;
    platform.sandbox.object_store.start().await?;
    try_join_all(DOWN.iter().map(|asked| ready(platform, asked))).await?;
    counts(platform, 0, 0, false).await
}

/// While the store is tried again and again, nothing is written of those who wait: they take no turns from one another.
async fn waits_in_peace(platform: &Platform, all: &[Asked]) -> Result<()> {
    let versions = || async {
        let mut versions = Vec::new();
        for asked in all {
            let tenant = api(platform, asked.province).get(asked.name).await?;
            let waits = is(&tenant, ConditionType::Ready, "Unknown", Reason::Queued);
            ensure!(waits, "{}", told(&tenant));
            versions.push((asked.name, tenant.resource_version()));
        }
        anyhow::Ok(versions)
    };
    let tries = || async {
        let counts = Counts::of(&platform.operator).await?;
        anyhow::Ok(counts.sum("eoffice_external_calls_total", &[("plane", "S3")]))
    };
    eventually("nothing is written of those who wait", || async {
        let before = versions().await?;
        let tried = tries().await?;
        eventually("the store is tried again", || async {
            ensure!(tries().await? >= tried + 3.0);
            Ok(())
        })
        .await?;
        let now = versions().await?;
        ensure!(before == now, "{before:?} became {now:?}");
        Ok(())
    })
    .await
}

/// An issuer is missing while they are made, and is made in the end.
pub async fn stops_a_wave_until_mended(platform: &Platform) -> Result<()> {
    ask_all(platform, &LATE).await?;
    eventually("the wave stops", || async {
        let counts = Counts::of(&platform.operator).await?;
        ensure!(counts.sum("eoffice_wave_stopped", &[]) == 1.0);
        Ok(())
    })
    .await?;
    event(platform, "WaveStopped").await?;
    // Four at once at most, and one in the stead of each that was given up: two that fail are too many of four.
    // Those in the making fail like the others, and nobody comes after them.
    let waiting = eventually("all but those of the wave wait", || async {
        let mut waiting = Vec::new();
        for asked in &LATE {
            let tenant = api(platform, asked.province).get(asked.name).await?;
            let ready = condition(&tenant, ConditionType::Ready).context("it was not looked at")?;
            if ready.reason == Reason::AwaitingTurn.as_str() {
                waiting.push(asked);
            }
        }
        told_of(platform, waiting.len(), 0, true).await?;
        Ok(waiting)
    })
    .await?;
    ensure!((2..=7).contains(&waiting.len()), "{} wait", waiting.len());
    for asked in &waiting {
        waits(platform, asked).await?;
    }
    let args = ["status", waiting[0].name, "-n", "province-30"];
    plugin_says(platform, &args, &["none is begun now, as"]).await?;

    issue(platform).await?;
    try_join_all(LATE.iter().map(|asked| ready(platform, asked))).await?;
    event(platform, "WaveGoesOn").await?;
    counts(platform, 0, 0, false).await
}

const HOPELESS: [Asked; 2] = [
    of("tao-hopeless-1-3021", SERVERLESS),
    of("tao-hopeless-2-3021", SERVERLESS),
];
const BEHIND: Asked = of("tao-behind-3021", "standard");

/// Two that no server is for: a person pauses one, and the others go on.
pub async fn stops_a_wave_until_set_aside(platform: &Platform) -> Result<()> {
    ask_all(platform, &HOPELESS).await?;
    for asked in &HOPELESS {
        let fails = |it: &_| is(it, ConditionType::Ready, "False", Reason::NoServerMatches);
        until(&api(platform, "30"), asked.name, "Failed", fails).await?;
    }
    counts(platform, 0, 0, true).await?;
    ask(platform, &BEHIND).await?;
    waits(platform, &BEHIND).await?;
    counts(platform, 1, 0, true).await?;
    let pause = json!({"metadata": {"annotations": {PAUSED: "true"}}});
    let tenants = platform.tenants();
    platform.merge(tenants, HOPELESS[0].name, pause).await?;
    ready(platform, &BEHIND).await?;
    counts(platform, 0, 0, false).await?;
    for asked in &HOPELESS {
        delete(platform, asked).await?;
    }
    Ok(())
}

const HOLDER: Asked = of("tao-holder-3021", "standard");
const MISTAKEN: [Asked; 4] = [
    of("tao-mistaken-1-3021", "standard"),
    of("tao-mistaken-2-3021", "standard"),
    of("tao-mistaken-3-3021", "standard"),
    of("tao-mistaken-4-3021", "standard"),
];
const NEXT: Asked = of("tao-next-3021", "standard");

/// A wave of tenants that claim another agency's code: each is its own matter, and whoever comes next is made.
pub async fn goes_on_past_the_mistaken(platform: &Platform) -> Result<()> {
    let code = |value: &str| json!({"agency": {"codes": [{"scheme": "cgd", "value": value}]}});
    ask_with(platform, &HOLDER, &code("3021001")).await?;
    ready(platform, &HOLDER).await?;
    for asked in &MISTAKEN {
        ask_with(platform, asked, &code("3021001")).await?;
        let fails = |it: &_| is(it, ConditionType::Ready, "False", Reason::CodeConflict);
        until(&api(platform, "30"), asked.name, "Failed", fails).await?;
    }
    counts(platform, 0, 0, false).await?;
    ask(platform, &NEXT).await?;
    ready(platform, &NEXT).await?;
    for asked in &MISTAKEN {
        delete(platform, asked).await?;
    }
    counts(platform, 0, 0, false).await
}
