//! What differs between an object as it should be and as it is, field by field. Pure.

use super::canonical::canonical;
use super::path::{Path, Segment};
use super::{Kind, ObjectKey, actor};
use crate::plan::Difference;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// How much of a value is shown, in characters.
const SHOWN: usize = 200;
/// Stands for a value that may not be shown.
const HIDDEN: &str = "(hidden)";

/// Every field in which the canonical forms of the two differ, in a stable order, each with who
/// wrote what is there. A Secret's values are fingerprints.
pub fn differences(key: &ObjectKey, desired: &Value, live: &Value) -> Vec<Difference> {
    let mut places = Vec::new();
    compare(
        &Path::default(),
        Some(&canonical(desired.clone())),
        Some(&canonical(live.clone())),
        &mut places,
    );
    places
        .into_iter()
        .map(|place| {
            // Shown as it is written, not in its canonical form.
            let show = |object, value| {
                let value = place.path.look(object).unwrap_or(value);
                shown(key.kind, &place.path, value)
            };
            let mut difference = Difference::update(key.to_string(), place.path.to_string());
            difference.before = place.live.as_ref().map(|value| show(live, value));
            difference.after = place.desired.as_ref().map(|value| show(desired, value));
            difference.actor = actor::of(live, &place.path);
            difference
        })
        .collect()
}

struct Place {
    path: Path,
    desired: Option<Value>,
    live: Option<Value>,
}

fn compare(path: &Path, desired: Option<&Value>, live: Option<&Value>, places: &mut Vec<Place>) {
    if desired == live {
        return;
    }
    match (desired, live) {
        (Some(Value::Object(desired)), Some(Value::Object(live))) => {
            compare_maps(path, desired, live, places);
        }
        // A map that one side lacks is told of by what is in it.
        (Some(Value::Object(desired)), None) if !desired.is_empty() => {
            compare_maps(path, desired, &Map::new(), places);
        }
        (None, Some(Value::Object(live))) if !live.is_empty() => {
            compare_maps(path, &Map::new(), live, places);
        }
        (Some(Value::Array(desired)), Some(Value::Array(live))) => {
            compare_lists(path, desired, live, places);
        }
        _ => places.push(Place {
            path: path.clone(),
            desired: desired.cloned(),
            live: live.cloned(),
        }),
    }
}

fn compare_maps(
    path: &Path,
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
    places: &mut Vec<Place>,
) {
    let names: BTreeSet<_> = desired.keys().chain(live.keys()).collect();
    for name in names {
        let path = path.then(Segment::Field(name.clone()));
        compare(&path, desired.get(name), live.get(name), places);
    }
}

/// Items are told apart by their names where all have one, and else by their places.
fn compare_lists(path: &Path, desired: &[Value], live: &[Value], places: &mut Vec<Place>) {
    let (Some(wanted), Some(found)) = (names(desired), names(live)) else {
        for index in 0..desired.len().max(live.len()) {
            let path = path.then(Segment::Index(index));
            compare(&path, desired.get(index), live.get(index), places);
        }
        return;
    };
    let before = places.len();
    for name in wanted.union(&found) {
        let item = |list: &'_ [Value]| -> Option<Value> {
            list.iter().find(|item| item["name"] == **name).cloned()
        };
        let path = path.then(Segment::Named((*name).to_owned()));
        compare(&path, item(desired).as_ref(), item(live).as_ref(), places);
    }
    if places.len() == before {
        // The same items in another order.
        places.push(Place {
            path: path.clone(),
            desired: Some(desired.to_vec().into()),
            live: Some(live.to_vec().into()),
        });
    }
}

/// The items' names, if each has one of its own.
fn names(list: &[Value]) -> Option<BTreeSet<&str>> {
    let names: Option<BTreeSet<_>> = list.iter().map(|item| item["name"].as_str()).collect();
    names.filter(|names| names.len() == list.len())
}

/// A value as it may be shown: of a Secret only a fingerprint.
pub fn shown(kind: Kind, path: &Path, value: &Value) -> String {
    if kind != Kind::Secret {
        return plain(value);
    }
    let secret = ["data", "stringData"]
        .iter()
        .any(|at| path.starts_with(&[at]));
    if secret {
        return print_of(value);
    }
    // Tools that remember what they applied do so in JSON, credentials and all.
    let remembered = path.starts_with(&["metadata", "annotations"])
        && value
            .as_str()
            .is_some_and(|text| text.trim_start().starts_with('{'));
    if remembered {
        HIDDEN.into()
    } else {
        plain(value)
    }
}

/// 16 hexadecimal digits that stand for a value of a Secret.
fn print_of(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let bytes = BASE64.decode(&text).unwrap_or(text.into_bytes());
    fingerprint_of(&bytes)
}

/// 16 hexadecimal digits that stand for these bytes.
pub fn fingerprint_of(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes)[..8])
}

fn plain(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| sorted(value).to_string(), str::to_owned);
    if text.chars().count() <= SHOWN {
        return text;
    }
    let kept: String = text.chars().take(SHOWN - 1).collect();
    format!("{kept}…")
}

/// The value with the keys of its maps in order, so that it is always written the same.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "diff/tests.rs"]
mod tests;
