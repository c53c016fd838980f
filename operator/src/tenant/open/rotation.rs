//! New credentials in place of those before, which are taken away when nobody uses them any more.

use crate::objectstore::last_use::LastUsed;
use crate::plan::Problem;
use crate::tenant::events::Told;
use crate::tenant::pass::Pass;
use crate::tenant::rotation::{Times, Use, answer, begins, begun, due_at, retires_at};
use crate::tenant::store::{Tone, tell};
use crate::tenant::{database, storage};
use eoffice_crds::{ConditionType, RotationCause, RotationUnderWay};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

impl Pass<'_> {
    pub(super) fn times(&self) -> Times {
        Times::of(&self.tenant.class.spec.rotation)
    }

    /// Begins a rotation, where one is asked for or due.
    pub(super) async fn begin_rotation(&mut self) {
        if self.stopped() {
            return;
        }
        let (times, now) = (self.times(), self.world.clock.now());
        let Some(cause) = begins(&self.tenant.object, &self.record, &times, now) else {
            let due = due_at(&self.record, &times);
            if let Some(due) = due.filter(|_| self.record.rotation.under_way.is_none()) {
                self.sooner_at(due);
            }
            return;
        };
        if !self.end_the_one_before(cause, now).await {
            return;
        }
        if let Err(problem) = self.write_beginning(cause, &times, now).await {
            self.settle(ConditionType::StorageReady, Err(problem), "");
        }
    }

    /// An emergency in the midst of a rotation: what that one replaced is cut off first, so that no session of it
    /// outlives the new password of its login. False where no other is to be begun now.
    async fn end_the_one_before(&mut self, cause: RotationCause, now: Timestamp) -> bool {
        let Some(under_way) = self.record.rotation.under_way.clone() else {
            return true;
        };
        if self.planning {
            return true;
        }
        if under_way.handed_out_at.is_none() {
            // Its new credentials are not in use yet: it goes on as an emergency itself.
            answer(&self.tenant.object, cause, &mut self.record.rotation);
            self.note_rotation(|it| it.cause = cause).await;
            return false;
        }
        let retired = |it: &mut RotationUnderWay| {
            it.login_retired_at.get_or_insert(Time(now));
            it.key_retired_at.get_or_insert(Time(now));
        };
        if !self.note_rotation(retired).await {
            return false;
        }
        self.backends().await;
        self.brought()
    }

    async fn write_beginning(
        &mut self,
        cause: RotationCause,
        times: &Times,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let key = storage::key_in_use(self).await?;
        self.record = begun(&self.tenant.object, &self.record, cause, key, times, now);
        match self.planning {
            true => Ok(()),
            false => self.amend().await,
        }
    }

    /// Once both Secrets have the new credentials: has workloads read them. In an emergency those before are cut off
    /// first, each as soon as its own successor is in its Secret.
    pub(super) async fn hand_over(&mut self) {
        let Some(under_way) = self.record.rotation.under_way.clone() else {
            return;
        };
        if self.planning || self.stopped() || under_way.handed_out_at.is_some() {
            return;
        }
        let (login, key) = match self.handed_in(&under_way).await {
            Ok(handed_in) => handed_in,
            Err(problem) => return self.settle(ConditionType::NamespaceReady, Err(problem), ""),
        };
        let now = Time(self.world.clock.now());
        if under_way.cause == RotationCause::Emergency {
            let retired = |it: &mut RotationUnderWay| {
                if login {
                    it.login_retired_at.get_or_insert(now.clone());
                }
                if key {
                    it.key_retired_at.get_or_insert(now.clone());
                }
            };
            let mut next = under_way.clone();
            retired(&mut next);
            if next != under_way {
                if !self.note_rotation(retired).await {
                    return;
                }
                self.backends().await;
            }
        }
        if login && key {
            self.hand_out(&under_way, now).await;
        }
    }

    async fn hand_out(&mut self, under_way: &RotationUnderWay, now: Time) {
        let namespace = self.wanted.namespace.clone();
        let restarted = self
            .world
            .cluster
            .restart_workloads(&namespace, under_way.since.0);
        if let Err(problem) = restarted.await {
            return self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
        self.record.rotation.issued_at = Some(now.clone());
        if self.note_rotation(|it| it.handed_out_at = Some(now)).await {
            let note = match under_way.cause {
                RotationCause::Emergency => {
                    "new credentials are in the Secrets; those before were cut off"
                }
                RotationCause::Asked | RotationCause::Age => {
                    "new credentials are in the Secrets; those before work until they are not used any more"
                }
            };
            self.tell_of_rotation("CredentialsRotated", note).await;
        }
    }

    /// Whether the new login, and the new key, are in their Secrets, as the API server has them now.
    async fn handed_in(&self, under_way: &RotationUnderWay) -> Result<(bool, bool), Problem> {
        let login = database::login_in_use(self).await?;
        let key = storage::key_in_use(self).await?;
        let new_key = key.is_some() && key != under_way.key;
        Ok((login.as_ref() == Some(&self.record.database.login), new_key))
    }

    /// Takes away what was replaced, when it was not used for the grace time, or at the deadline.
    pub(super) async fn retire(&mut self) {
        let Some(under_way) = self.record.rotation.under_way.clone() else {
            return;
        };
        if self.planning || self.stopped() || under_way.handed_out_at.is_none() {
            return;
        }
        // A proof that fails holds up the end, but not beyond the time that was announced for it.
        let proof = self.parts.get(&ConditionType::Verified);
        let over = under_way.deadline.0 <= self.world.clock.now();
        if !over && proof.is_some_and(Result::is_err) {
            return self.sooner_at(under_way.deadline.0);
        }
        match self.handed_in(&under_way).await {
            Ok((true, true)) => {}
            Ok(_) => return,
            Err(problem) => return self.settle(ConditionType::NamespaceReady, Err(problem), ""),
        }
        match self.end_of(&under_way).await {
            Ok(true) => self.take_away(&under_way).await,
            Ok(false) => {}
            Err(problem) => self.settle(ConditionType::StorageReady, Err(problem), ""),
        }
    }

    /// Notes in the record which of them end now. True if both have ended.
    async fn end_of(&mut self, under_way: &RotationUnderWay) -> Result<bool, Problem> {
        let (times, now) = (self.times(), self.world.clock.now());
        let mut next = under_way.clone();
        if next.login_retired_at.is_none() {
            let at = retires_at(
                under_way,
                database::last_use(self, &under_way.login)?,
                &times,
            );
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
            let at = match unused <= now {
                false => unused,
                true => match storage::last_use(self, key).await? {
                    LastUsed::Never => unused,
                    LastUsed::At(at) => retires_at(under_way, Use::NotSince(at), &times),
                    LastUsed::NotTold => retires_at(under_way, Use::NotTold, &times),
                },
            };
            match at <= now {
                true => next.key_retired_at = Some(Time(now)),
                false => self.sooner_at(at),
            }
        }
        let ended = next.login_retired_at.is_some()
            && (next.key.is_none() || next.key_retired_at.is_some());
        if next != *under_way && !self.note_rotation(|it| *it = next.clone()).await {
            return Ok(false);
        }
        if next != *under_way && !ended {
            self.backends().await;
        }
        Ok(ended)
    }

    /// Has the planes take both away, and forgets the rotation.
    async fn take_away(&mut self, under_way: &RotationUnderWay) {
        let emergency = under_way.cause == RotationCause::Emergency;
        self.backends().await;
        if !self.brought() {
            return;
        }
        self.record.rotation.under_way = None;
        if let Err(problem) = self.amend().await {
            return self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
        self.backends().await;
        if !emergency {
            let note = "the login and the key before the last rotation were taken away";
            self.tell_of_rotation("CredentialsRetired", note).await;
        }
    }

    /// Whether a person, or a batch, stops every change.
    fn stopped(&self) -> bool {
        self.tenant.paused.is_some() || self.held.is_some()
    }

    /// Writes a change of the rotation into the record. False if it could not be written.
    async fn note_rotation(&mut self, change: impl FnOnce(&mut RotationUnderWay)) -> bool {
        if let Some(under_way) = &mut self.record.rotation.under_way {
            change(under_way);
        }
        let written = self.amend().await;
        let noted = written.is_ok();
        if let Err(problem) = written {
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
        noted
    }

    async fn tell_of_rotation(&self, reason: &'static str, note: &str) {
        let told = Told::new(Tone::Normal, reason, note);
        tell(self.world, &self.tenant.object, &told).await;
    }
}
