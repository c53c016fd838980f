//! The 20 agencies of `examples/korat` get what they need, each proved from outside the operator; after that nothing
//! is changed any more, not even by an operator that starts anew.

#[path = "korat/told.rs"]
mod told;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::core::{Counts, korat, kubectl, looked_again, names, unchanged, versions};
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::parts::audit::Request;
use eoffice_tests::proof::{self, Credentials};
use eoffice_tests::{OperatorOptions, Options, apply};
use futures::FutureExt;
use futures::future::try_join_all;
use futures::stream::{self, TryStreamExt};

/// More proofs at once only wait for one another.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn korats_agencies_get_what_they_need_and_then_nothing_changes() {
    let options = Options {
        audit: true,
        ..Options::default()
    };
    let platform = Platform::start(options, OperatorOptions::default())
        .await
        .unwrap();
    let korat = Korat::made(&platform).await.unwrap();
    platform
        .all(vec![
            (
                "each of them can use its database, its bucket and its hosts",
                korat.each_is_proved().boxed(),
            ),
            (
                "none of them is let in at a neighbour's",
                korat.each_is_refused_at_the_next().boxed(),
            ),
            (
                "status, record and Secrets are as the API tells",
                korat.each_is_told_as_the_api_says().boxed(),
            ),
            (
                "kubectl shows a line for each",
                korat.kubectl_shows_each().boxed(),
            ),
        ])
        .await
        .unwrap();
    let steady = korat.nothing_changes_any_more().boxed();
    let metrics = korat.no_metric_grows_with_tenants().boxed();
    let restart = korat.a_new_start_changes_nothing().boxed();
    // One after the other: each looks at what the others would count.
    for scenario in [
        ("over three more looks nothing is changed", steady),
        ("no metric has a label that grows with tenants", metrics),
        ("an operator that starts anew changes nothing", restart),
    ] {
        platform.all(vec![scenario]).await.unwrap();
    }
}

struct Korat<'a> {
    platform: &'a Platform,
    names: Vec<String>,
}

impl<'a> Korat<'a> {
    async fn made(platform: &'a Platform) -> Result<Self> {
        let objects = korat()?;
        let names = names(&objects);
        ensure!(
            names.len() == 20,
            "examples/korat has {} tenants",
            names.len()
        );
        apply::apply_together(&platform.sandbox.admin(), &objects).await?;
        try_join_all(names.iter().map(|name| platform.ready(name))).await?;
        Ok(Self { platform, names })
    }

    fn names(&self) -> impl futures::Stream<Item = Result<&str>> {
        stream::iter(self.names.iter().map(|name| Ok(name.as_str())))
    }

    async fn each_is_proved(&self) -> Result<()> {
        let sandbox = &self.platform.sandbox;
        self.names()
            .try_for_each_concurrent(AT_ONCE, |name| proof::prove(sandbox, name))
            .await
    }

    async fn each_is_refused_at_the_next(&self) -> Result<()> {
        let client = self.platform.sandbox.admin();
        let read = |name| Credentials::read(&client, name);
        let credentials = try_join_all(self.names.iter().map(|name| read(name.as_str()))).await?;
        let nexts = credentials.iter().cycle().skip(1);
        stream::iter(credentials.iter().zip(nexts).map(anyhow::Ok))
            .try_for_each_concurrent(AT_ONCE, |(mine, next)| proof::refused_at(mine, next))
            .await?;
        // No two share anything that is anyone's own.
        let distinct = |of: fn(&Credentials) -> &str| {
            credentials.iter().map(of).collect::<BTreeSet<_>>().len()
        };
        for of in [
            (|it| &it.database.name) as fn(&Credentials) -> &str,
            |it| &it.database.username,
            |it| &it.database.password,
            |it| &it.storage.bucket,
            |it| &it.storage.key.access,
            |it| &it.storage.key.secret,
        ] {
            ensure!(
                distinct(of) == self.names.len(),
                "two tenants share a value"
            );
        }
        Ok(())
    }

    async fn each_is_told_as_the_api_says(&self) -> Result<()> {
        self.names()
            .try_for_each_concurrent(AT_ONCE, |name| told::as_the_api_says(self.platform, name))
            .await
    }

    async fn kubectl_shows_each(&self) -> Result<()> {
        let sandbox = &self.platform.sandbox;
        let narrow = kubectl(sandbox, &["get", "eot", "--all-namespaces"]).await?;
        let header = narrow.lines().next().unwrap_or_default();
        let columns: Vec<&str> = header.split_whitespace().collect();
        let expected = [
            "NAMESPACE",
            "NAME",
            "READY",
            "AVAILABLE",
            "PHASE",
            "CLASS",
            "URL",
            "AGE",
        ];
        ensure!(columns == expected, "the columns are {columns:?}");
        let wide = kubectl(
            sandbox,
            &["get", "eot", "--namespace=province-30", "--output=wide"],
        )
        .await?;
        let mut lines = wide
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let header = lines.next().unwrap_or_default();
        let more = ["PROVINCE", "USERS", "SERVER", "DRIFT"];
        ensure!(
            more.iter().all(|it| header.contains(it)),
            "the wide columns are {header:?}"
        );
        let rows: BTreeMap<&str, BTreeMap<&str, &str>> = lines
            .filter_map(|row| Some((*row.first()?, header.iter().copied().zip(row).collect())))
            .collect();
        for name in &self.names {
            let row = rows.get(name.as_str());
            let row = row.with_context(|| format!("kubectl does not show {name}"))?;
            let url = format!("https://{name}.eoffice.example");
            for (column, value) in [
                ("READY", "True"),
                ("AVAILABLE", "True"),
                ("PHASE", "Active"),
                ("CLASS", "standard"),
                ("URL", &url),
                ("PROVINCE", "30"),
            ] {
                ensure!(
                    row.get(column) == Some(&value),
                    "{name} is shown as {row:?}"
                );
            }
            ensure!(row.get("USERS").is_some_and(|users| users.parse() != Ok(0)));
            ensure!(
                row.get("SERVER")
                    .is_some_and(|server| server.starts_with("pg-"))
            );
        }
        Ok(())
    }

    async fn nothing_changes_any_more(&self) -> Result<()> {
        let steady = Steady::of(self.platform).await?;
        looked_again(self.platform, 3, self.names.len()).await?;
        steady.holds(self.platform).await
    }

    async fn a_new_start_changes_nothing(&self) -> Result<()> {
        let operator = &self.platform.operator;
        let mut steady = Steady::of(self.platform).await?;
        operator.part.stop().await;
        operator.part.start().await?;
        // A new process counts from nothing.
        steady.changes.clear();
        looked_again(self.platform, 3, self.names.len()).await?;
        steady.holds(self.platform).await
    }

    async fn no_metric_grows_with_tenants(&self) -> Result<()> {
        let counts = Counts::of(&self.platform.operator).await?;
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in &counts.0 {
            for (label, value) in &sample.labels {
                values.entry(label).or_default().insert(value);
            }
        }
        let known = [
            "access", "action", "backend", "le", "outcome", "phase", "plane", "province", "verb",
        ];
        let labels: Vec<&str> = values.keys().copied().collect();
        ensure!(
            labels.iter().all(|label| known.contains(label)),
            "the labels are {labels:?}"
        );
        ensure!(
            values["province"] == BTreeSet::from(["30"]),
            "{:?}",
            values["province"]
        );
        ensure!(
            values["phase"] == BTreeSet::from(["Active"]),
            "{:?}",
            values["phase"]
        );
        let backends = BTreeSet::from(["objects", "pg-a", "pg-b"]);
        ensure!(values["backend"] == backends, "{:?}", values["backend"]);
        let active = [("phase", "Active"), ("province", "30")];
        ensure!(counts.sum("eoffice_tenants", &active) == 20.0);
        ensure!(counts.sum("eoffice_reconciles_total", &[]) >= 20.0);
        ensure!(counts.sum("eoffice_reconcile_seconds_count", &[]) >= 20.0);
        for plane in ["Kubernetes", "Postgres", "S3", "Iam", "Ingress"] {
            let calls = counts.sum("eoffice_external_call_seconds_count", &[("plane", plane)]);
            ensure!(calls > 0.0, "no call to {plane} is counted");
        }
        // Nor does any value name a tenant, or what is its own.
        let credentials = Credentials::read(&self.platform.sandbox.admin(), &self.names[0]).await?;
        let text = self.platform.operator.metrics().await?;
        let own = [credentials.database.name, credentials.storage.bucket];
        for word in self.names.iter().chain(&own) {
            ensure!(!text.contains(word.as_str()), "the metrics speak of {word}");
        }
        Ok(())
    }
}

/// What may not move while nobody asks for anything.
struct Steady {
    changes: BTreeMap<String, f64>,
    versions: BTreeMap<String, String>,
    written: usize,
}

impl Steady {
    async fn of(platform: &Platform) -> Result<Self> {
        Ok(Self {
            changes: Counts::of(&platform.operator).await?.changes(),
            versions: versions(platform).await?,
            written: written(platform)?.len(),
        })
    }

    /// By what the operator counts, by the objects, and by what the API server was asked to write.
    async fn holds(&self, platform: &Platform) -> Result<()> {
        let now = Self::of(platform).await?;
        unchanged(&self.versions, &now.versions)?;
        let since: Vec<Request> = written(platform)?.split_off(self.written);
        ensure!(since.is_empty(), "the API server was asked for {since:?}");
        ensure!(
            now.changes == self.changes,
            "changes counted before: {:?}, and after: {:?}",
            self.changes,
            now.changes
        );
        Ok(())
    }
}

/// What the operator asked the API server to write, but its lease.
fn written(platform: &Platform) -> Result<Vec<Request>> {
    let mut writes = platform.sandbox.control_plane.writes()?;
    writes.retain(|it| {
        it.user.starts_with("system:serviceaccount:eoffice-system:") && it.resource != "leases"
    });
    Ok(writes)
}
