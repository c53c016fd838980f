//! `kubectl eoffice pause` and `resume`: changes are stopped and go on again.

use crate::Outcome;
use crate::client::{Cluster, merge};
use crate::console::Console;
use crate::failure::Result;
use crate::hold;
use crate::tenant::View;
use clap::Args;
use eoffice_crds::{Decision, EOfficeTenant, TenantClass, annotations};
use kube::ResourceExt;
use serde_json::{Value, json};

/// What `pause` is asked.
#[derive(Args, Debug)]
pub struct PauseArguments {
    /// A tenant, or a class as class/NAME
    #[arg(value_name = "TENANT|class/NAME")]
    target: String,
}

/// What `resume` is asked.
#[derive(Args, Debug)]
pub struct ResumeArguments {
    /// A tenant, a class, or a batch such as batch-20261121.101502
    #[arg(value_name = "TENANT|class/NAME|BATCH")]
    target: String,
}

/// What is meant. A name with a dot in it is no tenant's and no class's.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Tenant(&'a str),
    Class(&'a str),
    Batch(&'a str),
}

impl<'a> From<&'a str> for Target<'a> {
    fn from(text: &'a str) -> Self {
        match text.split_once('/') {
            Some(("class" | "tenantclass", name)) => Self::Class(name),
            Some(("tenant" | "eot", name)) => Self::Tenant(name),
            _ if text.contains('.') => Self::Batch(text),
            _ => Self::Tenant(text),
        }
    }
}

/// Stops changes.
pub async fn pause(
    cluster: &Cluster,
    console: Console,
    arguments: &PauseArguments,
) -> Result<Outcome> {
    let change = annotated(json!("true"));
    let (what, again) = match Target::from(arguments.target.as_str()) {
        Target::Class(name) => (
            class(cluster, name, &change).await?,
            format!("class/{name}"),
        ),
        Target::Tenant(name) | Target::Batch(name) => {
            (tenant(cluster, name, &change).await?, name.to_owned())
        }
    };
    console.tell(&format!(
        "{what} is paused: nothing is changed, observing goes on."
    ))?;
    console.tell(&format!("kubectl eoffice resume {again} lets it go on."))?;
    Ok(Outcome::Fine)
}

/// Lets changes go on.
pub async fn resume(
    cluster: &Cluster,
    console: Console,
    arguments: &ResumeArguments,
) -> Result<Outcome> {
    let change = annotated(Value::Null);
    let what = match Target::from(arguments.target.as_str()) {
        Target::Batch(name) => {
            let batch = hold::decide(cluster, name, Decision::Resume).await?;
            console.tell(&hold::decided(&batch, Decision::Resume))?;
            return Ok(Outcome::Fine);
        }
        Target::Class(name) => class(cluster, name, &change).await?,
        Target::Tenant(name) => tenant(cluster, name, &change).await?,
    };
    console.tell(&format!("{what} goes on."))?;
    Ok(Outcome::Fine)
}

fn annotated(value: Value) -> Value {
    json!({"metadata": {"annotations": {annotations::PAUSED: value}}})
}

async fn tenant(cluster: &Cluster, name: &str, change: &Value) -> Result<String> {
    let found = cluster.tenant(name).await?;
    let api = cluster.within::<EOfficeTenant>(&found.namespace().unwrap_or_default());
    merge(
        &format!("change tenant {}", found.path()),
        &api,
        name,
        change,
    )
    .await?;
    Ok(format!("tenant {}", found.path()))
}

async fn class(cluster: &Cluster, name: &str, change: &Value) -> Result<String> {
    merge(
        &format!("change class {name}"),
        &cluster.all::<TenantClass>(),
        name,
        change,
    )
    .await?;
    Ok(format!("class {name} with all its tenants"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_told_from_a_tenant_by_its_dot() {
        let cases = [
            ("town-pak-chong-3021", Target::Tenant("town-pak-chong-3021")),
            ("class/standard", Target::Class("standard")),
            ("tenant/town", Target::Tenant("town")),
            (
                "batch-20261121.101502",
                Target::Batch("batch-20261121.101502"),
            ),
        ];
        for (text, target) in cases {
            assert_eq!(Target::from(text), target);
        }
    }
}
