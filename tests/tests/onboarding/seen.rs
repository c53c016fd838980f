//! The tenants as a watch shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use eoffice_crds::EOfficeTenant;
use eoffice_tests::e2e::security::{Platform, is_ready};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, ResourceExt};
use tokio::time::timeout;

/// All of them become something within that time.
const PATIENCE: Duration = Duration::from_secs(900);

/// Tenants by name.
pub type Tenants = BTreeMap<String, EOfficeTenant>;

/// Whether a tenant is being deleted.
pub fn leaves(tenant: &EOfficeTenant) -> bool {
    tenant.metadata.deletion_timestamp.is_some()
}

/// A watch of all tenants.
pub struct Seen {
    tenants: Tenants,
    events: BoxStream<'static, Result<Event<EOfficeTenant>, kube::runtime::watcher::Error>>,
}

impl Seen {
    pub fn begin(platform: &Platform) -> Self {
        let api: Api<EOfficeTenant> = Api::all(platform.sandbox.admin());
        Self {
            tenants: Tenants::new(),
            events: watcher(api, Config::default()).default_backoff().boxed(),
        }
    }

    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// Awaits what all of them come to.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Tenants) -> bool) -> Result<()> {
        let come = timeout(PATIENCE, async {
            while !holds(&self.tenants) {
                let event = self.events.try_next().await;
                match event
                    .context("watch the tenants")?
                    .context("the watch ended")?
                {
                    Event::Apply(it) | Event::InitApply(it) => {
                        self.tenants.insert(it.name_any(), it);
                    }
                    Event::Delete(it) => {
                        self.tenants.remove(&it.name_any());
                    }
                    Event::Init | Event::InitDone => {}
                }
            }
            anyhow::Ok(())
        });
        match come.await {
            Ok(come) => come,
            Err(_) => {
                let open = self.tenants.values().filter(|it| !is_ready(it));
                let open: Vec<String> = open.map(eoffice_tests::e2e::faults::row).collect();
                anyhow::bail!("{what}, within {PATIENCE:?}: {open:#?}")
            }
        }
    }

    /// Awaits that one is Ready.
    pub async fn ready(&mut self, name: &str) -> Result<()> {
        self.until(name, |it| it.get(name).is_some_and(is_ready))
            .await
    }
}
