//! The table of good and bad objects, against the real API server.

use std::collections::BTreeMap;

use kube::{Client, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{Handle, OFFICERS, OPERATOR, World};

const GOOD: &str = include_str!("good.yaml");
const BAD: &str = include_str!("bad.yaml");

#[derive(Deserialize)]
struct Good {
    bases: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    base: String,
    before: Option<Value>,
    create: Option<Value>,
    update: Option<Value>,
    #[serde(default)]
    expect: String,
}

impl Case {
    /// Does what the case is about, in a dry run.
    async fn attempt(
        &self,
        number: usize,
        world: &World,
        bases: &BTreeMap<String, Value>,
    ) -> Result<(), Error> {
        let mut object = bases[&self.base].clone();
        for patch in [&self.before, &self.create].into_iter().flatten() {
            merge(&mut object, patch);
        }
        let maker = maker(world, &object).await;
        let Some(update) = &self.update else {
            return Handle::new(&maker, &object).await.try_create().await;
        };
        merge(
            &mut object,
            &json!({"metadata": {"name": format!("case-{number}")}}),
        );
        let made = Handle::new(&maker, &object).await;
        made.create().await.unwrap();
        let changed = Handle::new(&world.admin(), &object).await;
        let result = changed.try_patch(update).await;
        made.delete().await.unwrap();
        result
    }
}

/// Who makes an object: a batch is the operator's, an approval an approver's, everything else an admin's.
async fn maker(world: &World, object: &Value) -> Client {
    let approver = object.pointer("/spec/approval/approvedBy");
    match (object["kind"].as_str(), approver.and_then(Value::as_str)) {
        (Some("FleetHold"), _) => world.client(OPERATOR, &["system:authenticated"]).await,
        (_, Some(name)) => world.client(name, &[OFFICERS, "eoffice:approvers"]).await,
        _ => world.admin(),
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

pub async fn good_objects_are_accepted(world: &World) {
    let Good { bases, cases } = serde_yaml::from_str(GOOD).unwrap();
    for (number, case) in cases.iter().enumerate() {
        let result = case.attempt(number, world, &bases).await;
        assert!(result.is_ok(), "{}: {result:?}", case.name);
    }
}

pub async fn bad_objects_are_refused(world: &World) {
    let Good { bases, .. } = serde_yaml::from_str(GOOD).unwrap();
    let cases: Vec<Case> = serde_yaml::from_str(BAD).unwrap();
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        match case.attempt(number, world, &bases).await {
            Ok(()) => wrong.push(format!("{}: accepted", case.name)),
            Err(error) if error.to_string().contains(&case.expect) => {}
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
