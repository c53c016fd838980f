//! What concerns many tenants: batches that wait for a person, and the namespaces of provinces.

use super::{Finding, Findings};
use crate::client::{Cluster, list};
use crate::failure::Result;
use crate::record::bereft;
use crate::table::count;
use eoffice_crds::{EOfficeTenant, FleetHold, HoldState, TenantRecord, labels};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::ListParams;
use std::collections::{BTreeMap, BTreeSet};

/// Each for itself: who may see one may not see the other.
pub async fn check(cluster: &Cluster) -> Findings {
    let mut findings = super::or_unknown(holds(cluster).await);
    findings.extend(super::or_unknown(provinces(cluster).await));
    findings.extend(super::or_unknown(records(cluster).await));
    findings
}

async fn holds(cluster: &Cluster) -> Result<Findings> {
    let holds = list(
        "list the FleetHolds",
        &cluster.all::<FleetHold>(),
        &ListParams::default(),
    )
    .await?;
    Ok(judge_holds(&holds))
}

fn judge_holds(holds: &[FleetHold]) -> Findings {
    let mut findings = Findings::new();
    for hold in holds {
        let status = hold.status.clone().unwrap_or_default();
        if status.state == Some(HoldState::Held) && hold.spec.decision.is_none() {
            let name = hold.name_any();
            let tenants = count(status.tenants.len(), "tenant");
            let cause = status
                .tenants
                .first()
                .map(|it| format!("; the first: {}", it.cause))
                .unwrap_or_default();
            findings.push(Finding::wrong(
                format!("batch {name} holds {tenants} and waits for a person{cause}"),
                format!("kubectl eoffice recover {name} undoes it, kubectl eoffice resume {name} lets it happen"),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine("no batch waits for a decision"));
    }
    findings
}

async fn records(cluster: &Cluster) -> Result<Findings> {
    let all = ListParams::default();
    let records = list(
        "list the tenants' records",
        &cluster.all::<TenantRecord>(),
        &all,
    )
    .await?;
    let tenants = cluster.all::<EOfficeTenant>();
    let tenants = list("list the tenants of all namespaces", &tenants, &all).await?;
    Ok(judge_records(&records, &tenants))
}

/// A tenant leaves with its access closed, unless somebody took its finalizer away.
fn judge_records(records: &[TenantRecord], tenants: &[EOfficeTenant]) -> Findings {
    let mut findings: Findings = bereft(records, tenants)
        .map(|record| {
            let name = &record.spec.tenant.name;
            Finding::wrong(
                format!("tenant {name} is gone without having been closed: its access is open"),
                format!("kubectl eoffice restore {name} makes it again; otherwise the operator closes it"),
            )
        })
        .collect();
    if findings.is_empty() {
        let number = count(records.len(), "record");
        findings.push(Finding::fine(format!(
            "{number} of tenants; whoever is gone is closed"
        )));
    }
    findings
}

async fn provinces(cluster: &Cluster) -> Result<Findings> {
    let all = ListParams::default();
    let tenants = list(
        "list the tenants of all namespaces",
        &cluster.all::<EOfficeTenant>(),
        &all,
    )
    .await?;
    let namespaces = list("list the namespaces", &cluster.all::<Namespace>(), &all).await?;
    Ok(judge_provinces(&tenants, &namespaces))
}

/// Namespaces with tenants, and those that are named like a province's, have to say which province they are.
fn judge_provinces(tenants: &[EOfficeTenant], namespaces: &[Namespace]) -> Findings {
    let said: BTreeMap<String, Option<String>> = namespaces
        .iter()
        .map(|it| (it.name_any(), it.labels().get(labels::PROVINCE).cloned()))
        .collect();
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for tenant in tenants {
        let provinces = asked
            .entry(tenant.namespace().unwrap_or_default())
            .or_default();
        provinces.insert(tenant.spec.agency.province.clone());
    }
    for name in said.keys() {
        let code = name
            .strip_prefix("province-")
            .filter(|code| code.len() == 2);
        if let Some(code) = code.filter(|_| !asked.contains_key(name)) {
            asked.insert(name.clone(), [code.to_owned()].into());
        }
    }
    let mut findings = Findings::new();
    for (namespace, provinces) in &asked {
        let Some(province) = provinces.iter().next() else {
            continue;
        };
        let remedy = format!(
            "kubectl label namespace {namespace} {}={province} --overwrite",
            labels::PROVINCE
        );
        match said.get(namespace).cloned().flatten() {
            None => findings.push(Finding::wrong(
                format!("namespace {namespace} has no label {}: its tenants are refused", labels::PROVINCE),
                remedy,
            )),
            Some(said) if provinces.iter().any(|province| *province != said) => findings.push(Finding::wrong(
                format!("namespace {namespace} is labelled province {said}, and has tenants of another one"),
                remedy,
            )),
            Some(_) => {}
        }
    }
    if findings.is_empty() {
        let number = count(asked.len(), "namespace");
        findings.push(Finding::fine(format!(
            "{number} of provinces, labelled as such"
        )));
    }
    findings
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    fn namespace(name: &str, province: Option<&str>) -> Namespace {
        let labels = province.map(|province| json!({labels::PROVINCE: province}));
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap()
    }

    fn tenant(namespace: &str, province: &str) -> EOfficeTenant {
        serde_json::from_value(json!({
            "metadata": {"name": "town", "namespace": namespace},
            "spec": {"agency": {"nameTh": "เทศบาล", "kind": "TownMunicipality", "province": province}},
        }))
        .unwrap()
    }

    #[test]
    fn a_provinces_namespace_says_which() {
        let cases = [
            (namespace("korat", Some("30")), None),
            (namespace("korat", None), Some("has no label")),
            (namespace("korat", Some("31")), Some("labelled province 31")),
        ];
        for (namespace, words) in cases {
            let findings = judge_provinces(&[tenant("korat", "30")], &[namespace]);
            match words {
                None => assert_eq!(
                    findings,
                    [Finding::fine("1 namespace of provinces, labelled as such")]
                ),
                Some(words) => assert!(findings[0].what.contains(words), "{findings:?}"),
            }
        }
        let findings = judge_provinces(
            &[],
            &[namespace("province-31", None), namespace("plain", None)],
        );
        assert!(
            findings.len() == 1 && findings[0].what.contains("province-31"),
            "{findings:?}"
        );
    }

    #[test]
    fn who_is_gone_is_closed() {
        for (state, name, words) in [
            ("live", "town", None),
            ("live", "gone", Some("tenant gone is gone")),
            ("retained", "gone", None),
        ] {
            let mut record = crate::record::example(json!({"state": state}));
            record.spec.tenant.name = name.to_owned();
            let findings = judge_records(&[record], &[tenant("province-30", "30")]);
            match words {
                Some(words) => assert!(findings[0].what.contains(words), "{findings:?}"),
                None => assert_eq!(findings[0].grade, super::super::Grade::Fine, "{findings:?}"),
            }
        }
    }

    #[test]
    fn a_batch_waits_until_it_is_decided() {
        let hold = |spec: serde_json::Value, state: &str| -> FleetHold {
            let status = json!({"state": state, "tenants": [{
                "namespace": "p", "name": "t", "uid": "u", "impact": "Delete",
                "cause": "the EOfficeTenant is being deleted", "seenAt": "2026-11-21T10:00:00Z",
            }]});
            serde_json::from_value(
                json!({"metadata": {"name": "batch-1.2"}, "spec": spec, "status": status}),
            )
            .unwrap()
        };
        let findings = judge_holds(&[hold(json!({}), "Held")]);
        assert!(
            findings[0]
                .remedy
                .as_ref()
                .unwrap()
                .contains("kubectl eoffice recover batch-1.2"),
            "{findings:?}"
        );
        for quiet in [
            hold(json!({"decision": "Resume"}), "Held"),
            hold(json!({}), "Watching"),
        ] {
            assert_eq!(
                judge_holds(&[quiet]),
                [Finding::fine("no batch waits for a decision")]
            );
        }
    }
}
