use super::*;
use crate::table::WIDTH;
use unicode_width::UnicodeWidthStr;

fn record(name: &str, fields: Value) -> TenantRecord {
    let mut record = crate::record::example(json!({
        "retainedAt": "2026-11-21T10:00:00Z", "retainUntil": "2036-11-18T10:00:00Z", "deletedBy": "somchai",
        "sizes": {"databaseBytes": 1 << 20, "storageBytes": 1 << 19, "objects": 7},
    }));
    let mut spec = json!(record.spec);
    spec["tenant"]["name"] = name.into();
    let fields = fields.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    record.spec = serde_json::from_value(spec).unwrap();
    record
}

fn style(width: usize) -> Style {
    Style {
        width,
        colours: false,
    }
}

fn order() -> Value {
    json!({"committeeReference": "NAT-2579-12", "approvedBy": "somsri"})
}

fn cooling(name: &str) -> TenantRecord {
    let accepted = json!({
        "committeeReference": "NAT-2579-12", "approvedBy": "somsri",
        "at": "2036-12-01T09:00:00Z", "notBefore": "2036-12-08T09:00:00Z",
    });
    let mut record = record(name, json!({"purge": order(), "purgeAccepted": accepted}));
    record.status = serde_json::from_value(json!({"conditions": [{
        "type": "Purged", "status": "False", "reason": "Cooling", "message": "it can be withdrawn",
        "lastTransitionTime": "2036-12-01T09:00:00Z",
    }]}))
    .unwrap();
    record
}

fn destroyed(name: &str) -> TenantRecord {
    record(
        name,
        json!({"state": "destroyed", "purge": order(), "destructions": [{
            "agency": "เทศบาลเมืองปากช่อง", "committeeReference": "NAT-2579-12", "approvedBy": "somsri",
            "decidedAt": "2036-12-01T09:00:00Z", "destroyedAt": "2036-12-08T09:01:00Z",
            "objects": [{"kind": "database", "name": "eo_3f", "place": "pg-a (7)", "identity": "16384",
                         "bytes": 1 << 20}],
        }]}),
    )
}

#[test]
fn the_state_of_a_purge_is_told_with_its_time() {
    let withdrawn = |mut record: TenantRecord| {
        record.spec.purge = None;
        record
    };
    let cases = [
        (record("a", json!({})), "-"),
        (record("a", json!({"purge": order()})), "Ordered"),
        (cooling("a"), "Cooling 2036-12-08"),
        // The operator has not seen it yet.
        (withdrawn(cooling("a")), "-"),
        (
            record("a", json!({"purge": order(), "legalHold": true})),
            "LegalHold",
        ),
        (destroyed("a"), "Destroyed 2036-12-08"),
        (record("a", json!({"state": "succeeded"})), "-"),
    ];
    for (record, told) in cases {
        assert_eq!(purge(&record), told);
    }
}

#[test]
fn a_table_fits_and_a_wide_one_tells_more() {
    let records = [
        cooling("town-pak-chong-3021"),
        record("tao-pak-chong-3021", json!({"legalHold": true})),
    ];
    let text = overview(&records, style(WIDTH));
    assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
    for words in [
        "TENANT ",
        "town-pak-chong-3021  ",
        "1.5 MiB",
        "2036-11-18",
        "Cooling 2036-12-08",
        "LegalHold",
        "2 tenants: 2 kept, 1 under legal hold\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = overview(&records, style(WIDE));
    for words in ["SERVER", "pg-a", "SINCE", "2026-11-21", "HOLD", "yes"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn one_is_told_in_full_with_its_certificate() {
    let text = detail(&destroyed("town"), style(WIDTH));
    for words in [
        "was          province-30/town\n",
        "deleted by   somchai\n",
        "kept until   2036-11-18 10:00 UTC\n",
        "database     eo_3f on pg-a, 1.0 MiB\n",
        "storage      eo-3f in objects, 512.0 KiB in 7 versions of objects\n",
        "Certificate of destruction\n",
        "decision     NAT-2579-12\n",
        "database     eo_3f (16384) in pg-a (7), 1.0 MiB\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
