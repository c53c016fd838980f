use super::*;
use eoffice_crds::EOfficeTenant;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;

#[test]
fn turns_are_fair() {
    type Names = &'static [&'static str];
    let table: [(&str, Names, Names, Names); 8] = [
        ("nobody waits", &["30/a@0"], &[], &[]),
        (
            "one creator: the oldest first",
            &[],
            &["30/a@3", "30/a@1", "30/a@2"],
            &["30/a@1", "30/a@2", "30/a@3"],
        ),
        (
            "asked for in the same second: by name",
            &[],
            &["30/a@01", "30/a@1"],
            &["30/a@01", "30/a@1"],
        ),
        (
            "two provinces: one of each in turn",
            &[],
            &["30/a@1", "30/a@2", "30/a@3", "31/a@8", "31/a@9"],
            &["30/a@1", "31/a@8", "30/a@2", "31/a@9", "30/a@3"],
        ),
        (
            "a province that had the last turn waits for the other",
            &["31/a@0", "30/a@0"],
            &["30/a@1", "31/a@8"],
            &["31/a@8", "30/a@1"],
        ),
        (
            "a portal among many of a pipeline is next",
            &["30/pipeline@0", "30/pipeline@1"],
            &["30/pipeline@2", "30/pipeline@3", "30/portal@9"],
            &["30/portal@9", "30/pipeline@2", "30/pipeline@3"],
        ),
        (
            "a creator's turn in one province is none in another",
            &["30/a@0", "31/b@0"],
            &["30/a@1", "30/b@2", "31/a@3", "31/b@4"],
            &["30/b@2", "31/a@3", "30/a@1", "31/b@4"],
        ),
        (
            "of several creators whose turn is longest ago",
            &["30/a@0", "30/b@0", "30/c@0"],
            &["30/c@1", "30/b@2", "30/a@3"],
            &["30/a@3", "30/b@2", "30/c@1"],
        ),
    ];
    for (what, begun, waiting, expected) in table {
        let turns = Turns::after(&entries(begun));
        assert_eq!(order(entries(waiting), &turns), entries(expected), "{what}");
    }
}

proptest! {
    #[test]
    fn nobody_is_lost_and_no_province_goes_twice_before_another(
        waiting in proptest::collection::vec((0..4u8, 0..3u8), 0..40),
        begun in proptest::collection::vec((0..4u8, 0..3u8), 0..10),
    ) {
        let made = |list: &[(u8, u8)], first: usize| -> Vec<Entry> {
            let texts = list.iter().zip(first..);
            texts.map(|((p, c), n)| entry(&format!("3{p}/{c}@{n}"))).collect()
        };
        let (waiting, turns) = (made(&waiting, 100), Turns::after(&made(&begun, 0)));
        let ordered = order(waiting.clone(), &turns);
        let mut reversed = waiting.clone();
        reversed.reverse();
        prop_assert_eq!(&ordered, &order(reversed, &turns), "it depends on how they came");
        prop_assert_eq!(ordered.len(), waiting.len());
        for entry in &waiting {
            prop_assert!(ordered.contains(entry));
        }
        // Whoever is taken one by one has the same order: that is how turns are given.
        let mut history = made(&begun, 0);
        for next in &ordered {
            let left: Vec<Entry> = waiting.iter().filter(|it| !history.contains(it)).cloned().collect();
            prop_assert_eq!(&order(left, &Turns::after(&history))[0], next);
            history.push(next.clone());
        }
        // Between two of one province each other that still waits has its turn.
        for (index, first) in ordered.iter().enumerate() {
            let rest = &ordered[index + 1..];
            let Some(again) = rest.iter().position(|it| it.province == first.province) else { continue };
            let between: HashSet<&str> = rest[..again].iter().map(|it| it.province.as_str()).collect();
            let others = rest[again..].iter().filter(|it| it.province != first.province);
            for other in others {
                prop_assert!(between.contains(other.province.as_str()), "{} is passed over", other.name);
            }
        }
    }
}

#[test]
fn whoever_asked_first_for_the_spec_is_the_creator() {
    let manager = |name: &str, second: i64, fields: Value| {
        json!({"manager": name, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
               "time": at(second).to_string(), "fieldsV1": fields})
    };
    let spec = json!({"f:spec": {"f:users": {}}});
    let mut status = manager("eoffice-operator", 1, spec.clone());
    status["subresource"] = json!("status");
    let finalizer = manager(
        "eoffice-operator",
        2,
        json!({"f:metadata": {"f:finalizers": {}}}),
    );
    let portal = manager("portal", 3, spec.clone());
    let editor = manager("kubectl-edit", 4, spec);
    for (managers, expected) in [
        (vec![editor.clone(), portal.clone()], "portal"),
        (vec![status, finalizer.clone(), editor], "kubectl-edit"),
        (vec![finalizer], "unknown"),
        (vec![], "unknown"),
    ] {
        let tenant: EOfficeTenant = serde_json::from_value(json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
            "kind": "EOfficeTenant",
            "metadata": {"name": "a", "namespace": "province-30", "uid": "u", "managedFields": managers,
                         "creationTimestamp": at(7).to_string()},
            "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
        }))
        .unwrap();
        let seen = Entry::of(&tenant);
        assert_eq!(seen.creator, expected);
        assert_eq!((seen.province.as_str(), seen.created_at), ("30", at(7)));
    }
}
