//! Rights: what this user may, and what the operator's account may.

use super::{Finding, Findings, Operator};
use crate::client::{Cluster, call};
use crate::failure::Result;
use eoffice_crds::GROUP;
use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Questions that wait for their answer at once.
const AT_ONCE: usize = 16;
/// The chart's own words: what the operator was given is what it is asked for.
const CHART: &str =
    include_str!("../../../../../charts/eoffice-operator/templates/rbac/operator.yaml");

/// A right: a verb on a resource of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    group: String,
    resource: String,
    subresource: Option<String>,
    namespace: Option<String>,
}

impl Right {
    /// `patch eofficetenants/status.eoffice.gdcc.go.th`, as kubectl auth can-i takes it.
    fn shown(&self) -> String {
        let Self {
            verb,
            group,
            resource,
            ..
        } = self;
        let subresource = self
            .subresource
            .as_ref()
            .map_or(String::new(), |it| format!("/{it}"));
        let group = if group.is_empty() {
            String::new()
        } else {
            format!(".{group}")
        };
        format!("{verb} {resource}{group}{subresource}")
    }

    fn attributes(&self) -> ResourceAttributes {
        ResourceAttributes {
            verb: Some(self.verb.clone()),
            group: Some(self.group.clone()),
            resource: Some(self.resource.clone()),
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone(),
            ..ResourceAttributes::default()
        }
    }
}

/// What each command needs: its name, verbs, resource, and whether that is one of a namespace.
const OURS: [(&str, &[&str], &str, bool); 10] = [
    (
        "status, drift, plan",
        &["get", "list"],
        "eofficetenants",
        true,
    ),
    (
        "plan",
        &["create", "get", "list", "watch", "delete"],
        "tenantplans",
        true,
    ),
    (
        "verify, pause, resume, approve, rotate, suspend, archive, reopen, audit-access",
        &["patch", "watch"],
        "eofficetenants",
        true,
    ),
    (
        "retire, restore",
        &["create", "delete", "patch", "watch"],
        "eofficetenants",
        true,
    ),
    ("retained", &["get", "list"], "tenantrecords", false),
    (
        "legal-hold, purge",
        &["get", "patch", "watch", "list"],
        "tenantrecords",
        false,
    ),
    (
        "pause, resume class/NAME",
        &["patch"],
        "tenantclasses",
        false,
    ),
    (
        "resume, recover BATCH",
        &["get", "patch", "watch"],
        "fleetholds",
        false,
    ),
    (
        "class accept",
        &["list", "watch", "patch"],
        "eofficetenants",
        false,
    ),
    ("doctor", &["list"], "databaseservers", false),
];

/// Asks for each right.
pub async fn check(cluster: &Cluster, operator: &Operator) -> Findings {
    let mut findings = super::or_unknown(ours(cluster).await);
    findings.extend(super::or_unknown(operators(cluster, operator).await));
    findings
}

/// What this user lacks is worth knowing; it is no fault of the platform.
async fn ours(cluster: &Cluster) -> Result<Findings> {
    let mut findings = Findings::new();
    for (command, verbs, resource, namespaced) in OURS {
        let rights = verbs.iter().map(|&verb| Right {
            verb: verb.into(),
            group: GROUP.into(),
            resource: resource.into(),
            subresource: None,
            namespace: namespaced.then(|| cluster.namespace.clone()),
        });
        let lacking = lacking(rights.collect(), |right| review_ours(cluster, right)).await?;
        if !lacking.is_empty() {
            let place = if namespaced {
                format!("in namespace {}", cluster.namespace)
            } else {
                "in the cluster".into()
            };
            findings.push(Finding::note(
                format!("{command}: you may not {} {place}", shown(&lacking)),
                "ask a platform admin for it if you need that command",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine("you may use every command here"));
    }
    Ok(findings)
}

/// What the operator lacks stops its work.
async fn operators(cluster: &Cluster, operator: &Operator) -> Result<Findings> {
    let rights = chart_rights(CHART);
    let number = rights.len();
    let user = format!(
        "system:serviceaccount:{}:{}",
        operator.namespace, operator.name
    );
    let lacking = lacking(rights, |right| review(cluster, &user, right)).await?;
    if lacking.is_empty() {
        return Ok(vec![Finding::fine(format!(
            "the operator has all {number} rights it needs"
        ))]);
    }
    Ok(vec![Finding::wrong(
        format!("the operator ({user}) may not {}", shown(&lacking)),
        "helm upgrade gives it the rights of its version; if it has another account, name it with --operator",
    )])
}

/// The first of them; a whole role that is missing would fill the screen.
fn shown(lacking: &[Right]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<String> = lacking.iter().take(SHOWN).map(Right::shown).collect();
    match lacking.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

async fn lacking<F: Future<Output = Result<bool>>>(
    rights: Vec<Right>,
    ask: impl Fn(Right) -> F,
) -> Result<Vec<Right>> {
    let answers: Vec<Option<Right>> = stream::iter(rights)
        .map(|right| {
            let answer = ask(right.clone());
            async move { answer.await.map(|allowed| (!allowed).then_some(right)) }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(answers.into_iter().flatten().collect())
}

async fn review_ours(cluster: &Cluster, right: Right) -> Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(right.attributes()),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api = cluster.all::<SelfSubjectAccessReview>();
    let answer = call(
        "ask for your rights",
        api.create(&PostParams::default(), &review),
    )
    .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn review(cluster: &Cluster, user: &str, right: Right) -> Result<bool> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            resource_attributes: Some(right.attributes()),
            user: Some(user.into()),
            // Without its groups a ServiceAccount would seem to lack what is given to all of them.
            groups: Some(vec![
                "system:serviceaccounts".into(),
                "system:authenticated".into(),
            ]),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api = cluster.all::<SubjectAccessReview>();
    let answer = call(
        "ask for the operator's rights",
        api.create(&PostParams::default(), &review),
    )
    .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// The rights of the chart's ClusterRole, in which only the metadata are a template.
fn chart_rights(chart: &str) -> Vec<Right> {
    let role = chart.split("\n---").next().unwrap_or_default();
    let rules = role.find("\nrules:").map_or("", |at| &role[at..]);
    let mut parsed: BTreeMap<String, Vec<Rule>> = serde_yaml::from_str(rules).unwrap_or_default();
    let mut rights = Vec::new();
    for rule in parsed.remove("rules").unwrap_or_default() {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let (resource, subresource) = match resource.split_once('/') {
                    Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
                    None => (resource.as_str(), None),
                };
                rights.extend(rule.verbs.iter().map(|verb| Right {
                    verb: verb.clone(),
                    group: group.clone(),
                    resource: resource.into(),
                    subresource: subresource.clone(),
                    namespace: None,
                }));
            }
        }
    }
    rights
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_rights_are_those_of_the_chart() {
        let shown: Vec<String> = chart_rights(CHART).iter().map(Right::shown).collect();
        for right in [
            "patch eofficetenants.eoffice.gdcc.go.th/status",
            "create tenantrecords.eoffice.gdcc.go.th",
            "delete secrets",
            "patch ingresses.networking.k8s.io",
            "create events.events.k8s.io",
        ] {
            assert!(shown.iter().any(|it| it == right), "{right}: {shown:?}");
        }
        assert!(shown.len() > 80, "{}", shown.len());
    }
}
