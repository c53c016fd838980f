//! Who asked for a change of a tenant's stage, as far as the API can tell. Pure.

use crate::audit::{UNKNOWN, actor};
use crate::kubernetes::actor;
use crate::kubernetes::path::Path;
use crate::plan::Actor;
use eoffice_crds::{
    EOfficeTenant, EOfficeTenantStatus, FIELD_MANAGER, Phase, RecordState, TenantRecord,
    TenantRecordSpec, annotations,
};
use jiff::SignedDuration;
use kube::ResourceExt;
use serde::Serialize;

/// Who deletes a tenant says so at most this long before or after.
const SAID_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// A change from one stage of a tenant's life to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageChange {
    /// From.
    pub from: Option<Phase>,
    /// To.
    pub to: Phase,
    /// Who asked for it: a field manager, an approver, the operator where it is its own doing, or `unknown`.
    pub by: String,
}

/// The change between two statuses, if there is one.
pub fn change(
    tenant: &EOfficeTenant,
    before: &EOfficeTenantStatus,
    after: &EOfficeTenantStatus,
) -> Option<StageChange> {
    let to = after.phase.filter(|_| before.phase != after.phase)?;
    Some(StageChange {
        from: before.phase,
        to,
        by: asked_by(tenant, before.phase, to, after),
    })
}

fn asked_by(
    tenant: &EOfficeTenant,
    from: Option<Phase>,
    to: Phase,
    status: &EOfficeTenantStatus,
) -> String {
    use Phase::{Active, Archived, AwaitingApproval, Closing, Provisioning, Suspended};
    match (from, to) {
        (_, Closing) => deleted_by(tenant),
        (_, Suspended | Archived) | (Some(Suspended | Archived), Active | Provisioning) => {
            writer(tenant, &["spec", "lifecycle"])
        }
        (Some(AwaitingApproval), _) => {
            let approval = status.approval.as_ref();
            let by = approval.and_then(|approval| approval.approved_by.clone());
            by.unwrap_or_else(|| UNKNOWN.to_owned())
        }
        (None, _) => writer(tenant, &["spec", "agency", "kind"]),
        _ => FIELD_MANAGER.to_owned(),
    }
}

/// Who deletes a tenant, if he said so for this deletion: the API server keeps no account of it. What was written at
/// another time is of a deletion that never was.
pub fn deleted_by(tenant: &EOfficeTenant) -> String {
    let says = tenant.annotations().get(annotations::DELETED_BY);
    let says = says.filter(|name| !name.trim().is_empty() && name.len() <= 253);
    let written = written(
        tenant,
        &["metadata", "annotations", annotations::DELETED_BY],
    );
    let written = written.and_then(|writer| writer.at);
    let deleted = tenant.metadata.deletion_timestamp.as_ref();
    let of_now = written
        .zip(deleted)
        .is_some_and(|(written, deleted)| written.duration_since(deleted.0).abs() <= SAID_WITHIN);
    says.filter(|_| of_now)
        .map_or(UNKNOWN, String::as_str)
        .to_owned()
}

fn writer(tenant: &EOfficeTenant, path: &[&str]) -> String {
    actor(written(tenant, path).as_ref()).to_owned()
}

fn written(object: &impl Serialize, path: &[&str]) -> Option<Actor> {
    let live = serde_json::to_value(object).unwrap_or_default();
    actor::of(&live, &Path::of(path.iter().copied()))
}

/// Writes the audit line of a change of stage.
pub fn tell(tenant: &str, change: &StageChange) {
    tracing::info!(
        target: "audit",
        event = "stage",
        tenant,
        from = change.from.map_or("none", Phase::as_str),
        to = change.to.as_str(),
        by = change.by,
    );
}

/// Writes the audit line of a change of what a record keeps: a tenant left or came back, an order was taken in,
/// withdrawn or carried out, or the data is now `heir`'s.
pub fn tell_record(
    before: Option<&TenantRecordSpec>,
    after: &TenantRecordSpec,
    heir: Option<&EOfficeTenant>,
) {
    let accepted = |record: &TenantRecordSpec| record.purge_accepted.is_some();
    let known = before.map(|before| (before.state, accepted(before)));
    if known == Some((after.state, accepted(after))) {
        return;
    }
    tracing::info!(
        target: "audit",
        event = "record",
        tenant = after.tenant.name,
        from = before.map_or("none".to_owned(), |before| word(before.state)),
        to = word(after.state),
        order = after.purge_accepted.as_ref().map(|it| it.order.committee_reference.as_str()),
        by = kept_by(before, after, heir),
    );
}

fn word(state: RecordState) -> String {
    format!("{state:?}").to_lowercase()
}

/// Writes the audit line of a legal hold that was set or ended.
pub fn tell_hold(record: &TenantRecord) {
    tracing::info!(
        target: "audit",
        event = "legal-hold",
        tenant = record.spec.tenant.name,
        held = record.spec.legal_hold,
        by = actor(written(record, &["spec", "legalHold"]).as_ref()),
    );
}

/// On whose word a record changed, as far as it, or the tenant that asked for what it kept, says.
fn kept_by(
    before: Option<&TenantRecordSpec>,
    after: &TenantRecordSpec,
    heir: Option<&EOfficeTenant>,
) -> String {
    let ordered = |record: &TenantRecordSpec| {
        let accepted = record.purge_accepted.as_ref();
        accepted.map(|it| it.order.approved_by.clone())
    };
    let deleted = after.deleted_by.clone();
    let by = match after.state {
        RecordState::Live => None,
        RecordState::Retained => ordered(after).or(deleted),
        RecordState::Purging | RecordState::Destroyed => ordered(after)
            .or_else(|| before.and_then(ordered))
            .or(deleted),
        RecordState::Succeeded => heir.map(|heir| writer(heir, &["spec", "restoreFrom"])),
    };
    by.unwrap_or_else(|| UNKNOWN.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_change_names_who_asked_for_it() {
        use Phase::{Active, Archived, AwaitingApproval, Closing, Provisioning, Queued, Suspended};
        let said = format!("f:{}", annotations::DELETED_BY);
        let tenant: EOfficeTenant = serde_json::from_value(json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
            "metadata": {
                "name": "a", "annotations": {annotations::DELETED_BY: "somsri"},
                "deletionTimestamp": "2026-11-21T10:00:01Z",
                "managedFields": [
                    {"manager": "kubectl-eoffice-retire", "operation": "Update", "time": "2026-11-21T10:00:00Z",
                     "fieldsV1": {"f:metadata": {"f:annotations": {(said): {}}}}},
                    {"manager": "portal", "operation": "Update", "fieldsV1": {"f:spec": {"f:agency": {"f:kind": {}}}}},
                    {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:lifecycle": {}}}},
                ],
            },
            "spec": {"lifecycle": "Suspended", "agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
        }))
        .unwrap();
        let at = |phase| EOfficeTenantStatus {
            phase,
            approval: serde_json::from_value(json!({"asked": "f", "approvedBy": "prasit"}))
                .unwrap(),
            ..EOfficeTenantStatus::default()
        };
        let rows = [
            (None, AwaitingApproval, Some("portal")),
            (Some(AwaitingApproval), Queued, Some("prasit")),
            (Some(Queued), Provisioning, Some(FIELD_MANAGER)),
            (Some(Provisioning), Active, Some(FIELD_MANAGER)),
            (Some(Active), Suspended, Some("kubectl-edit")),
            (Some(Suspended), Archived, Some("kubectl-edit")),
            (Some(Suspended), Active, Some("kubectl-edit")),
            (Some(Active), Closing, Some("somsri")),
            (Some(Active), Active, None),
        ];
        for (from, to, expected) in rows {
            let change = change(&tenant, &at(from), &at(Some(to)));
            let by = change.map(|change| change.by);
            assert_eq!(by.as_deref(), expected, "{from:?} -> {to}");
        }
        let silent: EOfficeTenant = serde_json::from_value(json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant", "metadata": {"name": "a"},
            "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
        }))
        .unwrap();
        for to in [Suspended, Closing] {
            let change = change(&silent, &at(Some(Active)), &at(Some(to))).unwrap();
            assert_eq!(change.by, UNKNOWN, "{to}");
        }
    }

    #[test]
    fn who_deletes_is_believed_only_of_this_deletion() {
        let said = format!("f:{}", annotations::DELETED_BY);
        let deleted = Some("2026-11-21T10:00:00Z");
        for (deleted, written, name, expected) in [
            (deleted, Some("2026-11-21T09:59:58Z"), "somsri", "somsri"),
            (deleted, Some("2026-11-21T10:00:00Z"), "somsri", "somsri"),
            (deleted, Some("2026-11-21T09:55:00Z"), "somsri", "somsri"),
            // He gave it up, and a pipeline prunes it later.
            (deleted, Some("2026-11-21T09:54:59Z"), "somsri", UNKNOWN),
            (deleted, Some("2026-03-02T10:00:00Z"), "somsri", UNKNOWN),
            // It waits for a person, who finds a name for it.
            (deleted, Some("2026-11-21T11:00:00Z"), "somsri", UNKNOWN),
            (deleted, Some("2026-11-21T09:59:58Z"), " ", UNKNOWN),
            (deleted, None, "somsri", UNKNOWN),
            (None, Some("2026-11-21T09:59:58Z"), "somsri", UNKNOWN),
        ] {
            let writer = json!({"manager": "kubectl", "operation": "Update", "time": written,
                                "fieldsV1": {"f:metadata": {"f:annotations": {(said.clone()): {}}}}});
            let tenant: EOfficeTenant = serde_json::from_value(json!({
                "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
                "metadata": {"name": "a", "annotations": {annotations::DELETED_BY: name},
                             "deletionTimestamp": deleted, "managedFields": [writer]},
                "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
            }))
            .unwrap();
            assert_eq!(
                deleted_by(&tenant),
                expected,
                "{deleted:?} {written:?} {name:?}"
            );
        }
    }

    #[test]
    fn who_asked_for_a_takeover_is_not_the_tenant_that_has_it() {
        let mut record: TenantRecordSpec = serde_json::from_value(json!({
            "installationId": "korat", "fingerprint": "f", "state": "succeeded", "frozen": {
                "class": "standard", "baseDomain": "eoffice.example", "store": "objects", "versioning": true,
                "allowDelete": false, "retain": {},
            },
            "tenant": {"namespace": "province-30", "name": "old", "uid": "1"},
            "successor": {"namespace": "province-30", "name": "new", "uid": "2"}, "hosts": [],
            "database": {"server": "pg-a", "systemIdentifier": "1", "name": "d", "role": "r", "login": "l",
                         "connectionLimit": 5},
            "storage": {"store": "objects", "storeIdentity": "1", "bucket": "b", "user": "u"},
            "tenantSpec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
            "deletedBy": "somsri",
        }))
        .unwrap();
        let heir: EOfficeTenant = serde_json::from_value(json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
            "metadata": {"name": "new", "managedFields": [
                {"manager": "portal", "operation": "Update", "fieldsV1": {"f:spec": {"f:agency": {"f:kind": {}}}}},
                {"manager": "prasit", "operation": "Update", "fieldsV1": {"f:spec": {"f:restoreFrom": {}}}},
            ]},
            "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}, "restoreFrom": "eoffice-old"},
        }))
        .unwrap();
        assert_eq!(kept_by(None, &record, Some(&heir)), "prasit");
        assert_eq!(kept_by(None, &record, None), UNKNOWN);
        record.state = RecordState::Retained;
        assert_eq!(kept_by(None, &record, None), "somsri");
    }
}
