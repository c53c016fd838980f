use super::*;
use serde_json::{Value, json};

const NOW: &str = "2036-01-10T00:00:00Z";
const COOLING: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A tombstone whose retention is over since the first of January, with an order that cooled until the ninth.
fn tombstone() -> Value {
    json!({
        "installationId": "korat", "fingerprint": fingerprint("town-a-3021", "30"),
        "tenant": {"namespace": "province-30", "name": "town-a-3021", "uid": "u1"},
        "state": "retained",
        "frozen": {
            "class": "standard", "baseDomain": "eoffice.example", "store": "objects",
            "versioning": true, "allowDelete": false, "retain": {"days": 10}
        },
        "hosts": [],
        "database": {
            "server": "pg-a", "systemIdentifier": "1", "name": "eo_1", "role": "eo_1_owner",
            "login": "eo_1_a", "connectionLimit": 5, "oid": 200
        },
        "storage": {"store": "objects", "storeIdentity": "1", "bucket": "b", "user": "u"},
        "tenantSpec": {"agency": {"nameTh": "ก", "kind": "TownMunicipality", "province": "30"}},
        "retainedAt": "2035-12-22T00:00:00Z",
        "retainUntil": "2036-01-01T00:00:00Z",
        "purge": {"committeeReference": "7/2579", "approvedBy": "somchai"},
        "purgeAccepted": {
            "committeeReference": "7/2579", "approvedBy": "somchai",
            "at": "2036-01-02T00:00:00Z", "notBefore": "2036-01-09T00:00:00Z"
        },
    })
}

fn decided(record: Value) -> Next {
    let circumstances = Circumstances {
        namespace: "eoffice-town-a-3021",
        installation: &"korat".parse().unwrap(),
        cooling: COOLING,
        now: at(NOW),
        witness: "w1".to_owned(),
    };
    decide(&serde_json::from_value(record).unwrap(), &circumstances)
}

fn word(next: &Next) -> String {
    match next {
        Next::Rest => "rest".into(),
        Next::Stop(said) => said.reason.to_string(),
        Next::Accept(_) => "accept".into(),
        Next::Cool(_) => "cool".into(),
        Next::Destroy => "destroy".into(),
    }
}

#[test]
fn nothing_is_destroyed_while_anything_stands_against_it() {
    let rows: [(&str, Value, &str); 22] = [
        ("", json!(null), "destroy"),
        ("/state", json!("purging"), "destroy"),
        ("/purge", json!(null), "rest"),
        ("/purge/committeeReference", json!("8/2579"), "accept"),
        ("/purge/approvedBy", json!("malee"), "accept"),
        ("/purge/approvedBy", json!(" "), "PurgeRefused"),
        ("/purge/committeeReference", json!(""), "PurgeRefused"),
        ("/purgeAccepted", json!(null), "accept"),
        (
            "/purgeAccepted/notBefore",
            json!("2036-01-10T00:00:01Z"),
            "cool",
        ),
        // Moved earlier by hand: it counts from when it was taken in.
        ("/purgeAccepted/at", json!("2036-01-05T00:00:00Z"), "cool"),
        ("/legalHold", json!(true), "LegalHold"),
        (
            "/retainUntil",
            json!("2036-01-10T00:00:01Z"),
            "RetentionNotOver",
        ),
        ("/frozen/retain/days", json!(20), "RetentionNotOver"),
        ("/frozen/retain/days", json!(36_500), "RetentionNotOver"),
        ("/retainUntil", json!(null), "destroy"),
        ("/retainedAt", json!(null), "PurgeRefused"),
        ("/retainedAt", json!("2037-01-01T00:00:00Z"), "PurgeRefused"),
        ("/fingerprint", json!("f"), "PurgeRefused"),
        ("/installationId", json!("test"), "PurgeRefused"),
        ("/tenant/name", json!("town-b-3021"), "PurgeRefused"),
        ("/tenantSpec/agency/province", json!("31"), "PurgeRefused"),
        ("/state", json!("live"), "PurgeRefused"),
    ];
    for (field, value, expected) in rows {
        let mut record = tombstone();
        if !field.is_empty() {
            let (parent, key) = field.rsplit_once('/').unwrap();
            let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match value.is_null() {
                true => drop(parent.remove(key)),
                false => drop(parent.insert(key.to_owned(), value.clone())),
            }
        }
        assert_eq!(word(&decided(record)), expected, "{field} {value}");
    }
}

#[test]
fn each_wait_says_until_when() {
    let until = |field: &str, value: &str| {
        let mut record = tombstone();
        *record.pointer_mut(field).unwrap() = json!(value);
        match decided(record) {
            Next::Stop(said) | Next::Cool(said) => (said.until.unwrap(), said.message),
            other => panic!("{other:?}"),
        }
    };
    for (field, end) in [
        ("/retainUntil", "2036-02-01T00:00:00Z"),
        ("/purgeAccepted/notBefore", "2036-01-20T00:00:00Z"),
    ] {
        let (found, message) = until(field, end);
        assert_eq!(found, at(end));
        assert!(message.contains(end), "{message}");
    }
}

#[test]
fn an_order_that_is_taken_in_can_be_withdrawn_for_the_whole_time() {
    let mut record = tombstone();
    record.as_object_mut().unwrap().remove("purgeAccepted");
    let Next::Accept(accepted) = decided(record) else {
        panic!("it is not taken in");
    };
    assert_eq!(accepted.at.0, at(NOW));
    assert_eq!(accepted.not_before.0, at("2036-01-17T00:00:00Z"));
}
