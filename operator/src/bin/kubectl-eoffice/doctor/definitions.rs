//! The CustomResourceDefinitions: there, served, and of this version.

use super::{Finding, Findings};
use crate::client::{Cluster, call};
use crate::failure::{Kind, Result};
use crate::table::count;
use eoffice_crds::{GROUP, crds};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition as Definition;
use kube::ResourceExt;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const REMEDY: &str = "bring chart and plugin to one version: helm upgrade writes the definitions anew (helm get \
                      metadata says which version is installed)";

/// Compares what the API server holds with what this program was built with.
pub async fn check(cluster: &Cluster) -> Result<Findings> {
    let expected = crds();
    let api = cluster.all::<Definition>();
    let mut found = BTreeMap::new();
    for definition in &expected {
        let name = definition.name_any();
        let doing = format!("read the definition {name}");
        match call(&doing, api.get_opt(&name)).await {
            Ok(Some(held)) => drop(found.insert(name, held)),
            Ok(None) => {}
            Err(failure) if failure.kind == Kind::Forbidden => {
                return served(cluster, &expected).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(judge(&expected, &found))
}

/// What everybody may see: which kinds are served, and not of which version they are.
async fn served(cluster: &Cluster, expected: &[Definition]) -> Result<Findings> {
    let doing = "ask which kinds are served";
    let listed = call(
        doing,
        cluster
            .client
            .list_api_group_resources(&format!("{GROUP}/v1alpha1")),
    )
    .await;
    let plurals: BTreeSet<String> = match listed {
        Ok(listed) => listed.resources.into_iter().map(|it| it.name).collect(),
        Err(failure) if failure.kind == Kind::NotFound => BTreeSet::new(),
        Err(failure) => return Err(failure),
    };
    let names = expected
        .iter()
        .filter(|it| !plurals.contains(&it.spec.names.plural));
    let missing: Vec<String> = names.map(ResourceExt::name_any).collect();
    Ok(vec![absent(&missing).unwrap_or_else(|| {
        Finding::note(
            "all kinds are served; you may not see of which version they are",
            "a platform admin's doctor compares them with the plugin",
        )
    })])
}

fn absent(names: &[String]) -> Option<Finding> {
    let what = || format!("missing: {}", names.join(", "));
    (!names.is_empty()).then(|| Finding::wrong(what(), "install the chart: helm upgrade --install"))
}

fn judge(expected: &[Definition], found: &BTreeMap<String, Definition>) -> Findings {
    let names = expected.iter().map(ResourceExt::name_any);
    let missing: Vec<String> = names.filter(|name| !found.contains_key(name)).collect();
    let mut findings: Findings = absent(&missing).into_iter().collect();
    for definition in expected {
        let name = definition.name_any();
        match found.get(&name) {
            None => {}
            Some(held) if !is_established(held) => findings.push(Finding::wrong(
                format!("{name} is not served"),
                format!("kubectl describe crd {name} says why"),
            )),
            Some(held) if schemas(held) != schemas(definition) => findings.push(Finding::wrong(
                format!(
                    "{name} is of another version than this plugin ({})",
                    env!("CARGO_PKG_VERSION")
                ),
                REMEDY,
            )),
            Some(_) => {}
        }
    }
    if findings.is_empty() {
        let all = count(expected.len(), "kind");
        findings.push(Finding::fine(format!("{all}, served and of this version")));
    }
    findings
}

fn is_established(definition: &Definition) -> bool {
    let conditions = definition
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|it| it.type_ == "Established" && it.status == "True")
    })
}

/// The schema of each version, as values that can be compared.
fn schemas(definition: &Definition) -> BTreeMap<&str, Value> {
    let schema = |schema| canonical(serde_json::to_value(schema).unwrap_or_default());
    let versions = definition.spec.versions.iter();
    versions
        .map(|version| (version.name.as_str(), schema(&version.schema)))
        .collect()
}

/// Without what the API server leaves out on its way: what is empty or null.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(key, value)| (key, canonical(value)));
            Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        value => value,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use serde_json::json;

    fn held() -> BTreeMap<String, Definition> {
        let status = json!({
            "acceptedNames": {"kind": "x", "plural": "x"},
            "conditions": [{"type": "Established", "status": "True"}],
        });
        let established = |mut definition: Definition| {
            definition.status = Some(serde_json::from_value(status.clone()).unwrap());
            (definition.name_any(), definition)
        };
        crds().into_iter().map(established).collect()
    }

    #[test]
    fn the_same_is_fine_and_each_difference_is_found() {
        assert_eq!(
            judge(&crds(), &held()),
            [Finding::fine("7 kinds, served and of this version")]
        );
        let tenants = "eofficetenants.eoffice.gdcc.go.th";
        let mut missing = held();
        missing.remove(tenants);
        let mut unserved = held();
        unserved.get_mut(tenants).unwrap().status = None;
        let mut older = held();
        let versions = &mut older.get_mut(tenants).unwrap().spec.versions;
        let schema = versions[0]
            .schema
            .as_mut()
            .unwrap()
            .open_api_v3_schema
            .as_mut()
            .unwrap();
        schema.properties.as_mut().unwrap().remove("status");
        for (found, words) in [
            (missing, "missing: "),
            (unserved, "not served"),
            (older, "another version"),
        ] {
            let findings = judge(&crds(), &found);
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert_eq!(findings[0].grade, Grade::Wrong);
            assert!(
                findings[0].what.contains(words) && findings[0].what.contains(tenants),
                "{findings:?}"
            );
        }
    }
}
