//! Servers and stores: reachable, the pinned ones, and without orphans.

use super::{Finding, Findings};
use crate::client::{Cluster, list};
use crate::failure::Result;
use crate::table::count;
use eoffice_crds::{ConditionType, DatabaseServer, ObjectStore, Reason, annotations};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::ListParams;

/// Reads what the operator says of each.
pub async fn check(cluster: &Cluster) -> Result<Findings> {
    let all = ListParams::default();
    let servers = list(
        "list the DatabaseServers",
        &cluster.all::<DatabaseServer>(),
        &all,
    )
    .await?;
    let stores = list("list the ObjectStores", &cluster.all::<ObjectStore>(), &all).await?;
    let servers = servers.iter().map(Backend::from).collect::<Vec<_>>();
    let stores = stores.iter().map(Backend::from).collect::<Vec<_>>();
    let mut findings = judge("databaseserver", &servers);
    findings.extend(judge("objectstore", &stores));
    Ok(findings)
}

/// What servers and stores have in common.
struct Backend {
    name: String,
    ready: Option<Condition>,
    orphans: Vec<String>,
}

impl Backend {
    fn new(name: String, conditions: &[Condition], orphans: &[String]) -> Self {
        let ready = conditions
            .iter()
            .find(|it| it.type_ == ConditionType::Ready.as_str());
        Self {
            name,
            ready: ready.cloned(),
            orphans: orphans.into(),
        }
    }
}

impl From<&DatabaseServer> for Backend {
    fn from(server: &DatabaseServer) -> Self {
        let status = server.status.clone().unwrap_or_default();
        Self::new(server.name_any(), &status.conditions, &status.orphans)
    }
}

impl From<&ObjectStore> for Backend {
    fn from(store: &ObjectStore) -> Self {
        let status = store.status.clone().unwrap_or_default();
        Self::new(store.name_any(), &status.conditions, &status.orphans)
    }
}

fn judge(kind: &str, backends: &[Backend]) -> Findings {
    if backends.is_empty() {
        let what = format!("there is no {kind}: no tenant can be made");
        return vec![Finding::wrong(
            what,
            "describe one, as in examples/platform",
        )];
    }
    let mut findings = Findings::new();
    for backend in backends {
        let Backend {
            name,
            ready,
            orphans,
        } = backend;
        match ready {
            None => findings.push(Finding::wrong(
                format!("{kind} {name}: the operator has not looked at it yet"),
                "see whether the operator works (above)",
            )),
            Some(ready) if ready.status != "True" => findings.push(Finding::wrong(
                format!(
                    "{kind} {name} is not Ready ({}): {}",
                    ready.reason, ready.message
                ),
                remedy(kind, name, &ready.reason),
            )),
            Some(_) => {}
        }
        if !orphans.is_empty() {
            findings.push(Finding::wrong(
                format!("{kind} {name} has {} no record names: {}", count(orphans.len(), "orphan"), orphans.join(", ")),
                "nothing removes them by itself: restore the tenant or record they belong to, or have an admin of the \
                 backend remove them once it is sure that nobody misses them",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!(
            "{}, all Ready, no orphans",
            count(backends.len(), kind)
        )));
    }
    findings
}

fn remedy(kind: &str, name: &str, reason: &str) -> String {
    let annotate = |annotation: &str, value: &str| {
        format!("kubectl annotate {kind} {name} {annotation}={value}")
    };
    if reason == Reason::IdentityChanged.as_str() {
        return format!(
            "another backend answers at its address: correct address or DNS; only if it really is the one to use: {}",
            annotate(annotations::ACCEPT_IDENTITY, "<the identity named above>")
        );
    }
    if reason == Reason::HeldByOtherCluster.as_str() {
        return format!(
            "make sure that the other cluster's operator has ended, then: {}",
            annotate(annotations::TAKE_OVER_FROM, "<the UID named above>")
        );
    }
    if reason == Reason::CredentialsInvalid.as_str() {
        return format!("correct the Secrets that {kind} {name} names in its spec");
    }
    if reason == Reason::Unreachable.as_str() {
        return "see whether it runs, and whether firewall, DNS and certificate let the operator reach it".into();
    }
    format!("kubectl describe {kind} {name} says more")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    fn backend(status: &str, reason: &str, orphans: &[&str]) -> Backend {
        let ready = json!({
            "type": "Ready", "status": status, "reason": reason, "message": "m",
            "lastTransitionTime": "2026-11-21T10:00:00Z",
        });
        let orphans: Vec<String> = orphans.iter().map(|&it| it.into()).collect();
        Backend::new(
            "pg-a".into(),
            &[serde_json::from_value(ready).unwrap()],
            &orphans,
        )
    }

    #[test]
    fn each_trouble_has_its_remedy() {
        let cases = [
            ("IdentityChanged", "accept-identity="),
            ("HeldByOtherCluster", "take-over-from="),
            ("Unreachable", "firewall"),
            ("CredentialsInvalid", "Secrets"),
            ("BackendError", "kubectl describe databaseserver pg-a"),
        ];
        for (reason, words) in cases {
            let findings = judge("databaseserver", &[backend("False", reason, &[])]);
            assert!(
                findings[0].remedy.as_ref().unwrap().contains(words),
                "{findings:?}"
            );
        }
        assert!(judge("objectstore", &[])[0].what.contains("no objectstore"));
        let findings = judge(
            "databaseserver",
            &[backend("True", "AsExpected", &["eo_ab", "eo_cd"])],
        );
        assert_eq!(
            findings[0].what,
            "databaseserver pg-a has 2 orphans no record names: eo_ab, eo_cd"
        );
        let findings = judge("databaseserver", &[backend("True", "AsExpected", &[])]);
        assert_eq!(
            findings,
            [Finding::fine("1 databaseserver, all Ready, no orphans")]
        );
    }
}
