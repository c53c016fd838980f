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

fn has(login: &str, key: &str) -> InSecrets {
    InSecrets {
        login: Some(login.to_owned()),
        key: Some(key.to_owned()),
    }
}

fn times() -> Times {
    Times::of(&RotationPolicy::default())
}

#[test]
fn it_begins_when_asked_when_old_and_in_an_emergency_at_any_time() {
    use RotationCause::{Age, Asked, Emergency};
    let young = at("2026-02-01T00:00:00Z");
    let mut first = record(json!({"issuedAt": "2026-01-01T00:00:00Z"}));
    first.rotation.postponed_to = None;
    let due = due_at(&first, &times()).unwrap();
    let old = due.checked_add(MISSED / 2).unwrap();
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
        has("l_a", "K1"),
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
    let second = begun(
        &asking,
        &over,
        RotationCause::Age,
        InSecrets::default(),
        &times(),
        now,
    );
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

/// Of the whole country, Aug 2025.
const AGENCIES: usize = 6_356;

#[test]
fn a_fleet_that_is_found_old_is_renewed_over_a_quarter_of_the_age() {
    let now = at("2026-09-01T00:00:00Z");
    let issued = "2026-01-01T00:00:00Z";
    let of = |max_age: &str| Times {
        max_age: duration(max_age).unwrap(),
        ..times()
    };
    // Age, and hours over which they are spread.
    let rows = [("2160h", 540), ("720h", 180), ("24h", 24), ("1h", 24)];
    let never = json!({"issuedAt": null});
    let before = json!({"issuedAt": issued});
    for (max_age, hours) in rows {
        let times = of(max_age);
        for rotation in [&never, &before] {
            let mut record = record(rotation.clone());
            let mut of_hour = vec![0; hours];
            let calm = tenant(json!({}));
            for number in 0..AGENCIES {
                record.rotation.postponed_to = None;
                record.tenant.name = format!("tao-place-{number}-{:04}", 1000 + number % 900);
                assert_eq!(
                    begins(&calm, &record, &times, now),
                    None,
                    "at its first look"
                );
                let own = postponed_to(&record, &times, now).unwrap();
                record.rotation.postponed_to = Some(Time(own));
                // Whoever looks again, after a restart or in between, finds the same.
                let later = now.checked_add((own.duration_since(now)) / 2).unwrap();
                assert_eq!(postponed_to(&record, &times, later), None);
                assert_eq!(due_at(&record, &times), Some(own));
                assert_eq!(
                    begins(&calm, &record, &times, own),
                    Some(RotationCause::Age)
                );
                let hour = own.duration_since(now).as_hours();
                of_hour[usize::try_from(hour).unwrap().min(hours - 1)] += 1;
            }
            let mean = AGENCIES / hours;
            let busiest = of_hour.iter().max().unwrap();
            assert!(
                *busiest < 2 * mean + 20,
                "{max_age}: {busiest} in an hour, {mean} on average"
            );
        }
    }
}

#[test]
fn a_time_that_was_missed_counts_until_they_are_renewed_and_is_given_again() {
    let now = at("2026-09-01T00:00:00Z");
    let mut old = record(json!({"issuedAt": "2026-01-01T00:00:00Z"}));
    let own = postponed_to(&old, &times(), now).unwrap();
    old.rotation.postponed_to = Some(Time(own));
    let missed_again = own.checked_add(2 * MISSED).unwrap();
    assert!(postponed_to(&old, &times(), missed_again).unwrap() > own);
    // Asked for meanwhile: from then on their age counts.
    let asked = begun(
        &tenant(json!({})),
        &old,
        RotationCause::Asked,
        has("l_a", "K1"),
        &times(),
        now,
    );
    assert_eq!(postponed_to(&asked, &times(), missed_again), None);
    let mut renewed = asked.clone();
    handed_out(&mut renewed.rotation, now);
    assert_eq!(renewed.rotation.postponed_to, None);
    assert!(due_at(&renewed, &times()).unwrap() > own.checked_add(30 * DAY).unwrap());
    // What has no proof yet is not renewed.
    old.verified_at = None;
    assert_eq!(postponed_to(&old, &times(), missed_again), None);
}

#[test]
fn an_emergency_in_the_midst_of_a_rotation_renews_login_and_key_each_as_far_as_it_was() {
    let now = at("2026-02-01T00:00:00Z");
    let urgent = tenant(json!({annotations::ROTATE_NOW_REQUESTED_AT: "x"}));
    let calm = begun(
        &tenant(json!({})),
        &record(json!({})),
        RotationCause::Asked,
        has("l_a", "K1"),
        &times(),
        now,
    );
    // What is in the Secrets: which login and key are taken away, and which login is to come.
    let rows = [
        (
            "neither had come",
            has("l_a", "K1"),
            ("l_a", Some("K1"), "l_b"),
        ),
        (
            "the login had",
            has("l_b", "K1"),
            ("l_b", Some("K1"), "l_a"),
        ),
        ("the key had", has("l_a", "K2"), ("l_a", Some("K2"), "l_b")),
        ("both had", has("l_b", "K2"), ("l_b", Some("K2"), "l_a")),
        ("they are gone", InSecrets::default(), ("l_b", None, "l_a")),
    ];
    for (case, has, (login, key, new)) in rows {
        let begun = begun(&urgent, &calm, RotationCause::Emergency, has, &times(), now);
        let way = begun.rotation.under_way.as_ref().unwrap();
        let found = (way.login.as_str(), way.key.as_deref());
        assert_eq!(found, (login, key), "{case}");
        assert_eq!(begun.database.login, new, "{case}");
        assert_eq!(begins(&urgent, &begun, &times(), now), None, "{case}");
    }
}

#[test]
fn what_ends_before_the_rest_is_login_and_key_each_by_itself() {
    let rotation = |cause: &str, deadline: &str| -> RecordedRotation {
        serde_json::from_value(json!({"underWay": {
            "cause": cause, "since": "2026-01-01T00:00:00Z", "deadline": deadline, "login": "l_a", "key": "K1",
        }}))
        .unwrap()
    };
    let now = at("2026-01-02T00:00:00Z");
    let (past, ahead) = ("2026-01-01T12:00:00Z", "2026-01-08T00:00:00Z");
    let rows = [
        ("Asked", ahead, [true, true], [false, false]),
        ("Asked", past, [true, false], [true, false]),
        ("Age", past, [false, true], [false, true]),
        ("Emergency", ahead, [true, false], [true, false]),
        ("Emergency", ahead, [false, true], [false, true]),
        ("Emergency", ahead, [true, true], [true, true]),
        ("Emergency", past, [false, false], [false, false]),
    ];
    for (cause, deadline, [login, key], expected) in rows {
        let before = rotation(cause, deadline);
        let mut cut = cut_off(&before, HandedIn { login, key }, now);
        let way = cut.under_way.as_ref().unwrap();
        let ended = [&way.login_retired_at, &way.key_retired_at].map(Option::is_some);
        assert_eq!(ended, expected, "{cause} until {deadline}");
        let restarts = ended.contains(&true).then_some(Time(now));
        assert_eq!(cut.restart_at, restarts, "{cause} until {deadline}");
        assert_eq!(cut_off(&cut, HandedIn { login, key }, now), cut, "twice");
        // Restarted with the end of those before, or once both have come.
        cut.restart_at = None;
        handed_out(&mut cut, now);
        let all = ended == [true, true];
        assert_eq!(cut.restart_at.is_none(), all, "{cause} until {deadline}");
    }
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
