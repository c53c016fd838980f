//! Who wrote what stands in an object, as the API server's managed fields tell. Pure, and never a
//! guess: what the operator owns, what nobody owns and what was removed has no known writer.

use super::path::{Path, Segment};
use crate::plan::Actor;
use eoffice_crds::FIELD_MANAGER;
use serde_json::{Map, Value};

/// What the API server calls those who wrote before it kept account of writers.
const UNKNOWN_MANAGERS: [&str; 1] = ["before-first-apply"];

/// Who wrote what stands at this path of the live object, the last of several; `None` where the
/// operator did, or where that cannot be known.
pub fn of(live: &Value, path: &Path) -> Option<Actor> {
    but_for(live, path, |_| false, |manager| manager == FIELD_MANAGER)
}

/// The same, as if those who are `left_out` had written nothing: a controller that keeps the object
/// writes beside others what they wrote. Where a `keeper` wrote, nobody else did.
pub fn but_for(
    live: &Value,
    path: &Path,
    left_out: impl Fn(&str) -> bool,
    keeper: impl Fn(&str) -> bool,
) -> Option<Actor> {
    let owners: Vec<(usize, &Value)> = live["metadata"]["managedFields"]
        .as_array()?
        .iter()
        .filter(|entry| entry["subresource"].as_str().is_none_or(str::is_empty))
        .filter(|entry| !left_out(entry["manager"].as_str().unwrap_or_default()))
        .filter_map(|entry| Some((owned(&entry["fieldsV1"], live, path)?, entry)))
        .collect();
    // Who owns the very place knows more of it than who owns a list around it.
    let deepest = owners.iter().map(|(depth, _)| *depth).max()?;
    let owners: Vec<Actor> = owners
        .into_iter()
        .filter(|(depth, _)| *depth == deepest)
        .filter_map(|(_, entry)| {
            Some(Actor {
                name: entry["manager"].as_str()?.to_owned(),
                at: entry["time"].as_str().and_then(|at| at.parse().ok()),
            })
        })
        .collect();
    if owners.iter().any(|owner| keeper(&owner.name)) {
        return None;
    }
    owners
        .into_iter()
        .filter(|owner| !UNKNOWN_MANAGERS.contains(&owner.name.as_str()))
        .max_by(|one, other| (one.at, &other.name).cmp(&(other.at, &one.name)))
}

/// How many steps down the path the set of a manager reaches, if the place is in it.
fn owned(set: &Value, live: &Value, path: &Path) -> Option<usize> {
    let (mut set, mut live) = (set.as_object()?, Some(live));
    for (depth, segment) in path.0.iter().enumerate() {
        // A list that is owned as one is what its writer made it, down to what he left out of it.
        if depth > 0 && set.is_empty() {
            let whole = live.is_some_and(Value::is_array);
            let there = path.0[depth..]
                .iter()
                .try_fold(live?, |value, segment| segment.step(value))
                .is_some();
            return (whole || there).then_some(depth);
        }
        set = child(set, live, segment)?.as_object()?;
        live = live.and_then(|value| segment.step(value));
    }
    (!path.0.is_empty() && live.is_some()).then_some(path.0.len())
}

/// The part of a set that is about one step down.
fn child<'a>(
    set: &'a Map<String, Value>,
    live: Option<&Value>,
    segment: &Segment,
) -> Option<&'a Value> {
    if let Segment::Field(name) = segment {
        return set.get(&format!("f:{name}"));
    }
    let item = segment.step(live?)?;
    let place = match segment {
        Segment::Index(index) => Some(*index),
        _ => None,
    };
    set.iter()
        .find(|(name, _)| match name.split_once(':') {
            Some(("k", keys)) => has_keys(item, keys),
            Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|v| v == *item),
            Some(("i", index)) => index.parse().ok() == place,
            _ => false,
        })
        .map(|(_, child)| child)
}

/// Whether the item of a list is the one that bears these keys, written as JSON.
fn has_keys(item: &Value, keys: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(keys)
        .is_ok_and(|keys| keys.iter().all(|(name, value)| item[name] == *value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "actor/tests.rs"]
mod tests;
