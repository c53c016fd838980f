use super::*;
use eoffice_crds::{FrozenClass, RecordState};
use serde_json::{Value, json};

const BY_PROVINCE: &str = "MOU-30";

fn class(required: bool) -> Arc<TenantClass> {
    let class = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "TenantClass", "metadata": {"name": "standard"},
        "spec": {
            "baseDomain": "eoffice.example", "approvalRequired": required,
            "database": {"serverSelector": {}}, "storage": {"storeName": "objects"},
            "certificate": {"issuerRef": {"name": "gov"}},
            "ingress": {"className": "traefik", "controller": {"cidrs": ["10.0.0.0/8"]}, "probeAddress": "10.0.0.1:443"},
        },
    });
    Arc::new(serde_json::from_value(class).unwrap())
}

/// A tenant of so many users, with such an approval.
fn tenant(uid: &str, users: i64, approval: Value) -> EOfficeTenant {
    let mut spec = json!({
        "agency": {"nameTh": "ก", "kind": "Other", "province": "30"},
        "className": "standard", "users": users,
    });
    if !approval.is_null() {
        spec["approval"] = approval;
    }
    serde_json::from_value(json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
        "metadata": {"name": "a", "namespace": "province-30", "uid": uid}, "spec": spec,
    }))
    .unwrap()
}

fn approval(at: &str, fingerprint: Option<&str>) -> Value {
    let mut approval = json!({"mouReference": "MOU-1", "approvedBy": "somsri", "approvedAt": at});
    if let Some(fingerprint) = fingerprint {
        approval["fingerprint"] = json!(fingerprint);
    }
    approval
}

/// The record of the tenant `1`, which was made as a tenant of so many users.
fn record(users: i64, state: RecordState) -> TenantRecordSpec {
    let made = tenant("1", users, Value::Null);
    let mut record: TenantRecordSpec = serde_json::from_value(json!({
        "installationId": "korat", "fingerprint": "f",
        "tenant": {"namespace": "province-30", "name": "a", "uid": "1"},
        "state": "live", "frozen": FrozenClass::of(&class(true)), "hosts": [],
        "database": {"server": "pg", "systemIdentifier": "7", "name": "d", "role": "r", "login": "l_a", "connectionLimit": 20},
        "storage": {"store": "objects", "storeIdentity": "s", "bucket": "bucket", "user": "u"},
        "tenantSpec": made.spec,
    }))
    .unwrap();
    record.state = state;
    record
}

fn province(approved: bool) -> Province {
    let mut province = Province::default();
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    province.labels.extend([label(labels::PROVINCE, "30")]);
    if approved {
        province.labels.extend([label(labels::MOU, BY_PROVINCE)]);
        let by = label(annotations::MOU_APPROVED_BY, "somsri");
        province.annotations.extend([by]);
    }
    province
}

#[derive(Debug, PartialEq, Eq)]
enum Comes {
    /// With what it asks for.
    Through,
    /// With what was approved last.
    AsBefore,
    /// Nothing is made.
    ToWait,
}
use Comes::{AsBefore, Through, ToWait};

fn outcome(
    object: EOfficeTenant,
    province: &Province,
    record: Option<&TenantRecordSpec>,
    required: bool,
) -> (Comes, Tenant) {
    let classes = [class(required)];
    let tenant = parse_approved(Arc::new(object), province, record, &classes).unwrap();
    let standing = &tenant.approval;
    let comes = match (&standing.awaited, &standing.outdated) {
        (Some(_), None) => ToWait,
        (None, Some(_)) => AsBefore,
        _ => Through,
    };
    (comes, tenant)
}

/// The case; UID and users of the tenant; its approval; the record under its name; whether its province is approved,
/// and whether an approval is needed at all.
type Row<'a> = (
    &'a str,
    &'a str,
    i64,
    Value,
    Option<&'a TenantRecordSpec>,
    bool,
    bool,
    Comes,
);

#[test]
fn nothing_is_made_before_and_nothing_changed_without_an_approval() {
    const DAY: &str = "2026-01-01T00:00:00Z";
    let asked = |users| fingerprint(&tenant("1", users, Value::Null).spec, "standard");
    let (of_10, of_20) = (asked(10), asked(20));
    let given = |fingerprint: Option<&str>| approval(DAY, fingerprint);
    let incomplete = json!({"mouReference": "MOU-1"});
    let (live, left) = (
        record(10, RecordState::Live),
        record(10, RecordState::Retained),
    );
    let destroyed = record(10, RecordState::Destroyed);
    let mut bound = live.clone();
    bound.approval = Some(RecordedApproval {
        fingerprint: of_10.clone(),
        mou_reference: None,
        approved_by: "somsri".into(),
        approved_at: serde_json::from_value(json!(DAY)).unwrap(),
    });
    let none = Value::Null;
    let rows: Vec<Row<'_>> = vec![
        (
            "a new one without",
            "1",
            10,
            none.clone(),
            None,
            false,
            true,
            ToWait,
        ),
        (
            "a new one with an MOU alone",
            "1",
            10,
            incomplete,
            None,
            false,
            true,
            ToWait,
        ),
        (
            "a new one, approved",
            "1",
            10,
            given(None),
            None,
            false,
            true,
            Through,
        ),
        (
            "approved by name",
            "1",
            10,
            given(Some(&of_10)),
            None,
            false,
            true,
            Through,
        ),
        (
            "approved for something else",
            "1",
            10,
            given(Some(&of_20)),
            None,
            false,
            true,
            ToWait,
        ),
        (
            "approved with its province",
            "1",
            10,
            none.clone(),
            None,
            true,
            true,
            Through,
        ),
        (
            "where none is needed",
            "1",
            10,
            none.clone(),
            None,
            false,
            false,
            Through,
        ),
        (
            "a live one as it was made",
            "1",
            10,
            none.clone(),
            Some(&live),
            false,
            true,
            Through,
        ),
        (
            "a live one that grows",
            "1",
            20,
            none.clone(),
            Some(&live),
            false,
            true,
            AsBefore,
        ),
        (
            "that grows, approved",
            "1",
            20,
            given(Some(&of_20)),
            Some(&live),
            false,
            true,
            Through,
        ),
        (
            "that grows after its approval",
            "1",
            20,
            given(None),
            Some(&bound),
            false,
            true,
            AsBefore,
        ),
        (
            "that grows, approved anew",
            "1",
            20,
            approval("2026-02-01T00:00:00Z", None),
            Some(&bound),
            false,
            true,
            Through,
        ),
        (
            "that grows in an approved province",
            "1",
            20,
            none.clone(),
            Some(&bound),
            true,
            true,
            Through,
        ),
        (
            "one made again",
            "2",
            10,
            none.clone(),
            Some(&left),
            false,
            true,
            Through,
        ),
        (
            "one made again, and larger",
            "2",
            20,
            none.clone(),
            Some(&left),
            false,
            true,
            AsBefore,
        ),
        (
            "one whose data was destroyed",
            "2",
            10,
            none,
            Some(&destroyed),
            false,
            true,
            ToWait,
        ),
    ];
    for (case, uid, users, approval, record, by_province, required, expected) in rows {
        let object = tenant(uid, users, approval);
        let (comes, tenant) = outcome(object, &province(by_province), record, required);
        let runs_with = tenant.object.spec.users;
        let kept = if comes == AsBefore { 10 } else { users };
        assert_eq!((comes, runs_with), (expected, Some(kept)), "{case}");
    }
}

#[test]
fn an_approval_is_bound_to_what_it_was_first_seen_with_though_no_record_says_so_yet() {
    const DAY: &str = "2026-01-01T00:00:00Z";
    let first = tenant("1", 10, approval(DAY, None));
    let (_, seen) = outcome(first, &province(false), None, true);
    let mut grown = tenant("1", 20, approval(DAY, None));
    grown.status = Some(eoffice_crds::EOfficeTenantStatus {
        approval: seen.approval.shown,
        ..Default::default()
    });
    // It stays so, however often it is looked at.
    for _ in 0..3 {
        let (comes, again) = outcome(grown.clone(), &province(false), None, true);
        assert_eq!(comes, ToWait);
        grown.status = Some(eoffice_crds::EOfficeTenantStatus {
            approval: again.approval.shown,
            ..Default::default()
        });
    }
}

#[test]
fn another_agency_gets_nothing_by_a_name_that_was_approved() {
    let left = record(10, RecordState::Retained);
    let mut other = tenant("2", 10, Value::Null);
    other.spec.agency.name_th = "ข".into();
    let (comes, tenant) = outcome(other, &province(false), Some(&left), true);
    assert_eq!(comes, ToWait);
    assert_eq!(tenant.object.spec.agency.name_th, "ข");
    assert_eq!(tenant.approval.recorded, None);
}

#[test]
fn a_record_that_was_edited_speaks_for_nobody_who_comes_to_it() {
    let approved = |users| RecordedApproval {
        fingerprint: fingerprint(&tenant("1", users, Value::Null).spec, "standard"),
        mou_reference: None,
        approved_by: "somsri".into(),
        approved_at: None,
    };
    let mut left = record(10, RecordState::Retained);
    left.approval = Some(approved(10));
    let comes = |object: &EOfficeTenant, left: &TenantRecordSpec| {
        outcome(object.clone(), &province(false), Some(left), true).0
    };
    let same = tenant("2", 10, Value::Null);
    assert_eq!(comes(&same, &left), Through);

    let mut other = same.clone();
    other.spec.agency.name_th = "ข".into();
    let mut edited = left.clone();
    edited.tenant_spec.agency = other.spec.agency.clone();
    assert_eq!(comes(&other, &edited), ToWait);
    assert_eq!(comes(&same, &edited), ToWait);
    // The agency that holds it goes on, whatever was written into it.
    other.metadata.uid = Some("1".into());
    edited.state = RecordState::Live;
    assert_eq!(comes(&other, &edited), AsBefore);

    // It grew where nothing had to be approved: what was approved comes back, and no more.
    let mut grown = left.clone();
    grown.tenant_spec.users = Some(20);
    let larger = tenant("2", 20, Value::Null);
    assert_eq!(comes(&same, &grown), Through);
    assert_eq!(comes(&larger, &grown), ToWait);
}
