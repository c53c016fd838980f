//! What to change in a tenant's namespace. Pure.

use super::canonical::Fingerprint;
use super::desired::Child;
use super::observe::Objects;
use super::{Kind, ObjectKey};
use std::collections::HashSet;
use std::fmt;

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make it as it should be.
    Apply(Box<Child>),
    /// Remove an object of ours that nothing asks for any more.
    Delete(ObjectKey),
    /// Have the certificate of this Certificate issued anew.
    Renew(ObjectKey),
    /// Take out of the Secret of a Certificate what others added to it.
    Strip(ObjectKey),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(child) => write!(f, "apply {}", child.key),
            Self::Delete(key) => write!(f, "delete {key}"),
            Self::Renew(key) => write!(f, "renew {key}"),
            Self::Strip(key) => write!(f, "strip {key}"),
        }
    }
}

impl crate::plan::Step for Step {
    /// Without its Ingress, and what its network policies allow, a tenant is closed.
    fn destructive(&self) -> bool {
        let Self::Delete(key) = self else {
            return false;
        };
        matches!(key.kind, Kind::Ingress | Kind::NetworkPolicy)
    }
}

/// The changes that bring the objects of these kinds to what is desired: cheap, for it tells from
/// fingerprints alone that an object differs. `accepted` tells the fingerprint that the API server
/// is known to make of a desired one, where it rewrites a value.
pub fn plan(
    desired: Vec<Child>,
    observed: &Objects,
    kinds: &[Kind],
    accepted: impl Fn(&Fingerprint) -> Option<Fingerprint>,
) -> Vec<Step> {
    let wanted: HashSet<ObjectKey> = desired.iter().map(|child| child.key.clone()).collect();
    let surplus = observed
        .iter()
        .filter(|(key, seen)| kinds.contains(&key.kind) && seen.ours && !seen.deleting)
        .filter(|(key, _)| !wanted.contains(key))
        .map(|(key, _)| Step::Delete(key.clone()));
    let in_order = |child: &Child| {
        observed.get(&child.key).is_some_and(|seen| {
            !seen.deleting
                && (seen.fingerprint == child.fingerprint
                    || accepted(&child.fingerprint) == Some(seen.fingerprint))
        })
    };
    let apply = desired
        .iter()
        .filter(|child| !in_order(child))
        .map(|child| Step::Apply(Box::new(child.clone())));
    surplus
        .collect::<Vec<_>>()
        .into_iter()
        .chain(apply)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::kubernetes::observe::Seen;
    use serde_json::{Value, json};

    fn quota(pods: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "eoffice"}, "spec": {"hard": {"pods": pods}}})
    }

    fn live(mut object: Value, manager: &str) -> (ObjectKey, Seen) {
        object["metadata"]["managedFields"] = json!([{"manager": manager}]);
        let child = Child::new(Kind::ResourceQuota, object.clone());
        (child.key, Seen::of(Kind::ResourceQuota, &object))
    }

    fn steps(desired: Vec<Child>, observed: &Objects) -> Vec<String> {
        plan(desired, observed, &[Kind::ResourceQuota], |_| None)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn only_what_differs_is_changed() {
        let wanted = || vec![Child::new(Kind::ResourceQuota, quota("20"))];
        let same = Objects::from([live(quota("20"), "eoffice-operator")]);
        let edited = Objects::from([live(quota("99"), "kubectl")]);
        assert_eq!(steps(wanted(), &same), [""; 0]);
        assert_eq!(steps(wanted(), &edited), ["apply ResourceQuota/eoffice"]);
        assert_eq!(
            steps(wanted(), &Objects::new()),
            ["apply ResourceQuota/eoffice"]
        );
    }

    #[test]
    fn only_what_the_operator_applied_is_removed() {
        let ours = Objects::from([live(quota("20"), "eoffice-operator")]);
        let theirs = Objects::from([live(quota("20"), "kubectl")]);
        assert_eq!(steps(Vec::new(), &ours), ["delete ResourceQuota/eoffice"]);
        assert_eq!(steps(Vec::new(), &theirs), [""; 0]);
    }
}
