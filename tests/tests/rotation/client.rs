//! A client that reads the Secret and logs in, without pause.
//!
//! What the Secret says must work. An attempt may fail only where the Secret said something else by then, and the grace
//! time of what it began with was over: it is made once more with what the Secret says now, and that must work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::proof::{Database, Storage};

/// How long what was replaced works at least: the class says it.
const GRACE: Duration = Duration::from_secs(1);

/// What all clients did.
#[derive(Debug, Default)]
pub struct Tally {
    pub logins: AtomicU64,
    pub lists: AtomicU64,
    /// Attempts that took longer than the grace time, and were repeated.
    pub repeated: AtomicU64,
    pub stop: AtomicBool,
}

/// Reads the Secret of the database and logs in, until told to stop.
pub async fn logs_in(platform: &Platform, tenant: &str, tally: &Tally) -> Result<()> {
    let admin = platform.sandbox.admin();
    while !tally.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let given = Database::read(&admin, tenant).await?;
        if let Err(error) = opens(&given).await {
            let now = Database::read(&admin, tenant).await?;
            let same = (&now.username, &now.password) == (&given.username, &given.password);
            let login = &given.username;
            excused(began, same).with_context(|| failed(tenant, login, &error))?;
            opens(&now).await.context("the second attempt")?;
            tally.repeated.fetch_add(1, Ordering::Relaxed);
        }
        tally.logins.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn opens(database: &Database) -> Result<()> {
    let session = database.connect().await?;
    session.simple_query("SELECT 1").await?;
    Ok(())
}

/// Reads the Secret of the storage and lists the bucket, until told to stop.
pub async fn lists(platform: &Platform, tenant: &str, tally: &Tally) -> Result<()> {
    let admin = platform.sandbox.admin();
    while !tally.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let given = Storage::read(&admin, tenant).await?;
        if let Err(error) = shows(&given).await {
            let now = Storage::read(&admin, tenant).await?;
            let same = now.key.access == given.key.access && now.key.secret == given.key.secret;
            let key = &given.key.access;
            excused(began, same).with_context(|| failed(tenant, key, &error))?;
            shows(&now).await.context("the second attempt")?;
            tally.repeated.fetch_add(1, Ordering::Relaxed);
        }
        tally.lists.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn shows(storage: &Storage) -> Result<()> {
    let list = storage.client()?.list_objects_v2().bucket(&storage.bucket);
    list.send().await?;
    Ok(())
}

fn failed(tenant: &str, who: &str, error: &anyhow::Error) -> String {
    let now = jiff::Timestamp::now();
    format!("{tenant} at {now} with {who}: {error:#}")
}

fn excused(began: Instant, same: bool) -> Result<()> {
    ensure!(!same, "what the Secret says does not work");
    let took = began.elapsed();
    ensure!(
        took > GRACE,
        "what the Secret said {took:?} ago was taken away already"
    );
    Ok(())
}
