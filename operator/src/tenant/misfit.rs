//! A spec that cannot be taken as it is: it does not fit its province, its class or what others have. A tenant that
//! lives goes on as it was taken last. What closes it is taken in nevertheless; nothing is opened. Pure.

use crate::plan::Problem;
use crate::tenant::approval::Standing;
use crate::tenant::parse::{Tenant, class_change, paused};
use eoffice_crds::{
    AuditAccess, EOfficeTenant, EOfficeTenantSpec, Lifecycle, RecordState, TenantClass,
    TenantRecordSpec,
};
use kube::ResourceExt;
use std::sync::Arc;

/// The tenant as its own record has it, closed as its spec asks; the problem itself where nothing of it was ever open.
pub fn as_taken(
    object: &EOfficeTenant,
    record: Option<&TenantRecordSpec>,
    classes: &[Arc<TenantClass>],
    misfit: Problem,
) -> Result<Tenant, Problem> {
    let lives = |record: &&TenantRecordSpec| {
        record.state == RecordState::Live && Some(&record.tenant.uid) == object.uid().as_ref()
    };
    let Some(record) = record.filter(lives) else {
        return Err(misfit);
    };
    let spec = closed_as_asked(&record.tenant_spec, &object.spec);
    let begins = spec.lifecycle == Lifecycle::Active && record.verified_at.is_none();
    let mut known = classes.iter();
    let class = known.find(|class| class.name_any() == record.frozen.class);
    let Some(class) = class.filter(|_| !begins) else {
        return Err(misfit);
    };
    let change = class_change(object, record, classes);
    Ok(Tenant {
        paused: paused(object, Some(class)),
        class: Arc::clone(class),
        name: object.name_any(),
        namespace: object.namespace().unwrap_or_default(),
        uid: record.tenant.uid.clone(),
        connection_limit: record.database.connection_limit,
        class_change: change.map(|mut change| {
            change.accepted = false;
            change
        }),
        approval: Standing::default(),
        misfit: Some(misfit),
        object: Arc::new(EOfficeTenant {
            spec,
            ..object.clone()
        }),
    })
}

/// The spec that was taken last, with what the one that is asked for closes.
fn closed_as_asked(last: &EOfficeTenantSpec, asked: &EOfficeTenantSpec) -> EOfficeTenantSpec {
    use Lifecycle::{Active, Archived, Suspended};
    let until = |known: &AuditAccess| {
        let asked = asked.audit_access.iter().find(|it| it.name == known.name)?;
        let first = known.until.0.min(asked.until.0);
        Some(AuditAccess {
            until: first.into(),
            ..known.clone()
        })
    };
    EOfficeTenantSpec {
        lifecycle: match (last.lifecycle, asked.lifecycle) {
            (Suspended, _) | (_, Suspended) => Suspended,
            (Archived, _) | (_, Archived) => Archived,
            (Active, Active) => Active,
        },
        audit_access: last.audit_access.iter().filter_map(until).collect(),
        ..last.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
