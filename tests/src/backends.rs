//! What a platform team does once: prepares the backends for the operator, and describes them to it.
//!
//! The descriptions are those of `examples/platform`, with this sandbox's addresses put in.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use eoffice_crds::annotations::SEND_ONLY_TO;
use serde_json::{Value, json};

use crate::apply::{apply, parse};
use crate::home::workspace;
use crate::parts::object_store::{ObjectStore, REGION};
use crate::parts::postgres::{OPERATOR, Postgres};

fn examples() -> PathBuf {
    workspace().join("examples/platform")
}

/// The SQL that a superuser runs once on each server.
pub fn bootstrap_sql() -> Result<String> {
    let path = examples().join("bootstrap.sql");
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// What is put into the examples.
pub(crate) struct Backends<'a> {
    pub ca: String,
    pub postgres: &'a [Postgres],
    pub object_store: &'a ObjectStore,
    pub ingress: String,
}

impl Backends<'_> {
    /// Applies the examples, with the addresses and credentials of these backends.
    pub async fn describe(&self, client: &kube::Client) -> Result<()> {
        let mut secrets = Secrets::default();
        let mut others = Vec::new();
        for mut object in read_examples()? {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            match kind.as_str() {
                "DatabaseServer" if !self.server(&mut object, &mut secrets)? => continue,
                "ObjectStore" => self.store(&mut object, &mut secrets)?,
                "TenantClass" => {
                    object["spec"]["ingress"]["probeAddress"] = json!(self.ingress);
                }
                // Its own stand in place of the examples' secrets and issuer.
                "Secret" | "ClusterIssuer" => continue,
                _ => {}
            }
            others.push(object);
        }
        let is_namespace = |object: &Value| object["kind"] == "Namespace";
        let (namespaces, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_namespace);
        apply(client, &namespaces).await?;
        apply(client, &secrets.objects()).await?;
        apply(client, &others).await
    }

    /// Fills in a DatabaseServer; false where the sandbox has no such server.
    fn server(&self, object: &mut Value, secrets: &mut Secrets) -> Result<bool> {
        let Some(server) = self
            .postgres
            .iter()
            .find(|server| object["metadata"]["name"] == server.name())
        else {
            return Ok(false);
        };
        let spec = &mut object["spec"];
        secrets.put(
            &spec["adminSecretRef"],
            &[
                ("username", OPERATOR),
                ("password", server.operator_password()),
            ],
        )?;
        let address = format!("{}:{}", server.host(), server.port());
        secrets.send_only_to(&spec["adminSecretRef"], address)?;
        secrets.put(&spec["tls"]["caSecretRef"], &[("ca.crt", &self.ca)])?;
        spec["host"] = json!(server.host());
        spec["port"] = json!(server.port());
        spec["network"] = json!({"cidrs": [format!("{}/32", server.host())]});
        Ok(true)
    }

    fn store(&self, object: &mut Value, secrets: &mut Secrets) -> Result<()> {
        let spec = &mut object["spec"];
        let key = self.object_store.key();
        secrets.put(
            &spec["adminSecretRef"],
            &[
                ("AWS_ACCESS_KEY_ID", &key.access),
                ("AWS_SECRET_ACCESS_KEY", &key.secret),
            ],
        )?;
        let endpoints = [
            self.object_store.endpoint(),
            self.object_store.iam_endpoint(),
        ];
        secrets.send_only_to(&spec["adminSecretRef"], endpoints.join(","))?;
        secrets.put(&spec["caSecretRef"], &[("ca.crt", &self.ca)])?;
        spec["endpoint"] = json!(self.object_store.endpoint());
        spec["iamEndpoint"] = json!(self.object_store.iam_endpoint());
        spec["region"] = json!(REGION);
        spec["network"] = json!({"cidrs": ["127.0.0.1/32"]});
        Ok(())
    }
}

/// All objects of the examples, file by file in the order of their names.
fn read_examples() -> Result<Vec<Value>> {
    let folder = examples();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        objects.extend(parse(&text).with_context(|| format!("read {}", file.display()))?);
    }
    Ok(objects)
}

/// Secrets by namespace and name; several references may lead to one.
#[derive(Default)]
struct Secrets(BTreeMap<(String, String), Content>);

/// What is in a Secret, and where it may be sent.
#[derive(Default)]
struct Content {
    entries: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
}

impl Secrets {
    fn at(&mut self, reference: &Value) -> Result<&mut Content> {
        let (Some(namespace), Some(name)) =
            (reference["namespace"].as_str(), reference["name"].as_str())
        else {
            bail!("an example refers to a Secret without namespace and name: {reference}");
        };
        Ok(self.0.entry((namespace.into(), name.into())).or_default())
    }

    fn put(&mut self, reference: &Value, entries: &[(&str, &str)]) -> Result<()> {
        let secret = self.at(reference)?;
        for (key, value) in entries {
            secret.entries.insert((*key).into(), (*value).into());
        }
        Ok(())
    }

    fn send_only_to(&mut self, reference: &Value, addresses: String) -> Result<()> {
        let secret = self.at(reference)?;
        secret.annotations.insert(SEND_ONLY_TO, addresses);
        Ok(())
    }

    fn objects(&self) -> Vec<Value> {
        self.0
            .iter()
            .map(|((namespace, name), content)| {
                json!({
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"namespace": namespace, "name": name, "annotations": content.annotations},
                    "stringData": content.entries,
                })
            })
            .collect()
    }
}
