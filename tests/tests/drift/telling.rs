//! Whatever is told of in a status is told of everywhere else too: in an Event, in the audit, in the metrics; and a
//! secret nowhere.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use eoffice_crds::EOfficeTenant;
use eoffice_tests::e2e::core::Counts;
use eoffice_tests::e2e::security::{Platform, eventually};
use eoffice_tests::proof::Credentials;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::Value;

use crate::row::Told;

/// What people put in the place of secrets: it is shown as little as what the operator makes.
const CHOSEN: [&str; 2] = ["chosen-by-hand", "chosen-by-the-tenant"];

/// How often each was told.
type Times = BTreeMap<(String, Told), usize>;

/// Of these tenants exactly this was told, in the audit line by line and in Events at least once each; and the metrics
/// count what the audit has.
pub async fn is_the_same_everywhere(platform: &Platform, told: &[(String, Told)]) -> Result<()> {
    let mut expected = Times::new();
    for one in told {
        *expected.entry(one.clone()).or_default() += 1;
    }
    let audited = audited(platform)?;
    let counts = Counts::of(&platform.operator).await?;
    for (plane, action) in audited.keys().map(|(_, told)| (told.plane, told.action)) {
        let lines = audited
            .iter()
            .filter(|((_, told), _)| told.plane == plane && told.action == action);
        let lines: usize = lines.map(|(_, times)| times).sum();
        let labels = [("plane", plane.as_str()), ("action", action)];
        let counted = counts.sum("eoffice_drift_total", &labels);
        ensure!(
            counted == lines as f64,
            "{plane} {action}: {lines} audit lines, and the metric is {counted}"
        );
    }
    let ours = |tenant: &String| told.iter().any(|(it, _)| it == tenant);
    let audited: Times = audited
        .into_iter()
        .filter(|((tenant, _), _)| ours(tenant))
        .collect();
    let differs = |one: &Times, other: &Times| -> Vec<String> {
        let more = one
            .iter()
            .filter(|(what, times)| other.get(what) != Some(times));
        more.map(|(what, times)| format!("{times} times {what:?}"))
            .collect()
    };
    let (unsaid, unasked) = (differs(&expected, &audited), differs(&audited, &expected));
    ensure!(
        unsaid.is_empty() && unasked.is_empty(),
        "the status told\n{}\nthe audit\n{}",
        unsaid.join("\n"),
        unasked.join("\n")
    );
    eventually("each is told of in an Event", || {
        events_of(platform, &expected)
    })
    .await
}

async fn events_of(platform: &Platform, expected: &Times) -> Result<()> {
    let all: Api<Event> = Api::all(platform.sandbox.admin());
    let events = all.list(&ListParams::default()).await?.items;
    for (tenant, told) in expected.keys() {
        let says = |event: &Event| {
            let words = format!("{}: {} {} was ", told.plane, told.object, told.field);
            event.involved_object.name.as_ref() == Some(tenant)
                && event.reason.as_deref() == Some(&format!("Drift{}", told.action))
                && event
                    .message
                    .as_ref()
                    .is_some_and(|it| it.starts_with(&words) && it.contains(&told.actor))
        };
        ensure!(
            events.iter().any(says),
            "no Event tells of {told:?} of {tenant}"
        );
    }
    Ok(())
}

/// The lines of the audit that tell of drift.
fn audited(platform: &Platform) -> Result<Times> {
    let mut times = Times::new();
    for line in platform.operator.said()?.lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if line["target"] != "audit" || line["event"] != "drift" {
            continue;
        }
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let action = match line["action"].as_str() {
            Some("Corrected") => "Corrected",
            Some("Reported") => "Reported",
            _ => "Held",
        };
        let told = Told {
            plane: serde_json::from_value(line["plane"].clone())?,
            object: text("object"),
            field: text("field"),
            actor: text("actor"),
            action,
        };
        *times.entry((text("tenant"), told)).or_default() += 1;
    }
    Ok(times)
}

/// No secret of any tenant, and none that people chose, is in a status, an Event, the metrics or the log.
pub async fn is_without_secrets(platform: &Platform) -> Result<()> {
    let client = platform.sandbox.admin();
    let tenants = Api::<EOfficeTenant>::all(client.clone())
        .list(&ListParams::default())
        .await?
        .items;
    let mut secrets: Vec<String> = CHOSEN.map(String::from).into();
    for tenant in &tenants {
        let Credentials {
            database, storage, ..
        } = Credentials::read(&client, &tenant.name_any()).await?;
        secrets.extend([database.password, storage.key.secret]);
    }
    let statuses: Vec<_> = tenants.into_iter().map(|tenant| tenant.status).collect();
    let events = Api::<Event>::all(client)
        .list(&ListParams::default())
        .await?
        .items;
    for (place, text) in [
        ("the statuses", serde_json::to_string(&statuses)?),
        ("the Events", serde_json::to_string(&events)?),
        ("the metrics", platform.operator.metrics().await?),
        ("the log", platform.operator.said()?),
    ] {
        let shown = secrets
            .iter()
            .filter(|secret| text.contains(*secret))
            .count();
        ensure!(shown == 0, "{shown} secrets are in {place}");
    }
    Ok(())
}
