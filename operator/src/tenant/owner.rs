//! Whose a record is, and who may take up what it keeps. Pure.

use crate::identity::fingerprint;
use crate::plan::Problem;
use crate::tenant::parse::Tenant;
use crate::tenant::registry::Registry;
use eoffice_crds::{
    Agency, AgencyCode, EOfficeTenant, Reason, RecordState, Restore, TenantRecordSpec, TenantRef,
    tenant_namespace,
};
use kube::ResourceExt;

/// Who else may have a claim to a record, as the API server says.
#[derive(Clone, Debug, Default)]
pub struct Rivals {
    /// Whether the tenant that the record names still exists.
    pub holder_lives: bool,
    /// The tenant that is about to take over what the record keeps.
    pub claimant: Option<TenantRef>,
}

/// Whether the tenant is the one that its record belongs to, or may take it up.
pub fn check_owner(
    tenant: &Tenant,
    existing: Option<&TenantRecordSpec>,
    rivals: &Rivals,
) -> Result<(), Problem> {
    let Some(record) = existing else {
        return Ok(());
    };
    check_holder(tenant, record, rivals)?;
    check_agency(tenant, record)?;
    check_state(tenant, record, rivals)
}

/// Whether the codes of its agency are nobody else's. `from` is the tenant whose record is to be taken over.
pub fn check_codes(
    tenant: &Tenant,
    registry: &Registry,
    from: Option<&str>,
) -> Result<(), Problem> {
    for code in &tenant.object.spec.agency.codes {
        let holder = registry.holder_of_code(code, &tenant.name);
        if let Some(holder) = holder.filter(|holder| Some(*holder) != from) {
            return Err(Problem::new(
                Reason::CodeConflict,
                format!(
                    "spec.agency.codes: {} is the code of tenant {holder}; correct the code, or remove the other tenant",
                    code.value
                ),
            ));
        }
    }
    Ok(())
}

fn check_holder(
    tenant: &Tenant,
    record: &TenantRecordSpec,
    rivals: &Rivals,
) -> Result<(), Problem> {
    if record.tenant.uid == tenant.uid || !rivals.holder_lives {
        return Ok(());
    }
    Err(Problem::new(
        Reason::NameConflict,
        format!(
            "the name {} is held by the tenant in namespace {}; names are unique in the installation, choose another",
            tenant.name, record.tenant.namespace
        ),
    ))
}

fn check_agency(tenant: &Tenant, record: &TenantRecordSpec) -> Result<(), Problem> {
    let namespace = tenant.own_namespace();
    let same_owner = record.fingerprint == fingerprint(&tenant.name, tenant.province());
    let held = record.tenant.uid == tenant.uid;
    if same_owner && held || is_of_its_agency(&tenant.object, record) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::OtherAgency,
        format!(
            "the record in namespace {namespace} keeps the data of another agency under the name {}; a tenant takes it up only from the same province, and with one of the agency codes recorded there, or with the same kind and Thai name where none is; choose another name, or have an approver set spec.restoreFrom: {namespace}",
            tenant.name
        ),
    ))
}

/// Whether a tenant of a record's name is for the agency that the record is of, or an approver says that it succeeds it.
pub fn is_of_its_agency(tenant: &EOfficeTenant, record: &TenantRecordSpec) -> bool {
    let agency = &tenant.spec.agency;
    let namespace = tenant_namespace(&record.tenant.name);
    let asked = tenant.spec.restore_from.as_deref() == Some(&namespace);
    record.fingerprint == fingerprint(&tenant.name_any(), &agency.province)
        && (asked || is_same(agency, &record.tenant_spec.agency))
}

/// Whether two descriptions are of one agency: by a code in a register; where none was ever given, by kind and name.
fn is_same(claims: &Agency, recorded: &Agency) -> bool {
    if recorded.codes.is_empty() {
        return claims.kind == recorded.kind && claims.name_th == recorded.name_th;
    }
    let differs = |code: &AgencyCode| {
        let mut others = claims.codes.iter();
        others.any(|other| other.scheme == code.scheme && other.value != code.value)
    };
    let shared = recorded
        .codes
        .iter()
        .any(|code| claims.codes.contains(code));
    shared && !recorded.codes.iter().any(differs)
}

/// What the record's own life says of a tenant of the same agency that comes to it.
fn check_state(tenant: &Tenant, record: &TenantRecordSpec, rivals: &Rivals) -> Result<(), Problem> {
    let namespace = tenant.own_namespace();
    let made_again = record.tenant.uid != tenant.uid;
    let asked = tenant.object.spec.restore_from.as_deref() == Some(&namespace);
    let explicit = record.frozen.retain.restore == Restore::Explicit;
    let refused = |why: String| Err(Problem::new(Reason::RestoreRefused, why));
    match record.state {
        RecordState::Live | RecordState::Retained if made_again => {
            if let Some(other) = &rivals.claimant {
                return refused(format!(
                    "what the record in namespace {namespace} keeps is being taken over by tenant {} in namespace {}, whose spec.restoreFrom names it; remove that tenant first, or this one",
                    other.name, other.namespace
                ));
            }
            if explicit && !asked {
                return refused(format!(
                    "the data of an earlier tenant of this name is kept by the record in namespace {namespace}, and class {} gives it back only when asked (retain.restore: Explicit); have an approver set spec.restoreFrom: {namespace}",
                    record.frozen.class
                ));
            }
            Ok(())
        }
        RecordState::Live | RecordState::Retained | RecordState::Destroyed => Ok(()),
        RecordState::Purging => Err(Problem::new(
            Reason::Purging,
            format!(
                "what the record in namespace {namespace} kept of the earlier tenant is being destroyed, {}; it does not come back, and this tenant begins anew once that is done",
                decided(record)
            ),
        )),
        RecordState::Succeeded => Err(Problem::new(
            Reason::NameConflict,
            format!(
                "the name {} belonged to an agency whose data {} took over (record in namespace {namespace}); choose another name",
                tenant.name,
                successor(record)
            ),
        )),
    }
}

/// On whose decision data is destroyed, for a sentence.
pub fn decided(record: &TenantRecordSpec) -> String {
    let accepted = record.purge_accepted.as_ref().map(|it| &it.order);
    match accepted.or(record.purge.as_ref()) {
        Some(order) => format!(
            "by decision {} ({})",
            order.committee_reference, order.approved_by
        ),
        None => "by its own deletion policy".to_owned(),
    }
}

/// Who took a record's data over, for a sentence.
pub fn successor(record: &TenantRecordSpec) -> String {
    match &record.successor {
        Some(by) => format!(
            "tenant {} (record in namespace {})",
            by.name,
            tenant_namespace(&by.name)
        ),
        None => "another tenant".to_owned(),
    }
}
