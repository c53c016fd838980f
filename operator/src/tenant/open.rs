//! A tenant that lives: its planes brought to what the record and the class say, open or closed.

use crate::controller::world::{Proved, World};
use crate::kubernetes::desired::Wanted;
use crate::plan::Problem;
use crate::tenant::kubernetes::{certificate_states, certificates, front, guards, wanted};
use crate::tenant::ledger::{Entry, amend};
use crate::tenant::parse::Tenant;
use crate::tenant::reconcile::Outcome;
use crate::tenant::status::{Findings, Nature, Part, certificate, nature};
use crate::tenant::store::{Tone, tell};
use crate::tenant::{database, storage, verify};
use eoffice_crds::{
    AppliedClass, ConditionType, DATABASE_SECRET, EOfficeTenantStatus, LocalRef, ObjectRef, Phase,
    RECORD_NAME, Reason, STORAGE_SECRET, TenantDatabaseStatus, TenantRecordSpec,
    TenantStorageStatus,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::{Duration, Instant};

/// What one look at a tenant does and learns.
pub struct Pass<'a> {
    /// The controller's world.
    pub world: &'a World,
    /// The tenant.
    pub tenant: &'a Tenant,
    /// What is wanted in its namespace.
    pub wanted: Wanted,
    /// Its record, with what this look adds.
    pub record: TenantRecordSpec,
    parts: Vec<(ConditionType, Part)>,
    changes: Vec<&'static str>,
    next: Option<Duration>,
}

/// Brings a tenant to what is asked, and says how it stands.
pub async fn keep(world: &World, tenant: &Tenant, entry: Entry) -> Outcome {
    let wanted = wanted(
        world,
        &tenant.class.spec,
        &entry.record,
        tenant.wants_open(),
    );
    let mut pass = Pass {
        world,
        tenant,
        wanted,
        record: entry.record.clone(),
        parts: Vec::new(),
        changes: Vec::new(),
        next: None,
    };
    if tenant.wants_open() {
        pass.open().await;
    } else {
        pass.close().await;
    }
    pass.record_findings(&entry.record).await;
    pass.tell_of_drift().await;
    pass.outcome(entry.refused_host)
}

impl Pass<'_> {
    /// Ground first, then backends, then the way in; proved at the end.
    async fn open(&mut self) {
        self.guards().await;
        self.backends().await;
        self.certificates().await;
        self.front().await;
        if self.parts.iter().all(|(_, part)| part.is_ok()) {
            self.verify().await;
        } else {
            let waiting = Problem::new(Reason::Waiting, "the other parts come first");
            self.parts.push((ConditionType::Verified, Err(waiting)));
        }
    }

    /// The way in first, then access, then network, quota and pods.
    async fn close(&mut self) {
        self.front().await;
        self.backends().await;
        self.certificates().await;
        self.guards().await;
        self.world.memory.forget_proof(&self.tenant.name);
        let closed_before = matches!(
            self.tenant
                .object
                .status
                .as_ref()
                .and_then(|status| status.phase),
            Some(Phase::Suspended | Phase::Archived)
        );
        if !closed_before
            && let Err(problem) = self.world.cluster.end_pods(&self.wanted.namespace).await
        {
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
    }

    /// Whether it is too early to try a part again; if so its last problem stays.
    fn waits(&mut self, part: ConditionType) -> bool {
        match self.world.memory.waiting(&self.tenant.name, part) {
            Some((problem, left)) => {
                self.parts.push((part, Err(problem)));
                self.sooner(left);
                true
            }
            None => false,
        }
    }

    /// Notes how a part came out.
    fn settle(&mut self, part: ConditionType, result: Result<bool, Problem>, fine: &str) {
        let memory = &self.world.memory;
        let name = &self.tenant.name;
        let outcome = match result {
            Ok(changed) => {
                memory.clear(name, part);
                if changed {
                    self.changes.push(part.as_str());
                }
                Ok(fine.to_owned())
            }
            Err(problem) => {
                if nature(problem.reason) == Nature::Retry {
                    let wait = memory.failed(name, part, &problem);
                    self.sooner(wait);
                }
                Err(problem)
            }
        };
        self.parts.retain(|(known, _)| *known != part);
        self.parts.push((part, outcome));
    }

    fn sooner(&mut self, wait: Duration) {
        self.next = Some(self.next.map_or(wait, |next| next.min(wait)));
    }

    async fn guards(&mut self) {
        if !self.waits(ConditionType::NamespaceReady) {
            let result = guards(self.world, &self.wanted).await;
            self.settle(
                ConditionType::NamespaceReady,
                result,
                "namespace, quota, limits, network policies and service account stand",
            );
        }
    }

    async fn certificates(&mut self) {
        if self.waits(ConditionType::CertificateReady) {
            return;
        }
        let result = certificates(self.world, &self.wanted).await;
        let states = certificate_states(self.world, &self.wanted);
        let result = result.and_then(|changed| states.default.and(states.others).map(|()| changed));
        self.settle(
            ConditionType::CertificateReady,
            result,
            "every host has a valid certificate",
        );
    }

    async fn front(&mut self) {
        if self.waits(ConditionType::IngressReady) {
            return;
        }
        let result = front(self.world, &self.wanted).await;
        let fine = if self.wanted.open {
            "every host leads to the tenant's service"
        } else {
            "there is no way in, as asked"
        };
        self.settle(ConditionType::IngressReady, result, fine);
    }

    /// Both backends side by side; a second time where the first made an object that its twin
    /// has to name.
    async fn backends(&mut self) {
        for _ in 0..2 {
            let before = self.record.clone();
            let skip_database = self.waits(ConditionType::DatabaseReady);
            let skip_storage = self.waits(ConditionType::StorageReady);
            let (database, storage) = tokio::join!(
                async {
                    if skip_database {
                        None
                    } else {
                        Some(database::bring(self).await)
                    }
                },
                async {
                    if skip_storage {
                        None
                    } else {
                        Some(storage::bring(self).await)
                    }
                },
            );
            if let Some(result) = database {
                let changed = result.map(|found| {
                    self.record.database.oid = found.oid.or(self.record.database.oid);
                    found.changed
                });
                self.settle(
                    ConditionType::DatabaseReady,
                    changed,
                    "database, roles and their Secret stand",
                );
            }
            if let Some(result) = storage {
                let changed = result.map(|found| {
                    if found.identity.is_some() {
                        self.record.storage.bucket_identity = found.identity;
                    }
                    found.changed
                });
                self.settle(
                    ConditionType::StorageReady,
                    changed,
                    "bucket, user, policy, key and their Secret stand",
                );
            }
            if self.record == before {
                return;
            }
            if let Err(problem) = amend(self.world, &self.record).await {
                self.record = before;
                self.settle(ConditionType::NamespaceReady, Err(problem), "");
                return;
            }
        }
    }

    /// Tries the tenant's credentials, if that is due.
    async fn verify(&mut self) {
        let world = self.world;
        let name = &self.tenant.name;
        let interval = world.settings.verify_interval;
        let known = world
            .memory
            .proof(name)
            .or_else(|| self.proof_of_status(interval));
        if let Some(proof) = known.filter(|_| self.changes.is_empty()) {
            let due = (proof.at + interval).saturating_duration_since(Instant::now());
            if !due.is_zero() && proof.outcome.is_ok() {
                world.memory.proved(name, proof.clone());
                self.parts.push((ConditionType::Verified, proof.outcome));
                self.sooner(due);
                return;
            }
        }
        if self.waits(ConditionType::Verified) {
            return;
        }
        let outcome = verify::prove(self).await;
        world.memory.proved(
            name,
            Proved {
                at: Instant::now(),
                outcome: outcome.clone(),
            },
        );
        if outcome.is_ok() {
            self.sooner(interval);
            self.record.verified_at = self
                .record
                .verified_at
                .clone()
                .or(Some(Time(Timestamp::now())));
        }
        let message = outcome.clone().unwrap_or_default();
        self.settle(ConditionType::Verified, outcome.map(|_| false), &message);
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
        let spread = self.tenant.name.bytes().fold(0u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let ago = interval.mul_f64(f64::from(spread % 1000) / 1000.0);
        Some(Proved {
            at: Instant::now().checked_sub(ago)?,
            outcome: Ok(proved.message.clone()),
        })
    }

    /// Writes into the record what this look found out.
    async fn record_findings(&mut self, before: &TenantRecordSpec) {
        if self.record.verified_at != before.verified_at
            && let Err(problem) = amend(self.world, &self.record).await
        {
            self.record.verified_at = before.verified_at.clone();
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
    }

    /// A change to a tenant that was settled is a correction of drift: people want to know.
    async fn tell_of_drift(&self) {
        let status = self.tenant.object.status.as_ref();
        let settled = status.is_some_and(|status| {
            status.phase == Some(Phase::Active)
                && status.observed_generation == self.tenant.object.metadata.generation
                && status
                    .applied
                    .as_ref()
                    .and_then(|applied| applied.class_generation)
                    == self.tenant.class.metadata.generation
        });
        if settled && !self.changes.is_empty() {
            let note = format!(
                "something differed from what was asked and was put right: {}",
                self.changes.join(", ")
            );
            tell(
                self.world,
                &self.tenant.object,
                Tone::Normal,
                "DriftCorrected",
                &note,
            )
            .await;
        }
    }

    fn outcome(self, refused_host: Option<Problem>) -> Outcome {
        let synced = match &self.tenant.class_changed {
            Some(problem) => Err(problem.clone()),
            None => Ok("nothing differs from what was asked".to_owned()),
        };
        let findings = Findings {
            generation: self.tenant.object.metadata.generation.unwrap_or_default(),
            lifecycle: self.tenant.object.spec.lifecycle,
            deleting: false,
            proved: self.record.verified_at.is_some() && !self.opening(),
            gate: None,
            open: refused_host.or_else(|| self.tenant.class_changed.clone()),
            synced,
            facts: Some(self.facts()),
            parts: self.parts,
        };
        Outcome {
            findings: Some(findings),
            next: self.next,
        }
    }

    /// Whether the tenant is on its way from closed to open: it has not worked yet since it was closed.
    fn opening(&self) -> bool {
        let status = self.tenant.object.status.as_ref();
        let before = status.and_then(|status| status.phase);
        let not_open = [Phase::Suspended, Phase::Archived, Phase::Provisioning];
        self.tenant.wants_open() && before.is_some_and(|phase| not_open.contains(&phase))
    }

    fn facts(&self) -> EOfficeTenantStatus {
        let record = &self.record;
        let local = |name: &str| LocalRef {
            name: name.to_owned(),
        };
        EOfficeTenantStatus {
            url: record.hosts.first().map(|host| format!("https://{host}")),
            namespace: Some(self.wanted.namespace.clone()),
            database: Some(TenantDatabaseStatus {
                server: record.database.server.clone(),
                name: record.database.name.clone(),
                secret_ref: local(DATABASE_SECRET),
            }),
            storage: Some(TenantStorageStatus {
                store: record.storage.store.clone(),
                bucket: record.storage.bucket.clone(),
                secret_ref: local(STORAGE_SECRET),
            }),
            certificate: Some(certificate(
                certificate_states(self.world, &self.wanted).not_after,
            )),
            applied: Some(AppliedClass {
                class_generation: self.tenant.class.metadata.generation,
                frozen: record.frozen.clone(),
            }),
            record_ref: Some(ObjectRef {
                namespace: self.wanted.namespace.clone(),
                name: RECORD_NAME.to_owned(),
            }),
            ..EOfficeTenantStatus::default()
        }
    }
}
