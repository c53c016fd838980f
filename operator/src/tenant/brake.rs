//! What of a tenant's own wishes must wait for the breaker.

use crate::breaker::{Act, Origin, Verdict};
use crate::controller::breaker::told;
use crate::controller::world::World;
use crate::plan::Problem;
use crate::tenant::parse::Tenant;
use eoffice_crds::{Impact, Lifecycle, TenantRecordSpec};
use std::time::Duration;

/// What of a tenant's own wishes must wait, because many others are closed or moved at the same time.
#[derive(Default)]
pub struct Brake {
    /// Its access stays open although it asks to be closed.
    pub stays_open: bool,
    keeps_hosts: bool,
    /// What waits for a person's decision, or for its time.
    pub held: Option<Problem>,
    /// When to ask again.
    pub wait: Option<Duration>,
    /// What was asked about.
    pub acts: Vec<Act>,
}

impl Brake {
    /// Asks about what the change from the record as it is to the one that is wanted would mean.
    pub async fn ask(
        world: &World,
        tenant: &Tenant,
        existing: Option<&TenantRecordSpec>,
        wanted: &TenantRecordSpec,
    ) -> Result<Self, Problem> {
        let mut brake = Self::default();
        let proved = |record: &&TenantRecordSpec| {
            record.verified_at.is_some() && record.tenant.uid == tenant.uid
        };
        let Some(existing) = existing.filter(proved) else {
            return Ok(brake);
        };
        if !tenant.wants_open() {
            let lifecycle = tenant.object.spec.lifecycle;
            let act = Act {
                impact: Impact::Close,
                origin: Origin::Asked,
                cause: format!("spec.lifecycle is {lifecycle:?}"),
            };
            // The record says it from the look on that may close the tenant: what fails later closes it no second time.
            match existing.tenant_spec.lifecycle {
                Lifecycle::Active => {
                    brake.stays_open = brake.must_wait(world, existing, act).await?
                }
                Lifecycle::Suspended | Lifecycle::Archived => brake.acts.push(act),
            }
        }
        let lost: Vec<&str> = existing
            .hosts
            .iter()
            .filter(|host| !wanted.hosts.contains(host))
            .map(String::as_str)
            .collect();
        if !lost.is_empty() {
            let by_name = tenant
                .class_change
                .as_ref()
                .is_some_and(|change| change.accepted);
            let act = Act {
                impact: Impact::Move,
                // Where its own list of hosts is the same, it is a class that covers them now.
                origin: match (
                    by_name,
                    tenant.object.spec.hosts == existing.tenant_spec.hosts,
                ) {
                    (true, _) => Origin::ByName,
                    (false, true) => Origin::Inherited,
                    (false, false) => Origin::Asked,
                },
                cause: format!("it would lose {}", lost.join(", ")),
            };
            brake.keeps_hosts = brake.must_wait(world, existing, act).await?;
        }
        Ok(brake)
    }

    async fn must_wait(
        &mut self,
        world: &World,
        record: &TenantRecordSpec,
        act: Act,
    ) -> Result<bool, Problem> {
        let verdict = world.breaker.ask(&record.tenant, &act).await?;
        self.acts.push(act);
        if let Verdict::Wait(left) = verdict {
            self.wait = Some(self.wait.map_or(left, |wait| wait.min(left)));
        }
        let obstacle = told(&verdict);
        let waits = obstacle.is_some();
        self.held = self.held.take().or(obstacle);
        Ok(waits)
    }

    /// What must wait stays as the record has it, and with it what a person would go back to.
    pub fn hold_back(&self, record: &mut TenantRecordSpec, existing: Option<&TenantRecordSpec>) {
        let Some(existing) = existing else {
            return;
        };
        if self.stays_open {
            record.tenant_spec.lifecycle = existing.tenant_spec.lifecycle;
        }
        if self.keeps_hosts {
            record.tenant_spec.hosts = existing.tenant_spec.hosts.clone();
            let kept = existing.hosts.iter();
            let new = record
                .hosts
                .iter()
                .filter(|host| !existing.hosts.contains(host));
            record.hosts = kept.chain(new).cloned().collect();
        }
    }
}
