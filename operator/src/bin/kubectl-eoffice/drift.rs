//! `kubectl eoffice drift`: what others changed, and what became of it.

use crate::client::Cluster;
use crate::console::Console;
use crate::failure::Result;
use crate::table::{Cell, Paint, Style, Table, age, count, cut, wrap};
use crate::tenant::{Selection, View};
use crate::{Outcome, Output};
use clap::Args;
use eoffice_crds::{ConditionType, Drift, DriftAction, EOfficeTenant};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

/// What `drift` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    output: Output,
}

/// Shows the newest differences of a tenant in full, or those of several as a table.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let selection = &arguments.selection;
    let tenants = selection.find(cluster, console).await?;
    let now = Timestamp::now();
    if arguments.output.is_json() {
        let tenants: Vec<Value> = tenants.iter().map(told).collect();
        console.say_json(&json!({"tenants": tenants}))?;
    } else if selection.tenant.is_some() {
        for tenant in &tenants {
            console.say(&one(tenant, now, console.style))?;
        }
    } else if tenants.is_empty() {
        console.remark("", &selection.nowhere(cluster));
    } else {
        console.say(&many(&tenants, now, console.style))?;
    }
    let open = tenants.iter().any(View::has_open_drift);
    Ok(if open { Outcome::Wrong } else { Outcome::Fine })
}

const fn paint(action: DriftAction) -> Paint {
    match action {
        DriftAction::Corrected => Paint::Good,
        DriftAction::Reported => Paint::Warn,
        DriftAction::Held => Paint::Bad,
    }
}

/// `role eo_ab_a connectionLimit`.
fn what(drift: &Drift) -> String {
    let Drift { object, field, .. } = drift;
    format!("{object} {field}").trim_end().into()
}

fn one(tenant: &EOfficeTenant, now: Timestamp, style: Style) -> String {
    let mut text = style.paint(Paint::Bold, &tenant.path()) + "\n";
    if let Some(synced) = tenant.condition(ConditionType::Synced) {
        let head = format!("Synced {} ({}): ", synced.status, synced.reason);
        text += &wrap(&head, &synced.message, style);
    }
    let drift = tenant.seen().drift;
    if drift.is_empty() {
        return text + "Nobody else has changed anything of it lately.\n";
    }
    text + "\n" + &blocks(&drift, now, style)
}

/// Each difference in full, the newest first.
pub fn blocks(drift: &[Drift], now: Timestamp, style: Style) -> String {
    let mut newest: Vec<&Drift> = drift.iter().collect();
    newest.sort_by_key(|it| std::cmp::Reverse(it.last_seen.0));
    let mut text = String::new();
    for drift in newest {
        let plane = drift.plane.as_str();
        let head = format!("{:<9}  {plane:<11}  ", drift.action.as_str());
        let line = cut(&format!("{head}{}", what(drift)), style.width);
        let action = drift.action.as_str();
        let rest = line.strip_prefix(action).unwrap_or_default();
        text += &format!("{}{rest}\n", style.paint(paint(drift.action), action));
        let nothing = || "nothing".to_owned();
        let expected = drift.expected.clone().unwrap_or_else(nothing);
        let observed = drift.observed.clone().unwrap_or_else(nothing);
        let indent = " ".repeat(11);
        text += &wrap(&format!("{indent}expected "), &expected, style);
        text += &wrap(&format!("{indent}found    "), &observed, style);
        let times = match drift.count {
            ..=1 => format!("{} ago", age(drift.last_seen.0, now)),
            times => format!(
                "{times} times, first {} ago, last {} ago",
                age(drift.first_seen.0, now),
                age(drift.last_seen.0, now)
            ),
        };
        text += &wrap(
            &format!("{indent}by       "),
            &format!("{}, {times}", drift.actor),
            style,
        );
    }
    text
}

fn many(tenants: &[EOfficeTenant], now: Timestamp, style: Style) -> String {
    let mut rows: Vec<(String, Drift)> = tenants
        .iter()
        .flat_map(|tenant| {
            tenant
                .seen()
                .drift
                .into_iter()
                .map(|drift| (tenant.name_any(), drift))
        })
        .collect();
    rows.sort_by_key(|(_, drift)| std::cmp::Reverse(drift.last_seen.0));
    let mut table = Table::new(&["TENANT", "PLANE", "WHAT", "BY", "N", "LAST", "ACTION"]);
    for (tenant, drift) in &rows {
        table.row([
            tenant.into(),
            drift.plane.as_str().into(),
            what(drift).into(),
            Cell::from(&drift.actor),
            drift.count.to_string().into(),
            age(drift.last_seen.0, now).into(),
            Cell::new(drift.action.as_str(), paint(drift.action)),
        ]);
    }
    let open = tenants.iter().filter(|it| it.has_open_drift()).count();
    let still = match open {
        0 => "nothing is open".into(),
        open => format!("{} with something open", count(open, "tenant")),
    };
    let found = count(rows.len(), "difference");
    let sum = format!(
        "{}: {found} found lately, {still}",
        count(tenants.len(), "tenant")
    );
    match rows.is_empty() {
        true => wrap("", &sum, style),
        false => table.render(style) + &wrap("", &sum, style),
    }
}

fn told(tenant: &EOfficeTenant) -> Value {
    json!({
        "namespace": tenant.namespace(),
        "name": tenant.name_any(),
        "synced": tenant.condition(ConditionType::Synced),
        "drift": tenant.seen().drift,
    })
}
