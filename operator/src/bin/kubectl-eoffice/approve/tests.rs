use super::*;
use crate::table::WIDTH;
use serde_json::{Value, json};

const STYLE: Style = Style {
    width: WIDTH,
    colours: false,
};

fn tenant(observed: i64, approval: Value) -> EOfficeTenant {
    serde_json::from_value(json!({
        "metadata": {"name": "town", "namespace": "province-30", "generation": 2},
        "spec": {
            "agency": {"nameTh": "เทศบาล", "kind": "TownMunicipality", "province": "30",
                       "codes": [{"scheme": "tax-id", "value": "1234567890123"}]},
            "className": "standard", "users": 160, "approval": approval,
        },
        "status": {"observedGeneration": observed},
    }))
    .unwrap()
}

fn standing(asked: &str, approved: Option<&str>, by: Option<&str>) -> ApprovalStatus {
    ApprovalStatus {
        asked: asked.into(),
        approved: approved.map(Into::into),
        approved_by: by.map(Into::into),
        ..ApprovalStatus::default()
    }
}

#[test]
fn what_is_shown_has_all_that_the_fingerprint_is_of() {
    let standing = standing("ab12", Some("cd34"), Some("somsri"));
    let text = shown(&tenant(2, json!({})), &standing, "MOU-1", STYLE);
    for words in [
        "agency       เทศบาล\n",
        "kind         TownMunicipality\n",
        "codes        tax-id 1234567890123\n",
        "class        standard\n",
        "size         160 users\n",
        "MOU          MOU-1\n",
        "fingerprint  ab12\n",
        "approved was cd34 by somsri\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_fingerprint_of_an_older_spec_is_not_approved() {
    assert!(is_taken_up(&tenant(2, json!({}))));
    assert!(!is_taken_up(&tenant(1, json!({}))));
}

#[test]
fn the_same_is_not_approved_twice() {
    let with_mou = tenant(2, json!({"mouReference": "MOU-1"}));
    let cases = [
        (standing("a", Some("a"), Some("somsri")), "MOU-1", true),
        (standing("a", Some("a"), Some("somsri")), "MOU-2", false),
        (standing("a", Some("b"), Some("somsri")), "MOU-1", false),
        // It runs as asked, since its class wanted no approval once; nobody has given one.
        (standing("a", Some("a"), None), "MOU-1", false),
    ];
    for (standing, mou, already) in cases {
        let found = approved_already(&with_mou, &standing, mou);
        assert_eq!(found.is_some(), already, "{standing:?} {mou}");
    }
}

#[test]
fn a_reference_must_fit_a_label() {
    for (text, fits) in [
        ("MOU-2567-001", true),
        ("a", true),
        ("MOU 2567", false),
        ("-MOU", false),
        ("", false),
        ("บันทึก", false),
    ] {
        assert_eq!(province::fits_a_label(text), fits, "{text}");
    }
}
