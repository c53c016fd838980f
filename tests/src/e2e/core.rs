//! Looks at a whole platform at once: every object's version, what the operator counts, what a class is like.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use eoffice_crds::TenantClass;
use futures::future::try_join_all;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use serde_json::{Value, json};

use super::security::{Platform, eventually};
use crate::home::workspace;
use crate::process::Spec;
use crate::{Operator, Sandbox, apply};

/// The 20 agencies of `examples/korat`.
pub fn korat() -> Result<Vec<Value>> {
    let folder = workspace().join("examples/korat");
    let mut tenants = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&file)?;
            tenants
                .extend(apply::parse(&text).with_context(|| format!("read {}", file.display()))?);
        }
    }
    Ok(tenants)
}

/// The names of objects.
pub fn names(objects: &[Value]) -> Vec<String> {
    let name = |object: &Value| object["metadata"]["name"].as_str().map(str::to_owned);
    objects.iter().filter_map(name).collect()
}

/// Makes a class like `standard`, under a domain of its own, that differs in what `change` does.
pub async fn class(platform: &Platform, name: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
    let classes: Api<TenantClass> = platform.cluster();
    let standard = classes.get("standard").await?;
    let mut spec = serde_json::to_value(&standard.spec)?;
    spec["baseDomain"] = json!(format!("{name}.example"));
    change(&mut spec);
    let class = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "TenantClass",
        "metadata": {"name": name},
        "spec": spec,
    });
    platform.apply(&[class]).await
}

/// Runs `kubectl` with all rights, and returns what it prints.
pub async fn kubectl(sandbox: &Sandbox, args: &[&str]) -> Result<String> {
    Spec::new("kubectl", &sandbox.ground().tools.kubectl)
        .args(args)
        .env("KUBECONFIG", sandbox.kubeconfig())
        .output()
        .await
}

/// Kinds that the operator writes, or may write.
const KINDS: &[(&str, &str, &str, &str)] = &[
    (
        "eoffice.gdcc.go.th",
        "v1alpha1",
        "EOfficeTenant",
        "eofficetenants",
    ),
    (
        "eoffice.gdcc.go.th",
        "v1alpha1",
        "TenantRecord",
        "tenantrecords",
    ),
    (
        "eoffice.gdcc.go.th",
        "v1alpha1",
        "TenantClass",
        "tenantclasses",
    ),
    (
        "eoffice.gdcc.go.th",
        "v1alpha1",
        "DatabaseServer",
        "databaseservers",
    ),
    (
        "eoffice.gdcc.go.th",
        "v1alpha1",
        "ObjectStore",
        "objectstores",
    ),
    ("", "v1", "Namespace", "namespaces"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
    ),
    ("", "v1", "ResourceQuota", "resourcequotas"),
    ("", "v1", "LimitRange", "limitranges"),
    ("", "v1", "Event", "events"),
    (
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
    ),
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("cert-manager.io", "v1", "Certificate", "certificates"),
];

/// How the API server names a kind of those that the operator writes.
pub fn resource(kind: &str) -> Result<ApiResource> {
    let row = KINDS.iter().find(|row| row.2 == kind);
    let (group, version, kind, plural) = row.with_context(|| format!("no kind {kind} here"))?;
    let api_version = match *group {
        "" => (*version).to_owned(),
        group => format!("{group}/{version}"),
    };
    Ok(ApiResource {
        group: (*group).into(),
        version: (*version).into(),
        api_version,
        kind: (*kind).into(),
        plural: (*plural).into(),
    })
}

/// The version of every object that the operator writes or may write, by `Kind namespace/name`.
pub async fn versions(platform: &Platform) -> Result<BTreeMap<String, String>> {
    let lists = KINDS.iter().map(|(_, _, kind, _)| async move {
        let all: Api<DynamicObject> = Api::all_with(platform.sandbox.admin(), &resource(kind)?);
        let found = all.list(&ListParams::default()).await;
        let found = found.with_context(|| format!("list every {kind}"))?;
        anyhow::Ok(found.items.into_iter().map(move |object| {
            let meta = object.metadata;
            let namespace = meta.namespace.unwrap_or_default();
            let name = meta.name.unwrap_or_default();
            (
                format!("{kind} {namespace}/{name}"),
                meta.resource_version.unwrap_or_default(),
            )
        }))
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// Wants both to be the same; the error says what was made, changed or removed in between.
pub fn unchanged(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    let differs = |(key, version): &(&String, &String)| before.get(*key) != Some(*version);
    let changed = after.iter().filter(differs).map(|(key, _)| key.as_str());
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let all: Vec<&str> = changed.chain(gone.map(String::as_str)).collect();
    ensure!(all.is_empty(), "these changed: {}", all.join(", "));
    Ok(())
}

/// One number of `/metrics`.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// What the operator counts.
#[derive(Clone, Debug)]
pub struct Counts(pub Vec<Sample>);

impl Counts {
    /// As of now.
    pub async fn of(operator: &Operator) -> Result<Self> {
        let text = operator.metrics().await?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Ok(Self(lines.map(sample).collect::<Result<_>>()?))
    }

    /// The sum of those of this name with all of these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|it| it == value))
        };
        self.0.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// How often something was done at the outside.
    pub fn calls(&self, verb: &str) -> f64 {
        self.sum(CALLS, &[("verb", verb)])
    }

    /// Changes made at the outside, by plane and verb. Renewing the lease is none: it says only who works.
    pub fn changes(&self) -> BTreeMap<String, f64> {
        let mut changes = BTreeMap::new();
        for sample in &self.0 {
            let label = |key: &str| sample.labels.get(key).map_or("", String::as_str);
            let change = sample.name == CALLS && label("access") == "Write";
            if change && label("verb") != "write_lease" {
                let what = format!("{} {}", label("plane"), label("verb"));
                *changes.entry(what).or_default() += sample.value;
            }
        }
        changes
    }
}

const CALLS: &str = "eoffice_external_calls_total";

/// One line of the text that Prometheus reads. No value here has a comma or a quote in it.
fn sample(line: &str) -> Result<Sample> {
    let (series, value) = line.rsplit_once(' ').context("a line without a value")?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.trim_end_matches('}')),
        None => (series, ""),
    };
    let label = |text: &str| {
        let (key, value) = text.split_once('=')?;
        Some((key.to_owned(), value.trim_matches('"').to_owned()))
    };
    Ok(Sample {
        name: name.to_owned(),
        labels: labels.split(',').filter_map(label).collect(),
        value: value
            .parse()
            .with_context(|| format!("a line of the metrics: {line}"))?,
    })
}

/// Awaits that the operator has looked `times` more at every server, at the lists of the store, and at every
/// one of `tenants` in it.
pub async fn looked_again(platform: &Platform, times: u32, tenants: usize) -> Result<()> {
    let tenants = u32::try_from(tenants)?;
    let servers = u32::try_from(platform.sandbox.postgres.len())?;
    let looks = [
        ("audit", servers),
        ("list_buckets", 1),
        ("list_users", 1),
        ("list_access_keys", tenants),
    ];
    let before = Counts::of(&platform.operator).await?;
    eventually("the operator looks again", || async {
        let now = Counts::of(&platform.operator).await?;
        for (verb, each) in looks {
            let done = now.calls(verb) - before.calls(verb);
            if done < f64::from(times * each) {
                bail!("{verb} was done {done} times, not {times} times {each}");
            }
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_changes_are_read_from_the_metrics() {
        let counts = Counts(
            [
                r#"eoffice_external_calls_total{plane="Kubernetes",verb="apply",access="Write",outcome="ok"} 3"#,
                r#"eoffice_external_calls_total{plane="Kubernetes",verb="apply",access="Write",outcome="error"} 1"#,
                r#"eoffice_external_calls_total{plane="Kubernetes",verb="write_lease",access="Write",outcome="ok"} 9"#,
                r#"eoffice_external_calls_total{plane="Postgres",verb="audit",access="Read",outcome="ok"} 5"#,
                "eoffice_reconcile_seconds_sum 0.25",
            ]
            .map(|line| sample(line).unwrap())
            .into(),
        );
        assert_eq!(
            counts.changes(),
            BTreeMap::from([("Kubernetes apply".into(), 4.0)])
        );
        assert_eq!(counts.calls("audit"), 5.0);
        assert_eq!(counts.sum("eoffice_reconcile_seconds_sum", &[]), 0.25);
    }

    #[test]
    fn what_was_made_changed_or_removed_is_named() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        let before = of(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = of(&[("a", "1"), ("b", "2"), ("d", "1")]);
        assert!(unchanged(&before, &before).is_ok());
        let said = unchanged(&before, &after).unwrap_err().to_string();
        assert_eq!(said, "these changed: b, d, c");
    }
}
