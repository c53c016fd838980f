//! When a tenant's credentials are tried: at first, after a change, and on a slow rotation.

use crate::controller::world::Proved;
use crate::tenant::pass::Pass;
use crate::tenant::rotation::issued;
use crate::tenant::verify;
use eoffice_crds::ConditionType;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::{Duration, Instant};

impl Pass<'_> {
    /// Tries the tenant's credentials, if that is due.
    pub(super) async fn verify(&mut self) {
        let world = self.world;
        let name = &self.tenant.name;
        let interval = world.settings.verify_interval;
        let known = world
            .memory
            .proof(name)
            .or_else(|| self.proof_of_status(interval));
        if let Some(proof) = known.filter(|_| !self.changed() && !self.fresh) {
            let due = (proof.at + interval).saturating_duration_since(Instant::now());
            if !due.is_zero() && proof.outcome.is_ok() {
                world.memory.proved(name, proof.clone());
                self.parts.insert(ConditionType::Verified, proof.outcome);
                self.sooner(due);
                return;
            }
        }
        if self.waits(ConditionType::Verified) {
            return;
        }
        let first = world.memory.proof(name).is_none();
        let outcome = verify::prove(self).await;
        // Tenants that were made together are not proved together ever after.
        let ago = match first {
            true => self.spread(interval),
            false => Duration::ZERO,
        };
        world.memory.proved(
            name,
            Proved {
                at: Instant::now().checked_sub(ago).unwrap_or_else(Instant::now),
                outcome: outcome.clone(),
            },
        );
        if outcome.is_ok() {
            self.sooner(interval.saturating_sub(ago));
            if self.record.verified_at.is_none() {
                let now = self.world.clock.now();
                self.record.verified_at = Some(Time(now));
                issued(&self.tenant.object, &mut self.record.rotation, now);
            }
        }
        let message = outcome.clone().unwrap_or_default();
        self.settle(ConditionType::Verified, outcome.map(drop), &message);
    }

    /// After a restart the status tells that it was proved; the next proof comes at a time of its
    /// own within the interval, so that a fleet does not prove itself all at once.
    fn proof_of_status(&self, interval: Duration) -> Option<Proved> {
        let status = self.tenant.object.status.as_ref()?;
        self.record.verified_at.as_ref()?;
        let proved = status.conditions.iter().find(|condition| {
            condition.type_ == ConditionType::Verified.as_str()
                && condition.status == "True"
                && condition.observed_generation == self.tenant.object.metadata.generation
        })?;
        Some(Proved {
            at: Instant::now().checked_sub(self.spread(interval))?,
            outcome: Ok(proved.message.clone()),
        })
    }

    /// The tenant's own part of an interval.
    fn spread(&self, interval: Duration) -> Duration {
        let hash = self.tenant.name.bytes().fold(0u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        interval.mul_f64(f64::from(hash % 1000) / 1000.0)
    }
}
