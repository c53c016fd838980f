//! The tenants live: a row for each, until all are Ready.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use eoffice_crds::{ConditionType, EOfficeTenant};
use futures::TryStreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::time::{Instant, interval};

use crate::operator::Operator;
use crate::progress::{Task, human};

/// Tenants that are not Ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// Between two looks at whether the operator still runs.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The planes of a tenant in the order they become ready, as a row names them.
const PLANES: &[(ConditionType, &str)] = &[
    (ConditionType::NamespaceReady, "namespace"),
    (ConditionType::DatabaseReady, "database"),
    (ConditionType::StorageReady, "storage"),
    (ConditionType::CertificateReady, "certificate"),
    (ConditionType::IngressReady, "ingress"),
    (ConditionType::Verified, "verified"),
];

/// Whether the tenant is Ready.
pub(super) fn is_ready(tenant: &EOfficeTenant) -> bool {
    holds(tenant, ConditionType::Ready)
}

fn holds(tenant: &EOfficeTenant, kind: ConditionType) -> bool {
    condition(tenant, kind).is_some_and(|it| it.status == "True")
}

fn condition(tenant: &EOfficeTenant, kind: ConditionType) -> Option<&Condition> {
    let conditions = &tenant.status.as_ref()?.conditions;
    conditions.iter().find(|it| it.type_ == kind.as_str())
}

/// Shows each tenant in its row, and in `all` how many are Ready, until all are. Fails where one cannot become so, or
/// the operator ends.
pub(super) async fn watch(
    client: &kube::Client,
    operator: &Operator,
    rows: Vec<(String, Task)>,
    all: &Task,
) -> Result<()> {
    let count = rows.len();
    let mut waiting: BTreeMap<String, Row> = rows
        .into_iter()
        .map(|(name, task)| (name, Row { task, seen: None }))
        .collect();
    let tenants = watcher(Api::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .touched_objects();
    let mut tenants = std::pin::pin!(tenants);
    let mut look = interval(LOOK_EVERY);
    let deadline = Instant::now() + READY_WITHIN;
    while waiting.values().any(|row| !row.is_stalled()) {
        tokio::select! {
            tenant = tenants.try_next() => if let Ok(Some(tenant)) = tenant {
                show(&mut waiting, tenant);
            },
            _ = look.tick() => {
                all.count(format_args!("{} of {count} are Ready", count - waiting.len()));
                if operator.part.pid().is_none() {
                    let said = crate::failure::last_lines(operator.part.log());
                    bail!("the operator has ended while tenants were being made{said}");
                }
                if Instant::now() >= deadline {
                    break;
                }
            }
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = waiting.iter().map(|(name, row)| row.reason(name)).collect();
    bail!("these tenants are not Ready:\n{}", reasons.join("\n"));
}

fn show(waiting: &mut BTreeMap<String, Row>, tenant: EOfficeTenant) {
    let Some(name) = tenant.metadata.name.clone() else {
        return;
    };
    if is_ready(&tenant) {
        if let Some(row) = waiting.remove(&name) {
            let status = tenant.status.as_ref();
            let url = status.and_then(|it| it.url.as_deref()).unwrap_or_default();
            let took = human(row.task.elapsed());
            row.task.done(format_args!("Ready after {took}  {url}"));
        }
    } else if let Some(row) = waiting.get_mut(&name) {
        row.task.show(progress(&tenant));
        row.seen = Some(tenant);
    }
}

/// A tenant that is not Ready yet.
struct Row {
    task: Task,
    seen: Option<EOfficeTenant>,
}

impl Row {
    fn is_stalled(&self) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|tenant| holds(tenant, ConditionType::Stalled))
    }

    fn reason(&self, name: &str) -> String {
        let Some(tenant) = &self.seen else {
            return format!("  {name}: it was not seen");
        };
        let open = PLANES.iter().map(|(kind, _)| *kind);
        let words: Vec<String> = [ConditionType::Ready]
            .into_iter()
            .chain(open)
            .filter_map(|kind| condition(tenant, kind))
            .filter(|it| it.status != "True")
            .map(|it| format!("{} {} ({}): {}", it.type_, it.status, it.reason, it.message))
            .collect();
        match words.as_slice() {
            [] => format!("  {name}: the operator has not said anything of it"),
            words => format!("  {name}: {}", words.join("; ")),
        }
    }
}

/// Phase and planes in one line.
fn progress(tenant: &EOfficeTenant) -> String {
    let phase = tenant.status.as_ref().and_then(|it| it.phase);
    let phase = phase.map_or("New", |phase| phase.as_str());
    let planes: Vec<String> = PLANES
        .iter()
        .map(
            |(kind, word)| match condition(tenant, *kind).map(|it| it.status.as_str()) {
                Some("True") => format!("{word} ✓"),
                Some("False") => format!("{word} ✗"),
                _ => format!("{word} ·"),
            },
        )
        .collect();
    format!("{phase:<13} {}", planes.join("  "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::progress::Progress;

    fn tenant(conditions: &[(&str, &str)]) -> EOfficeTenant {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status)| {
                json!({
                    "type": kind, "status": status, "reason": "BackendError", "message": "it says why",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                })
            })
            .collect();
        let mut object: serde_json::Value = apply_text();
        object["status"] = json!({"phase": "Provisioning", "conditions": conditions});
        serde_json::from_value(object).unwrap()
    }

    fn apply_text() -> serde_json::Value {
        let path = crate::home::workspace().join("examples/korat/town-sikhio-3020.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        crate::apply::parse(&text).unwrap().remove(0)
    }

    fn row(tenant: Option<EOfficeTenant>) -> Row {
        Row {
            task: Progress::silent().task("t"),
            seen: tenant,
        }
    }

    #[test]
    fn a_row_names_every_plane() {
        let line = progress(&tenant(&[
            ("NamespaceReady", "True"),
            ("StorageReady", "False"),
        ]));
        assert_eq!(
            line,
            "Provisioning  namespace ✓  database ·  storage ✗  certificate ·  ingress ·  verified ·"
        );
    }

    #[test]
    fn a_ready_tenant_leaves_and_a_stalled_one_says_why() {
        let mut waiting = BTreeMap::from([("town-sikhio-3020".to_owned(), row(None))]);
        show(
            &mut waiting,
            tenant(&[("Stalled", "True"), ("Ready", "False")]),
        );
        let stalled = &waiting["town-sikhio-3020"];
        assert!(stalled.is_stalled());
        let reason = stalled.reason("x");
        assert_eq!(reason, "  x: Ready False (BackendError): it says why");

        show(&mut waiting, tenant(&[("Ready", "True")]));
        assert!(waiting.is_empty());
    }
}
