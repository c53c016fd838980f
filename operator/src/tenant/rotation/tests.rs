use super::*;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tenant(annotations: Value) -> EOfficeTenant {
    serde_json::from_value(json!({
        "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
        "metadata": {"name": "a", "annotations": annotations},
        "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
    }))
    .unwrap()
}

fn record(rotation: Value) -> TenantRecordSpec {
    serde_json::from_value(json!({
        "installationId": "korat", "fingerprint": "f",
        "tenant": {"namespace": "province-30", "name": "a", "uid": "1"},
        "state": "live", "verifiedAt": "2026-01-01T00:00:00Z", "hosts": [],
        "frozen": {"class": "standard", "baseDomain": "x.example", "store": "objects", "versioning": false,
                   "allowDelete": false, "retain": {"days": 1, "restore": "Automatic"}},
        "database": {"server": "pg", "systemIdentifier": "7", "name": "d", "role": "r", "login": "l_a", "connectionLimit": 20},
        "storage": {"store": "objects", "storeIdentity": "s", "bucket": "bucket", "user": "u"},
        "tenantSpec": tenant(json!({})).spec, "rotation": rotation,
    }))
    .unwrap()
}

fn times() -> Times {
    Times::of(&RotationPolicy::default())
}

#[test]
fn it_begins_when_asked_when_old_and_in_an_emergency_at_any_time() {
    use RotationCause::{Age, Asked, Emergency};
    let young = at("2026-02-01T00:00:00Z");
    let old = at("2026-06-01T00:00:00Z");
    let asked = |value: &str| json!({annotations::ROTATE_REQUESTED_AT: value});
    let now = |value: &str| json!({annotations::ROTATE_NOW_REQUESTED_AT: value});
    let issued = json!({"issuedAt": "2026-01-01T00:00:00Z"});
    let handled = json!({"issuedAt": "2026-01-01T00:00:00Z", "handled": "x", "handledNow": "x"});
    let under_way = json!({
        "issuedAt": "2026-01-01T00:00:00Z",
        "underWay": {"cause": "Age", "since": "2026-01-01T00:00:00Z", "deadline": "2026-01-08T00:00:00Z", "login": "l_b"},
    });
    let rows = [
        ("nobody asks", json!({}), &issued, young, None),
        ("asked", asked("x"), &issued, young, Some(Asked)),
        ("asked and answered", asked("x"), &handled, young, None),
        ("asked again", asked("y"), &handled, young, Some(Asked)),
        ("an emergency", now("x"), &issued, young, Some(Emergency)),
        ("an emergency that is over", now("x"), &handled, young, None),
        ("their age", json!({}), &issued, old, Some(Age)),
        (
            "asked while one is under way",
            asked("x"),
            &under_way,
            young,
            None,
        ),
        (
            "an emergency while one is under way",
            now("x"),
            &under_way,
            young,
            Some(Emergency),
        ),
    ];
    for (case, annotations, rotation, now, expected) in rows {
        let begins = begins(
            &tenant(annotations),
            &record(rotation.clone()),
            &times(),
            now,
        );
        assert_eq!(begins, expected, "{case}");
    }
    let mut new = record(json!({}));
    new.verified_at = None;
    assert_eq!(begins(&tenant(asked("x")), &new, &times(), old), None);
}

#[test]
fn logins_alternate_and_what_was_asked_is_answered_once() {
    let now = at("2026-02-01T00:00:00Z");
    let asking = tenant(json!({annotations::ROTATE_REQUESTED_AT: "x"}));
    let first = begun(
        &asking,
        &record(json!({})),
        RotationCause::Asked,
        Some("K1".into()),
        &times(),
        now,
    );
    let way = first.rotation.under_way.as_ref().unwrap();
    assert_eq!(
        (way.login.as_str(), way.key.as_deref()),
        ("l_a", Some("K1"))
    );
    assert_eq!(first.database.login, "l_b");
    assert_eq!(way.deadline.0, now.checked_add(7 * DAY).unwrap());
    assert_eq!(begins(&asking, &first, &times(), now), None);
    let mut over = first.clone();
    over.rotation.under_way = None;
    assert_eq!(begins(&asking, &over, &times(), now), None);
    let second = begun(&asking, &over, RotationCause::Age, None, &times(), now);
    assert_eq!(second.database.login, "l_a");
}

#[test]
fn a_fleet_that_was_made_in_a_day_is_renewed_over_weeks_and_never_late() {
    let issued = at("2026-01-01T00:00:00Z");
    let mut days: Vec<i64> = (0..400)
        .map(|number| {
            let mut record = record(json!({"issuedAt": issued.to_string()}));
            record.tenant.name = format!("town-{number}");
            let due = due_at(&record, &times()).unwrap();
            due.duration_since(issued).as_hours() / 24
        })
        .collect();
    days.sort_unstable();
    assert!(
        days[0] >= 67 && days[399] <= 90,
        "{} to {}",
        days[0],
        days[399]
    );
    let busiest = days
        .chunk_by(|a, b| a == b)
        .map(<[i64]>::len)
        .max()
        .unwrap();
    assert!(busiest < 60, "{busiest} of 400 on one day");
}

#[test]
fn what_was_replaced_goes_when_it_was_not_used_for_the_grace_time_or_at_the_deadline() {
    let under_way: RotationUnderWay = serde_json::from_value(json!({
        "cause": "Asked", "since": "2026-01-01T00:00:00Z", "deadline": "2026-01-08T00:00:00Z", "login": "l_a",
        "handedOutAt": "2026-01-01T01:00:00Z",
    }))
    .unwrap();
    let rows = [
        (
            "never used since",
            Use::NotSince(at("2025-12-01T00:00:00Z")),
            "2026-01-02T01:00:00Z",
        ),
        (
            "used after",
            Use::NotSince(at("2026-01-03T00:00:00Z")),
            "2026-01-04T00:00:00Z",
        ),
        (
            "used to the end",
            Use::NotSince(at("2026-01-07T23:00:00Z")),
            "2026-01-08T00:00:00Z",
        ),
        ("nothing tells", Use::NotTold, "2026-01-08T00:00:00Z"),
    ];
    for (case, seen, expected) in rows {
        assert_eq!(
            retires_at(&under_way, seen, &times()),
            at(expected),
            "{case}"
        );
    }
}
