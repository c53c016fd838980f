//! The rules without a cluster. The tables are those that the real API server is tried with.

use crate::crds;
use kube::core::cel::Validator;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const GOOD: &str = include_str!("../../tests/tests/api/good.yaml");
const BAD: &str = include_str!("../../tests/tests/api/bad.yaml");

#[derive(Deserialize)]
struct Good {
    bases: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    base: String,
    before: Option<Value>,
    create: Option<Value>,
    update: Option<Value>,
    #[serde(default)]
    by: By,
    #[serde(default)]
    expect: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Cel,
    Schema,
    Server,
}

impl Case {
    /// The object as it was, if the case is about a change, and as it should become.
    fn objects(&self, bases: &BTreeMap<String, Value>) -> (Option<Value>, Value) {
        let mut base = bases[&self.base].clone();
        if let Some(before) = &self.before {
            merge(&mut base, before);
        }
        let mut new = base.clone();
        match (&self.create, &self.update) {
            (Some(patch), None) => {
                merge(&mut new, patch);
                (None, new)
            }
            (None, Some(patch)) => {
                merge(&mut new, patch);
                (Some(base), new)
            }
            _ => panic!("{}: either create or update", self.name),
        }
    }
}

/// JSON merge patch (RFC 7396).
fn merge(base: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *base = patch.clone();
        return;
    };
    if !base.is_object() {
        *base = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut base[key], value);
        }
    }
}

fn schemas() -> BTreeMap<String, Value> {
    crds()
        .into_iter()
        .map(|crd| {
            let schema = crd.spec.versions[0].schema.as_ref().unwrap();
            let schema = serde_json::to_value(&schema.open_api_v3_schema).unwrap();
            (crd.spec.names.kind, schema)
        })
        .collect()
}

fn schema_of<'a>(schemas: &'a BTreeMap<String, Value>, object: &Value) -> &'a Value {
    &schemas[object["kind"].as_str().unwrap()]
}

/// Where the schema alone refuses `value`.
fn refused_by_schema(schema: &Value, value: &Value, path: &str, refused: &mut Vec<String>) {
    let right_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    let within = |bound: &str, holds: fn(f64, f64) -> bool| {
        let size = match value {
            Value::String(text) => Some(text.chars().count() as f64),
            Value::Array(items) => Some(items.len() as f64),
            Value::Object(fields) => Some(fields.len() as f64),
            number => number.as_f64(),
        };
        schema[bound]
            .as_f64()
            .zip(size)
            .is_none_or(|(bound, size)| holds(size, bound))
    };
    let known = schema["enum"]
        .as_array()
        .is_none_or(|words| words.contains(value));
    let is_number = value.is_number();
    let bounded = ["maxLength", "maxItems", "maxProperties"]
        .iter()
        .all(|bound| within(bound, |size, bound| size <= bound))
        && ["minLength", "minItems"]
            .iter()
            .all(|bound| within(bound, |size, bound| size >= bound))
        && (!is_number
            || within("maximum", |size, bound| size <= bound)
                && within("minimum", |size, bound| size >= bound));
    if !(right_type && known && bounded) {
        refused.push(path.to_owned());
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let key = required.as_str().unwrap();
        if value.is_object() && value.get(key).is_none() {
            refused.push(format!("{path}.{key}"));
        }
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let below = schema["properties"]
                .get(key)
                .unwrap_or(&schema["additionalProperties"]);
            refused_by_schema(below, value, &format!("{path}.{key}"), refused);
        }),
        Value::Array(items) => items.iter().for_each(|item| {
            refused_by_schema(&schema["items"], item, &format!("{path}[]"), refused);
        }),
        _ => {}
    }
}

#[test]
fn good_objects_are_accepted() {
    let good: Good = serde_yaml::from_str(GOOD).unwrap();
    let schemas = schemas();
    for case in &good.cases {
        let (old, new) = case.objects(&good.bases);
        let schema = schema_of(&schemas, &new);
        let mut refused = Vec::new();
        refused_by_schema(schema, &new, "", &mut refused);
        assert_eq!(refused, Vec::<String>::new(), "{}", case.name);
        if let Err(errors) = Validator::new().validate(schema, &new, old.as_ref()) {
            panic!("{}: {errors}", case.name);
        }
    }
}

#[test]
fn bad_objects_are_refused_with_the_expected_sentence() {
    let Good { bases, .. } = serde_yaml::from_str(GOOD).unwrap();
    let cases: Vec<Case> = serde_yaml::from_str(BAD).unwrap();
    assert!(cases.len() >= 40);
    let schemas = schemas();
    for case in &cases {
        let (old, new) = case.objects(&bases);
        let schema = schema_of(&schemas, &new);
        let mut refused = Vec::new();
        refused_by_schema(schema, &new, "", &mut refused);
        match case.by {
            By::Server => {}
            By::Schema => assert!(!refused.is_empty(), "{} is accepted", case.name),
            By::Cel => {
                assert_eq!(
                    refused,
                    Vec::<String>::new(),
                    "{}: hides the sentence",
                    case.name
                );
                let errors = Validator::new()
                    .validate(schema, &new, old.as_ref())
                    .expect_err(&case.name)
                    .to_string();
                assert!(errors.contains(&case.expect), "{}: {errors}", case.name);
            }
        }
    }
}

/// Calls `see` for every schema below, with its path.
fn walk(schema: &Value, path: &str, see: &mut impl FnMut(&str, &Value)) {
    see(path, schema);
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        walk(below, &format!("{path}.{key}"), see);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&schema[key], &format!("{path}{mark}"), see);
        }
    }
}

#[test]
fn every_field_has_a_description() {
    for (kind, schema) in schemas() {
        for part in ["spec", "status"] {
            walk(
                &schema["properties"][part],
                &format!("{kind}.{part}"),
                &mut |path, schema| {
                    let is_field = !path.ends_with("[]") && !path.ends_with("{}");
                    let described = schema["description"]
                        .as_str()
                        .is_some_and(|text| text.len() > 3);
                    assert!(
                        schema.is_null() || !is_field || described,
                        "{path} has no description"
                    );
                },
            );
        }
    }
}

/// What people write is bounded; what the operator writes is never refused for its length.
#[test]
fn everything_people_write_is_bounded() {
    for (kind, schema) in schemas() {
        if kind == "TenantRecord" {
            continue;
        }
        walk(
            &schema["properties"]["spec"],
            &format!("{kind}.spec"),
            &mut |path, schema| {
                let bounds: &[&str] = match schema["type"].as_str() {
                    Some("string") => &["maxLength", "enum", "format"],
                    Some("array") => &["maxItems"],
                    Some("integer") => &["maximum"],
                    Some("object") if schema["additionalProperties"].is_object() => {
                        &["maxProperties"]
                    }
                    _ => return,
                };
                let bounded = bounds.iter().any(|bound| schema.get(bound).is_some());
                assert!(bounded, "{path} has no bound");
            },
        );
    }
}
