//! `kubectl eoffice retained`: what is kept of tenants that have left, and until when.

use crate::Outcome;
use crate::client::{Cluster, list};
use crate::console::Console;
use crate::facts::day;
use crate::failure::{Failure, Kind, Result};
use crate::record::{bereft, detail, purge, purged, read, size, word};
use crate::table::{Cell, Paint, Style, Table, count, wrap};
use clap::{Args, ValueEnum};
use eoffice_crds::{EOfficeTenant, RecordState, TenantRecord};
use kube::api::ListParams;
use serde_json::{Value, json};

/// Columns from which a table has room for all it can tell.
const WIDE: usize = 120;

/// What `retained` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// One tenant; default: all that have left, or of -n a province's
    #[arg(value_name = "TENANT")]
    tenant: Option<String>,
    /// Write JSON, or the names alone
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Name,
}

/// Shows a record in full, or the tombstones as a table.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let records = match &arguments.tenant {
        Some(name) => vec![read(cluster, name).await?],
        None => tombstones(cluster).await?,
    };
    match (arguments.output, &arguments.tenant) {
        (Some(Format::Json), _) => {
            let retained: Vec<Value> = records.iter().map(told).collect();
            console.say_json(&json!({"retained": retained}))?;
        }
        (Some(Format::Name), _) => {
            for record in &records {
                console.say(&format!("{}\n", record.spec.tenant.name))?;
            }
        }
        (None, Some(_)) => {
            for record in &records {
                console.say(&detail(record, console.style))?;
                console.tell(next(record))?;
            }
        }
        (None, None) if records.is_empty() => {
            console.remark("", "nothing is kept: no tenant has left");
        }
        (None, None) => console.say(&overview(&records, console.style))?,
    }
    Ok(Outcome::Fine)
}

/// The records of tenants that have left, by the namespace of their province and their name.
async fn tombstones(cluster: &Cluster) -> Result<Vec<TenantRecord>> {
    let doing = "list the tenants' records";
    let records = list(doing, &cluster.all(), &ListParams::default()).await;
    let records = records.map_err(|failure: Failure| match failure.kind {
        Kind::Forbidden => Failure::of(
            Kind::Forbidden,
            format!("{failure}. kubectl eoffice retained TENANT looks at one of them"),
        ),
        _ => failure,
    })?;
    let tenants = cluster.all::<EOfficeTenant>();
    let tenants = list("list the tenants", &tenants, &ListParams::default()).await?;
    let left = records
        .iter()
        .filter(|it: &&TenantRecord| it.spec.state != RecordState::Live);
    let mut records: Vec<TenantRecord> = left
        .chain(bereft(&records, &tenants))
        .filter(|it| !cluster.chosen || it.spec.tenant.namespace == cluster.namespace)
        .cloned()
        .collect();
    records.sort_by(|a, b| {
        let key = |it: &TenantRecord| {
            (
                it.spec.tenant.namespace.clone(),
                it.spec.tenant.name.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    Ok(records)
}

const fn paint(state: RecordState) -> Paint {
    match state {
        RecordState::Retained => Paint::Plain,
        RecordState::Live | RecordState::Purging => Paint::Bad,
        RecordState::Succeeded | RecordState::Destroyed => Paint::Dim,
    }
}

/// A table, and a line that sums it up.
fn overview(records: &[TenantRecord], style: Style) -> String {
    let wide = style.width >= WIDE;
    let titles: &[&str] = match wide {
        true => &[
            "TENANT", "AGENCY", "STATE", "SERVER", "SIZE", "SINCE", "UNTIL", "HOLD", "PURGE",
        ],
        false => &["TENANT", "AGENCY", "STATE", "SIZE", "UNTIL", "PURGE"],
    };
    let mut table = Table::new(titles).cutting("AGENCY", "TENANT");
    for record in records {
        let spec = &record.spec;
        let or_dash = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".into()));
        let tenant = Cell::from(&spec.tenant.name);
        let agency = Cell::from(&spec.tenant_spec.agency.name_th);
        let state = Cell::new(word(spec.state), paint(spec.state));
        let size = or_dash(size(spec));
        let until = or_dash(spec.retain_until.as_ref().map(day));
        let purge = Cell::from(purge(record));
        if wide {
            let server = Cell::from(&spec.database.server);
            let since = or_dash(spec.retained_at.as_ref().map(day));
            let hold = Cell::from(if spec.legal_hold { "yes" } else { "-" });
            table.row([
                tenant, agency, state, server, size, since, until, hold, purge,
            ]);
        } else {
            table.row([tenant, agency, state, size, until, purge]);
        }
    }
    let number = |state| records.iter().filter(|it| it.spec.state == state).count();
    let held = records.iter().filter(|it| it.spec.legal_hold).count();
    let parts = [
        (number(RecordState::Retained), "kept"),
        (
            number(RecordState::Live),
            "gone without being closed, with access open yet (restore makes it again)",
        ),
        (number(RecordState::Purging), "being destroyed"),
        (number(RecordState::Succeeded), "taken over"),
        (number(RecordState::Destroyed), "destroyed"),
        (held, "under legal hold"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let sum = format!("{}: {}", count(records.len(), "tenant"), parts.join(", "));
    table.render(style) + &wrap("", &sum, style)
}

/// What can be done about it.
const fn next(record: &TenantRecord) -> &'static str {
    match record.spec.state {
        RecordState::Live => {
            "Its tenant lives; if it is gone, it went without being closed: kubectl eoffice restore makes it again, and the operator closes it otherwise."
        }
        RecordState::Retained => {
            "kubectl eoffice restore brings the tenant back; purge orders its destruction, legal-hold forbids it."
        }
        RecordState::Purging => {
            "It is being destroyed, as ordered; kubectl eoffice legal-hold stops what is left of that."
        }
        RecordState::Succeeded => "Another tenant took its data over.",
        RecordState::Destroyed => "Nothing stands behind it any more; the record stays.",
    }
}

/// A record as JSON for pipelines.
fn told(record: &TenantRecord) -> Value {
    let spec = &record.spec;
    json!({
        "namespace": spec.tenant.namespace,
        "name": spec.tenant.name,
        "recordNamespace": record.metadata.namespace,
        "agency": spec.tenant_spec.agency,
        "state": spec.state,
        "server": spec.database.server,
        "database": spec.database.name,
        "store": spec.storage.store,
        "bucket": spec.storage.bucket,
        "sizes": spec.sizes,
        "retainedAt": spec.retained_at,
        "retainUntil": spec.retain_until,
        "deletedBy": spec.deleted_by,
        "legalHold": spec.legal_hold,
        "purge": spec.purge,
        "purgeAccepted": spec.purge_accepted,
        "purged": purged(record),
        "successor": spec.successor,
        "destructions": spec.destructions,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
