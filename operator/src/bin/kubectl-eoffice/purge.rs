//! `kubectl eoffice purge`: an approver orders, on a committee's decision, that what a tenant left behind is destroyed.

use crate::client::{Cluster, follow, merge};
use crate::consent::Typed;
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::record::{detail, read};
use crate::{Outcome, format_time};
use clap::Args;
use eoffice_crds::{PurgeOrder, RECORD_NAME, RecordState, TenantRecord, tenant_namespace};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};
use std::time::Duration;

/// How long the operator may take to say until when an order can be withdrawn.
const TAKEN_IN: Duration = Duration::from_secs(15);

/// What `purge` is asked.
#[derive(Args, Debug)]
#[group(id = "order", required = true, multiple = false, args = ["committee", "withdraw"])]
pub struct Arguments {
    /// The tenant that has left
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// Reference of the committee's decision
    #[arg(long, value_name = "REF")]
    committee: Option<String>,
    /// Take the order back, which has a cooling time for that
    #[arg(long)]
    withdraw: bool,
    #[command(flatten)]
    typed: Typed,
}

/// Writes or withdraws an order to destroy.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let record = read(cluster, &arguments.tenant).await?;
    match &arguments.committee {
        None => withdraw(cluster, console, &record).await,
        Some(reference) => order(cluster, console, &record, reference, &arguments.typed).await,
    }
}

async fn order(
    cluster: &Cluster,
    console: Console,
    record: &TenantRecord,
    reference: &str,
    typed: &Typed,
) -> Result<Outcome> {
    let name = &record.spec.tenant.name;
    if let Some(objection) = objection(record, Timestamp::now()) {
        return Err(Failure::new(format!(
            "what tenant {name} left behind is not destroyed: {objection}"
        )));
    }
    let order = PurgeOrder {
        committee_reference: reference.to_owned(),
        approved_by: cluster.user().await?,
    };
    if record.spec.purge.as_ref() == Some(&order) {
        console.tell(&format!(
            "{reference} is ordered already: kubectl eoffice retained {name} shows how far it is."
        ))?;
        return Ok(Outcome::Fine);
    }
    console.say(&detail(record, console.style))?;
    if let Some(before) = &record.spec.purge {
        console.tell(&format!(
            "The order {} is replaced, and its cooling time begins anew.",
            before.committee_reference
        ))?;
    }
    console.tell(&format!(
        "ALL DATA named here is to be destroyed on {reference}, by {}, after a cooling time in which the order can be \
         withdrawn. After that nothing brings it back.",
        order.approved_by
    ))?;
    typed.ask(console, name)?;
    write(cluster, record, json!(order)).await?;
    console.tell(&format!("{reference} is ordered by {}.", order.approved_by))?;
    console.tell(&taken_in(cluster, record, &order).await?)?;
    console.tell(&format!(
        "kubectl eoffice purge {name} --withdraw takes it back."
    ))?;
    Ok(Outcome::Fine)
}

/// Why an order would be refused. The operator judges for itself, again and again; this is said at once.
fn objection(record: &TenantRecord, now: Timestamp) -> Option<String> {
    let spec = &record.spec;
    let name = &spec.tenant.name;
    match spec.state {
        RecordState::Retained => {}
        RecordState::Live => {
            return Some(format!(
                "the tenant lives: kubectl eoffice retire {name} comes first"
            ));
        }
        RecordState::Purging => {
            return Some(format!(
                "that is under way: see kubectl eoffice retained {name}"
            ));
        }
        RecordState::Succeeded => return Some("another tenant took it over".into()),
        RecordState::Destroyed => {
            return Some(format!(
                "it was destroyed: kubectl eoffice retained {name} shows the certificate"
            ));
        }
    }
    if spec.legal_hold {
        return Some(format!(
            "it is under a legal hold: kubectl eoffice legal-hold {name} --release ends that"
        ));
    }
    match &spec.retain_until {
        None => Some("its record does not say until when it is kept".into()),
        Some(until) if until.0 > now => Some(format!(
            "it is kept until {}: order it after that",
            format_time(until.0)
        )),
        Some(_) => None,
    }
}

async fn withdraw(cluster: &Cluster, console: Console, record: &TenantRecord) -> Result<Outcome> {
    let name = &record.spec.tenant.name;
    let Some(order) = &record.spec.purge else {
        console.tell(&format!("no destruction is ordered of tenant {name}."))?;
        return Ok(Outcome::Fine);
    };
    match record.spec.state {
        RecordState::Destroyed => {
            return Err(Failure::new(format!(
                "{} was carried out: kubectl eoffice retained {name} shows the certificate",
                order.committee_reference
            )));
        }
        RecordState::Purging => {
            return Err(Failure::new(format!(
                "{} is being carried out, and cannot be withdrawn any more: kubectl eoffice legal-hold {name} stops \
                 what is left of it",
                order.committee_reference
            )));
        }
        RecordState::Live | RecordState::Retained | RecordState::Succeeded => {}
    }
    write(cluster, record, Value::Null).await?;
    console.tell(&format!(
        "{} is withdrawn: what tenant {name} left behind stays.",
        order.committee_reference
    ))?;
    Ok(Outcome::Fine)
}

/// Over the very record that was looked at: an order is about what was shown. A withdrawal must not fail for that.
async fn write(cluster: &Cluster, record: &TenantRecord, order: Value) -> Result<()> {
    let name = &record.spec.tenant.name;
    let mut change = json!({"metadata": {"uid": record.uid()}, "spec": {"purge": order}});
    if !order.is_null() {
        change["metadata"]["resourceVersion"] = json!(record.resource_version());
    }
    let api = cluster.within::<TenantRecord>(&tenant_namespace(name));
    let doing = format!("write on the record of tenant {name}");
    match merge(&doing, &api, RECORD_NAME, &change).await {
        Err(failure) if failure.kind == Kind::Conflict => Err(Failure::new(format!(
            "{doing}: it changed while you looked: look again, with the same command"
        ))),
        done => done.map(drop),
    }
}

/// Until when it can be withdrawn, or what the operator says against it.
async fn taken_in(cluster: &Cluster, record: &TenantRecord, order: &PurgeOrder) -> Result<String> {
    let name = &record.spec.tenant.name;
    let api = cluster.within::<TenantRecord>(&tenant_namespace(name));
    let doing = "wait for the operator to take the order in";
    let until = follow(doing, api, RECORD_NAME, TAKEN_IN, |record| {
        let accepted = record?.spec.purge_accepted.as_ref()?;
        (accepted.order == *order).then_some(accepted.not_before.0)
    })
    .await;
    match until {
        Ok(until) => Ok(format!(
            "Nothing is destroyed before {}.",
            format_time(until)
        )),
        Err(failure) if failure.kind == Kind::Passing => Ok(format!(
            "The operator has not taken it in yet: kubectl eoffice retained {name} shows when it has."
        )),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::record::example;

    #[test]
    fn only_what_was_kept_long_enough_and_is_not_held_can_be_ordered_away() {
        let now: Timestamp = "2036-12-01T00:00:00Z".parse().unwrap();
        let over = "2036-11-30T00:00:00Z";
        let cases = [
            (json!({"retainUntil": over}), None),
            (
                json!({"retainUntil": "2036-12-02T00:00:00Z"}),
                Some("kept until 2036-12-02"),
            ),
            (json!({}), Some("does not say until when")),
            (
                json!({"retainUntil": over, "legalHold": true}),
                Some("legal-hold town --release"),
            ),
            (
                json!({"retainUntil": over, "state": "live"}),
                Some("retire town"),
            ),
            (
                json!({"retainUntil": over, "state": "purging"}),
                Some("under way"),
            ),
            (
                json!({"retainUntil": over, "state": "destroyed"}),
                Some("certificate"),
            ),
            (
                json!({"retainUntil": over, "state": "succeeded"}),
                Some("took it over"),
            ),
        ];
        for (fields, words) in cases {
            let said = objection(&example(fields.clone()), now);
            match words {
                None => assert_eq!(said, None, "{fields}"),
                Some(words) => assert!(said.clone().unwrap().contains(words), "{fields}: {said:?}"),
            }
        }
    }
}
