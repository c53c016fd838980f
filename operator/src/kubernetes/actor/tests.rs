use super::*;
use serde_json::json;

const AT: &str = "2026-11-21T09:00:00Z";
const LATER: &str = "2026-11-21T10:00:00Z";

fn entry(manager: &str, operation: &str, time: &str, set: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": time,
        "fieldsType": "FieldsV1", "fieldsV1": set})
}

fn ours(set: Value) -> Value {
    entry(FIELD_MANAGER, "Apply", AT, set)
}

fn with(mut object: Value, entries: Vec<Value>) -> Value {
    object["metadata"]["managedFields"] = entries.into();
    object
}

fn who(live: &Value, path: &Path) -> Option<String> {
    of(live, path).map(|actor| {
        let at = actor.at.map(|at| at.to_string()).unwrap_or_default();
        format!("{} {at}", actor.name)
    })
}

fn field(path: &str) -> Path {
    Path::of(path.split('|'))
}

/// A quota of ours after `kubectl edit` set pods, `kubectl apply --server-side` added a key,
/// `kubectl label` added a label, and somebody took requests.cpu out.
fn quota() -> Value {
    let hard = json!({"pods": "999", "configmaps": "5", "requests.memory": "4Gi"});
    with(
        json!({"metadata": {"name": "eoffice", "labels": {"a": "1", "by": "hand"}}, "spec": {"hard": hard}}),
        vec![
            ours(json!({
                "f:metadata": {"f:labels": {"f:a": {}}},
                "f:spec": {"f:hard": {"f:requests.memory": {}}}})),
            entry(
                "kubectl",
                "Apply",
                LATER,
                json!({"f:spec": {"f:hard": {"f:configmaps": {}}}}),
            ),
            entry(
                "kubectl-edit",
                "Update",
                AT,
                json!({"f:spec": {"f:hard": {"f:pods": {}}}}),
            ),
            entry(
                "kubectl-label",
                "Update",
                LATER,
                json!({"f:metadata": {"f:labels": {"f:by": {}}}}),
            ),
            json!({"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "time": LATER, "fieldsType": "FieldsV1", "subresource": "status",
                "fieldsV1": {"f:spec": {"f:hard": {"f:pods": {}}}, "f:status": {"f:used": {}}}}),
        ],
    )
}

#[test]
fn whoever_owns_the_field() {
    let rows = [
        ("spec|hard|pods", Some("kubectl-edit 2026-11-21T09:00:00Z")),
        ("spec|hard|configmaps", Some("kubectl 2026-11-21T10:00:00Z")),
        (
            "metadata|labels|by",
            Some("kubectl-label 2026-11-21T10:00:00Z"),
        ),
        // What we own, what was removed, what nobody owns.
        ("spec|hard|requests.memory", None),
        ("metadata|labels|a", None),
        ("spec|hard|requests.cpu", None),
        ("metadata|annotations|x", None),
        ("nothing", None),
        ("", None),
    ];
    for (path, expected) in rows {
        assert_eq!(who(&quota(), &field(path)).as_deref(), expected, "{path}");
    }
    assert_eq!(who(&quota(), &Path::default()), None);
}

#[test]
fn the_last_of_several_unless_it_is_also_ours() {
    let object = |entries| with(json!({"spec": {"hard": {"pods": "9"}}}), entries);
    let pods = || json!({"f:spec": {"f:hard": {"f:pods": {}}}});
    let path = field("spec|hard|pods");
    let two = vec![
        entry("first", "Apply", AT, pods()),
        entry("second", "Apply", LATER, pods()),
    ];
    let live = object(two.clone());
    assert_eq!(who(&live, &path).unwrap(), format!("second {LATER}"));
    let live = object([two, vec![ours(pods())]].concat());
    assert_eq!(who(&live, &path), None);
    let before = object(vec![entry("before-first-apply", "Update", AT, pods())]);
    assert_eq!(who(&before, &path), None);
    assert_eq!(who(&object(Vec::new()), &path), None);
    assert_eq!(who(&json!({"spec": {"hard": {"pods": "9"}}}), &path), None);
    let mut timeless = entry("old", "Update", AT, pods());
    timeless.as_object_mut().unwrap().remove("time");
    assert_eq!(who(&object(vec![timeless]), &path).unwrap(), "old ");
}

#[test]
fn what_is_left_of_a_map_is_no_claim_to_what_is_in_it() {
    // kubectl-annotate made the first annotation, which was taken out again; we own the second.
    let live = with(
        json!({"metadata": {"annotations": {"ours": "1"}}}),
        vec![
            entry(
                "kubectl-annotate",
                "Update",
                LATER,
                json!({"f:metadata": {"f:annotations": {}}}),
            ),
            ours(json!({"f:metadata": {"f:annotations": {"f:ours": {}}}})),
        ],
    );
    assert_eq!(who(&live, &field("metadata|annotations|ours")), None);
    assert_eq!(who(&live, &field("metadata|annotations|gone")), None);
}

#[test]
fn lists_that_are_owned_as_one() {
    // An Ingress whose rules somebody replaced by fewer, and a NetworkPolicy's selector.
    let live = with(
        json!({"spec": {"rules": [{"host": "x"}], "podSelector": {"matchLabels": {"no": "pod"}}}}),
        vec![
            ours(json!({"f:spec": {"f:tls": {}}})),
            entry(
                "kubectl-patch",
                "Update",
                AT,
                json!({"f:spec": {"f:rules": {}, "f:podSelector": {}}}),
            ),
        ],
    );
    let rules = field("spec|rules");
    let patch = format!("kubectl-patch {AT}");
    for path in [
        rules.clone(),
        rules.then(Segment::Index(0)),
        rules
            .then(Segment::Index(0))
            .then(Segment::Field("host".into())),
        rules.then(Segment::Index(1)),
        field("spec|podSelector|matchLabels|no"),
    ] {
        assert_eq!(who(&live, &path).as_deref(), Some(patch.as_str()), "{path}");
    }
    assert_eq!(
        who(&live, &field("spec|podSelector|matchLabels|gone")),
        None
    );
}

#[test]
fn items_of_lists_by_key_value_and_place() {
    let live = with(
        json!({
            "secrets": [{"name": "ours"}, {"name": "another"}],
            "spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "x"}], "usages": ["a", "b"], "numbers": [1, 2]}}),
        vec![
            ours(json!({"f:secrets": {".": {}, "k:{\"name\":\"ours\"}": {".": {}, "f:name": {}}}})),
            entry(
                "kubectl-patch",
                "Update",
                AT,
                json!({
                    "f:secrets": {"k:{\"name\":\"another\"}": {".": {}, "f:name": {}}},
                    "f:spec": {
                        "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}},
                        "f:usages": {"v:\"b\"": {}},
                        "f:numbers": {"i:1": {}}}}),
            ),
        ],
    );
    let patch = Some(format!("kubectl-patch {AT}"));
    let named = |name: &str| field("secrets").then(Segment::Named(name.into()));
    let name = Segment::Field("name".into());
    let at = |list: &str, index| field(list).then(Segment::Index(index));
    let rows = [
        (named("another"), patch.clone()),
        (named("another").then(name.clone()), patch.clone()),
        (named("ours"), None),
        (named("gone"), None),
        (at("spec|ports", 0).then(name), patch.clone()),
        (at("spec|usages", 1), patch.clone()),
        (at("spec|usages", 0), None),
        (at("spec|numbers", 1), patch.clone()),
        (at("spec|numbers", 0), None),
    ];
    for (path, expected) in rows {
        assert_eq!(who(&live, &path), expected, "{path}");
    }
}

#[test]
fn a_keeper_writes_beside_others_what_they_wrote() {
    let data = || json!({"f:data": {"f:tls.crt": {}}});
    let live = with(
        json!({"data": {"tls.crt": "x"}}),
        vec![
            entry("cert-manager-certificates-issuing", "Apply", LATER, data()),
            entry("kubectl-edit", "Update", AT, data()),
        ],
    );
    let is_cert_manager = |name: &str| name.starts_with("cert-manager");
    let found = but_for(&live, &field("data|tls.crt"), is_cert_manager, |_| false).unwrap();
    assert_eq!(found.name, "kubectl-edit");
}
