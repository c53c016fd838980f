//! `kubectl eoffice suspend`, `archive` and `reopen`: a tenant is closed with all its data kept, and opened again.

use crate::Outcome;
use crate::client::{Cluster, merge};
use crate::consent::Consent;
use crate::console::Console;
use crate::failure::Result;
use crate::tenant::View;
use clap::Args;
use eoffice_crds::{EOfficeTenant, Lifecycle};
use kube::ResourceExt;
use serde_json::json;

/// What `suspend` and `archive` are asked.
#[derive(Args, Debug)]
pub struct CloseArguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
    #[command(flatten)]
    consent: Consent,
}

/// What `reopen` is asked.
#[derive(Args, Debug)]
pub struct ReopenArguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
}

/// Has a tenant closed for now.
pub async fn suspend(
    cluster: &Cluster,
    console: Console,
    arguments: &CloseArguments,
) -> Result<Outcome> {
    let question =
        "Close it for now? Nobody of the agency can work until it is reopened; all data stays.";
    close(cluster, console, arguments, Lifecycle::Suspended, question).await
}

/// Has a tenant closed for good.
pub async fn archive(
    cluster: &Cluster,
    console: Console,
    arguments: &CloseArguments,
) -> Result<Outcome> {
    let question = "Close it for good? Nobody of the agency can work; all data stays, and auditors may be let in.";
    close(cluster, console, arguments, Lifecycle::Archived, question).await
}

/// Has a tenant opened again.
pub async fn reopen(
    cluster: &Cluster,
    console: Console,
    arguments: &ReopenArguments,
) -> Result<Outcome> {
    let tenant = cluster.tenant(&arguments.tenant).await?;
    if !is_news(console, &tenant, Lifecycle::Active)? {
        return Ok(Outcome::Fine);
    }
    write(cluster, &tenant, Lifecycle::Active).await?;
    console.tell(&format!("tenant {} will be open again.", tenant.path()))?;
    Ok(Outcome::Fine)
}

async fn close(
    cluster: &Cluster,
    console: Console,
    arguments: &CloseArguments,
    lifecycle: Lifecycle,
    question: &str,
) -> Result<Outcome> {
    let tenant = cluster.tenant(&arguments.tenant).await?;
    if !is_news(console, &tenant, lifecycle)? {
        return Ok(Outcome::Fine);
    }
    let (path, name) = (tenant.path(), tenant.name_any());
    let agency = &tenant.spec.agency.name_th;
    let question = format!("{path}, {agency}: {question}");
    arguments.consent.ask(console, &question)?;
    write(cluster, &tenant, lifecycle).await?;
    console.tell(&format!(
        "tenant {path} will be {lifecycle:?}; all data stays. kubectl eoffice reopen {name} opens it again."
    ))?;
    if lifecycle == Lifecycle::Archived {
        console.tell("kubectl eoffice audit-access lets an auditor read it.")?;
    }
    Ok(Outcome::Fine)
}

fn is_news(console: Console, tenant: &EOfficeTenant, lifecycle: Lifecycle) -> Result<bool> {
    let news = tenant.spec.lifecycle != lifecycle;
    if !news {
        let path = tenant.path();
        console.tell(&format!(
            "tenant {path} is asked to be {lifecycle:?} already."
        ))?;
    }
    Ok(news)
}

/// The operator closes and opens.
async fn write(cluster: &Cluster, tenant: &EOfficeTenant, lifecycle: Lifecycle) -> Result<()> {
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let doing = format!("change tenant {}", tenant.path());
    let change = json!({"spec": {"lifecycle": lifecycle}});
    merge(&doing, &api, &tenant.name_any(), &change)
        .await
        .map(drop)
}
