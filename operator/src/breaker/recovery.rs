//! How an act that a person wants undone is undone: one step at a time, decided from what is there.

use eoffice_crds::{
    Approval, EOfficeTenant, EOfficeTenantSpec, HeldTenant, Impact, TenantRecord, TenantRecordSpec,
    TenantRef, annotations, finalizers,
};
use kube::ResourceExt;
use serde_json::{Value, json};

/// What to do next about one entry of a batch that is recovered.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Note in the record whether the tenant is paused, which its resource will not tell any more.
    Remember(Option<String>),
    /// Take our finalizer off without closing anything.
    Release,
    /// Wait until the resource is gone.
    Await,
    /// Make the resource again from its record.
    MakeAgain(Box<EOfficeTenant>),
    /// Let the record name the resource that was made again.
    TakeUp(Box<TenantRecordSpec>),
    /// Put the spec back to what the record says, by this merge patch.
    PutBack(Value),
    /// The cause is not ours to take away.
    Leave,
    /// It is undone, or nothing is left to undo.
    Done,
}

/// The next step, from the resource and the record of that name as they are now.
pub fn step(
    entry: &HeldTenant,
    tenant: Option<&EOfficeTenant>,
    record: Option<&TenantRecord>,
) -> Step {
    let record = record.filter(|record| record.spec.tenant.uid == entry.uid);
    let same = tenant.filter(|tenant| tenant.uid().as_ref() == Some(&entry.uid));
    match (entry.impact, same, tenant, record) {
        (Impact::Delete, Some(tenant), _, _) => let_go(tenant, record),
        (Impact::Delete, None, None, Some(record)) => make_again(entry, record),
        (Impact::Delete, None, Some(tenant), Some(record)) => take_up(tenant, record),
        (Impact::Delete, None, _, None) => Step::Done,
        (_, None, _, _) => Step::Done,
        (_, Some(tenant), _, Some(record)) => put_back(entry.impact, &tenant.spec, record),
        (_, Some(_), _, None) => Step::Leave,
    }
}

fn let_go(tenant: &EOfficeTenant, record: Option<&TenantRecord>) -> Step {
    if tenant.metadata.deletion_timestamp.is_none() {
        return Step::Done;
    }
    if !tenant
        .finalizers()
        .iter()
        .any(|it| it == finalizers::TENANT)
    {
        return Step::Await;
    }
    let paused = tenant.annotations().get(annotations::PAUSED);
    match record {
        Some(record) if record.annotations().get(annotations::PAUSED) != paused => {
            Step::Remember(paused.cloned())
        }
        _ => Step::Release,
    }
}

/// Labels and annotations of a pipeline are left out: by them it would prune the tenant once more. So is what approvers
/// decide: admission asks nothing of the operator, and what was approved and taken over is in the record.
fn make_again(entry: &HeldTenant, record: &TenantRecord) -> Step {
    let mut spec = record.spec.tenant_spec.clone();
    spec.restore_from = None;
    spec.approval = spec.approval.map(|approval| Approval {
        mou_reference: approval.mou_reference,
        ..Approval::default()
    });
    let mut tenant = EOfficeTenant::new(&entry.name, spec);
    tenant.metadata.namespace = Some(entry.namespace.clone());
    tenant.metadata.finalizers = Some(vec![finalizers::TENANT.to_owned()]);
    let paused = record.annotations().get(annotations::PAUSED);
    tenant.metadata.annotations =
        paused.map(|value| [(annotations::PAUSED.to_owned(), value.clone())].into());
    Step::MakeAgain(Box::new(tenant))
}

/// What stands there now is the tenant made again, or one that a pipeline was faster to make: it is taken up if it is
/// for the same agency. Who it is for otherwise is judged as for any tenant.
fn take_up(tenant: &EOfficeTenant, record: &TenantRecord) -> Step {
    if tenant.spec.agency != record.spec.tenant_spec.agency {
        return Step::Done;
    }
    let mut spec = record.spec.clone();
    spec.tenant = TenantRef {
        uid: tenant.uid().unwrap_or_default(),
        ..spec.tenant
    };
    Step::TakeUp(Box::new(spec))
}

fn put_back(impact: Impact, spec: &EOfficeTenantSpec, record: &TenantRecord) -> Step {
    let before = &record.spec.tenant_spec;
    match impact {
        Impact::Close if spec.lifecycle != before.lifecycle => {
            Step::PutBack(json!({"spec": {"lifecycle": before.lifecycle}}))
        }
        Impact::Move if spec.hosts != before.hosts => {
            Step::PutBack(json!({"spec": {"hosts": before.hosts}}))
        }
        _ => Step::Leave,
    }
}
