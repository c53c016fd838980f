//! All tenants proved at once: what each can do, and what it cannot.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Result, bail};
use futures::future::join_all;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::progress::Progress;
use crate::proof::{self, Credentials};
use crate::sandbox::Sandbox;

/// Proofs that run at once.
const AT_ONCE: usize = 8;

/// How often each thing was proved.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    databases: usize,
    buckets: usize,
    hosts: usize,
    refusals: usize,
    /// What was changed by hand and put right, line by line.
    pub(super) repairs: Vec<String>,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            (
                self.databases,
                "databases used over TLS, with the password in each tenant's Secret",
            ),
            (
                self.buckets,
                "buckets used over TLS, with the keys in each tenant's Secret",
            ),
            (
                self.hosts,
                "hosts answer through Traefik over HTTPS, with the certificate issued for each",
            ),
            (
                self.refusals,
                "times a tenant was refused at a neighbour's database and bucket",
            ),
        ];
        write!(f, "Proved by use, from outside the operator:")?;
        for (count, what) in rows {
            write!(f, "\n  {count:>3} {what}")?;
        }
        if !self.repairs.is_empty() {
            write!(
                f,
                "\nChanged by hand and put right, as status.drift tells it:"
            )?;
        }
        for repair in &self.repairs {
            write!(f, "\n    {repair}")?;
        }
        Ok(())
    }
}

/// Proves every one of `tenants`; fails with all that did not hold.
pub(super) async fn gather(
    sandbox: &Sandbox,
    tenants: &[String],
    progress: &Progress,
) -> Result<Evidence> {
    let admin = sandbox.admin();
    let task = progress.task("proof");
    task.step("reading the tenants' Secrets");
    let credentials: Vec<Credentials> = stream::iter(tenants)
        .map(|tenant| Credentials::read(&admin, tenant))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let hosts: Vec<(String, Vec<String>)> = stream::iter(tenants)
        .map(|tenant| async {
            proof::publish(sandbox, tenant).await?;
            let hosts = proof::hosts(&proof::find(&admin, tenant).await?)?;
            anyhow::Ok((tenant.clone(), hosts))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let neighbours = neighbours(&credentials);

    task.step("SQL, S3 and HTTPS as each tenant, and at its neighbours");
    let (databases, buckets, served, refused) = tokio::join!(
        each(&credentials, |it| proof::sql(&it.database)),
        each(&credentials, |it| proof::s3(&it.storage)),
        each(&hosts, |(_, hosts)| async {
            join_all(hosts.iter().map(|host| proof::served(sandbox, host)))
                .await
                .into_iter()
                .collect::<Result<()>>()
        }),
        each(&neighbours, |(mine, other)| proof::refused_at(mine, other)),
    );
    let failures: Vec<String> = [databases, buckets, served, refused].concat();
    if !failures.is_empty() {
        bail!("these proofs do not hold:\n{}", failures.join("\n"));
    }
    let evidence = Evidence {
        databases: credentials.len(),
        buckets: credentials.len(),
        hosts: hosts.iter().map(|(_, hosts)| hosts.len()).sum(),
        refusals: neighbours.len(),
        repairs: Vec::new(),
    };
    task.done("all held");
    Ok(evidence)
}

/// Runs one proof on each of `subjects`, and returns what did not hold.
async fn each<'a, T, F>(subjects: &'a [T], proof: impl Fn(&'a T) -> F) -> Vec<String>
where
    F: Future<Output = Result<()>>,
{
    stream::iter(subjects)
        .map(proof)
        .buffer_unordered(AT_ONCE)
        .filter_map(async |result| Some(format!("  {:#}", result.err()?)))
        .collect()
        .await
}

/// For each tenant the next one, and the next one on the same server, where the refusal must be for want of a right.
fn neighbours(all: &[Credentials]) -> Vec<(&Credentials, &Credentials)> {
    let server = |it: &Credentials| (it.database.host.clone(), it.database.port);
    let mut pairs = Vec::new();
    for (index, mine) in all.iter().enumerate() {
        let others = || all.iter().cycle().skip(index + 1).take(all.len() - 1);
        let next = others().next();
        let on_same_server = others().find(|other| server(other) == server(mine));
        let mut seen = BTreeSet::new();
        for other in next.into_iter().chain(on_same_server) {
            if seen.insert(&other.tenant) {
                pairs.push((mine, other));
            }
        }
    }
    pairs
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::parts::object_store::Key;
    use crate::proof::{Database, Storage};

    fn on(tenant: &str, port: u16) -> Credentials {
        let word = String::new;
        Credentials {
            tenant: tenant.into(),
            database: Database {
                host: "h".into(),
                port,
                name: word(),
                username: word(),
                password: word(),
                ca: word(),
            },
            storage: Storage {
                endpoint: word(),
                region: word(),
                key: Key {
                    access: word(),
                    secret: word(),
                },
                bucket: word(),
                ca: word(),
            },
        }
    }

    #[test]
    fn everyone_meets_the_next_one_and_one_on_its_own_server() {
        let all = [on("a", 1), on("b", 2), on("c", 1), on("d", 3)];
        let pairs: Vec<(&str, &str)> = neighbours(&all)
            .into_iter()
            .map(|(mine, other)| (mine.tenant.as_str(), other.tenant.as_str()))
            .collect();
        let expected = [
            ("a", "b"),
            ("a", "c"),
            ("b", "c"),
            ("c", "d"),
            ("c", "a"),
            ("d", "a"),
        ];
        assert_eq!(pairs, expected);
        assert!(neighbours(&all[..1]).is_empty());
    }

    #[tokio::test]
    async fn whatever_does_not_hold_is_told() {
        let failures = each(&[1, 2, 3], async |number| {
            anyhow::ensure!(number % 2 == 0, "{number} is odd");
            Ok(())
        });
        let mut failures = failures.await;
        failures.sort();
        assert_eq!(failures, ["  1 is odd", "  3 is odd"]);
    }
}
