use super::super::batch::up;
use super::super::recovery::{Step, step};
use super::at;
use eoffice_crds::{EOfficeTenant, HeldTenant, Impact, TenantRecord, annotations, finalizers};
use serde_json::{Value, json};

fn object(uid: &str, more: Value) -> EOfficeTenant {
    let mut object = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "EOfficeTenant",
        "metadata": {"name": "town-0", "namespace": "province-30", "uid": uid},
        "spec": {"agency": {"nameTh": "เทศบาล", "kind": "TownMunicipality", "province": "30"}},
    });
    merge(&mut object, more);
    serde_json::from_value(object).unwrap()
}

fn merge(base: &mut Value, more: Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, more) => *base = more,
    }
}

fn record(uid: &str, more: Value) -> TenantRecord {
    let mut record = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
        "kind": "TenantRecord",
        "metadata": {"name": "record", "namespace": "eoffice-town-0"},
        "spec": {
            "installationId": "i", "fingerprint": "f", "state": "live", "hosts": ["town-0.eoffice.example"],
            "tenant": {"namespace": "province-30", "name": "town-0", "uid": uid},
            "frozen": {"class": "standard", "baseDomain": "eoffice.example", "store": "s", "versioning": true,
                       "allowDelete": false, "retain": {"days": 1, "restore": "Automatic"}},
            "database": {"server": "pg", "systemIdentifier": "1", "name": "d", "role": "r", "login": "l", "connectionLimit": 20},
            "storage": {"store": "s", "storeIdentity": "1", "bucket": "b-0", "user": "u"},
            "tenantSpec": {"agency": {"nameTh": "เทศบาล", "kind": "TownMunicipality", "province": "30"}, "users": 7},
        },
    });
    merge(&mut record, more);
    serde_json::from_value(record).unwrap()
}

#[test]
fn a_recovery_goes_from_step_to_step_by_what_is_there() {
    let entry = |impact| HeldTenant {
        namespace: "province-30".into(),
        name: "town-0".into(),
        uid: "old".into(),
        impact,
        cause: "why".into(),
        seen_at: up(at(0)),
        done_at: None,
    };
    let deleting = json!({"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z", "finalizers": [finalizers::TENANT]}});
    let paused = json!({"metadata": {"annotations": {annotations::PAUSED: "true"}}});
    let let_go = json!({"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}});
    let mut deleting_paused = deleting.clone();
    merge(&mut deleting_paused, paused.clone());
    let other_agency = json!({"spec": {"agency": {"nameTh": "อำเภอ"}}});
    let suspended = json!({"spec": {"lifecycle": "Suspended", "hosts": ["new.go.th"]}});
    let old = || record("old", json!({}));
    let same = |more: &Value| Some(object("old", more.clone()));
    let new = |more: &Value| Some(object("new", more.clone()));
    let nothing = json!({});
    for (case, impact, tenant, record, expected) in [
        (
            "let go",
            Impact::Delete,
            same(&deleting),
            Some(old()),
            "Release",
        ),
        (
            "let go, paused",
            Impact::Delete,
            same(&deleting_paused),
            Some(old()),
            "Remember(Some(\"true\"))",
        ),
        (
            "paused is noted",
            Impact::Delete,
            same(&deleting_paused),
            Some(record("old", paused.clone())),
            "Release",
        ),
        (
            "paused no more",
            Impact::Delete,
            same(&deleting),
            Some(record("old", paused.clone())),
            "Remember(None)",
        ),
        (
            "no record",
            Impact::Delete,
            same(&deleting),
            None,
            "Release",
        ),
        (
            "on its way",
            Impact::Delete,
            same(&let_go),
            Some(old()),
            "Await",
        ),
        ("gone", Impact::Delete, None, Some(old()), "MakeAgain"),
        ("gone for good", Impact::Delete, None, None, "Done"),
        (
            "another's record",
            Impact::Delete,
            None,
            Some(record("other", json!({}))),
            "Done",
        ),
        (
            "made again",
            Impact::Delete,
            new(&nothing),
            Some(old()),
            "TakeUp",
        ),
        (
            "another agency",
            Impact::Delete,
            new(&other_agency),
            Some(old()),
            "Done",
        ),
        (
            "taken up",
            Impact::Delete,
            new(&nothing),
            Some(record("new", json!({}))),
            "Done",
        ),
        (
            "suspended",
            Impact::Close,
            same(&suspended),
            Some(old()),
            "PutBack({\"spec\":{\"lifecycle\":\"Active\"}})",
        ),
        (
            "moved",
            Impact::Move,
            same(&suspended),
            Some(old()),
            "PutBack({\"spec\":{\"hosts\":[]}})",
        ),
        (
            "by its class",
            Impact::Move,
            same(&nothing),
            Some(old()),
            "Leave",
        ),
        (
            "a credential",
            Impact::Credential,
            same(&suspended),
            Some(old()),
            "Leave",
        ),
        (
            "gone since",
            Impact::Close,
            new(&suspended),
            Some(old()),
            "Done",
        ),
    ] {
        let step = step(&entry(impact), tenant.as_ref(), record.as_ref());
        let said = match &step {
            Step::MakeAgain(_) => "MakeAgain".to_owned(),
            Step::TakeUp(_) => "TakeUp".to_owned(),
            Step::PutBack(patch) => format!("PutBack({patch})"),
            step => format!("{step:?}"),
        };
        assert_eq!(said, expected, "{case}");
    }
    let step = |tenant: Option<&EOfficeTenant>, record: &TenantRecord| {
        step(&entry(Impact::Delete), tenant, Some(record))
    };
    let mut left = paused;
    let decided = json!({"approval": {"mouReference": "MOU-1", "approvedBy": "somsri",
        "approvedAt": "2026-11-21T10:00:00Z", "fingerprint": "ab"}, "restoreFrom": "eoffice-town-1"});
    merge(&mut left, json!({"spec": {"tenantSpec": decided}}));
    let Step::MakeAgain(made) = step(None, &record("old", left)) else {
        panic!("it is not made again");
    };
    let approval = serde_json::to_value(&made.spec.approval).unwrap();
    assert_eq!(approval, json!({"mouReference": "MOU-1"}));
    assert_eq!(made.spec.restore_from, None);
    assert_eq!(made.spec.users, Some(7));
    assert_eq!(made.metadata.namespace.as_deref(), Some("province-30"));
    assert_eq!(
        made.metadata.annotations.unwrap()[annotations::PAUSED],
        "true"
    );
    assert_eq!(made.metadata.finalizers.unwrap(), [finalizers::TENANT]);
    let Step::TakeUp(taken) = step(new(&nothing).as_ref(), &old()) else {
        panic!("it is not taken up");
    };
    assert_eq!(taken.tenant.uid, "new");
    assert_eq!(taken.database, old().spec.database);
}
