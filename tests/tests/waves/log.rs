//! Who was begun and proved in which order, as the API server tells of the records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};
use eoffice_crds::{RecordState, TenantRecord};
use eoffice_tests::e2e::security::{Platform, eventually};
use futures::StreamExt;
use kube::api::Api;
use kube::runtime::watcher;
use kube::runtime::{WatchStreamExt, watcher::Event};
use tokio::task::JoinHandle;

/// What the records told since the log was begun.
#[derive(Clone, Debug, Default)]
struct Told {
    listed: bool,
    begun: Vec<String>,
    making: BTreeSet<String>,
    most: usize,
}

impl Told {
    fn note(&mut self, record: &TenantRecord, left_out: &[&str]) {
        let name = record.spec.tenant.name.clone();
        if left_out.contains(&name.as_str()) {
            return;
        }
        if self.listed && !self.begun.contains(&name) {
            self.begun.push(name.clone());
        }
        let new = record.spec.verified_at.is_none() && record.spec.state == RecordState::Live;
        if new {
            self.making.insert(name);
        } else {
            self.making.remove(&name);
        }
        self.most = self.most.max(self.making.len());
    }
}

/// A watch of the records. It outlives the operator.
pub struct Log {
    told: Arc<Mutex<Told>>,
    task: JoinHandle<()>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Log {
    /// Begins, and knows what is there already. Tenants that are left out are not told of.
    pub async fn begin(platform: &Platform, left_out: &'static [&'static str]) -> Result<Self> {
        let told: Arc<Mutex<Told>> = Arc::default();
        let noted = Arc::clone(&told);
        let records: Api<TenantRecord> = Api::all(platform.sandbox.admin());
        let task = tokio::spawn(async move {
            let events = watcher(records, watcher::Config::default()).default_backoff();
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                let mut told = noted.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Ok(Event::Apply(record) | Event::InitApply(record)) => {
                        told.note(&record, left_out);
                    }
                    Ok(Event::InitDone) => told.listed = true,
                    _ => {}
                }
            }
        });
        let log = Self { told, task };
        eventually("the records are listed", || async {
            ensure!(log.told().listed);
            Ok(())
        })
        .await?;
        Ok(log)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who was begun, the first one first.
    pub fn begun(&self) -> Vec<String> {
        self.told().begun.clone()
    }

    /// How many were in the making at once, at most.
    pub fn most(&self) -> usize {
        self.told().most
    }

    /// Awaits that so many were begun.
    pub async fn until_begun(&self, count: usize) -> Result<()> {
        eventually(&format!("{count} are begun"), || async {
            let begun = self.begun();
            ensure!(begun.len() >= count, "these are: {begun:?}");
            Ok(())
        })
        .await
    }
}
