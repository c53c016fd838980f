use super::*;
use serde_json::json;

fn key(kind: Kind) -> ObjectKey {
    ObjectKey {
        kind,
        name: "eoffice".into(),
    }
}

/// Field, before, after.
type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn rows(
    kind: Kind,
    desired: &Value,
    live: &Value,
) -> Vec<(String, Option<String>, Option<String>)> {
    differences(&key(kind), desired, live)
        .into_iter()
        .map(|it| (it.field, it.before, it.after))
        .collect()
}

fn check(kind: Kind, desired: &Value, live: &Value, expected: &[Row<'_>]) {
    let owned = |text: &Option<&str>| text.map(str::to_owned);
    let expected: Vec<_> = expected
        .iter()
        .map(|(field, before, after)| ((*field).to_owned(), owned(before), owned(after)))
        .collect();
    assert_eq!(rows(kind, desired, live), expected);
}

#[test]
fn fields_that_were_changed_added_and_removed() {
    let desired = json!({"kind": "ResourceQuota",
        "metadata": {"name": "eoffice", "labels": {"a": "1", "eoffice.gdcc.go.th/tenant": "t"}},
        "spec": {"hard": {"pods": "20", "requests.cpu": "2"}}});
    let live = json!({"kind": "ResourceQuota",
        "metadata": {"name": "eoffice", "labels": {"a": "2"}, "annotations": {"by": "hand"},
            "uid": "u", "finalizers": ["f"], "ownerReferences": [{"uid": "o", "name": "n"}]},
        "spec": {"hard": {"pods": "999", "configmaps": "5"}}, "status": {"used": {}}});
    check(
        Kind::ResourceQuota,
        &desired,
        &live,
        &[
            ("metadata.annotations[by]", Some("hand"), None),
            ("metadata.labels[a]", Some("2"), Some("1")),
            (
                "metadata.labels[eoffice.gdcc.go.th/tenant]",
                None,
                Some("t"),
            ),
            (
                "metadata.ownerReferences",
                Some(r#"[{"name":"n","uid":"o"}]"#),
                None,
            ),
            ("spec.hard.configmaps", Some("5"), None),
            ("spec.hard.pods", Some("999"), Some("20")),
            ("spec.hard[requests.cpu]", None, Some("2")),
        ],
    );
    assert!(rows(Kind::ResourceQuota, &desired, &desired).is_empty());
}

#[test]
fn quantities_are_compared_by_value_and_shown_as_written() {
    let quota = |cpu: &str, memory: &str| json!({"kind": "ResourceQuota", "spec": {"hard": {"cpu": cpu, "memory": memory}}});
    check(
        Kind::ResourceQuota,
        &quota("1000m", "1024Mi"),
        &quota("1", "2Gi"),
        &[("spec.hard.memory", Some("2Gi"), Some("1024Mi"))],
    );
}

#[test]
fn items_of_lists() {
    let rules = |hosts: &[&str]| {
        let rules: Vec<_> = hosts.iter().map(|host| json!({"host": host})).collect();
        json!({"kind": "Ingress", "metadata": {"name": "eoffice"}, "spec": {"rules": rules}})
    };
    check(
        Kind::Ingress,
        &rules(&["a", "b"]),
        &rules(&["x"]),
        &[
            ("spec.rules[0].host", Some("x"), Some("a")),
            ("spec.rules[1].host", None, Some("b")),
        ],
    );
    let account = |secrets: Value| json!({"kind": "ServiceAccount", "secrets": secrets});
    check(
        Kind::ServiceAccount,
        &account(json!([{"name": "a"}, {"name": "b"}])),
        &account(json!([{"name": "b"}, {"name": "c"}])),
        &[
            ("secrets[a].name", None, Some("a")),
            ("secrets[c].name", Some("c"), None),
        ],
    );
    check(
        Kind::ServiceAccount,
        &account(json!([{"name": "a"}, {"name": "b"}])),
        &account(json!([{"name": "b"}, {"name": "a"}])),
        &[(
            "secrets",
            Some(r#"[{"name":"b"},{"name":"a"}]"#),
            Some(r#"[{"name":"a"},{"name":"b"}]"#),
        )],
    );
    let policy = |egress: Value| json!({"kind": "NetworkPolicy", "spec": {"egress": egress}});
    check(
        Kind::NetworkPolicy,
        &policy(json!([{"ports": [{"port": 53, "protocol": "UDP"}]}])),
        &policy(json!([{}])),
        &[(
            "spec.egress[0].ports",
            None,
            Some(r#"[{"port":53,"protocol":"UDP"}]"#),
        )],
    );
}

#[test]
fn empty_and_absent_are_not_the_same() {
    let policy =
        |selector: Value| json!({"kind": "NetworkPolicy", "spec": {"podSelector": selector}});
    check(
        Kind::NetworkPolicy,
        &policy(json!({})),
        &json!({"kind": "NetworkPolicy", "spec": {}}),
        &[("spec.podSelector", None, Some("{}"))],
    );
    check(
        Kind::NetworkPolicy,
        &policy(json!({})),
        &policy(json!({"matchLabels": {"no": "pod"}})),
        &[("spec.podSelector.matchLabels[no]", Some("pod"), None)],
    );
}

#[test]
fn long_values_are_cut() {
    let with = |text: &str| json!({"kind": "Ingress", "metadata": {"annotations": {"x": text}}});
    let long = "ก".repeat(300);
    let found = rows(Kind::Ingress, &with("short"), &with(&long));
    let before = found[0].1.as_ref().unwrap();
    assert_eq!(before.chars().count(), 200);
    assert!(before.ends_with("กก…"));
}

#[test]
fn nothing_secret_is_shown() {
    let secret = |password: &str, annotations: Value| {
        json!({"kind": "Secret", "type": "Opaque",
            "metadata": {"name": "eoffice-database", "annotations": annotations},
            "data": {"password": BASE64.encode(password), "host": BASE64.encode("db.example")}})
    };
    let applied = r#"{"data":{"password":"aHVudGVyMg=="}}"#;
    let live = secret(
        "hunter2",
        json!({"kubectl.kubernetes.io/last-applied-configuration": applied,
            "eoffice.gdcc.go.th/credentials-digest": "beef"}),
    );
    let found = differences(&key(Kind::Secret), &secret("correct", json!({})), &live);
    let all = format!("{found:?}");
    for secret in ["hunter2", "correct", "aHVudGVyMg"] {
        assert!(!all.contains(secret), "{all}");
    }
    check(
        Kind::Secret,
        &secret("correct", json!({})),
        &live,
        &[
            (
                "data.password",
                // printf hunter2 | sha256sum | cut -c-16
                Some("f52fbd32b2b3b86f"),
                // printf correct | sha256sum | cut -c-16
                Some("15a596e3c98c407e"),
            ),
            (
                "metadata.annotations[eoffice.gdcc.go.th/credentials-digest]",
                Some("beef"),
                None,
            ),
            (
                "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]",
                Some("(hidden)"),
                None,
            ),
        ],
    );
    // A value that is no text is one all the same.
    let broken = json!({"kind": "Secret", "data": {"password": {"nested": "hunter2"}}});
    let all = format!(
        "{:?}",
        differences(&key(Kind::Secret), &json!({"kind": "Secret"}), &broken)
    );
    assert!(!all.contains("hunter2"), "{all}");
}

/// A difference is found exactly where the canonical forms differ.
mod always {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let scalars = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[ab]".prop_map(Value::from),
        ];
        scalars.prop_recursive(4, 24, 4, |inner| {
            let names = prop_oneof![
                Just("metadata".to_owned()),
                Just("labels".to_owned()),
                Just("name".to_owned()),
                "[abc]"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(names, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn found_exactly_where_something_differs(one in values(), other in values()) {
            let found = differences(&key(Kind::Ingress), &one, &other);
            prop_assert_eq!(found.is_empty(), canonical(one.clone()) == canonical(other.clone()));
            prop_assert_eq!(&found, &differences(&key(Kind::Ingress), &one, &other));
            let places: std::collections::BTreeSet<_> = found.iter().map(|it| &it.field).collect();
            prop_assert_eq!(places.len(), found.len(), "a place is told of once");
        }
    }
}
