use super::*;
use crate::table::WIDTH;
use unicode_width::UnicodeWidthStr;

const PLAIN: Style = Style {
    width: WIDTH,
    colours: false,
};

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T10:00:00Z",
    })
}

fn tenant(name: &str, thai: &str, status: Value) -> EOfficeTenant {
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": "province-30", "generation": 1, "creationTimestamp": "2026-11-18T12:00:00Z",
        },
        "spec": {"agency": {"nameTh": thai, "nameEn": "Pak Chong", "kind": "TownMunicipality", "province": "30"}},
        "status": status,
    }))
    .unwrap()
}

fn active() -> EOfficeTenant {
    let status = json!({
        "observedGeneration": 1, "phase": "Active", "url": "https://town-pak-chong-3021.eoffice.example",
        "conditions": [
            condition("Ready", "True", "AsExpected", ""), condition("Available", "True", "AsExpected", ""),
            condition("Synced", "True", "AsExpected", ""), condition("Stalled", "False", "AsExpected", ""),
        ],
    });
    tenant("town-pak-chong-3021", "เทศบาลเมืองปากช่อง", status)
}

fn failed() -> EOfficeTenant {
    let message = "database eo_3f9c is gone from pg-a: restore it and write the annotation \
                   eoffice.gdcc.go.th/accept-restored: eo_3f9c/16402, or name the loss";
    let status = json!({
        "observedGeneration": 1, "phase": "Failed",
        "conditions": [
            condition("Ready", "False", "DataMissing", message), condition("Stalled", "True", "DataMissing", message),
        ],
        "drift": [{
            "plane": "Database", "object": "role eo_3f9c_a", "field": "connectionLimit", "expected": "20",
            "observed": "500", "actor": "unknown", "firstSeen": "2026-11-21T11:00:00Z",
            "lastSeen": "2026-11-21T11:59:00Z", "count": 3, "action": "Corrected",
        }],
    });
    tenant(
        "prov-nakhon-ratchasima-with-long-3000",
        &"สำนักงานจังหวัดนครราชสีมา".repeat(3),
        status,
    )
}

#[test]
fn many_tenants_fit_80_columns_whatever_their_names() {
    let tenants = [active(), failed(), tenant("new", "เทศบาล", Value::Null)];
    for wide in [false, true] {
        let text = overview(&tenants, wide, now(), PLAIN);
        for line in text.lines() {
            assert!(line.width() <= WIDTH, "{} {line}", line.width());
        }
    }
    let text = overview(&tenants[..1], false, now(), PLAIN);
    assert_eq!(
        text,
        "NAME                 AGENCY            READY  PHASE   OPEN  AGE\n\
         town-pak-chong-3021  เทศบาลเมืองปากช่อง  True   Active  -     3d\n\
         1 tenant: 1 Active; 1 Ready\n"
    );
    let text = overview(&tenants, false, now(), PLAIN);
    assert!(
        text.contains("DataMissing") && text.contains("NotSeenYet"),
        "{text}"
    );
    let sum = text.lines().last().unwrap();
    assert_eq!(
        sum,
        "3 tenants: 1 not seen by the operator yet, 1 Active, 1 Failed; 1 Ready"
    );
}

#[test]
fn one_tenant_is_told_in_full_and_no_sentence_is_cut() {
    let text = detail(&failed(), None, now(), PLAIN);
    for line in text.lines() {
        assert!(line.width() <= WIDTH, "{} {line}", line.width());
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("accept-restored: eo_3f9c/16402, or name the loss"),
        "{text}"
    );
    assert_eq!(
        words.matches("is gone from pg-a").count(),
        1,
        "told once, though two conditions say it: {text}"
    );
    assert!(
        words.contains("Corrected Database role eo_3f9c_a connectionLimit expected 20 found 500"),
        "{text}"
    );
    assert!(
        words.contains("by unknown, 3 times, first 60m ago, last 60s ago"),
        "{text}"
    );
}

#[test]
fn what_is_open_is_the_worst_of_it() {
    let word = |conditions: &[Value]| {
        let tenant = tenant("t", "ก", json!({"conditions": conditions}));
        open(&tenant).map(|(word, _)| word)
    };
    let ready = condition("Ready", "True", "AsExpected", "");
    let cases = [
        (vec![ready.clone()], None),
        (
            vec![ready.clone(), condition("Synced", "False", "Drifted", "")],
            Some("Drifted"),
        ),
        (
            vec![ready.clone(), condition("Paused", "True", "Paused", "")],
            Some("Paused"),
        ),
        (
            vec![ready, condition("Held", "True", "Held", "")],
            Some("Held"),
        ),
        (
            vec![condition("Ready", "Unknown", "Queued", "")],
            Some("Queued"),
        ),
        (
            vec![
                condition("Ready", "False", "DataMissing", ""),
                condition("Synced", "False", "Drifted", ""),
            ],
            Some("DataMissing"),
        ),
    ];
    for (conditions, expected) in cases {
        assert_eq!(word(&conditions).as_deref(), expected, "{conditions:?}");
    }
}

#[test]
fn the_summary_is_json_of_stable_names() {
    let told = summary(&active(), None);
    assert_eq!(told["name"], "town-pak-chong-3021");
    assert_eq!(told["ready"], "True");
    assert_eq!(told["phase"], "Active");
    assert_eq!(told["paused"], false);
    assert_eq!(told["conditions"].as_array().unwrap().len(), 4);
}
