//! `kubectl eoffice restore`: a tenant that has left is made again from its record, or another takes its data over.

use crate::client::{Cluster, call, follow, merge};
use crate::consent::Consent;
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::record::{detail, read, word};
use crate::tenant::View;
use crate::{Outcome, Waiting};
use clap::Args;
use eoffice_crds::{
    Approval, ConditionType, EOfficeTenant, RECORD_NAME, RecordState, Restore, TenantRecord,
    tenant_namespace,
};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;

/// What `restore` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenants to make again; with --from, the one that takes over
    #[arg(value_name = "TENANT", required = true)]
    tenants: Vec<String>,
    /// Have TENANT take over what the record in this namespace names
    #[arg(long, value_name = "NAMESPACE")]
    from: Option<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    waiting: Waiting,
}

/// Makes tenants again, or lets one take over.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    match (&arguments.from, arguments.tenants.as_slice()) {
        (Some(from), [tenant]) => take_over(cluster, console, from, tenant, arguments).await,
        (Some(_), _) => Err(Failure::new(
            "one tenant only takes over what a record names: give one tenant with --from",
        )),
        (None, tenants) => make_all_again(cluster, console, tenants, &arguments.waiting).await,
    }
}

async fn make_all_again(
    cluster: &Cluster,
    console: Console,
    tenants: &[String],
    waiting: &Waiting,
) -> Result<Outcome> {
    let mut outcome = Outcome::Fine;
    let mut made = Vec::new();
    for name in tenants {
        match make_again(cluster, name).await {
            Ok(tenant) => {
                console.tell(&format!("tenant {} is made again.", tenant.path()))?;
                made.push(tenant);
            }
            Err(failure) => {
                console.remark("error: ", &failure.to_string());
                outcome = Outcome::Wrong;
            }
        }
    }
    if !waiting.wait && !made.is_empty() {
        console.tell(
            "It takes its data back by itself: kubectl eoffice status shows how far it is.",
        )?;
        return Ok(outcome);
    }
    for tenant in &made {
        if let Err(failure) = ready(cluster, console, tenant, waiting).await {
            console.remark("error: ", &failure.to_string());
            outcome = Outcome::Wrong;
        }
    }
    Ok(outcome)
}

/// Makes a tenant's resource again.
async fn make_again(cluster: &Cluster, name: &str) -> Result<EOfficeTenant> {
    let record = read(cluster, name).await?;
    if let Some(objection) = objection(&record) {
        return Err(Failure::new(format!(
            "tenant {name} is not made again: {objection}"
        )));
    }
    let tenant = from_record(&record);
    let path = tenant.path();
    let api = cluster.within::<EOfficeTenant>(&record.spec.tenant.namespace);
    let params = PostParams {
        field_manager: Some(crate::client::FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let doing = format!("make tenant {path} again");
    match call(&doing, api.create(&params, &tenant)).await {
        Err(failure) if failure.kind == Kind::Conflict => Err(Failure::new(format!(
            "tenant {path} is there already: kubectl eoffice status {name} shows how it stands"
        ))),
        Ok(made) if record.spec.frozen.retain.restore == Restore::Explicit => {
            claim(cluster, &made, &tenant_namespace(name)).await
        }
        made => made,
    }
}

/// Who may make a tenant need not be who may give it the data.
async fn claim(cluster: &Cluster, made: &EOfficeTenant, from: &str) -> Result<EOfficeTenant> {
    let (path, name) = (made.path(), made.name_any());
    let claimed = give(cluster, made, from).await;
    claimed.map_err(|failure| {
        Failure::of(
            failure.kind,
            format!(
                "tenant {path} is made again, and gets its data back only when an approver runs kubectl eoffice \
                 restore {name} --from {from}, as its class wants it: {failure}"
            ),
        )
    })
}

/// Writes what a tenant takes its data over from.
async fn give(cluster: &Cluster, tenant: &EOfficeTenant, from: &str) -> Result<EOfficeTenant> {
    let path = tenant.path();
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let change = json!({"spec": {"restoreFrom": from}});
    let doing = format!("let tenant {path} take over the record in namespace {from}");
    merge(&doing, &api, &tenant.name_any(), &change).await
}

/// Why a tenant cannot be made again from this record.
fn objection(record: &TenantRecord) -> Option<String> {
    let name = &record.spec.tenant.name;
    match record.spec.state {
        // One that says that it lives may have gone without being closed; if not, it is there already.
        RecordState::Retained | RecordState::Live => None,
        RecordState::Purging => Some(format!(
            "its data is being destroyed: see kubectl eoffice retained {name}"
        )),
        RecordState::Destroyed => Some(format!(
            "its data was destroyed: kubectl eoffice retained {name} shows the certificate. To begin anew, apply a \
             tenant without a past"
        )),
        RecordState::Succeeded => {
            let successor = record.spec.successor.as_ref();
            let successor = successor.map_or("another tenant".to_owned(), |it| {
                format!("tenant {}/{}", it.namespace, it.name)
            });
            Some(format!("{successor} took its data over"))
        }
    }
}

/// The tenant as it was last seen. The approval that it had is in its record, and nobody may write it in another's name.
fn from_record(record: &TenantRecord) -> EOfficeTenant {
    let mut spec = record.spec.tenant_spec.clone();
    let mou = spec.approval.take().and_then(|it| it.mou_reference);
    spec.approval = mou.map(|mou| Approval {
        mou_reference: Some(mou),
        ..Approval::default()
    });
    spec.restore_from = None;
    let mut tenant = EOfficeTenant::new(&record.spec.tenant.name, spec);
    tenant.metadata.namespace = Some(record.spec.tenant.namespace.clone());
    tenant
}

/// Has a tenant that is there take over what another's record names.
async fn take_over(
    cluster: &Cluster,
    console: Console,
    from: &str,
    name: &str,
    arguments: &Arguments,
) -> Result<Outcome> {
    let tenant = cluster.tenant(name).await?;
    let path = tenant.path();
    let doing = format!("read the record in namespace {from}");
    let api = cluster.within::<TenantRecord>(from);
    let record = call(&doing, api.get(RECORD_NAME)).await?;
    if record.spec.state != RecordState::Retained {
        return Err(Failure::new(format!(
            "the record in namespace {from} is {}: only what a tenant has left behind can be taken over",
            word(record.spec.state)
        )));
    }
    console.say(&detail(&record, console.style))?;
    let agency = &tenant.spec.agency.name_th;
    let question = format!("Give all this to tenant {path}, {agency}?");
    arguments.consent.ask(console, &question)?;
    give(cluster, &tenant, from).await?;
    console.tell(&format!(
        "tenant {path} is to take over what the record in namespace {from} names. kubectl eoffice status {name} says \
         whether it can."
    ))?;
    if arguments.waiting.wait {
        ready(cluster, console, &tenant, &arguments.waiting).await?;
    }
    Ok(Outcome::Fine)
}

/// Waits until a tenant is Ready with its newest spec.
async fn ready(
    cluster: &Cluster,
    console: Console,
    tenant: &EOfficeTenant,
    waiting: &Waiting,
) -> Result<()> {
    let path = tenant.path();
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let doing = format!("wait for tenant {path} to be Ready");
    let name = tenant.name_any();
    follow(&doing, api, &name, waiting.timeout, |tenant| {
        let Some(tenant) = tenant else {
            let gone = Failure::new(format!("{doing}: it was deleted meanwhile"));
            return Some(Err(gone));
        };
        if tenant.seen().observed_generation != tenant.metadata.generation {
            return None;
        }
        if tenant.holds(ConditionType::Ready) {
            return Some(Ok(()));
        }
        let stalled = tenant.condition(ConditionType::Stalled);
        let stalled = stalled.filter(|it| it.status == "True")?;
        Some(Err(Failure::new(format!("{doing}: {}", stalled.message))))
    })
    .await??;
    console.tell(&format!("tenant {path} is Ready."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::record::example;

    #[test]
    fn a_tenant_comes_back_as_it_was_with_nobody_elses_name_on_it() {
        let record = example(json!({"tenantSpec": {
            "agency": {"nameTh": "ก", "kind": "Other", "province": "30"}, "users": 160, "restoreFrom": "eoffice-b",
            "approval": {"mouReference": "MOU-1", "approvedBy": "somsri", "approvedAt": "2026-11-21T10:00:00Z",
                         "fingerprint": "ab"},
        }}));
        let tenant = from_record(&record);
        let approval = tenant.spec.approval.clone().unwrap();
        assert_eq!(tenant.path(), "province-30/town");
        assert_eq!(tenant.spec.users, Some(160));
        assert_eq!(approval.mou_reference.as_deref(), Some("MOU-1"));
        assert_eq!((approval.approved_by, approval.fingerprint), (None, None));
        assert_eq!(tenant.spec.restore_from, None);
    }

    #[test]
    fn what_is_kept_comes_back_and_what_went_without_being_closed() {
        for (state, back) in [
            ("retained", true),
            ("live", true),
            ("purging", false),
            ("destroyed", false),
            ("succeeded", false),
        ] {
            let record = example(json!({"state": state}));
            assert_eq!(objection(&record).is_none(), back, "{state}");
        }
    }
}
