//! `kubectl eoffice status`: how tenants stand.

mod queue;

use crate::Outcome;
use crate::client::Cluster;
use crate::console::Console;
use crate::doctor::Operator;
use crate::drift;
use crate::failure::Result;
use crate::table::{Cell, Paint, Style, Table, age, count, wrap};
use crate::tenant::{Selection, View, judge};
use crate::{Output, format_time};
use clap::Args;
use eoffice_crds::{ConditionType, EOfficeTenant};
use jiff::Timestamp;
use kube::ResourceExt;
use queue::Queue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What `status` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Where the operator is
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        default_value = "eoffice-system/eoffice-operator"
    )]
    operator: Operator,
    #[command(flatten)]
    output: Output,
}

/// Shows a tenant in full, or several as a table.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let selection = &arguments.selection;
    let tenants = selection.find(cluster, console).await?;
    let queue = Queue::read(cluster, &arguments.operator, &tenants).await?;
    if arguments.output.is_json() {
        let tenants = tenants.iter().map(|it| summary(it, queue.as_ref()));
        let tenants: Vec<Value> = tenants.collect();
        console.say_json(&json!({"tenants": tenants}))?;
    } else if selection.tenant.is_some() {
        for tenant in &tenants {
            let place = queue.as_ref().and_then(|queue| queue.tell(tenant));
            console.say(&detail(tenant, place, Timestamp::now(), console.style))?;
        }
    } else if tenants.is_empty() {
        console.remark("", &selection.nowhere(cluster));
    } else {
        let mut text = overview(
            &tenants,
            selection.is_wide(),
            Timestamp::now(),
            console.style,
        );
        if let Some(queue) = &queue {
            text += &wrap("", &queue.sum(), console.style);
        }
        console.say(&text)?;
    }
    Ok(Outcome::Fine)
}

/// What of a tenant wants to be looked at, in one word.
fn open(tenant: &EOfficeTenant) -> Option<(String, Paint)> {
    let said = |kind, status: &str, paint| {
        tenant
            .condition(kind)
            .filter(|it| it.status == status)
            .map(|it| (it.reason.clone(), paint))
    };
    said(ConditionType::Ready, "False", Paint::Bad)
        .or_else(|| {
            said(ConditionType::Available, "False", Paint::Bad)
                .filter(|_| !tenant.holds(ConditionType::Ready))
        })
        .or_else(|| said(ConditionType::Held, "True", Paint::Warn))
        .or_else(|| tenant.is_paused().then(|| ("Paused".into(), Paint::Warn)))
        .or_else(|| said(ConditionType::Ready, "Unknown", Paint::Warn))
        .or_else(|| said(ConditionType::Synced, "False", Paint::Warn))
        .or_else(|| {
            tenant
                .status
                .is_none()
                .then(|| ("NotSeenYet".into(), Paint::Warn))
        })
}

fn phase(tenant: &EOfficeTenant) -> &'static str {
    tenant
        .status
        .as_ref()
        .and_then(|status| status.phase)
        .map_or("-", |phase| phase.as_str())
}

/// `True`, `False`, `Unknown`, or `-` before the operator has seen it.
fn ready(tenant: &EOfficeTenant) -> Cell {
    match tenant.condition(ConditionType::Ready) {
        Some(condition) => Cell::new(&condition.status, judge(condition)),
        None => Cell::new("-", Paint::Warn),
    }
}

/// A table of many, and a line that sums them up.
fn overview(tenants: &[EOfficeTenant], wide: bool, now: Timestamp, style: Style) -> String {
    // Many namespaces leave no room for the age.
    let titles = match wide {
        true => ["NAMESPACE", "NAME", "AGENCY", "READY", "PHASE", "OPEN"],
        false => ["NAME", "AGENCY", "READY", "PHASE", "OPEN", "AGE"],
    };
    let mut table = Table::new(&titles).cutting("AGENCY", "NAME");
    for tenant in tenants {
        let (word, paint) = open(tenant).unwrap_or(("-".into(), Paint::Dim));
        let born = tenant.creation_timestamp();
        let mut cells = vec![
            tenant.name_any().into(),
            Cell::from(&tenant.spec.agency.name_th),
            ready(tenant),
            phase(tenant).into(),
            Cell::new(word, paint),
        ];
        match wide {
            true => cells.insert(0, tenant.namespace().unwrap_or_default().into()),
            false => cells.push(born.map_or("-".into(), |born| age(born.0, now)).into()),
        }
        table.row(cells);
    }
    table.render(style) + &wrap("", &sum(tenants), style)
}

/// `20 tenants: 18 Active, 2 Failed; 19 Ready, 1 with open drift, 1 paused`.
fn sum(tenants: &[EOfficeTenant]) -> String {
    let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
    for tenant in tenants {
        *phases.entry(phase(tenant)).or_default() += 1;
    }
    let phases: Vec<String> = phases
        .iter()
        .map(|(phase, number)| match *phase {
            "-" => format!("{number} not seen by the operator yet"),
            phase => format!("{number} {phase}"),
        })
        .collect();
    let mut sums = vec![format!(
        "{} Ready",
        tenants
            .iter()
            .filter(|it| it.holds(ConditionType::Ready))
            .count()
    )];
    let mut also = |number: usize, words: &str| {
        if number > 0 {
            sums.push(format!("{number} {words}"));
        }
    };
    also(
        tenants.iter().filter(|it| it.has_open_drift()).count(),
        "with open drift",
    );
    also(tenants.iter().filter(|it| it.is_paused()).count(), "paused");
    also(
        tenants
            .iter()
            .filter(|it| it.holds(ConditionType::Held))
            .count(),
        "held",
    );
    format!(
        "{}: {}; {}",
        count(tenants.len(), "tenant"),
        phases.join(", "),
        sums.join(", ")
    )
}

/// All of one tenant.
fn detail(tenant: &EOfficeTenant, place: Option<String>, now: Timestamp, style: Style) -> String {
    let seen = tenant.seen();
    let agency = &tenant.spec.agency;
    let mut text = style.paint(Paint::Bold, &tenant.path()) + "\n";
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &wrap(&format!("  {name:<10} "), &value, style);
        }
    };
    fact("agency", Some(agency.name_th.clone()));
    fact("", agency.name_en.clone());
    fact("phase", Some(phase(tenant).into()));
    fact("queue", place);
    fact("url", seen.url.clone());
    fact(
        "class",
        seen.applied.as_ref().map(|it| it.frozen.class.clone()),
    );
    fact("namespace", seen.namespace.clone());
    fact(
        "database",
        seen.database
            .as_ref()
            .map(|it| format!("{} on {}", it.name, it.server)),
    );
    fact(
        "storage",
        seen.storage
            .as_ref()
            .map(|it| format!("{} in {}", it.bucket, it.store)),
    );
    let ends = seen
        .certificate
        .as_ref()
        .and_then(|it| it.not_after.as_ref());
    fact("tls until", ends.map(|time| format_time(time.0)));
    let behind = seen.observed_generation != tenant.metadata.generation;
    fact(
        "behind",
        (behind && tenant.status.is_some())
            .then(|| "the operator has not taken up the newest spec yet".into()),
    );
    fact(
        "paused",
        tenant.is_paused().then(|| {
            format!(
                "changes are stopped: kubectl eoffice resume {}",
                tenant.name_any()
            )
        }),
    );
    fact(
        "change",
        seen.class_change.as_ref().map(|change| {
            let class = change.split('/').next().unwrap_or_default();
            let name = tenant.name_any();
            format!("that of the class waits: kubectl eoffice class accept {class} --tenant {name}")
        }),
    );
    if seen.conditions.is_empty() {
        text += &wrap(
            "  ",
            "The operator has not seen it yet: kubectl eoffice doctor says whether it works.",
            style,
        );
        return text;
    }
    text += "\n";
    text += &conditions(tenant, now, style);
    if !seen.drift.is_empty() {
        text += "\n";
        text += &drift::blocks(&seen.drift, now, style);
    }
    text
}

/// The conditions, and in full what those say that are not as they should be.
fn conditions(tenant: &EOfficeTenant, now: Timestamp, style: Style) -> String {
    let seen = tenant.seen();
    let mut table = Table::new(&["CONDITION", "STATUS", "REASON", "SINCE"]);
    for condition in &seen.conditions {
        table.row([
            Cell::from(&condition.type_),
            Cell::new(&condition.status, judge(condition)),
            Cell::from(&condition.reason),
            age(condition.last_transition_time.0, now).into(),
        ]);
    }
    let mut text = table.render(style);
    let mut told = Vec::new();
    for condition in &seen.conditions {
        let fine = judge(condition) == Paint::Good || condition.message.is_empty();
        if !fine && !told.contains(&&condition.message) {
            told.push(&condition.message);
            text += "\n";
            text += &wrap(&format!("{}: ", condition.type_), &condition.message, style);
        }
    }
    text
}

/// A tenant as JSON for pipelines.
fn summary(tenant: &EOfficeTenant, queue: Option<&Queue>) -> Value {
    let seen = tenant.seen();
    let agency = &tenant.spec.agency;
    json!({
        "namespace": tenant.namespace(),
        "name": tenant.name_any(),
        "agency": {"nameTh": agency.name_th, "nameEn": agency.name_en},
        "province": agency.province,
        "generation": tenant.metadata.generation,
        "observedGeneration": seen.observed_generation,
        "phase": seen.phase,
        "queue": queue.map(|queue| queue.as_json(tenant)),
        "ready": tenant.condition(ConditionType::Ready).map(|it| &it.status),
        "available": tenant.condition(ConditionType::Available).map(|it| &it.status),
        "paused": tenant.is_paused(),
        "class": seen.applied.as_ref().map(|it| &it.frozen.class),
        "classChange": seen.class_change,
        "url": seen.url,
        "conditions": seen.conditions,
        "drift": seen.drift,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
