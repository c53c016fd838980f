//! A tenant that lives: its planes brought to what the record and the class say, open or closed.

mod backends;
mod proof;
mod rotation;

use crate::controller::world::World;
use crate::kubernetes::Kind;
use crate::kubernetes::desired;
use crate::plan::Problem;
use crate::tenant::drift;
use crate::tenant::kubernetes::{GUARDS, bring, certificate_states, certificates, wanted};
use crate::tenant::ledger::Entry;
use crate::tenant::parse::Tenant;
use crate::tenant::pass::Pass;
use crate::tenant::reconcile::Outcome;
use crate::tenant::rotation::shown;
use crate::tenant::status::{Findings, VITAL, certificate};
use eoffice_crds::{
    AppliedClass, ConditionType, DATABASE_SECRET, EOfficeTenantStatus, Impact, Lifecycle, LocalRef,
    ObjectRef, Phase, Plane, RECORD_NAME, Reason, STORAGE_SECRET, TenantDatabaseStatus,
    TenantRecordSpec, TenantStorageStatus, annotations,
};
use kube::ResourceExt;

/// Brings a tenant to what is asked, and says how it stands.
pub async fn keep(world: &World, tenant: &Tenant, entry: Entry) -> Outcome {
    let mut pass = begin(world, tenant, &entry);
    pass.fresh = is_asked_for(tenant);
    if pass.wanted.open {
        Box::pin(pass.open()).await;
    } else {
        Box::pin(pass.close()).await;
    }
    pass.record_findings(&entry.record).await;
    pass.tell_breaker();
    pass.outcome(entry.refused_host)
}

/// What would be done for a tenant. Nothing is.
pub async fn survey<'a>(world: &'a World, tenant: &'a Tenant, entry: &Entry) -> Pass<'a> {
    let mut pass = begin(world, tenant, entry);
    pass.planning = true;
    pass.fresh = true;
    if pass.wanted.open {
        Box::pin(pass.open()).await;
    } else {
        Box::pin(pass.close()).await;
    }
    pass
}

fn begin<'a>(world: &'a World, tenant: &'a Tenant, entry: &Entry) -> Pass<'a> {
    let open = entry.open;
    let wanted = wanted(world, &tenant.class.spec, &entry.record, open);
    Pass::new(world, tenant, wanted, entry)
}

/// Whether a person asks for a look at once, and was not answered yet.
pub fn is_asked_for(tenant: &Tenant) -> bool {
    let asked = tenant
        .object
        .annotations()
        .get(annotations::RECONCILE_REQUESTED_AT);
    let status = tenant.object.status.as_ref();
    let answered = status.and_then(|status| status.last_handled_reconcile_at.as_ref());
    asked.is_some() && asked != answered
}

impl Pass<'_> {
    /// Ground first, then backends, then the way in; proved at the end.
    async fn open(&mut self) {
        self.guards().await;
        self.begin_rotation().await;
        let left = self.backends_in_haste().await;
        self.hand_over().await;
        if left {
            self.backends().await;
            self.hand_over().await;
        }
        self.dismiss_auditors().await;
        self.certificates().await;
        self.front().await;
        if self.planning {
            return;
        }
        let fails = |part: &ConditionType| self.parts.get(part).is_some_and(Result::is_err);
        let proved_before = self.record.verified_at.is_some() && !self.opening();
        if self.parts.values().all(Result::is_ok) {
            self.verify().await;
        } else if VITAL.iter().any(fails) || !proved_before {
            let waiting = Problem::new(Reason::Waiting, "the other parts come first");
            self.parts.insert(ConditionType::Verified, Err(waiting));
        }
        // Otherwise the agency can work, and the last proof stands.
        self.retire().await;
    }

    /// The way in first, then access, then network, quota and pods.
    async fn close(&mut self) {
        self.front().await;
        self.admit_auditors().await;
        self.backends().await;
        self.dismiss_auditors().await;
        self.certificates().await;
        self.guards().await;
        if self.planning || self.tenant.paused.is_some() {
            return;
        }
        if self.parts.values().all(Result::is_ok) {
            self.done_with(|act, _| act.impact == Impact::Close);
        }
        self.world.memory.forget_proof(&self.tenant.name);
        let guarded = self.parts.get(&ConditionType::NamespaceReady);
        if self.was_closed() || guarded.is_none_or(Result::is_err) {
            return;
        }
        if let Err(problem) = self.world.cluster.end_pods(&self.wanted.namespace).await {
            self.settled.remove(&Plane::Namespace);
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
    }

    /// Whether an earlier look ended the pods: the quota lets none start from then on.
    fn was_closed(&self) -> bool {
        let closed = desired::asked(&desired::guards(&self.wanted));
        let status = self.tenant.object.status.as_ref();
        let phase = status.and_then(|status| status.phase);
        self.settled_as(Plane::Namespace)
            .is_some_and(|(settled, _)| settled == closed)
            || matches!(phase, Some(Phase::Suspended | Phase::Archived))
    }

    async fn guards(&mut self) {
        if self.waits(ConditionType::NamespaceReady) {
            return;
        }
        let children = desired::guards(&self.wanted);
        let brought = bring(self, Plane::Namespace, children, &GUARDS).await;
        self.take_in(
            Plane::Namespace,
            ConditionType::NamespaceReady,
            brought,
            "namespace, quota, limits, network policies and service account stand",
        );
    }

    async fn certificates(&mut self) {
        if self.waits(ConditionType::CertificateReady) {
            return;
        }
        let brought = certificates(self).await;
        self.take_in(
            Plane::Certificate,
            ConditionType::CertificateReady,
            brought,
            "every host has a valid certificate",
        );
    }

    async fn front(&mut self) {
        if self.waits(ConditionType::IngressReady) {
            return;
        }
        let fine = if self.wanted.open {
            "every host leads to the tenant's service"
        } else {
            "there is no way in, as asked"
        };
        let children = desired::front(&self.wanted);
        let brought = bring(self, Plane::Ingress, children, &[Kind::Ingress]).await;
        self.take_in(Plane::Ingress, ConditionType::IngressReady, brought, fine);
    }

    /// Writes into the record what this look found out: that it was proved, and what each plane is brought to.
    async fn record_findings(&mut self, before: &TenantRecordSpec) {
        // The first proof is waited for, so that a new tenant's record is written once.
        if self.record.verified_at.is_some() {
            self.record.settled = self.settled.clone();
        }
        let news =
            self.record.verified_at != before.verified_at || self.record.settled != before.settled;
        if news && let Err(problem) = self.amend().await {
            self.settle(ConditionType::NamespaceReady, Err(problem), "");
        }
    }

    fn outcome(self, refused_host: Option<Problem>) -> Outcome {
        let class_change = self.tenant.class_change.as_ref();
        let class_change = class_change.filter(|change| !change.accepted);
        let class_problem = class_change.map(|change| change.problem.clone());
        let misfit = self.tenant.misfit.clone();
        let left = misfit
            .or_else(|| drift::open(&self.notes))
            .or_else(|| self.held_in_a_batch())
            .or_else(|| drift::left_to_a_person(&self.parts))
            .or_else(|| self.tenant.paused.clone())
            .or_else(|| self.tenant.approval.outdated.clone())
            .or_else(|| class_problem.clone());
        let held = self.held_in_a_batch();
        let approval = &self.tenant.approval;
        let findings = Findings {
            generation: self.tenant.object.metadata.generation.unwrap_or_default(),
            lifecycle: match self.wanted.open {
                true => Lifecycle::Active,
                false => self.tenant.object.spec.lifecycle,
            },
            deleting: false,
            proved: self.record.verified_at.is_some() && !self.opening(),
            gate: self.tenant.misfit.clone(),
            open: held
                .clone()
                .or_else(|| approval.outdated.clone())
                .or(refused_host)
                .or(class_problem)
                .or_else(|| self.unrestarted.clone()),
            synced: left.map_or_else(|| Ok("nothing differs from what was asked".to_owned()), Err),
            paused: self.tenant.paused.clone(),
            held,
            approval: approval.shown.clone(),
            facts: Some(self.facts()),
            parts: self.parts.into_iter().collect(),
        };
        Outcome {
            findings: Some(findings),
            notes: self.notes,
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
            credentials: Some(shown(&self.record, &self.times())),
            drift: self.known_drift().to_vec(),
            class_change: self
                .tenant
                .class_change
                .as_ref()
                .filter(|change| change.possible && !change.accepted)
                .map(|change| change.token.clone()),
            last_handled_reconcile_at: self
                .tenant
                .object
                .annotations()
                .get(annotations::RECONCILE_REQUESTED_AT)
                .cloned(),
            ..EOfficeTenantStatus::default()
        }
    }
}
