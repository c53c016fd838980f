//! `kubectl eoffice retire`: a tenant's resource is deleted, by whom is written down, and its data stays.

use crate::client::{Cluster, call, follow, merge};
use crate::consent::{Consent, Typed};
use crate::console::Console;
use crate::facts::Facts;
use crate::failure::{Failure, Kind, Result};
use crate::table::Style;
use crate::tenant::View;
use crate::{Outcome, Waiting};
use clap::Args;
use eoffice_crds::{DeletionPolicy, EOfficeTenant, annotations};
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};
use serde_json::json;

/// What `retire` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    waiting: Waiting,
}

/// Deletes a tenant's resource, after a person's word.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let tenant = cluster.tenant(&arguments.tenant).await?;
    let (path, name) = (tenant.path(), tenant.name_any());
    if tenant.metadata.deletion_timestamp.is_some() {
        console.tell(&format!("tenant {path} is being deleted already."))?;
        return Ok(Outcome::Fine);
    }
    let user = cluster.user().await?;
    console.say(&shown(&tenant, console.style))?;
    if tenant.is_paused() {
        let remark = format!("It is paused, and leaves only after kubectl eoffice resume {name}.");
        console.remark("", &remark);
    }
    if is_destroyed(&tenant) {
        arguments.typed.ask(console, &name)?;
    } else {
        arguments
            .consent
            .ask(console, "Close it, and delete its resource?")?;
    }
    delete(cluster, &tenant, &user).await?;
    console.tell(&format!("tenant {path} is being deleted, by {user}."))?;
    if arguments.waiting.wait {
        gone(cluster, &tenant, &arguments.waiting).await?;
        console.tell(&format!("tenant {path} has left."))?;
    }
    if !is_destroyed(&tenant) {
        console.tell(&format!(
            "kubectl eoffice retained {name} shows what is kept; kubectl eoffice restore {name} brings it back."
        ))?;
    }
    Ok(Outcome::Fine)
}

/// Whether its data goes with it: its own word is enough where the class it runs with says so.
fn is_destroyed(tenant: &EOfficeTenant) -> bool {
    let applied = tenant.seen().applied;
    let allowed = applied.is_none_or(|it| it.frozen.allow_delete && it.frozen.retention.is_none());
    tenant.spec.deletion_policy == DeletionPolicy::Delete && allowed
}

/// What goes, and what stays until when.
fn shown(tenant: &EOfficeTenant, style: Style) -> String {
    let seen = tenant.seen();
    let database = seen.database.as_ref();
    let storage = seen.storage.as_ref();
    let days = seen.applied.as_ref().map(|it| it.frozen.retain.days);
    let fate = match (is_destroyed(tenant), days) {
        (true, _) => {
            "ALL DATA IS DESTROYED (deletionPolicy Delete): nothing brings it back".to_owned()
        }
        (false, Some(days)) => format!(
            "closed; all data is kept for {days} days at least, and after that until a committee decides"
        ),
        (false, None) => "closed; whatever was made is kept".to_owned(),
    };
    Facts::new(&tenant.path(), style)
        .and("agency", &tenant.spec.agency.name_th)
        .maybe("url", seen.url.as_ref())
        .maybe(
            "database",
            database.map(|it| format!("{} on {}", it.name, it.server)),
        )
        .maybe(
            "storage",
            storage.map(|it| format!("{} in {}", it.bucket, it.store)),
        )
        .and("then", fate)
        .render()
}

/// Writes down who deletes it, and deletes this very object.
async fn delete(cluster: &Cluster, tenant: &EOfficeTenant, user: &str) -> Result<()> {
    let (path, name) = (tenant.path(), tenant.name_any());
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let change = json!({
        "metadata": {"uid": tenant.uid(), "annotations": {annotations::DELETED_BY: user}},
    });
    let doing = format!("write on tenant {path} who deletes it");
    merge(&doing, &api, &name, &change).await?;
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: tenant.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match call(&format!("delete tenant {path}"), api.delete(&name, &params)).await {
        Err(failure) if failure.kind == Kind::NotFound => Ok(()),
        done => done.map(drop),
    }
}

/// Waits until the resource is gone.
async fn gone(cluster: &Cluster, tenant: &EOfficeTenant, waiting: &Waiting) -> Result<()> {
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let doing = format!("wait for tenant {} to be closed", tenant.path());
    let uid = tenant.uid();
    follow(&doing, api, &tenant.name_any(), waiting.timeout, |tenant| {
        let Some(tenant) = tenant.filter(|it| it.uid() == uid) else {
            return Some(Ok(()));
        };
        let why = tenant.held()?;
        Some(Err(Failure::new(format!("{doing}: it is held: {why}"))))
    })
    .await?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn tenant(policy: &str, applied: Value) -> EOfficeTenant {
        serde_json::from_value(json!({
            "metadata": {"name": "town", "namespace": "province-30"},
            "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}, "deletionPolicy": policy},
            "status": {"applied": applied},
        }))
        .unwrap()
    }

    fn applied(allow_delete: bool, retention: Value) -> Value {
        json!({
            "class": "trial", "baseDomain": "d", "store": "s", "versioning": true, "allowDelete": allow_delete,
            "retain": {"days": 30, "restore": "Automatic"}, "retention": retention,
        })
    }

    #[test]
    fn its_data_goes_with_it_only_where_its_class_says_so() {
        let lock = json!({"mode": "Governance", "days": 9});
        let cases = [
            ("Retain", applied(true, Value::Null), false),
            ("Delete", applied(true, Value::Null), true),
            ("Delete", applied(false, Value::Null), false),
            ("Delete", applied(true, lock), false),
            // What is not known is not taken lightly.
            ("Delete", Value::Null, true),
        ];
        for (policy, applied, destroyed) in cases {
            let tenant = tenant(policy, applied.clone());
            assert_eq!(is_destroyed(&tenant), destroyed, "{policy} {applied}");
        }
    }
}
