use super::*;
use crate::tenant::approval::{Province, parse_approved};
use eoffice_crds::{DeletionPolicy, FrozenClass, Reason, labels};
use serde_json::{Value, json};

fn class(change: impl FnOnce(&mut Value)) -> Arc<TenantClass> {
    let mut class = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "TenantClass", "metadata": {"name": "standard"},
        "spec": {
            "baseDomain": "eoffice.example",
            "database": {"serverSelector": {}, "connectionLimit": 20}, "storage": {"storeName": "objects"},
            "certificate": {"issuerRef": {"name": "gov"}},
            "ingress": {"className": "traefik", "controller": {"cidrs": ["10.0.0.0/8"]}, "probeAddress": "10.0.0.1:443"},
        },
    });
    change(&mut class["spec"]);
    Arc::new(serde_json::from_value(class).unwrap())
}

fn tenant(change: impl FnOnce(&mut Value)) -> EOfficeTenant {
    let mut spec = json!({
        "agency": {"nameTh": "ก", "kind": "Other", "province": "30"},
        "className": "standard", "database": {"connectionLimit": 10},
        "auditAccess": [
            {"name": "stays", "until": "2027-01-01T00:00:00Z"},
            {"name": "goes", "until": "2027-01-01T00:00:00Z"},
        ],
    });
    change(&mut spec);
    serde_json::from_value(json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
        "metadata": {"name": "a", "namespace": "province-30", "uid": "1"}, "spec": spec,
    }))
    .unwrap()
}

/// The record of the tenant, proved, as it was before anything changed.
fn record() -> TenantRecordSpec {
    serde_json::from_value(json!({
        "installationId": "korat", "fingerprint": "f",
        "tenant": {"namespace": "province-30", "name": "a", "uid": "1"},
        "state": "live", "frozen": FrozenClass::of(&class(|_| ())), "hosts": [],
        "database": {"server": "pg", "systemIdentifier": "7", "name": "d", "role": "r", "login": "l_a", "connectionLimit": 10},
        "storage": {"store": "objects", "storeIdentity": "s", "bucket": "bucket", "user": "u"},
        "tenantSpec": tenant(|_| ()).spec, "verifiedAt": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn province(code: &str) -> Province {
    let mut province = Province::default();
    let label = (labels::PROVINCE.to_owned(), code.to_owned());
    province.labels.extend([label]);
    province
}

fn parsed(
    object: &EOfficeTenant,
    province: &Province,
    record: &TenantRecordSpec,
    class: Arc<TenantClass>,
) -> Result<Tenant, Problem> {
    let classes = [class];
    parse_approved(Arc::new(object.clone()), province, Some(record), &classes)
        .or_else(|misfit| as_taken(object, Some(record), &classes, misfit))
}

type Asks = fn(&mut Value);

#[test]
fn whatever_does_not_fit_a_tenant_runs_on_as_it_was_taken_and_is_closed() {
    let narrow: Asks = |class| class["namespaceSelector"] = json!({"matchLabels": {"for": "few"}});
    let small: Asks = |class| class["database"]["connectionLimit"] = json!(5);
    let unreadable: Asks = |class| {
        class["namespaceSelector"] =
            json!({"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]});
    };
    let same: Asks = |_| ();
    let rows: [(Asks, Asks, &str, Reason); 6] = [
        (same, narrow, "30", Reason::ClassNotAllowed),
        (same, unreadable, "30", Reason::ClassInvalid),
        (same, small, "30", Reason::InvalidSpec),
        (
            |spec| spec["database"]["connectionLimit"] = json!(50),
            same,
            "30",
            Reason::InvalidSpec,
        ),
        (
            |spec| spec["deletionPolicy"] = json!("Delete"),
            same,
            "30",
            Reason::DeleteNotAllowed,
        ),
        (same, same, "31", Reason::ProvinceMismatch),
    ];
    let record = record();
    for (asks, of_class, code, reason) in rows {
        for lifecycle in [Lifecycle::Active, Lifecycle::Suspended, Lifecycle::Archived] {
            let mut object = tenant(asks);
            object.spec.lifecycle = lifecycle;
            let tenant = parsed(&object, &province(code), &record, class(of_class)).unwrap();
            let told = tenant.misfit.as_ref().map(|misfit| misfit.reason);
            assert_eq!(told, Some(reason));
            assert_eq!(tenant.connection_limit, 10, "{reason:?}");
            assert_eq!(tenant.wants_open(), lifecycle == Lifecycle::Active);
            let expected = EOfficeTenantSpec {
                lifecycle,
                ..record.tenant_spec.clone()
            };
            assert_eq!(tenant.object.spec, expected, "{reason:?} {lifecycle:?}");
            assert_eq!(tenant.object.spec.deletion_policy, DeletionPolicy::Retain);
        }
    }
    let fits = parsed(&tenant(same), &province("30"), &record, class(same)).unwrap();
    assert_eq!(fits.misfit, None);
}

#[test]
fn what_closes_is_taken_in_and_nothing_is_opened() {
    use Lifecycle::{Active, Archived, Suspended};
    let rows = [
        (Active, Suspended, Suspended),
        (Active, Archived, Archived),
        (Archived, Suspended, Suspended),
        (Archived, Active, Archived),
        (Suspended, Active, Suspended),
        (Suspended, Archived, Suspended),
        (Active, Active, Active),
    ];
    for (last, asked, expected) in rows {
        let of = |lifecycle| EOfficeTenantSpec {
            lifecycle,
            ..tenant(|_| ()).spec
        };
        let spec = closed_as_asked(&of(last), &of(asked));
        assert_eq!(spec.lifecycle, expected, "{last:?} {asked:?}");
    }

    let asked = tenant(|spec| {
        spec["hosts"] = json!(["new.go.th"]);
        spec["auditAccess"] = json!([
            {"name": "stays", "until": "2028-01-01T00:00:00Z"},
            {"name": "comes", "until": "2027-01-01T00:00:00Z"},
        ]);
    });
    let last = tenant(|_| ()).spec;
    let spec = closed_as_asked(&last, &asked.spec);
    assert_eq!(spec.audit_access, last.audit_access[..1]);
    assert_eq!(spec.hosts, last.hosts);
    let sooner = tenant(|spec| spec["auditAccess"][0]["until"] = json!("2026-06-01T00:00:00Z"));
    let spec = closed_as_asked(&last, &sooner.spec);
    assert_eq!(spec.audit_access, sooner.spec.audit_access);
}

#[test]
fn nothing_is_taken_up_or_opened_for_the_first_time() {
    let narrow = || class(|class| class["database"]["connectionLimit"] = json!(5));
    let object = tenant(|_| ());
    let reason = |object: &EOfficeTenant, record: &TenantRecordSpec| {
        let parsed = parsed(object, &province("30"), record, narrow());
        parsed.map(drop).map_err(|problem| problem.reason)
    };
    let refused = Err(Reason::InvalidSpec);
    let (mut left, mut other, mut new) = (record(), record(), record());
    left.state = RecordState::Retained;
    other.tenant.uid = "2".to_owned();
    new.verified_at = None;
    for record in [&left, &other, &new] {
        assert_eq!(reason(&object, record), refused);
    }
    // What was begun may have left something open, too.
    let mut closes = object;
    closes.spec.lifecycle = Lifecycle::Suspended;
    assert_eq!(reason(&closes, &new), Ok(()));
    assert_eq!(reason(&closes, &left), refused);

    let misfit = || Problem::new(Reason::CodeConflict, "why");
    assert!(as_taken(&closes, None, &[narrow()], misfit()).is_err());
    assert!(as_taken(&closes, Some(&record()), &[], misfit()).is_err());
}
