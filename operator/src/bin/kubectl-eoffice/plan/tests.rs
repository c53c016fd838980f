use super::*;
use crate::table::Style;
use unicode_width::UnicodeWidthStr;

const PLAIN: Style = Style {
    width: 80,
    colours: false,
};

fn question() -> Question {
    Question {
        namespace: "province-30".into(),
        subject: "tenant town-pak-chong-3021".into(),
        spec: Value::Null,
        name: "town-pak-chong-3021".into(),
    }
}

fn planned(status: &str, steps: &[Value]) -> Answer {
    let status = json!({
        "observedGeneration": 1,
        "changes": steps.iter().filter(|step| step.get("withheld").is_none()).count(),
        "destructive": steps.iter().filter(|step| step["destructive"] == true).count(),
        "steps": steps,
        "conditions": [{
            "type": "Planned", "status": status, "reason": if status == "True" { "Planned" } else { "HostConflict" },
            "message": "spec.hosts[0]: eoffice.pakchong.go.th is granted to tenant tao-pak-chong-3021: take it away \
                        there first, or choose another",
            "lastTransitionTime": "2026-11-21T10:00:00Z",
        }],
    });
    let status: eoffice_crds::TenantPlanStatus = serde_json::from_value(status).unwrap();
    status.into()
}

fn step(
    action: &str,
    object: &str,
    field: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Value {
    let mut step = json!({
        "tenant": "town-pak-chong-3021", "plane": "Database", "object": object, "field": field,
        "action": action, "destructive": action == "Delete",
    });
    for (key, value) in [("before", before), ("after", after)] {
        if let Some(value) = value {
            step[key] = value.into();
        }
    }
    step
}

#[test]
fn steps_are_shown_in_order_with_what_there_is_and_what_would_be() {
    let mut kept = step(
        "Update",
        "role eo_ab_a",
        "login",
        Some("false"),
        Some("true"),
    );
    kept["withheld"] = "the policy of the class for this plane is Report".into();
    let answer = planned(
        "True",
        &[
            step("Create", "database eo_ab", "", None, None),
            step(
                "Update",
                "role eo_ab_a",
                "connectionLimit",
                Some("20"),
                Some("40"),
            ),
            step("Delete", "Ingress/eoffice", "", None, None),
            kept,
        ],
    );
    assert_eq!(
        show::answer(&question(), &answer, PLAIN),
        "tenant town-pak-chong-3021 in province-30: 3 changes, 1 of them DESTRUCTIVE (!)\n\
         \x20  1 +  Database     database eo_ab\n\
         \x20  2 ~  Database     role eo_ab_a connectionLimit\n\
         \x20                    20 -> 40\n\
         \x20  3 -! Database     Ingress/eoffice\n\
         \x20  4 ~  Database     role eo_ab_a login\n\
         \x20                    false -> true\n\
         \x20                    not done: the policy of the class for this plane is Report\n"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let long = "ที่อยู่".repeat(40);
    let mut other = step(
        "Update",
        &"x".repeat(90),
        "spec",
        Some(&long),
        Some(&"y".repeat(200)),
    );
    other["tenant"] = "tao-nong-nam-daeng-3021".into();
    let answer = planned(
        "False",
        &[other, step("Update", "a", "b", Some("short"), Some(&long))],
    );
    let text = show::answer(&question(), &answer, PLAIN);
    for line in text.lines() {
        assert!(line.width() <= 80, "{line}");
    }
    assert!(text.contains("HostConflict: spec.hosts[0]"), "{text}");
    assert!(
        text.contains("short -> ที่อยู่"),
        "a short side leaves its room to the other: {text}"
    );
    assert!(text.contains("  tao-nong-nam-daeng-3021\n"), "{text}");
}

#[test]
fn the_exit_code_tells_failures_from_changes_from_peace() {
    let with = |answer: Result<Answer>| (question(), answer);
    let change = || with(Ok(planned("True", &[step("Create", "a", "", None, None)])));
    let peace = || with(Ok(planned("True", &[])));
    let refused = || with(Ok(planned("False", &[])));
    let failed = || with(Err(Failure::new("no answer")));
    assert_eq!(outcome(&[peace(), peace()]), Outcome::Fine);
    assert_eq!(outcome(&[peace(), change()]), Outcome::WouldChange);
    assert_eq!(outcome(&[change(), refused()]), Outcome::Wrong);
    assert_eq!(outcome(&[change(), failed()]), Outcome::Wrong);
}

#[test]
fn json_says_the_same_as_text() {
    let answer = planned("True", &[step("Delete", "a", "", Some("x"), None)]);
    let told = as_json(&[
        (question(), Ok(answer)),
        (question(), Err(Failure::new("no answer"))),
    ]);
    assert_eq!(told["changes"], 1);
    assert_eq!(told["destructive"], 1);
    assert_eq!(told["plans"][0]["steps"][0]["object"], "a");
    assert_eq!(told["plans"][0]["planned"]["status"], "True");
    assert_eq!(told["plans"][1]["error"], "no answer");
}
