//! The batches as this process knows them: from the watch, and from its own writes.

use crate::breaker::Act;
use crate::breaker::batch::{Batch, act_of};
use eoffice_crds::FleetHold;
use jiff::Timestamp;
use kube::ResourceExt;
use std::collections::HashMap;

/// Every batch, each as new as it was ever seen.
#[derive(Default)]
pub struct Memory {
    /// The batches, by name.
    pub batches: Vec<Batch>,
    versions: HashMap<String, u64>,
}

impl Memory {
    /// Takes in a FleetHold, unless a newer one is known. Answers with namespace and name of every tenant whose act
    /// is open, where the batch came to be held or decided by it.
    pub fn put(&mut self, hold: &FleetHold, now: Timestamp) -> Option<Vec<(String, String)>> {
        let name = hold.name_any();
        let version = hold.metadata.resource_version.as_deref();
        let version = version
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        if self
            .versions
            .get(&name)
            .is_some_and(|known| *known >= version)
        {
            return None;
        }
        self.versions.insert(name, version);
        let batch = Batch::of(hold, now);
        let stands = |batch: &Batch| (batch.decision, batch.is_held());
        let place = self.batches.binary_search_by(|it| it.name.cmp(&batch.name));
        let before = match place {
            Ok(index) => stands(&self.batches[index]),
            Err(_) => (None, false),
        };
        let concerned = (stands(&batch) != before).then(|| concerned(&batch));
        match place {
            Ok(index) => self.batches[index] = batch,
            Err(index) => self.batches.insert(index, batch),
        }
        concerned
    }

    /// Forgets a FleetHold. Answers with namespace and name of every tenant whose act was open in it.
    pub fn remove(&mut self, name: &str) -> Vec<(String, String)> {
        self.versions.remove(name);
        let gone = self.batches.iter().position(|batch| batch.name == name);
        gone.map_or_else(Vec::new, |index| concerned(&self.batches.remove(index)))
    }

    /// Forgets every FleetHold but these.
    pub fn retain(&mut self, names: &[String]) {
        self.versions.retain(|name, _| names.contains(name));
        self.batches.retain(|batch| names.contains(&batch.name));
    }

    /// The acts on the tenant of this UID that are entered and not over.
    pub fn open_of(&self, uid: &str) -> Vec<Act> {
        let entries = self.batches.iter().flat_map(|batch| &batch.entries);
        entries
            .filter(|entry| entry.uid == uid && entry.done_at.is_none())
            .map(act_of)
            .collect()
    }
}

/// Namespace and name of every tenant whose act is open.
fn concerned(batch: &Batch) -> Vec<(String, String)> {
    let open = batch.entries.iter().filter(|entry| entry.done_at.is_none());
    open.map(|entry| (entry.namespace.clone(), entry.name.clone()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use eoffice_crds::{Decision, FleetHoldStatus};
    use serde_json::json;

    /// A FleetHold of this version, state and decision, with the acts of these tenants, done or not.
    fn hold(
        version: u32,
        state: &str,
        decision: Option<Decision>,
        acts: &[(&str, bool)],
    ) -> FleetHold {
        let tenants = acts.iter().map(|(name, done)| {
            json!({"namespace": "province-30", "name": name, "uid": name, "impact": "Delete", "cause": "why",
                   "seenAt": "2026-11-21T10:00:00Z", "doneAt": done.then_some("2026-11-21T10:01:00Z")})
        });
        let status = json!({"state": state, "tenants": tenants.collect::<Vec<_>>()});
        let mut hold = FleetHold::new("batch-1", Default::default());
        hold.metadata.resource_version = Some(version.to_string());
        hold.spec.decision = decision;
        hold.status = serde_json::from_value::<FleetHoldStatus>(status).ok();
        hold
    }

    #[test]
    fn whom_a_hold_or_a_decision_concerns_is_looked_at_once() {
        let mut memory = Memory::default();
        let acts = [("a", false), ("b", true), ("c", false)];
        let open = vec![
            ("province-30".to_owned(), "a".to_owned()),
            ("province-30".to_owned(), "c".to_owned()),
        ];
        let resume = Some(Decision::Resume);
        for (version, state, decision, expected) in [
            (1, "Watching", None, None),
            (3, "Held", None, Some(&open)),
            (3, "Held", None, None),
            // An older one, seen late.
            (2, "Watching", None, None),
            (10, "Held", resume, Some(&open)),
            (11, "Resumed", resume, None),
        ] {
            let seen = memory.put(&hold(version, state, decision, &acts), Timestamp::now());
            assert_eq!(seen.as_ref(), expected, "{version} {state}");
        }
        assert_eq!(memory.open_of("a").len(), 1);
        assert_eq!(memory.open_of("b"), []);
        assert_eq!(memory.remove("batch-1"), open);
        assert!(memory.batches.is_empty() && memory.remove("batch-1").is_empty());
    }
}
