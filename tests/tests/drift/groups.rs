//! The rows of the table, spread over the tenants that they are done to.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use eoffice_tests::e2e::security::Platform;
use futures::future::join_all;

use crate::ground::{ALTERED, EDITED, LOCKED, PLAIN};
use crate::place::Place;
use crate::row::{Deed, Row, Told};
use crate::table::{self, Took};

/// What each tenant was told.
pub type Log = Mutex<Vec<(String, Told)>>;

/// An object of Kubernetes is as before so soon, nine times in ten: the rest is for how busy the machine is.
const REPAIRED_WITHIN: Duration = Duration::from_secs(1);

/// Makes the drifts to one tenant, and notes what it was told.
async fn run(platform: &Platform, name: &str, rows: &[Row], log: &Log) -> Result<Vec<Took>> {
    let took = table::run(&Place::of(platform, name).await?, rows).await?;
    let what = took.iter().flat_map(|took| took.what.clone());
    let mut log = log.lock().map_err(|_| anyhow!("a task panicked"))?;
    log.extend(what.map(|told| (name.to_owned(), told)));
    Ok(took)
}

fn of_kubernetes(row: &Row) -> bool {
    !matches!(row.does, Deed::Sql(_) | Deed::Tenant(_) | Deed::Store(_))
}

/// One after the other, so that only the operator's own work is measured.
pub async fn objects_come_back(platform: &Platform, rows: &[Row], log: &Log) -> Result<()> {
    let rows: Vec<Row> = rows
        .iter()
        .filter(|row| of_kubernetes(row))
        .cloned()
        .collect();
    let mut took = Vec::new();
    for name in EDITED {
        took.extend(run(platform, name, &rows, log).await?);
    }
    let mut repaired: Vec<Duration> = took.iter().filter_map(|it| it.repaired).collect();
    repaired.sort();
    let [half, most, p99] = [50, 90, 99].map(|p| table::percentile(&repaired, p));
    let (half, most, p99) = (half?, most?, p99?);
    println!(
        "        {} drifts: as before after p50 {half:.1?}, p90 {most:.1?}, p99 {p99:.1?}, at most {:.1?}",
        repaired.len(),
        repaired.last().copied().unwrap_or_default()
    );
    ensure!(most < REPAIRED_WITHIN, "p90 is {most:?}");
    Ok(())
}

pub async fn databases_come_back(platform: &Platform, rows: &[Row], log: &Log) -> Result<()> {
    let rows = rows
        .iter()
        .filter(|row| matches!(row.does, Deed::Sql(_) | Deed::Tenant(_)));
    spread(platform, &ALTERED, rows, log).await
}

pub async fn buckets_come_back(platform: &Platform, rows: &[Row], log: &Log) -> Result<()> {
    let rows = || rows.iter().filter(|row| matches!(row.does, Deed::Store(_)));
    let (locked, plain) = tokio::join!(
        spread(platform, &LOCKED, rows().filter(|row| !row.unlocked), log),
        spread(platform, &[PLAIN], rows().filter(|row| row.unlocked), log),
    );
    locked.and(plain)
}

/// Makes the drifts side by side, one at a time with each of the tenants.
async fn spread<'a>(
    platform: &Platform,
    tenants: &[&str],
    rows: impl Iterator<Item = &'a Row>,
    log: &Log,
) -> Result<()> {
    let mut shares = vec![Vec::new(); tenants.len()];
    for (place, row) in rows.enumerate() {
        shares[place % tenants.len()].push(row.clone());
    }
    let shares = tenants
        .iter()
        .zip(shares)
        .map(|(name, rows)| async move { run(platform, name, &rows, log).await });
    let mut told: Vec<Duration> = Vec::new();
    for outcome in join_all(shares).await {
        told.extend(outcome?.into_iter().map(|took| took.told));
    }
    told.sort();
    println!(
        "        {} drifts: told of after p50 {:.1?}, at most {:.1?}",
        told.len(),
        table::percentile(&told, 50)?,
        told.last().copied().unwrap_or_default()
    );
    Ok(())
}
