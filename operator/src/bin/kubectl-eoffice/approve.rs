//! `kubectl eoffice approve`: an approver lets an agency in, or all those of a province.

mod province;

use crate::client::{Cluster, follow, merge};
use crate::consent::Consent;
use crate::console::Console;
use crate::facts::{Facts, day};
use crate::failure::{Failure, Kind, Result};
use crate::table::Style;
use crate::tenant::View;
use crate::{Outcome, format_time};
use clap::Args;
use eoffice_crds::{Approval, ApprovalStatus, EOfficeTenant};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::json;
use std::time::Duration;

/// How long the operator may take to say what a spec that was changed just now asks for.
const TAKEN_UP: Duration = Duration::from_secs(30);

/// What `approve` is asked.
#[derive(Args, Debug)]
#[group(id = "approved", required = true, multiple = false, args = ["tenant", "province"])]
pub struct Arguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: Option<String>,
    /// All tenants of a province, by its code or its namespace
    #[arg(long, value_name = "CODE|NAMESPACE", requires = "decision")]
    province: Option<String>,
    /// Reference of the memorandum of understanding that was signed
    #[arg(long, value_name = "REFERENCE", group = "decision")]
    mou: Option<String>,
    /// Take the approval of a whole province away again
    #[arg(long, conflicts_with = "tenant", group = "decision")]
    withdraw: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Shows what is approved, and approves it in the user's own name.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let consent = arguments.consent;
    match (&arguments.tenant, &arguments.province, &arguments.mou) {
        (Some(name), _, mou) => tenant(cluster, console, name, mou.as_deref(), consent).await,
        (_, Some(place), Some(mou)) => {
            province::approve(cluster, console, place, mou, consent).await
        }
        (_, Some(place), None) => province::withdraw(cluster, console, place, consent).await,
        (None, None, _) => Err(Failure::new("name a tenant, or a province with --province")),
    }
}

async fn tenant(
    cluster: &Cluster,
    console: Console,
    name: &str,
    mou: Option<&str>,
    consent: Consent,
) -> Result<Outcome> {
    let tenant = taken_up(cluster, cluster.tenant(name).await?).await?;
    let path = tenant.path();
    let Some(standing) = tenant.seen().approval else {
        console.tell(&format!(
            "tenant {path} needs no approval: its class does not ask for one."
        ))?;
        return Ok(Outcome::Fine);
    };
    let mou = mou.map(str::to_owned).or_else(|| reference(&tenant));
    let mou = mou.ok_or_else(|| {
        Failure::new(format!(
            "tenant {path} names no memorandum of understanding: give its reference with --mou"
        ))
    })?;
    if let Some(before) = approved_already(&tenant, &standing, &mou) {
        console.tell(&format!("tenant {path} is approved already: {before}."))?;
        return Ok(Outcome::Fine);
    }
    let user = cluster.user().await?;
    console.say(&shown(&tenant, &standing, &mou, console.style))?;
    consent.ask(console, &format!("Approve it, as {user}?"))?;
    let approval = Approval {
        mou_reference: Some(mou),
        approved_by: Some(user.clone()),
        approved_at: Some(Time(Timestamp::now())),
        fingerprint: Some(standing.asked.clone()),
    };
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let change = json!({"spec": {"approval": approval}});
    merge(&format!("approve tenant {path}"), &api, name, &change).await?;
    console.tell(&format!(
        "tenant {path} is approved as {} by {user}. kubectl eoffice status {name} shows what comes of it.",
        standing.asked
    ))?;
    Ok(Outcome::Fine)
}

fn reference(tenant: &EOfficeTenant) -> Option<String> {
    tenant.spec.approval.as_ref()?.mou_reference.clone()
}

/// The tenant once the operator has said what its newest spec asks for. Before, its fingerprint is of another content
/// than a person is shown.
async fn taken_up(cluster: &Cluster, tenant: EOfficeTenant) -> Result<EOfficeTenant> {
    if is_taken_up(&tenant) {
        return Ok(tenant);
    }
    let (path, name) = (tenant.path(), tenant.name_any());
    let doing = format!("wait for the operator to take up the newest spec of tenant {path}");
    if tenant.is_paused() {
        return Err(Failure::new(format!(
            "{doing}: it is paused: kubectl eoffice resume {name} first"
        )));
    }
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    follow(&doing, api, &name, TAKEN_UP, |tenant| match tenant {
        None => Some(None),
        Some(tenant) => is_taken_up(tenant).then(|| Some(tenant.clone())),
    })
    .await?
    .ok_or_else(|| Failure::of(Kind::NotFound, format!("{doing}: it was deleted meanwhile")))
}

fn is_taken_up(tenant: &EOfficeTenant) -> bool {
    let seen = tenant.status.as_ref();
    seen.is_some_and(|seen| seen.observed_generation == tenant.metadata.generation)
}

/// By whom, where nothing is left to approve.
fn approved_already(
    tenant: &EOfficeTenant,
    standing: &ApprovalStatus,
    mou: &str,
) -> Option<String> {
    let by = standing.approved_by.as_ref()?;
    let same = standing.approved.as_ref() == Some(&standing.asked);
    let other_mou = reference(tenant).is_some_and(|before| before != mou);
    let at = standing.approved_at.as_ref();
    let at = at.map_or(String::new(), |at| format!(" on {}", day(at)));
    (same && !other_mou).then(|| format!("by {by}{at}"))
}

fn shown(tenant: &EOfficeTenant, standing: &ApprovalStatus, mou: &str, style: Style) -> String {
    let spec = &tenant.spec;
    let agency = &spec.agency;
    let codes: Vec<String> = agency
        .codes
        .iter()
        .map(|code| format!("{} {}", word(code.scheme), code.value))
        .collect();
    let database = spec.database.as_ref();
    let size: Vec<String> = [
        spec.users.map(|users| format!("{users} users")),
        spec.signing_certificates
            .map(|number| format!("{number} signing certificates")),
        database
            .and_then(|database| database.connection_limit)
            .map(|limit| format!("{limit} connections")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let class = spec.class_name.clone();
    let last = standing.approved.as_ref().map(|approved| {
        let by = standing.approved_by.as_deref().unwrap_or("nobody");
        let at = standing.approved_at.as_ref();
        let at = at.map_or(String::new(), |at| format!(", {}", format_time(at.0)));
        format!("{approved} by {by}{at}")
    });
    Facts::new(&tenant.path(), style)
        .and("agency", &agency.name_th)
        .maybe("", agency.name_en.as_ref())
        .and("kind", word(agency.kind))
        .and("province", &agency.province)
        .maybe("codes", (!codes.is_empty()).then(|| codes.join(", ")))
        .and("class", class.unwrap_or_else(|| "the default one".into()))
        .maybe("size", (!size.is_empty()).then(|| size.join(", ")))
        .maybe("takes over", spec.restore_from.as_ref())
        .and("MOU", mou)
        .and("fingerprint", &standing.asked)
        .maybe("approved was", last)
        .render()
}

/// A word of the API.
fn word(of: impl serde::Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
