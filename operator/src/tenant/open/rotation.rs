//! New credentials in place of those before, which are taken away when nobody uses them any more.

use crate::objectstore::last_use::LastUsed;
use crate::plan::Problem;
use crate::tenant::events::Told;
use crate::tenant::pass::Pass;
use crate::tenant::rotation::{
    HandedIn, InSecrets, Times, Use, begins, begun, cut_off, due_at, handed_out, is_urgent,
    postponed_to, retires_at,
};
use crate::tenant::store::{Tone, tell};
use crate::tenant::{database, storage};
use eoffice_crds::{ConditionType, Plane, RotationCause, RotationUnderWay};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Under what a restart that failed is remembered between looks: no look finds out about this part by itself.
const RESTARTED: ConditionType = ConditionType::Synced;

impl Pass<'_> {
    pub(super) fn times(&self) -> Times {
        Times::of(&self.tenant.class.spec.rotation)
    }

    /// Begins a rotation, where one is asked for or due. Only the API server is needed for it: whatever is down, the
    /// rest is renewed.
    pub(super) async fn begin_rotation(&mut self) {
        if self.stopped() {
            return;
        }
        let (times, now) = (self.times(), self.world.clock.now());
        let missed = postponed_to(&self.record, &times, now).filter(|_| !self.planning);
        if let Some(at) = missed {
            self.record.rotation.postponed_to = Some(Time(at));
            if !self.noted().await {
                return;
            }
        }
        let Some(cause) = begins(&self.tenant.object, &self.record, &times, now) else {
            let due = due_at(&self.record, &times);
            if let Some(due) = due.filter(|_| self.record.rotation.under_way.is_none()) {
                self.sooner_at(due);
            }
            return;
        };
        let has = match self.in_secrets().await {
            Ok(has) => has,
            Err(problem) => return self.settle(ConditionType::NamespaceReady, Err(problem), ""),
        };
        self.record = begun(&self.tenant.object, &self.record, cause, has, &times, now);
        if !self.planning {
            self.noted().await;
        }
    }

    /// Once both Secrets have the new credentials: has workloads read them. What is to end before that, in an emergency
    /// or at the deadline, is cut off first, each as soon as its own successor is in its Secret.
    pub(super) async fn hand_over(&mut self) {
        if self.planning || self.stopped() {
            return;
        }
        if let Some(under_way) = self.record.rotation.under_way.clone()
            && under_way.handed_out_at.is_none()
        {
            let has = match self.handed_in(&under_way).await {
                Ok(has) => has,
                Err(problem) => {
                    return self.settle(ConditionType::NamespaceReady, Err(problem), "");
                }
            };
            if !self.cut_off(has).await {
                return;
            }
            if has.all() {
                return self.hand_out(under_way.cause).await;
            }
            if self.world.clock.now() < under_way.deadline.0 {
                self.sooner_at(under_way.deadline.0);
            }
        }
        let before = self.record.rotation.restart_at.clone();
        self.restart().await;
        if self.record.rotation.restart_at != before {
            self.noted().await;
        }
    }

    /// Cuts off what does not wait for the rest. False if that could not be written down.
    async fn cut_off(&mut self, has: HandedIn) -> bool {
        let cut = cut_off(&self.record.rotation, has, self.world.clock.now());
        if cut == self.record.rotation {
            return true;
        }
        self.record.rotation = cut;
        self.world.memory.clear(&self.tenant.name, RESTARTED);
        if !self.noted().await {
            return false;
        }
        // The other may hang: it is not waited for.
        let planes: Vec<Plane> = [(has.login, Plane::Database), (has.key, Plane::Storage)]
            .into_iter()
            .filter_map(|(handed_in, plane)| handed_in.then_some(plane))
            .collect();
        self.backends_of(&planes).await;
        true
    }

    async fn hand_out(&mut self, cause: RotationCause) {
        let before = self.record.rotation.restart_at.clone();
        handed_out(&mut self.record.rotation, self.world.clock.now());
        if self.record.rotation.restart_at != before {
            self.world.memory.clear(&self.tenant.name, RESTARTED);
        }
        self.restart().await;
        if self.noted().await {
            let note = match cause {
                RotationCause::Emergency => {
                    "new credentials are in the Secrets; those before were cut off"
                }
                RotationCause::Asked | RotationCause::Age => {
                    "new credentials are in the Secrets; those before work until they are not used any more"
                }
            };
            self.tell_of_rotation(Tone::Normal, "CredentialsRotated", note)
                .await;
        }
    }

    /// Restarts what asks for it, where that is still to be done. What cannot be restarted is told of and tried again;
    /// nothing else waits for it.
    async fn restart(&mut self) {
        let Some(at) = self.record.rotation.restart_at.clone() else {
            return;
        };
        let memory = &self.world.memory;
        if let Some((problem, left)) = memory.waiting(&self.tenant.name, RESTARTED) {
            self.unrestarted = Some(problem);
            return self.sooner(left);
        }
        let namespace = &self.wanted.namespace;
        let cluster = &self.world.cluster;
        let Some(problem) = cluster.restart_workloads(namespace, at.0).await.err() else {
            memory.clear(&self.tenant.name, RESTARTED);
            self.record.rotation.restart_at = None;
            return;
        };
        let wait = memory.failed(&self.tenant.name, RESTARTED, &problem);
        self.sooner(wait);
        let status = self.tenant.object.status.as_ref();
        let mut said = status.iter().flat_map(|status| &status.conditions);
        if !said.any(|condition| condition.message == problem.message) {
            self.tell_of_rotation(Tone::Warning, "RestartFailed", &problem.message)
                .await;
        }
        self.unrestarted = Some(problem);
    }

    /// Whether the new login, and the new key, are in their Secrets, as the API server has them now.
    async fn handed_in(&self, under_way: &RotationUnderWay) -> Result<HandedIn, Problem> {
        let has = self.in_secrets().await?;
        Ok(HandedIn::of(&self.record, under_way, &has))
    }

    /// What is in the tenant's Secrets, as the API server has them now.
    async fn in_secrets(&self) -> Result<InSecrets, Problem> {
        Ok(InSecrets {
            login: database::login_in_use(self).await?,
            key: storage::key_in_use(self).await?,
        })
    }

    /// Takes away what was replaced, when it was not used for the grace time, or at the deadline.
    pub(super) async fn retire(&mut self) {
        let Some(under_way) = self.record.rotation.under_way.clone() else {
            return;
        };
        if self.planning || self.stopped() || under_way.handed_out_at.is_none() {
            return;
        }
        // A proof that fails, or a workload that was not restarted, holds up the end, but not beyond the time that was
        // announced for it.
        let proof = self.parts.get(&ConditionType::Verified);
        let waits = proof.is_some_and(Result::is_err) || self.record.rotation.restart_at.is_some();
        let over = under_way.deadline.0 <= self.world.clock.now();
        if !over && waits {
            return self.sooner_at(under_way.deadline.0);
        }
        match self.handed_in(&under_way).await {
            Ok(has) if has.all() => {}
            Ok(_) => return,
            Err(problem) => return self.settle(ConditionType::NamespaceReady, Err(problem), ""),
        }
        if self.end_of(&under_way).await {
            self.take_away(&under_way).await;
        }
    }

    /// Notes in the record which of them end now, each by itself. True if both have ended.
    async fn end_of(&mut self, under_way: &RotationUnderWay) -> bool {
        let (times, now) = (self.times(), self.world.clock.now());
        let mut next = under_way.clone();
        if next.login_retired_at.is_none() {
            let seen = database::last_use(self, &under_way.login);
            let seen = self.or_not_told(ConditionType::DatabaseReady, seen);
            let at = retires_at(under_way, seen, &times);
            match at <= now {
                true => next.login_retired_at = Some(Time(now)),
                false => self.sooner_at(at),
            }
        }
        if let Some(key) = under_way
            .key
            .as_ref()
            .filter(|_| next.key_retired_at.is_none())
        {
            // The store is asked only when its answer matters.
            let unused = retires_at(under_way, Use::NotSince(under_way.since.0), &times);
            let at = match unused <= now && now < under_way.deadline.0 {
                false => unused,
                true => {
                    let seen = storage::last_use(self, key).await.map(|seen| match seen {
                        LastUsed::Never => Use::NotSince(under_way.since.0),
                        LastUsed::At(at) => Use::NotSince(at),
                        LastUsed::NotTold => Use::NotTold,
                    });
                    let seen = self.or_not_told(ConditionType::StorageReady, seen);
                    retires_at(under_way, seen, &times)
                }
            };
            match at <= now {
                true => next.key_retired_at = Some(Time(now)),
                false => self.sooner_at(at),
            }
        }
        let ended = next.login_retired_at.is_some()
            && (next.key.is_none() || next.key_retired_at.is_some());
        if next == *under_way {
            return ended;
        }
        self.record.rotation.under_way = Some(next);
        if !self.noted().await {
            return false;
        }
        if !ended {
            self.backends().await;
        }
        ended
    }

    /// Where a backend cannot be asked it tells nothing, and is asked again: the other does not wait for it.
    fn or_not_told(&mut self, part: ConditionType, seen: Result<Use, Problem>) -> Use {
        seen.unwrap_or_else(|problem| {
            self.settle(part, Err(problem), "");
            Use::NotTold
        })
    }

    /// Has the planes take both away, and forgets the rotation.
    async fn take_away(&mut self, under_way: &RotationUnderWay) {
        let emergency = under_way.cause == RotationCause::Emergency;
        self.backends().await;
        if !self.brought() {
            return;
        }
        self.record.rotation.under_way = None;
        if !self.noted().await {
            return;
        }
        self.backends().await;
        if !emergency {
            let note = "the login and the key before the last rotation were taken away";
            self.tell_of_rotation(Tone::Normal, "CredentialsRetired", note)
                .await;
        }
    }

    /// Whether a person, or a batch, stops every change. An emergency is a person's decision about this tenant: it
    /// waits for no batch.
    fn stopped(&self) -> bool {
        let urgent = is_urgent(&self.tenant.object, &self.record);
        self.tenant.paused.is_some() || (self.held.is_some() && !urgent)
    }

    /// Writes the record. False if it could not be written.
    async fn noted(&mut self) -> bool {
        let written = self.amend().await;
        let noted = written.is_ok();
        if let Err(problem) = written {
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
        noted
    }

    async fn tell_of_rotation(&self, tone: Tone, reason: &'static str, note: &str) {
        let told = Told::new(tone, reason, note);
        tell(self.world, &self.tenant.object, &told).await;
    }
}
