//! What a plan is asked about.

use crate::client::Cluster;
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::tenant::province_namespaces;
use eoffice_crds::{EOfficeTenant, GROUP, TenantClass};
use kube::{Resource, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;

/// One question, to be put in one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The namespace whose tenants it is about.
    pub namespace: String,
    /// What it is about, in words.
    pub subject: String,
    /// The spec of the TenantPlan, as it was written: what is misspelt in it, the API server is to refuse.
    pub spec: Value,
    /// The name of the tenant or class.
    pub name: String,
}

impl Question {
    /// What would be done for a tenant now, or with another class.
    pub fn existing(tenant: &EOfficeTenant, class: Option<&str>) -> Self {
        let name = tenant.name_any();
        let mut spec = json!({"tenantName": name});
        let mut subject = format!("tenant {name}");
        if let Some(class) = class {
            spec["className"] = class.into();
            subject += &format!(" with class {class}");
        }
        Self {
            namespace: tenant.namespace().unwrap_or_default(),
            subject,
            spec,
            name,
        }
    }

    fn tenant(namespace: String, name: &str, spec: &Value) -> Self {
        Self {
            namespace,
            subject: format!("tenant {name}"),
            spec: json!({"tenant": {"name": name, "spec": spec}}),
            name: name.into(),
        }
    }

    fn class(namespace: String, name: &str, spec: &Value) -> Self {
        Self {
            namespace,
            subject: format!("class {name}"),
            spec: json!({"classChange": {"name": name, "spec": spec}}),
            name: name.into(),
        }
    }
}

/// The documents of a file, or of stdin.
pub fn read(file: &str) -> Result<Vec<Value>> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        file => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| Failure::new(format!("{file} cannot be read: {error}")))?;
    documents(&text)
        .map_err(|why| Failure::new(format!("{file} is no YAML or JSON of objects: {why}")))
}

/// The objects of a text, those of a `List` one by one.
fn documents(text: &str) -> std::result::Result<Vec<Value>, serde_yaml::Error> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        match Value::deserialize(document)? {
            Value::Null => {}
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    objects.extend(items);
                }
            }
            object => objects.push(object),
        }
    }
    Ok(objects)
}

/// The questions that documents stand for. A class is asked about in every province, unless -n names one.
pub async fn of_documents(
    cluster: &Cluster,
    console: Console,
    documents: &[Value],
) -> Result<Vec<Question>> {
    let mut questions = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        let at = at + 1;
        let kind = document["kind"].as_str().unwrap_or("object without a kind");
        let ours = document["apiVersion"]
            .as_str()
            .is_some_and(|version| version.split('/').next() == Some(GROUP));
        let name = || {
            document["metadata"]["name"]
                .as_str()
                .ok_or_else(|| Failure::new(format!("document {at} ({kind}) has no metadata.name")))
        };
        if ours && kind == EOfficeTenant::kind(&()) {
            let namespace = namespace_of(cluster, document, at)?;
            questions.push(Question::tenant(namespace, name()?, &document["spec"]));
        } else if ours && kind == TenantClass::kind(&()) {
            for namespace in class_namespaces(cluster, console).await? {
                questions.push(Question::class(namespace, name()?, &document["spec"]));
            }
        } else {
            console.remark(
                "",
                &format!("Document {at} is left out: no plan is made for a {kind}."),
            );
        }
    }
    Ok(questions)
}

/// As kubectl has it: a namespace given twice must be the same.
fn namespace_of(cluster: &Cluster, document: &Value, at: usize) -> Result<String> {
    match document["metadata"]["namespace"].as_str() {
        Some(written) if cluster.chosen && written != cluster.namespace => {
            Err(Failure::new(format!(
                "document {at} is of namespace {written}, and -n says {}: leave one of them out",
                cluster.namespace
            )))
        }
        Some(written) => Ok(written.into()),
        None => Ok(cluster.namespace.clone()),
    }
}

async fn class_namespaces(cluster: &Cluster, console: Console) -> Result<Vec<String>> {
    if cluster.chosen {
        return Ok(vec![cluster.namespace.clone()]);
    }
    match province_namespaces(cluster, None).await {
        Err(failure) if failure.kind == Kind::Forbidden => {
            let words = "You may not list namespaces: the class is asked about in this one only:";
            console.remark("", &format!("{words} {}", cluster.namespace));
            Ok(vec![cluster.namespace.clone()])
        }
        namespaces => namespaces,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart_and_empty_documents_left_out() {
        let text = "# words\n---\nkind: List\nitems: [{kind: A}, {kind: B}]\n---\n---\n{\"kind\": \"C\"}\n";
        let kinds: Vec<Value> = documents(text)
            .unwrap()
            .iter()
            .map(|it| it["kind"].clone())
            .collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        assert!(documents("a: [").is_err());
    }
}
