//! What becomes of the records of tenants that have left: orders to destroy are taken in, waited with and carried out,
//! a few at a time.
//!
//! Nothing is polled: a record is looked at when it changed, when a tenant that stood against its purge has gone, and
//! at the time that its last look named.

use super::world::World;
use crate::plan::Problem;
use crate::tenant::registry::Registry;
use crate::tenant::tombstone;
use eoffice_crds::{
    ConditionType, EOfficeTenant, Reason, RecordState, TENANT_NAMESPACE_PREFIX, TenantRecord,
};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::ResourceExt;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tracing::Instrument;

/// A date is not slept through: the machine's clock may be put right meanwhile.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Looked at, and destroyed, at once. A large one may take hours, and the others go on meanwhile.
const AT_ONCE: usize = 4;

/// Asks for a look at a tombstone.
#[derive(Clone, Debug)]
pub struct Tombstones(UnboundedSender<String>);

impl Tombstones {
    /// The way to ask, and what was asked for.
    pub fn new() -> (Self, UnboundedReceiver<String>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Asks for a look at the record of the tenant of this name.
    pub fn push(&self, tenant: &str) {
        // The receiver is gone only while the process ends.
        drop(self.0.send(tenant.to_owned()));
    }
}

impl World {
    /// Asks for a look at a tombstone whose purge this tenant stood against: one of its name, or whose data it wanted.
    pub fn push_tombstones_of(&self, tenant: &EOfficeTenant) {
        let from = tenant.spec.restore_from.as_deref();
        let from = from.and_then(|from| from.strip_prefix(TENANT_NAMESPACE_PREFIX));
        for name in [Some(tenant.name_any().as_str()), from]
            .into_iter()
            .flatten()
        {
            let ordered = |registry: &Registry| {
                registry
                    .get(name)
                    .is_some_and(|record| record.purge.is_some())
            };
            if self.records.with(ordered) {
                self.tombstones.push(name);
            }
        }
    }

    /// Asks for a look at the record of this tenant if it is without its tenant although it says that it lives.
    pub fn push_bereft(&self, name: &str) {
        let bereft = |registry: &Registry| {
            let record = registry.get(name);
            record.is_some_and(|record| tombstone::is_bereft(self, record))
        };
        if self.records.with(bereft) {
            self.tombstones.push(name);
        }
    }

    /// The same for every record.
    pub fn push_all_bereft(&self) {
        self.records.with(|registry| {
            let all = registry.records();
            let bereft = all.filter(|record| tombstone::is_bereft(self, record));
            bereft.for_each(|record| self.tombstones.push(&record.tenant.name));
        });
    }
}

/// Whether something may be due about a record.
pub fn concerns(record: &TenantRecord) -> bool {
    let spec = &record.spec;
    let conditions = record.status.iter().flat_map(|status| &status.conditions);
    let reasons: Vec<&str> = conditions.map(|it| it.reason.as_str()).collect();
    let told = !reasons.is_empty();
    let due = match spec.state {
        RecordState::Live => told,
        RecordState::Retained => told || spec.purge.is_some() || spec.purge_accepted.is_some(),
        RecordState::Purging => true,
        RecordState::Succeeded => true,
        // The last that was told may be of its beginning.
        RecordState::Destroyed => !reasons.contains(&Reason::Destroyed.as_str()),
    };
    due || !tombstone::is_kept(record) || tombstone::is_forced(record)
}

/// Looks at every record that something may be due about, for as long as the process leads.
pub async fn keep(world: Arc<World>, mut asked: UnboundedReceiver<String>) {
    let mut due: HashMap<String, Instant> = HashMap::new();
    let mut looking = HashSet::new();
    let mut looks = FuturesUnordered::new();
    loop {
        let free = looking.len() < AT_ONCE;
        // Nobody is looked at twice at once: what changed meanwhile is looked at afterwards.
        let ready = due.iter().filter(|(name, _)| !looking.contains(*name));
        let next = ready.min_by_key(|(_, at)| **at);
        let next = next.map(|(name, at)| (name.clone(), *at));
        let until = next.as_ref().map(|(_, at)| *at).filter(|_| free);
        tokio::select! {
            name = asked.recv() => match name {
                Some(name) => { due.insert(name, Instant::now()); }
                None => return,
            },
            Some((name, wait)) = looks.next(), if !looks.is_empty() => {
                looking.remove(&name);
                if let Some(wait) = wait {
                    let at = Instant::now() + LONGEST.min(wait);
                    due.entry(name).and_modify(|known| *known = at.min(*known)).or_insert(at);
                }
            }
            () = sleep_until(until) => {
                let Some((name, _)) = next else { continue };
                due.remove(&name);
                looking.insert(name.clone());
                let world = &world;
                looks.push(async move {
                    let span = tracing::info_span!("tombstone", tenant = name);
                    let wait = look(world, &name).instrument(span).await;
                    (name, wait)
                });
            }
        }
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Looks at one; answers with when to look again without a change.
async fn look(world: &World, name: &str) -> Option<Duration> {
    match tombstone::look(world, name).await {
        Ok(next) => {
            world.memory.clear(name, ConditionType::Purged);
            next
        }
        Err(problem) => {
            tell(name, &problem);
            Some(world.memory.failed(name, ConditionType::Purged, &problem))
        }
    }
}

fn tell(tenant: &str, problem: &Problem) {
    tracing::warn!(tenant, %problem, "a tombstone is looked at again");
}
