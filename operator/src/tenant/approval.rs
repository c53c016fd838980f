//! Whether what a tenant asks for was approved, and what it runs with while it was not. Pure.

use crate::plan::Problem;
use crate::tenant::parse::{Labels, Tenant, parse};
use data_encoding::HEXLOWER;
use eoffice_crds::{
    Approval, ApprovalStatus, EOfficeTenant, EOfficeTenantSpec, Reason, RecordedApproval,
    TenantClass, TenantRecordSpec, annotations, labels,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How a tenant stands with its approval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// What the record is to say of it, where there is one.
    pub recorded: Option<RecordedApproval>,
    /// What people are told.
    pub shown: Option<ApprovalStatus>,
    /// Why nothing is made for it.
    pub awaited: Option<Problem>,
    /// What it asks for and may not have yet: it runs with what was approved last.
    pub outdated: Option<Problem>,
}

/// What the namespace of a province says.
#[derive(Clone, Debug, Default)]
pub struct Province {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
}

impl Province {
    /// The approval of all its tenants: reference and approver.
    fn approval(&self) -> Option<(&String, &String)> {
        let mou = self.labels.get(labels::MOU)?;
        let by = self.annotations.get(annotations::MOU_APPROVED_BY)?;
        Some((mou, by))
    }
}

/// Checks a tenant as [`parse`] does; what of it is not approved any more is as it was approved last. `record` is the
/// one under its name, whosever it is.
pub fn parse_approved(
    object: Arc<EOfficeTenant>,
    province: &Province,
    record: Option<&TenantRecordSpec>,
    classes: &[Arc<TenantClass>],
) -> Result<Tenant, Problem> {
    let own = record.filter(|record| Some(&record.tenant.uid) == object.metadata.uid.as_ref());
    let mut tenant = parse(Arc::clone(&object), &province.labels, own, classes)?;
    let standing = decide(&tenant, record, province.approval(), classes);
    if let (Some(_), Some(record)) = (&standing.outdated, record) {
        let approved = Arc::new(as_approved(&object, record));
        tenant = parse(approved, &province.labels, own, classes)?;
    }
    tenant.approval = standing;
    Ok(tenant)
}

/// Fingerprint of what an approval is about: agency, class and size. 32 hexadecimal digits, so that nobody finds two
/// contents of one fingerprint.
pub fn fingerprint(spec: &EOfficeTenantSpec, class: &str) -> String {
    let about = json!({
        "agency": spec.agency,
        "class": class,
        "users": spec.users,
        "signingCertificates": spec.signing_certificates,
        "connectionLimit": spec.database.as_ref().and_then(|database| database.connection_limit),
    });
    HEXLOWER.encode(&Sha256::digest(about.to_string())[..16])
}

fn decide(
    tenant: &Tenant,
    record: Option<&TenantRecordSpec>,
    province: Option<(&String, &String)>,
    classes: &[Arc<TenantClass>],
) -> Standing {
    let spec = &tenant.object.spec;
    // What a record has nothing behind any more is no agency's running system.
    let record = record.filter(|record| record.state.holds_data());
    let class = match (record, &spec.class_name) {
        (_, Some(asked)) => asked.clone(),
        (Some(record), None) => record.frozen.class.clone(),
        (None, None) => tenant.class.metadata.name.clone().unwrap_or_default(),
    };
    let asked = fingerprint(spec, &class);
    let own = record.filter(|record| {
        let same_agency = || record.tenant_spec.agency == spec.agency;
        record.tenant.uid == tenant.uid || (same_agency() && vouches(record, &asked))
    });
    let runs = own.map(runs_with);
    let said = said(&tenant.object, &asked, own);
    let given = said.clone().filter(|said| said.fingerprint == asked);
    let by_province = province.map(|province| by_province(province, &asked));
    let kept = own.and_then(|record| record.approval.clone());
    let as_it_runs = runs.as_ref() == Some(&asked);
    let approved = given.is_some() || by_province.is_some() || as_it_runs;
    let mut standing = Standing {
        // What was said of something else stays bound to that, whatever else approves this.
        recorded: given
            .or_else(|| {
                kept.clone()
                    .filter(|kept| said.as_ref().is_some_and(|it| same(it, kept)))
            })
            .or_else(|| said.filter(|_| record.is_none()))
            .or(by_province)
            .or(kept),
        ..Standing::default()
    };
    if is_required(tenant, record, classes) && !approved {
        match own {
            Some(_) => standing.outdated = Some(outdated(&asked, runs.as_deref())),
            None => standing.awaited = Some(awaited(&asked)),
        }
    }
    standing.shown = shown(&tenant.object, asked, &standing, runs);
    standing
}

/// Whether an approval is needed: by the class that it would have, or by the one with which its data was made.
fn is_required(
    tenant: &Tenant,
    record: Option<&TenantRecordSpec>,
    classes: &[Arc<TenantClass>],
) -> bool {
    let made_with = record.map(|record| record.frozen.class.as_str());
    let mut classes = classes.iter().map(Arc::as_ref);
    let made_with = classes.find(|class| class.metadata.name.as_deref() == made_with);
    let made_with = made_with.filter(|_| record.is_some());
    tenant.class.spec.approval_required || made_with.is_some_and(|it| it.spec.approval_required)
}

/// Whether a record speaks for a tenant that comes to it: what it says of the agency is what was approved, or what is
/// asked for is. One that was edited speaks for nobody.
fn vouches(record: &TenantRecordSpec, asked: &str) -> bool {
    let Some(approval) = &record.approval else {
        return true;
    };
    let spec = &record.tenant_spec;
    let class = spec.class_name.as_ref().unwrap_or(&record.frozen.class);
    approval.fingerprint == asked || approval.fingerprint == fingerprint(spec, class)
}

/// Fingerprint of what a tenant runs with, as it was approved if it was.
fn runs_with(record: &TenantRecordSpec) -> String {
    match &record.approval {
        Some(approval) => approval.fingerprint.clone(),
        None => fingerprint(&record.tenant_spec, &record.frozen.class),
    }
}

/// The approval in the tenant's own spec, with what it is for: what it says, what it was first seen with, or what is
/// asked for now.
fn said(
    tenant: &EOfficeTenant,
    asked: &str,
    record: Option<&TenantRecordSpec>,
) -> Option<RecordedApproval> {
    let approval = tenant.spec.approval.as_ref()?;
    let fingerprint = approval
        .fingerprint
        .clone()
        .or_else(|| bound_before(tenant, approval, record));
    Some(RecordedApproval {
        fingerprint: fingerprint.unwrap_or_else(|| asked.to_owned()),
        mou_reference: Some(approval.mou_reference.clone()?),
        approved_by: approval.approved_by.clone()?,
        approved_at: Some(approval.approved_at.clone()?),
    })
}

/// Whether both are the same word of the same approver.
fn same(one: &RecordedApproval, other: &RecordedApproval) -> bool {
    one.approved_by == other.approved_by && second(&one.approved_at) == second(&other.approved_at)
}

/// What is kept of a time is its second.
fn second(at: &Option<Time>) -> Option<i64> {
    at.as_ref().map(|at| at.0.as_second())
}

/// What this very approval was taken for when it was first seen.
fn bound_before(
    tenant: &EOfficeTenant,
    approval: &Approval,
    record: Option<&TenantRecordSpec>,
) -> Option<String> {
    let recorded = record.and_then(|record| record.approval.as_ref());
    let recorded = recorded
        .filter(|known| {
            Some(&known.approved_by) == approval.approved_by.as_ref()
                && second(&known.approved_at) == second(&approval.approved_at)
        })
        .map(|known| known.fingerprint.clone());
    let status = tenant.status.as_ref();
    let shown = status.and_then(|status| status.approval.as_ref());
    let shown = shown
        .filter(|known| {
            known.approved_by == approval.approved_by
                && second(&known.approved_at) == second(&approval.approved_at)
        })
        .and_then(|known| known.approved.clone());
    recorded.or(shown)
}

fn by_province((mou, by): (&String, &String), asked: &str) -> RecordedApproval {
    RecordedApproval {
        fingerprint: asked.to_owned(),
        mou_reference: Some(mou.clone()),
        approved_by: by.clone(),
        approved_at: None,
    }
}

fn awaited(asked: &str) -> Problem {
    Problem::new(
        Reason::AwaitingApproval,
        format!(
            "the class requires an approval: spec.approval needs mouReference, approvedBy and approvedAt for {asked}, the fingerprint of agency, class and size; an approver gives it (kubectl eoffice approve)"
        ),
    )
}

fn outdated(asked: &str, runs: Option<&str>) -> Problem {
    Problem::new(
        Reason::ApprovalOutdated,
        format!(
            "agency, class or size are other than what was approved: it asks for {asked} and runs on with {}; an approver approves the change (kubectl eoffice approve), or it is taken back",
            runs.unwrap_or("nothing")
        ),
    )
}

/// What people are told; nothing where nobody ever approved or has to.
fn shown(
    tenant: &EOfficeTenant,
    asked: String,
    standing: &Standing,
    runs: Option<String>,
) -> Option<ApprovalStatus> {
    let required = standing.awaited.is_some() || standing.outdated.is_some();
    let spoken_of = tenant.spec.approval.is_some() || standing.recorded.is_some();
    if !required && !spoken_of {
        return None;
    }
    let recorded = standing.recorded.clone();
    Some(ApprovalStatus {
        approved: recorded.as_ref().map(|it| it.fingerprint.clone()).or(runs),
        mou_reference: recorded.as_ref().and_then(|it| it.mou_reference.clone()),
        approved_by: recorded.as_ref().map(|it| it.approved_by.clone()),
        approved_at: recorded.and_then(|it| it.approved_at),
        asked,
    })
}

/// The tenant as it was approved last: everything else as it asks for now.
fn as_approved(tenant: &EOfficeTenant, record: &TenantRecordSpec) -> EOfficeTenant {
    let mut approved = tenant.clone();
    let (spec, last) = (&mut approved.spec, &record.tenant_spec);
    spec.agency = last.agency.clone();
    spec.class_name = Some(record.frozen.class.clone());
    spec.users = last.users;
    spec.signing_certificates = last.signing_certificates;
    spec.database = last.database.clone();
    approved
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
