//! `kubectl eoffice rotate`: tenants get new credentials.

use crate::client::{Cluster, follow, merge};
use crate::console::Console;
use crate::failure::{Failure, Result};
use crate::tenant::View;
use crate::{Outcome, Waiting, format_time};
use clap::Args;
use eoffice_crds::{CredentialsStatus, EOfficeTenant, annotations};
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

/// Tenants that are waited for at once.
const AT_ONCE: usize = 16;

/// What `rotate` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenants
    #[arg(value_name = "TENANT", required = true)]
    tenants: Vec<String>,
    /// An emergency: cut off those before as soon as the new ones work
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Asks for new credentials for each tenant, and waits where that is wanted.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let names: std::collections::BTreeSet<&String> = arguments.tenants.iter().collect();
    // All are found before any is changed: a wrong name is seen early.
    let mut tenants = Vec::new();
    for name in names {
        tenants.push(cluster.tenant(name).await?);
    }
    let rotations = stream::iter(tenants)
        .map(|tenant| async move {
            let path = tenant.path();
            (path, rotate(cluster, console, &tenant, arguments).await)
        })
        .buffer_unordered(AT_ONCE);
    let mut rotations = std::pin::pin!(rotations);
    let mut outcome = Outcome::Fine;
    while let Some((path, done)) = rotations.next().await {
        match done {
            Ok(sentence) => console.tell(&format!("tenant {path}: {sentence}"))?,
            Err(failure) => {
                console.remark("error: ", &failure.to_string());
                outcome = Outcome::Wrong;
            }
        }
    }
    Ok(outcome)
}

/// What came of it, in a sentence.
async fn rotate(
    cluster: &Cluster,
    console: Console,
    tenant: &EOfficeTenant,
    arguments: &Arguments,
) -> Result<String> {
    let (path, name) = (tenant.path(), tenant.name_any());
    if tenant.is_paused() {
        let remark = format!("tenant {path} is paused: kubectl eoffice resume {name} first");
        console.remark("", &remark);
    }
    let annotation = match arguments.now {
        true => annotations::ROTATE_NOW_REQUESTED_AT,
        false => annotations::ROTATE_REQUESTED_AT,
    };
    let asked = Timestamp::now().to_string();
    let api = cluster.within::<EOfficeTenant>(&tenant.namespace().unwrap_or_default());
    let change = json!({"metadata": {"annotations": {annotation: asked}}});
    let doing = format!("ask for new credentials for tenant {path}");
    merge(&doing, &api, &name, &change).await?;
    if !arguments.waiting.wait {
        return Ok("new credentials are asked for.".into());
    }
    let doing = format!("wait for new credentials for tenant {path}");
    let timeout = arguments.waiting.timeout;
    follow(&doing, api, &name, timeout, |tenant| {
        let Some(tenant) = tenant else {
            return Some(Err(Failure::new(format!(
                "{doing}: it was deleted meanwhile"
            ))));
        };
        // An emergency waits for no batch.
        if let Some(why) = tenant.held().filter(|_| !arguments.now) {
            return Some(Err(Failure::new(format!("{doing}: it is held: {why}"))));
        }
        let credentials = tenant.seen().credentials?;
        answered(&credentials, &asked, arguments.now).map(Ok)
    })
    .await?
}

/// What became of the question: once the new credentials are in the Secrets, or, in an emergency, once those before are
/// cut off, too.
fn answered(credentials: &CredentialsStatus, asked: &str, now: bool) -> Option<String> {
    let handled = match now {
        true => &credentials.last_handled_rotate_now_at,
        false => &credentials.last_handled_rotate_at,
    };
    if handled.as_deref() != Some(asked) {
        return None;
    }
    let Some(under_way) = &credentials.rotation else {
        return Some(
            "the new credentials are in its Secrets, and those before are cut off.".into(),
        );
    };
    // A rotation is answered for when it begins, and handed out a moment later.
    let issued = credentials.issued_at.as_ref();
    let handed_out = issued.is_some_and(|issued| issued.0 >= under_way.since.0);
    (handed_out && !now).then(|| {
        format!(
            "the new credentials are in its Secrets; those before end when nothing uses them any more, at the latest \
             {}.",
            format_time(under_way.deadline.0)
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::Value;

    const ASKED: &str = "2026-11-21T10:00:00Z";
    const BEGUN: &str = "2026-11-21T10:00:01Z";

    /// Credentials issued then, with a rotation that has begun, or without one.
    fn credentials(handled: &str, issued: &str, under_way: bool) -> CredentialsStatus {
        let rotation = under_way.then(|| {
            json!({"cause": "Asked", "since": BEGUN, "deadline": "2026-11-28T10:00:00Z",
                   "loginRetired": false, "keyRetired": false})
        });
        let status: Value = json!({
            "issuedAt": issued, "lastHandledRotateAt": handled, "lastHandledRotateNowAt": handled,
            "rotation": rotation,
        });
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn it_is_done_when_the_secrets_have_the_new_ones_and_in_an_emergency_when_the_old_ones_are_cut_off()
     {
        let before = "2026-08-21T10:00:00Z";
        let cases = [
            (credentials("before", before, false), None, None),
            (credentials(ASKED, before, true), None, None),
            (
                credentials(ASKED, BEGUN, true),
                Some("2026-11-28 10:00 UTC"),
                None,
            ),
            (
                credentials(ASKED, BEGUN, false),
                Some("cut off"),
                Some("cut off"),
            ),
        ];
        for (status, soon, emergency) in cases {
            for (now, words) in [(false, soon), (true, emergency)] {
                let said = answered(&status, ASKED, now);
                assert_eq!(said.is_some(), words.is_some(), "{now} {status:?}");
                assert!(said.unwrap_or_default().contains(words.unwrap_or_default()));
            }
        }
    }
}
