//! `kubectl eoffice verify`: a tenant's credentials are tried now.

use crate::Outcome;
use crate::client::{Cluster, follow, merge};
use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::table::{Paint, Style, wrap};
use crate::tenant::{View, judge};
use clap::Args;
use eoffice_crds::{ConditionType, EOfficeTenant, annotations};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;
use std::time::Duration;

/// What `verify` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// How long to wait for the operator's answer
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = crate::duration)]
    timeout: Duration,
}

/// Asks the operator to look and to try, waits for its answer, and shows it.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let tenant = cluster.tenant(&arguments.tenant).await?;
    let name = tenant.name_any();
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let asked = Timestamp::now().to_string();
    let change = json!({"metadata": {"annotations": {annotations::RECONCILE_REQUESTED_AT: asked}}});
    let doing = format!("ask for tenant {} to be verified", tenant.path());
    merge(&doing, &api, &name, &change).await?;
    let doing = format!("wait for tenant {} to be verified", tenant.path());
    let answered = follow(
        &doing,
        api,
        &name,
        arguments.timeout,
        |tenant| match tenant {
            None => Some(None),
            Some(tenant) => {
                let handled = tenant.status.as_ref()?.last_handled_reconcile_at.as_deref();
                (handled == Some(&asked)).then(|| Some(tenant.clone()))
            }
        },
    )
    .await?
    .ok_or_else(|| Failure::new(format!("{doing}: it was deleted meanwhile")))?;
    console.say(&shown(&answered, console.style))?;
    Ok(if answered.holds(ConditionType::Verified) {
        Outcome::Fine
    } else {
        Outcome::Wrong
    })
}

fn shown(tenant: &EOfficeTenant, style: Style) -> String {
    let mut text = style.paint(Paint::Bold, &tenant.path()) + "\n";
    for kind in [ConditionType::Verified, ConditionType::Ready] {
        match tenant.condition(kind) {
            None => text += &format!("{kind}: nothing is known\n"),
            Some(condition) => {
                let status = style.paint(judge(condition), &condition.status);
                text += &format!("{kind} {status} ({})\n", condition.reason);
                text += &wrap("  ", &condition.message, style);
            }
        }
    }
    text
}
