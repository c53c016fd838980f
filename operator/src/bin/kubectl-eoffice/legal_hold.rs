//! `kubectl eoffice legal-hold`: nothing of a tenant is destroyed while a court or an auditor wants it kept.

use crate::Outcome;
use crate::client::{Cluster, merge};
use crate::consent::Consent;
use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::record::read;
use clap::Args;
use eoffice_crds::{RECORD_NAME, RecordState, TenantRecord, tenant_namespace};
use serde_json::json;

/// What `legal-hold` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenant, whether it lives or has left
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// End the hold
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Sets or ends a hold. Setting one is never asked twice about.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let name = &arguments.tenant;
    let record = read(cluster, name).await?;
    let wanted = !arguments.release;
    if wanted && !record.spec.state.holds_data() {
        return Err(Failure::new(format!(
            "nothing stands behind the record of tenant {name} any more that could be held"
        )));
    }
    if record.spec.legal_hold == wanted {
        let standing = if wanted { "is" } else { "is not" };
        console.tell(&format!(
            "tenant {name} {standing} under a legal hold: nothing to change."
        ))?;
        return Ok(Outcome::Fine);
    }
    if arguments.release {
        let ordered = record.spec.purge.is_some();
        let then = match ordered {
            true => " A destruction is ordered: its cooling time begins anew.",
            false => "",
        };
        let question = format!("End the legal hold on tenant {name}?{then}");
        arguments.consent.ask(console, &question)?;
    }
    let api = cluster.within::<TenantRecord>(&tenant_namespace(name));
    let doing = format!("write on the record of tenant {name}");
    let change = json!({"spec": {"legalHold": wanted}});
    merge(&doing, &api, RECORD_NAME, &change).await?;
    let told = match (wanted, record.spec.state) {
        (true, RecordState::Purging) => {
            "is under a legal hold: what is not destroyed yet stays, whoever orders it."
        }
        (true, _) => "is under a legal hold: nothing of it is destroyed, whoever orders it.",
        (false, _) => "is under no legal hold any more.",
    };
    console.tell(&format!("tenant {name} {told}"))?;
    Ok(Outcome::Fine)
}
