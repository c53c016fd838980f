//! The chart's admission policies, and that they are in force.

use super::{Finding, Findings};
use crate::client::{Cluster, list};
use crate::failure::Result;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy as Policy, ValidatingAdmissionPolicyBinding as Binding,
};
use kube::ResourceExt;
use kube::api::ListParams;

/// Names of the chart's policies without that of the release, and what passes without each.
const POLICIES: [(&str, &str); 11] = [
    (
        "acceptances",
        "anybody who edits tenants may accept a loss of data",
    ),
    (
        "approvals",
        "anybody who edits tenants may approve them, or give one another's data",
    ),
    (
        "definitions",
        "whoever may delete definitions deletes every tenant with them",
    ),
    ("finalizers", "a tenant can vanish with its access open"),
    (
        "fleetholds",
        "a batch that is held can be forged or let go by anybody",
    ),
    (
        "ingress-hosts",
        "a tenant's application can take over another's host",
    ),
    (
        "namespace-deletion",
        "a tenant's namespace can be deleted with all in it",
    ),
    (
        "namespace-labels",
        "namespaces can be given to another province or tenant",
    ),
    (
        "owners",
        "whoever edits tenants can have one deleted by giving it an owner",
    ),
    (
        "records",
        "a tenant's record can be forged, and its data ordered away by anybody",
    ),
    (
        "tenant-province",
        "a tenant can be made in another province's namespace",
    ),
];

const REMEDY: &str = "install them with the chart: helm upgrade with admission.enabled=true";

/// Looks for each policy and a binding that denies.
pub async fn check(cluster: &Cluster) -> Result<Findings> {
    let ours = ListParams::default().labels("app.kubernetes.io/part-of=eoffice");
    let policies = list("list admission policies", &cluster.all::<Policy>(), &ours).await?;
    let bindings = list(
        "list admission policies' bindings",
        &cluster.all::<Binding>(),
        &ours,
    )
    .await?;
    Ok(judge(&policies, &bindings))
}

fn judge(policies: &[Policy], bindings: &[Binding]) -> Findings {
    if policies.is_empty() {
        let what = "none of the chart's policies is there: records, acceptances and namespaces are open to all who edit";
        return vec![Finding::wrong(what, REMEDY)];
    }
    let mut findings = Findings::new();
    for (name, without) in POLICIES {
        let suffix = format!("-{name}");
        let Some(policy) = policies.iter().find(|it| it.name_any().ends_with(&suffix)) else {
            findings.push(Finding::wrong(
                format!("policy {name} is missing: {without}"),
                REMEDY,
            ));
            continue;
        };
        if !bindings
            .iter()
            .any(|binding| denies(binding, &policy.name_any()))
        {
            findings.push(Finding::wrong(
                format!("policy {name} is not in force: {without}"),
                REMEDY,
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!(
            "{} policies, in force",
            POLICIES.len()
        )));
    }
    findings
}

fn denies(binding: &Binding, policy: &str) -> bool {
    let spec = &binding.spec;
    spec.policy_name == policy && spec.validation_actions.iter().any(|it| it == "Deny")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn policy(name: &str) -> Policy {
        serde_json::from_value(
            serde_json::json!({"metadata": {"name": format!("eoffice-operator-{name}")}}),
        )
        .unwrap()
    }

    fn binding(name: &str, action: &str) -> Binding {
        let name = format!("eoffice-operator-{name}");
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": [action]},
        }))
        .unwrap()
    }

    #[test]
    fn a_policy_counts_only_with_a_binding_that_denies() {
        let policies: Vec<Policy> = POLICIES.iter().map(|(name, _)| policy(name)).collect();
        let mut bindings: Vec<Binding> = POLICIES
            .iter()
            .map(|(name, _)| binding(name, "Deny"))
            .collect();
        assert_eq!(
            judge(&policies, &bindings),
            [Finding::fine("11 policies, in force")]
        );
        bindings[0] = binding(POLICIES[0].0, "Audit");
        let findings = judge(&policies[..10], &bindings);
        let said: Vec<&str> = findings.iter().map(|it| it.what.as_str()).collect();
        assert!(
            said[0].starts_with("policy acceptances is not in force"),
            "{said:?}"
        );
        assert!(
            said[1].starts_with("policy tenant-province is missing"),
            "{said:?}"
        );
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn the_table_is_that_of_the_chart() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../charts/eoffice-operator/templates/admission");
        let mut names = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for rest in text
                .split("include \"eoffice.policy\" (dict \"root\" . \"name\" \"")
                .skip(1)
            {
                names.insert(rest.split('"').next().unwrap().to_owned());
            }
        }
        let table: BTreeSet<String> = POLICIES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(table, names);
    }
}
