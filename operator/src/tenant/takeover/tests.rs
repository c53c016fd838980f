use super::*;
use crate::tenant::owner::{Rivals, check_codes, check_owner};
use crate::tenant::parse::parse;
use crate::tenant::record::carry_on;
use eoffice_crds::{FIELD_MANAGER, TenantClass, labels};
use serde_json::{Value, json};
use std::sync::Arc;

fn class() -> Arc<TenantClass> {
    let class = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "TenantClass", "metadata": {"name": "standard"},
        "spec": {
            "baseDomain": "eoffice.example",
            "database": {"serverSelector": {}}, "storage": {"storeName": "objects"},
            "certificate": {"issuerRef": {"name": "gov"}},
            "ingress": {"className": "traefik", "controller": {"cidrs": ["10.0.0.0/8"]}, "probeAddress": "10.0.0.1:443"},
        },
    });
    Arc::new(serde_json::from_value(class).unwrap())
}

/// A tenant of this name, in its second incarnation, that asks for what another left.
fn tenant(name: &str, from: Option<&str>) -> Tenant {
    let object = json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
        "metadata": {"name": name, "namespace": "province-30", "uid": "2"},
        "spec": {
            "agency": {
                "nameTh": "ก", "kind": "Other", "province": "30",
                "codes": [{"scheme": "cgd", "value": "1"}],
            },
            "className": "standard", "restoreFrom": from, "hosts": ["eoffice.old.example"],
        },
    });
    let labels = [(labels::PROVINCE.to_owned(), "30".to_owned())].into();
    parse(
        Arc::new(serde_json::from_value(object).unwrap()),
        &labels,
        None,
        &[class()],
    )
    .unwrap()
}

/// What the tenant `old` left.
fn tombstone() -> Value {
    json!({
        "installationId": "korat", "fingerprint": fingerprint("old", "30"),
        "tenant": {"namespace": "province-30", "name": "old", "uid": "1"},
        "state": "retained",
        "frozen": {
            "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
            "versioning": true, "allowDelete": false, "retain": {}
        },
        "hosts": ["old.eoffice.example", "eoffice.old.example"],
        "database": {
            "server": "pg-a", "systemIdentifier": "1", "name": "eo_1", "role": "eo_1_owner",
            "login": "eo_1_a", "connectionLimit": 5, "oid": 200
        },
        "storage": {"store": "objects", "storeIdentity": "1", "bucket": "b", "user": "u", "bucketIdentity": "i"},
        "tenantSpec": {"agency": {
            "nameTh": "ก", "kind": "Other", "province": "30", "codes": [{"scheme": "cgd", "value": "1"}],
        }},
        "retainedAt": "2035-12-22T00:00:00Z", "retainUntil": "2045-12-22T00:00:00Z", "deletedBy": "x",
        "legalHold": true,
    })
}

fn with(changes: Value) -> TenantRecordSpec {
    let mut record = tombstone();
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    serde_json::from_value(record).unwrap()
}

fn named(name: &str) -> Value {
    json!({"namespace": "province-30", "name": name, "uid": "2"})
}

#[test]
fn only_what_was_left_and_nobody_else_has_claimed_is_taken_over() {
    let korat: InstallationId = "korat".parse().unwrap();
    let rows = [
        (json!({}), None, None),
        (json!({}), Some("new"), None),
        (
            json!({}),
            Some("other"),
            Some("tenant other in namespace province-30"),
        ),
        (
            json!({"state": "live"}),
            None,
            Some("tenant old in namespace province-30 lives"),
        ),
        (
            json!({"state": "purging", "purge": {"committeeReference": "7/2579", "approvedBy": "x"}}),
            None,
            Some("being destroyed, by decision 7/2579"),
        ),
        (json!({"state": "destroyed"}), None, Some("was destroyed")),
        (
            json!({"state": "succeeded", "successor": named("other")}),
            None,
            Some("tenant other (record in namespace eoffice-other) took it over"),
        ),
        (
            json!({"state": "succeeded", "successor": named("new")}),
            None,
            None,
        ),
        (
            json!({"installationId": "test"}),
            None,
            Some("another installation, test"),
        ),
        (json!({"fingerprint": "f"}), None, Some("edited by hand")),
    ];
    let tenant = tenant("new", Some("eoffice-old"));
    for (changes, claimant, refusal) in rows {
        let claimant = claimant.map(|name| serde_json::from_value(named(name)).unwrap());
        let judged = judge(&tenant, &korat, &with(changes.clone()), claimant.as_ref());
        match (judged, refusal) {
            (Ok(()), None) => {}
            (Err(problem), Some(why)) => {
                assert_eq!(problem.reason, Reason::RestoreRefused);
                let says = &problem.message;
                assert!(says.contains(why) && says.contains("eoffice-old"), "{says}");
            }
            (judged, refusal) => panic!("{changes}: {judged:?}, not {refusal:?}"),
        }
    }
}

#[test]
fn names_places_identities_and_a_legal_hold_stay_with_the_data() {
    let old = with(json!({"successor": named("new")}));
    let mut registry = Registry::default();
    registry.insert(old.clone());
    let tenant = tenant("new", Some("eoffice-old"));
    assert!(check_codes(&tenant, &registry, None).is_ok());
    let made = begin(&tenant, &old, &["eoffice.example".into()], &registry);
    let record = made.record;
    assert!(made.refused_host.is_none() && made.restored);
    assert_eq!(record.database.oid, old.database.oid);
    assert_eq!(
        (&record.database.name, &record.storage),
        (&old.database.name, &old.storage)
    );
    assert_eq!(record.hosts, ["new.eoffice.example", "eoffice.old.example"]);
    assert_eq!(record.fingerprint, fingerprint("new", "30"));
    let predecessor = record.predecessor.clone().unwrap();
    assert_eq!(
        (predecessor.namespace.as_str(), &predecessor.fingerprint),
        ("eoffice-old", &old.fingerprint)
    );
    assert!(record.legal_hold && record.successor.is_none() && record.retain_until.is_none());
    assert_eq!(record.state, RecordState::Live);

    // While both records name them, and once the old one holds nothing any more.
    registry.insert(record);
    assert_eq!(
        registry.holder_of_host("eoffice.old.example", "third"),
        Some("old")
    );
    registry.insert(TenantRecordSpec {
        state: RecordState::Succeeded,
        ..old
    });
    assert_eq!(
        registry.holder_of_host("eoffice.old.example", "third"),
        Some("new")
    );
    assert_eq!(
        registry.holder_of_host("old.eoffice.example", "third"),
        None
    );
    assert_eq!(registry.promised("pg-a").databases, 1);
    assert_eq!(
        (registry.in_store("objects"), registry.of_class("standard")),
        (1, 1)
    );
    assert_eq!(registry.records().count(), 1);
}

#[test]
fn who_comes_to_a_name_is_told_what_became_of_it() {
    let rows = [
        (json!({}), None, None),
        (
            json!({}),
            Some("other"),
            Some((Reason::RestoreRefused, "taken over by tenant other")),
        ),
        (
            json!({"frozen": {
                "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
                "versioning": true, "allowDelete": false, "retain": {"restore": "Explicit"}
            }}),
            None,
            Some((Reason::RestoreRefused, "spec.restoreFrom: eoffice-old")),
        ),
        (
            json!({"state": "purging"}),
            None,
            Some((Reason::Purging, "does not come back")),
        ),
        (json!({"state": "destroyed"}), None, None),
        (
            json!({"state": "succeeded", "successor": named("other")}),
            None,
            Some((Reason::NameConflict, "tenant other")),
        ),
    ];
    for (changes, claimant, refusal) in rows {
        let rivals = Rivals {
            holder_lives: false,
            claimant: claimant.map(|name| serde_json::from_value(named(name)).unwrap()),
        };
        let record = with(changes.clone());
        let judged = check_owner(&tenant("old", None), Some(&record), &rivals);
        match (judged, refusal) {
            (Ok(()), None) => {}
            (Err(problem), Some((reason, why))) => {
                assert_eq!(problem.reason, reason, "{changes}");
                assert!(problem.message.contains(why), "{}", problem.message);
            }
            (judged, refusal) => panic!("{changes}: {judged:?}, not {refusal:?}"),
        }
    }
}

#[test]
fn a_tenant_with_data_of_its_own_is_told_unless_it_took_over_already() {
    let own = with(json!({"state": "live", "tenant": named("new")}));
    let asking = tenant("new", Some("eoffice-old"));
    let told = refused(&asking, &own).unwrap();
    assert!(told.message.contains("data of its own"), "{told}");
    let took = TenantRecordSpec {
        predecessor: Some(Predecessor {
            namespace: "eoffice-old".into(),
            fingerprint: "f".into(),
        }),
        ..own.clone()
    };
    assert_eq!(refused(&asking, &took), None);
    assert_eq!(refused(&tenant("new", Some("eoffice-new")), &own), None);
}

#[test]
fn only_a_record_that_says_so_gave_its_data() {
    let heir = json!({"successor": {"namespace": "province-30", "name": "new", "uid": "2"}, "state": "succeeded"});
    let with = |key: &str, value: Value| {
        let mut edit = heir.clone();
        edit[key] = value;
        edit
    };
    let rows = [
        (heir.clone(), true),
        // It was made again since.
        (
            with(
                "successor",
                json!({"namespace": "province-31", "name": "new", "uid": "3"}),
            ),
            true,
        ),
        (
            with(
                "successor",
                json!({"namespace": "province-30", "name": "other", "uid": "2"}),
            ),
            false,
        ),
        (with("successor", Value::Null), false),
        (with("state", json!("retained")), false),
        (with("state", json!("destroyed")), false),
        (with("state", json!("live")), false),
        (with("installationId", json!("test")), false),
    ];
    let mut to = tombstone();
    to["tenant"]["name"] = json!("new");
    let to: TenantRecordSpec = serde_json::from_value(to).unwrap();
    for (edit, expected) in rows {
        let mut record = tombstone();
        for (key, value) in edit.as_object().unwrap() {
            record[key] = value.clone();
        }
        let record = serde_json::from_value(record).unwrap();
        assert_eq!(gave(&record, &to), expected, "{edit}");
    }
}

#[test]
fn one_that_was_made_again_before_it_was_closed_goes_on_with_what_it_has() {
    let by = |manager: &str| {
        let mut made = tenant("old", None);
        let writer = json!({"manager": manager, "operation": "Update",
                            "fieldsV1": {"f:spec": {"f:agency": {"f:kind": {}}}}});
        let object = Arc::make_mut(&mut made.object);
        object.metadata.managed_fields = serde_json::from_value(json!([writer])).unwrap();
        made
    };
    let under_way = json!({
        "issuedAt": "2026-11-21T10:00:00Z",
        "underWay": {"cause": "Asked", "since": "2026-11-21T10:00:00Z", "deadline": "2026-11-28T10:00:00Z",
                     "login": "eo_1_b"},
    });
    for (state, manager, goes_on) in [
        ("live", FIELD_MANAGER, true),
        ("live", "argocd", false),
        ("retained", FIELD_MANAGER, false),
    ] {
        let mut spec = tombstone();
        spec["state"] = state.into();
        spec["rotation"] = under_way.clone();
        spec["verifiedAt"] = "2026-11-21T10:00:00Z".into();
        let record: TenantRecordSpec = serde_json::from_value(spec).unwrap();
        let decided = carry_on(&by(manager), &record, &[], &Registry::default());
        let now = decided.record;
        assert_eq!(now.tenant.uid, "2");
        assert_eq!(decided.restored, !goes_on, "{state} {manager}");
        assert_eq!(
            now.rotation == record.rotation,
            goes_on,
            "{state} {manager}"
        );
        assert_eq!(
            now.verified_at == record.verified_at,
            goes_on,
            "{state} {manager}"
        );
    }
}
