//! `kubectl eoffice retire`: a tenant's resource is deleted, by whom is written down, and its data stays.

use crate::client::{Cluster, call, follow};
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
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

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
    if tenant
        .annotations()
        .get(annotations::DELETED_BY)
        .map(String::as_str)
        == Some(user)
    {
        // Said again, it would keep the time of the first.
        take_back(&api, tenant).await;
    }
    say(&doing, &api, &name, &change).await?;
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: tenant.uid(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    match call(&format!("delete tenant {path}"), api.delete(&name, &params)).await {
        Err(failure) if failure.kind == Kind::NotFound => Ok(()),
        Err(failure) => {
            take_back(&api, tenant).await;
            Err(failure)
        }
        Ok(_) => Ok(()),
    }
}

/// By a writer of its own: its time is then that of this very word, whatever else was written by these commands.
async fn say(doing: &str, api: &Api<EOfficeTenant>, name: &str, change: &Value) -> Result<()> {
    let params = PatchParams {
        field_manager: Some(format!("{}-retire", crate::client::FIELD_MANAGER)),
        ..PatchParams::default()
    };
    call(doing, api.patch(name, &params, &Patch::Merge(change)))
        .await
        .map(drop)
}

/// Nobody is to be named for a deletion that he did not do. Where that cannot be written, the operator believes no old
/// word all the same.
async fn take_back(api: &Api<EOfficeTenant>, tenant: &EOfficeTenant) {
    let name = tenant.name_any();
    let now = call("look at it again", api.get(&name)).await;
    if now.is_ok_and(|now| now.metadata.deletion_timestamp.is_none()) {
        let nobody = json!({
            "metadata": {"uid": tenant.uid(), "annotations": {annotations::DELETED_BY: null}},
        });
        drop(say("take back who deletes it", api, &name, &nobody).await);
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
