//! A tenant with full use of its own credentials stays within its own walls; what is not ours is never touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod foreign;
mod officers;
mod s3;
mod sql;
mod traps;

use anyhow::Result;
use eoffice_tests::e2e::security::{Credentials, Platform, Scenario, tenant};
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;
use serde_json::json;

const INTRUDER: &str = "town-intruder-3021";
const NEIGHBOUR: &str = "town-neighbour-3021";
const LIMIT: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_stays_within_its_walls_and_what_is_not_ours_is_left_alone() {
    // One server, so that all are neighbours.
    let options = Options {
        servers: vec!["pg-a".into()],
        log_statements: true,
        ..Options::default()
    };
    let operator = OperatorOptions {
        args: vec!["--verify-interval=3s".into()],
        ..OperatorOptions::default()
    };
    let platform = Platform::start(options, operator).await.unwrap();
    let mut intruder = tenant(INTRUDER);
    intruder["spec"]["database"] = json!({"connectionLimit": LIMIT});
    platform
        .apply(&[intruder, tenant(NEIGHBOUR)])
        .await
        .unwrap();
    platform.ready(INTRUDER).await.unwrap();
    platform.ready(NEIGHBOUR).await.unwrap();
    platform.all(within_the_walls(&platform)).await.unwrap();
    let traps = traps::traps_catch_nobody_who_passes_by(&platform).boxed();
    let name = "a trojan function and a hostile search_path catch nobody who passes by";
    platform.all(vec![(name, traps)]).await.unwrap();
    platform
        .all(foreign::what_is_not_ours(&platform))
        .await
        .unwrap();
}

fn within_the_walls(platform: &Platform) -> Vec<Scenario<'_>> {
    vec![
        (
            "in SQL a tenant reaches and changes nothing but its own",
            sql::sql_stays_within_its_own_database(platform).boxed(),
        ),
        (
            "in S3 and IAM a tenant reaches and changes nothing but its own",
            s3::s3_stays_within_its_own_bucket(platform).boxed(),
        ),
        (
            "officers look into their province's tenants and see no Secret",
            officers::officers_look_in(platform).boxed(),
        ),
    ]
}

/// The intruder's credentials, and its neighbour's.
pub struct Parties {
    /// The intruder's.
    pub mine: Credentials,
    /// The neighbour's.
    pub theirs: Credentials,
}

impl Parties {
    /// As their Secrets have them now.
    pub async fn find(platform: &Platform) -> Result<Self> {
        Ok(Self {
            mine: platform.credentials(INTRUDER).await?,
            theirs: platform.credentials(NEIGHBOUR).await?,
        })
    }

    /// Fills in the names that the attacks speak of.
    pub fn fill(&self, sql: &str) -> String {
        let role = |it: &Credentials| format!("{}_owner", it.database_name());
        [
            ("{db}", self.mine.database_name().to_owned()),
            ("{role}", role(&self.mine)),
            ("{login}", self.mine.login().to_owned()),
            ("{other}", self.theirs.database_name().to_owned()),
            ("{others_role}", role(&self.theirs)),
            ("{others_login}", self.theirs.login().to_owned()),
        ]
        .iter()
        .fold(sql.to_owned(), |sql, (hole, name)| sql.replace(hole, name))
    }
}

/// How many calls of a verb the operator has made of PostgreSQL.
pub async fn calls(platform: &Platform, verb: &str) -> Result<u64> {
    let metrics = platform.operator.metrics().await?;
    let of_verb = format!("verb=\"{verb}\"");
    Ok(metrics
        .lines()
        .filter(|line| line.starts_with("eoffice_external_calls_total") && line.contains(&of_verb))
        .filter(|line| line.contains("Postgres"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}
