//! What a person accepted by name: restored data, a loss, another class. Pure.

use crate::audit::{self, Cause};
use crate::plan::{Difference, Loss};
use eoffice_crds::{EOfficeTenant, Plane, RecordedDatabase, RecordedStorage, annotations};
use kube::ResourceExt;

/// What was accepted about a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// What stands there now is the data, restored.
    Restored(String),
    /// The data is lost, and an empty one may be made.
    Lost,
}

/// What the tenant's annotations say about this very loss.
pub fn of(tenant: &EOfficeTenant, loss: &Loss) -> Option<Accepted> {
    let says = |key: &str, identity: &str| {
        tenant
            .annotations()
            .get(key)
            .is_some_and(|value| *value == format!("{}/{identity}", loss.name))
    };
    match &loss.found {
        Some(found) if says(annotations::ACCEPT_RESTORED, found) => {
            Some(Accepted::Restored(found.clone()))
        }
        None if says(annotations::ACCEPT_DATA_LOSS, &loss.lost) => Some(Accepted::Lost),
        _ => None,
    }
}

impl Accepted {
    /// What the record says of a database that was lost and is accepted so.
    pub fn of_database(&self, recorded: &RecordedDatabase, loss: &Loss) -> RecordedDatabase {
        let mut recorded = recorded.clone();
        recorded.superseded.extend(loss.lost.parse::<i64>());
        recorded.oid = match self {
            Self::Restored(found) => found.parse().ok(),
            Self::Lost => None,
        };
        recorded
    }

    /// What the record says of a bucket that was lost and is accepted so.
    pub fn of_bucket(&self, recorded: &RecordedStorage, loss: &Loss) -> RecordedStorage {
        let mut recorded = recorded.clone();
        recorded.superseded.push(loss.lost.clone());
        recorded.bucket_identity = match self {
            Self::Restored(found) => Some(found.clone()),
            Self::Lost => None,
        };
        recorded
    }
}

/// What a loss is to people: another identity than the one that was made.
pub fn identity_of(kind: &str, loss: &Loss) -> Difference {
    Difference {
        before: loss.found.clone(),
        after: Some(loss.lost.clone()),
        ..Difference::update(format!("{kind} {}", loss.name), "identity")
    }
}

/// Writes the audit line of an acceptance.
pub fn tell_accepted(tenant: &str, plane: Plane, kind: &str, loss: &Loss, accepted: &Accepted) {
    let difference = Difference {
        before: Some(loss.lost.clone()),
        after: match accepted {
            Accepted::Restored(found) => Some(found.clone()),
            Accepted::Lost => None,
        },
        ..Difference::update(format!("{kind} {}", loss.name), "identity")
    };
    audit::made(tenant, plane, &difference, Cause::Acceptance);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_acceptance_is_for_one_instance_and_for_what_stands_there() {
        let tenant = |key: &str, value: &str| -> EOfficeTenant {
            serde_json::from_value(json!({
                "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
                "metadata": {"name": "a", "annotations": {format!("eoffice.gdcc.go.th/{key}"): value}},
                "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
            }))
            .unwrap()
        };
        let loss = |found: Option<&str>| Loss {
            name: "eo_a".into(),
            lost: "100".into(),
            found: found.map(Into::into),
        };
        let restored = Some(Accepted::Restored("200".into()));
        let rows = [
            ("accept-restored", "eo_a/200", Some("200"), restored),
            ("accept-restored", "eo_a/100", Some("200"), None),
            ("accept-restored", "eo_a/200", Some("300"), None),
            ("accept-restored", "eo_b/200", Some("200"), None),
            ("accept-restored", "eo_a/200", None, None),
            ("accept-data-loss", "eo_a/100", None, Some(Accepted::Lost)),
            ("accept-data-loss", "eo_a/99", None, None),
            ("accept-data-loss", "eo_a", None, None),
            // What stands there might be the data: it is not thrown away.
            ("accept-data-loss", "eo_a/100", Some("200"), None),
        ];
        for (key, value, found, expected) in rows {
            let accepted = of(&tenant(key, value), &loss(found));
            assert_eq!(accepted, expected, "{key} {value} {found:?}");
        }
    }
}
