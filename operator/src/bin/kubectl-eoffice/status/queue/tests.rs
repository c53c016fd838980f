use super::*;

fn tenant(name: &str, manager: &str, second: i64, condition: Value) -> EOfficeTenant {
    let time = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": "province-30", "uid": name, "creationTimestamp": time(second).to_string(),
            "managedFields": [{"manager": manager, "time": time(second).to_string(), "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
        "status": {"conditions": [condition]},
    }))
    .unwrap()
}

fn waiting(name: &str, manager: &str, second: i64) -> EOfficeTenant {
    let ready = json!({"type": "Ready", "status": "Unknown", "reason": "AwaitingTurn", "message": "",
                       "lastTransitionTime": "2026-11-21T10:00:00Z"});
    tenant(name, manager, second, ready)
}

fn begun(name: &str, manager: &str) -> EOfficeTenant {
    let stands = json!({"type": "NamespaceReady", "status": "True", "reason": "AsExpected", "message": "",
                        "lastTransitionTime": "2026-11-21T10:00:00Z"});
    tenant(name, manager, 0, stands)
}

fn all() -> Vec<EOfficeTenant> {
    vec![
        begun("a", "pipeline"),
        waiting("b", "pipeline", 1),
        waiting("c", "pipeline", 2),
        waiting("d", "portal", 3),
    ]
}

fn summary(stopped: bool) -> Option<Summary> {
    Some(Summary {
        waiting: 3,
        making: 1,
        failing: 4,
        per_minute: Some(1.5),
        stopped,
    })
}

#[test]
fn place_and_time_are_told() {
    let tenants = all();
    let queue = Queue::of(&tenants, summary(false), None);
    let told: Vec<_> = tenants.iter().map(|it| queue.tell(it)).collect();
    let place = |text: &str| Some(format!("place {text}"));
    assert_eq!(
        told,
        [
            None,
            place("2 of 3; its turn is expected in about 80 s"),
            place("3 of 3; its turn is expected in about 2 min"),
            place("1 of 3; its turn is expected in about 40 s"),
        ]
    );
    assert_eq!(
        queue.sum(),
        "queue: 3 wait, 1 in the making, 2 a minute: the last turn is expected in about 2 min"
    );
    assert_eq!(queue.as_json(&tenants[0]), Value::Null);
    assert_eq!(
        queue.as_json(&tenants[3]),
        json!({"place": 1, "of": 3, "within": null, "expectedSeconds": 40, "stopped": false})
    );
}

#[test]
fn a_wave_that_stopped_and_what_cannot_be_seen_are_told() {
    let tenants = all();
    let queue = Queue::of(&tenants, summary(true), None);
    let told = queue.tell(&tenants[1]).unwrap();
    assert!(
        told.starts_with("place 2 of 3; none is begun now, as 4 "),
        "{told}"
    );
    assert!(queue.sum().contains("none is begun now"), "{}", queue.sum());
    let queue = Queue::of(&tenants, None, Some("province-30".into()));
    let told = queue.tell(&tenants[1]).unwrap();
    assert!(told.contains("in province-30; tenants elsewhere"), "{told}");
    assert!(queue.sum().contains("may not read"), "{}", queue.sum());
}

#[test]
fn whoever_sees_one_province_is_told_his_turn_at_the_latest() {
    let tenants = all();
    let told = Summary {
        waiting: 30,
        ..summary(false).unwrap()
    };
    let queue = Queue::of(&tenants, Some(told), Some("province-30".into()));
    let place = queue.tell(&tenants[1]).unwrap();
    assert!(place.starts_with("place 2 of 3 in province-30;"), "{place}");
    // Of the 30, all 27 elsewhere may come before: 29 turns at 1.5 a minute.
    assert!(
        place.ends_with("; its turn is expected within about 20 min"),
        "{place}"
    );
    assert_eq!(
        queue.sum(),
        "queue: 3 wait in province-30, 1 in the making, 2 a minute: the last turn is expected in about 20 min"
    );
    assert_eq!(queue.as_json(&tenants[1])["expectedSeconds"], 1160);
}
