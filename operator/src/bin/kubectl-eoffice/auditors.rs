//! `kubectl eoffice audit-access`: who may read an archived tenant, and until when.

use crate::client::{Cluster, merge};
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::table::Table;
use crate::tenant::View;
use crate::{Outcome, format_time};
use clap::Args;
use eoffice_crds::{AUDIT_SECRET_PREFIX, AuditAccess, EOfficeTenant, Lifecycle, tenant_namespace};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::json;
use std::str::FromStr;

/// How often the list is written again that somebody else changed meanwhile.
const TRIES: usize = 5;

/// What `audit-access` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenant; alone, its auditors are listed
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// The auditor, such as oag-somchai
    #[arg(long, value_name = "AUDITOR", requires = "change")]
    name: Option<String>,
    /// Until when: 2027-01-31 (all of that day, UTC) or 2027-01-31T09:00:00Z
    #[arg(long, value_name = "TIME", requires = "name", group = "change")]
    until: Option<Until>,
    /// End the auditor's access now
    #[arg(long, requires = "name", group = "change")]
    remove: bool,
}

/// When an access ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until(Timestamp);

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let end_of = |day: Date| day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok();
        let day = || Some(end_of(text.parse().ok()?)?.timestamp());
        let time = text.parse::<Timestamp>().ok().or_else(day);
        time.map(Self).ok_or_else(|| {
            format!("{text:?} is no time: write 2027-01-31, or 2027-01-31T09:00:00Z")
        })
    }
}

/// Lists auditors, lets one in, or takes one's access away.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let tenant = cluster.tenant(&arguments.tenant).await?;
    let Some(auditor) = &arguments.name else {
        return listed(console, &tenant);
    };
    if let Some(Until(until)) = arguments.until
        && until <= Timestamp::now()
    {
        return Err(Failure::new(format!(
            "{} is over: give a time to come, or take the access away with --remove",
            format_time(until)
        )));
    }
    write(cluster, tenant.clone(), auditor, arguments.until).await?;
    let path = tenant.path();
    if tenant.is_paused() {
        let name = tenant.name_any();
        let remark = format!(
            "tenant {path} is paused: nothing of this happens before kubectl eoffice resume {name}"
        );
        console.remark("", &remark);
    }
    let Some(Until(until)) = arguments.until else {
        console.tell(&taken_away(auditor, &tenant))?;
        return Ok(Outcome::Fine);
    };
    console.tell(&format!(
        "auditor {auditor} may read tenant {path} until {}: Secret {AUDIT_SECRET_PREFIX}{auditor} in namespace {}.",
        format_time(until),
        tenant_namespace(&tenant.name_any())
    ))?;
    if tenant.spec.lifecycle != Lifecycle::Archived {
        console.tell(&format!(
            "Without effect until the tenant is archived: kubectl eoffice archive {}",
            tenant.name_any()
        ))?;
    }
    Ok(Outcome::Fine)
}

/// What the end of an access means, in a sentence.
fn taken_away(auditor: &str, tenant: &EOfficeTenant) -> String {
    let path = tenant.path();
    match tenant.is_paused() {
        true => format!(
            "auditor {auditor} can read tenant {path} until it is resumed, or until the time that was given to the auditor."
        ),
        false => format!("auditor {auditor} has no access to tenant {path} any more."),
    }
}

fn listed(console: Console, tenant: &EOfficeTenant) -> Result<Outcome> {
    if tenant.spec.audit_access.is_empty() {
        console.tell(&format!("No auditor may read tenant {}.", tenant.path()))?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["AUDITOR", "UNTIL", "SECRET"]);
    for AuditAccess { name, until } in &tenant.spec.audit_access {
        let secret = format!("{AUDIT_SECRET_PREFIX}{name}");
        table.row([name.into(), format_time(until.0).into(), secret.into()]);
    }
    console.say(&table.render(console.style))?;
    Ok(Outcome::Fine)
}

/// A list is written whole: over the version it was read from, or not at all.
async fn write(
    cluster: &Cluster,
    mut tenant: EOfficeTenant,
    auditor: &str,
    until: Option<Until>,
) -> Result<()> {
    let (path, name) = (tenant.path(), tenant.name_any());
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let doing = format!("change the auditors of tenant {path}");
    for _ in 0..TRIES {
        let change = json!({
            "metadata": {"resourceVersion": tenant.resource_version()},
            "spec": {"auditAccess": with(&tenant.spec.audit_access, auditor, until)},
        });
        match merge(&doing, &api, &name, &change).await {
            Err(failure) if failure.kind == Kind::Conflict => {
                tenant = crate::client::call(&doing, api.get(&name)).await?;
            }
            done => return done.map(drop),
        }
    }
    Err(Failure::new(format!(
        "{doing}: others keep changing it at the same time: try again"
    )))
}

/// The list with this auditor's access as it is to be.
fn with(list: &[AuditAccess], auditor: &str, until: Option<Until>) -> Vec<AuditAccess> {
    let others = list.iter().filter(|it| it.name != auditor).cloned();
    let one = until.map(|Until(until)| AuditAccess {
        name: auditor.to_owned(),
        until: Time(until),
    });
    others.chain(one).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_given_whole() {
        let at = |text: &str| text.parse::<Until>().map(|Until(at)| at.to_string());
        assert_eq!(at("2027-01-31").unwrap(), "2027-02-01T00:00:00Z");
        assert_eq!(at("2027-01-31T09:00:00Z").unwrap(), "2027-01-31T09:00:00Z");
        assert_eq!(
            at("2027-01-31T09:00:00+07:00").unwrap(),
            "2027-01-31T02:00:00Z"
        );
        assert!(at("30d").is_err() && at("2027-02-30").is_err());
    }

    #[test]
    fn nobody_is_told_that_a_paused_tenant_is_closed() {
        let tenant = |paused: &str| -> EOfficeTenant {
            let agency = json!({"nameTh": "ก", "kind": "Other", "province": "30"});
            let paused = json!({"eoffice.gdcc.go.th/paused": paused});
            let tenant = json!({
                "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
                "metadata": {"name": "a", "namespace": "province-30", "annotations": paused},
                "spec": {"agency": agency},
            });
            serde_json::from_value(tenant).unwrap()
        };
        assert!(taken_away("oag", &tenant("false")).contains("has no access"));
        assert!(taken_away("oag", &tenant("true")).contains("can read tenant province-30/a until"));
    }

    #[test]
    fn an_auditor_is_in_the_list_once_or_not_at_all() {
        let until: Until = "2027-01-31".parse().unwrap();
        let later: Until = "2027-02-28".parse().unwrap();
        let one = with(&[], "a", Some(until));
        let two = with(&one, "b", Some(until));
        let names = |list: &[AuditAccess]| -> Vec<String> {
            list.iter()
                .map(|it| format!("{} {}", it.name, it.until.0))
                .collect()
        };
        assert_eq!(
            names(&with(&two, "a", Some(later))),
            ["b 2027-02-01T00:00:00Z", "a 2027-03-01T00:00:00Z"]
        );
        assert_eq!(names(&with(&two, "b", None)), ["a 2027-02-01T00:00:00Z"]);
    }
}
