//! `kubectl eoffice credentials`: a tenant's credentials as shell variables. Nothing else here prints a secret.

use crate::Outcome;
use crate::client::{Cluster, call};
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::tenant::{View, own_namespace};
use clap::Args;
use eoffice_crds::{DATABASE_SECRET, STORAGE_SECRET};
use k8s_openapi::api::core::v1::Secret;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What `credentials` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The tenant
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// As `export` lines for a POSIX shell; never without asking
    #[arg(long, required = true)]
    env: bool,
    /// Write the CAs of both backends here, and name the file
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Key in the Secret, name of the variable.
type Names = [(&'static str, &'static str)];

const DATABASE: &Names = &[
    ("host", "PGHOST"),
    ("port", "PGPORT"),
    ("database", "PGDATABASE"),
    ("username", "PGUSER"),
    ("password", "PGPASSWORD"),
];

const STORAGE: &Names = &[
    ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
    ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_REGION", "AWS_REGION"),
    ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL"),
    ("BUCKET_NAME", "BUCKET_NAME"),
];

/// The key of the CA in either Secret.
const CA: &str = "ca.crt";

/// Reads both Secrets, and only then prints.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let tenant = cluster.tenant(&arguments.tenant).await?;
    let namespace = own_namespace(&tenant)?;
    let seen = tenant.seen();
    let database = seen
        .database
        .map_or(DATABASE_SECRET.into(), |it| it.secret_ref.name);
    let storage = seen
        .storage
        .map_or(STORAGE_SECRET.into(), |it| it.secret_ref.name);
    let database = Bound::read(cluster, &namespace, &database).await?;
    let storage = Bound::read(cluster, &namespace, &storage).await?;
    let mut lines = database.exports(DATABASE)?;
    // The server's name and chain are always checked: the operator knows no weaker mode either.
    lines += &export("PGSSLMODE", "verify-full");
    lines += &storage.exports(STORAGE)?;
    let authorities: BTreeSet<&str> = [&database, &storage]
        .into_iter()
        .filter_map(Bound::ca)
        .collect();
    if let Some(file) = &arguments.ca_file {
        let text: Vec<&str> = authorities.into_iter().collect();
        std::fs::write(file, text.join("\n")).map_err(|error| {
            Failure::new(format!(
                "the CAs cannot be written to {}: {error}",
                file.display()
            ))
        })?;
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        lines += &export("PGSSLROOTCERT", &file.to_string_lossy());
        lines += &export("AWS_CA_BUNDLE", &file.to_string_lossy());
    } else if !authorities.is_empty() {
        console.remark(
            "",
            "The backends have a CA of their own: --ca-file FILE writes it and names it as well.",
        );
    }
    console.say(&lines)?;
    Ok(Outcome::Fine)
}

/// A Secret with credentials. It has no Debug: it must not be shown by accident.
struct Bound {
    name: String,
    secret: Secret,
}

impl Bound {
    async fn read(cluster: &Cluster, namespace: &str, name: &str) -> Result<Self> {
        let doing = format!("read Secret {name} in namespace {namespace}");
        let secret = call(&doing, cluster.within::<Secret>(namespace).get(name)).await;
        let secret = secret.map_err(|failure| match failure.kind {
            Kind::Forbidden => Failure::of(
                Kind::Forbidden,
                format!("{failure}. Ask for a Role in namespace {namespace} that allows get on secrets named {name}"),
            ),
            _ => failure,
        })?;
        Ok(Self {
            name: name.into(),
            secret,
        })
    }

    fn value(&self, key: &str) -> Option<&str> {
        let bytes = self.secret.data.as_ref()?.get(key)?;
        std::str::from_utf8(&bytes.0).ok()
    }

    fn ca(&self) -> Option<&str> {
        self.value(CA).filter(|ca| !ca.is_empty())
    }

    fn exports(&self, names: &Names) -> Result<String> {
        let mut lines = String::new();
        for (key, variable) in names {
            let value = self.value(key).ok_or_else(|| {
                Failure::new(format!(
                    "Secret {} has no key {key}: the operator puts that right by itself; try again in a minute",
                    self.name
                ))
            })?;
            lines += &export(variable, value);
        }
        Ok(lines)
    }
}

fn export(variable: &str, value: &str) -> String {
    format!("export {variable}={}\n", quoted(value))
}

/// One word for a POSIX shell, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for value in [
            "plain",
            "",
            "it's",
            "$(id) `id` \"x\" \\ \n;&",
            "''",
            "รหัส",
            "-n",
        ] {
            let script = format!("{}printf %s \"$X\"", export("X", value));
            let out = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert!(out.status.success(), "{script}");
            assert_eq!(String::from_utf8(out.stdout).unwrap(), value);
        }
    }

    #[test]
    fn a_missing_key_is_named_and_no_value_is() {
        let data = [("host", "h"), ("port", "5432"), ("password", "s3cret")];
        let data = data.map(|(key, value)| (key.to_owned(), ByteString(value.into())));
        let bound = Bound {
            name: "eoffice-database".into(),
            secret: Secret {
                data: Some(data.into()),
                ..Secret::default()
            },
        };
        let said = bound.exports(DATABASE).unwrap_err().to_string();
        assert!(
            said.contains("has no key database") && !said.contains("s3cret"),
            "{said}"
        );
    }
}
