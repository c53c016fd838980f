//! Which store answers at an address, and whose it is: the marker bucket.
//!
//! The marker is also the canary on which every tenant's key must fail. It is made at the first
//! contact; its tags name the installation, the cluster that last held it, and the identity by
//! which this store is known from then on.

use super::client::Store;
use super::desired::identity_tag;
use super::step::Tags;
use super::{apply, capabilities, observe};
use crate::effect::Effects;
use crate::identity::{Claim, InstallationId, derived_identity, installation_stem, tag};
use crate::plan::Problem;
use eoffice_crds::{Reason, StoreCapabilities};

/// What is known of a store after a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its identity, to be pinned.
    pub identity: String,
    /// What it can do.
    pub capabilities: StoreCapabilities,
}

/// Name of the marker bucket of an installation.
pub fn canary_bucket(installation: &InstallationId) -> String {
    format!("eo-{}-canary", installation_stem(installation))
}

/// Makes sure that this is the store that was pinned and that it is held by this cluster. What it
/// can do is taken as `known`, or tried on the marker bucket. `fresh_identity` is random.
pub async fn visit(
    store: &Store,
    effects: &Effects,
    claim: &Claim,
    fresh_identity: &str,
    known: Option<StoreCapabilities>,
) -> Result<Facts, Problem> {
    let bucket = canary_bucket(&claim.installation);
    let mut found = observe::tags(store, effects, &bucket).await?;
    let mut known = known;
    if let Next::Make(identity) = judge(store.name(), claim, found.as_ref(), fresh_identity)? {
        capabilities::make_marker(store, effects, &bucket, &marker(claim, &identity)).await?;
        // What another store could do is nothing to this one, and the canary has to be filled.
        known = None;
        // Another copy of us may have been quicker: what is there counts.
        found = observe::tags(store, effects, &bucket).await?;
    }
    let identity = match judge(store.name(), claim, found.as_ref(), fresh_identity)? {
        Next::Hold(identity) => identity,
        Next::TakeOver(identity, tags) => {
            apply::put_tags(store, effects, &bucket, &tags).await?;
            identity
        }
        Next::Make(_) => {
            return Err(Problem::new(
                Reason::BackendError,
                format!(
                    "store {} made the bucket {bucket} and does not show it; look at the store's own log. It is tried again by itself",
                    store.name()
                ),
            ));
        }
    };
    let capabilities = match known {
        Some(known) => known,
        None => capabilities::probe(store, effects, &bucket).await?,
    };
    Ok(Facts {
        identity,
        capabilities,
    })
}

/// What is to be done about the marker.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Make it, with this identity.
    Make(String),
    /// It is ours.
    Hold(String),
    /// Write these tags: an admin lets us take over.
    TakeOver(String, Tags),
}

fn marker(claim: &Claim, identity: &str) -> Tags {
    Tags::from([
        (tag("installation"), claim.installation.to_string()),
        (tag("cluster"), claim.cluster_uid.clone()),
        (identity_tag(), identity.into()),
    ])
}

fn judge(
    store: &str,
    claim: &Claim,
    found: Option<&Tags>,
    fresh_identity: &str,
) -> Result<Next, Problem> {
    let Some(tags) = found else {
        return without_marker(store, claim, fresh_identity);
    };
    let installation = tags.get(&tag("installation")).map(String::as_str);
    let (Some(identity), Some(cluster), true) = (
        tags.get(&identity_tag()),
        tags.get(&tag("cluster")),
        installation == Some(claim.installation.as_str()),
    ) else {
        let bucket = canary_bucket(&claim.installation);
        return Err(Problem::new(
            Reason::ForeignObject,
            format!(
                "bucket {bucket} in store {store} should be this installation's marker and does not carry its tags: it is left untouched; if it is empty, a first contact was interrupted: remove it"
            ),
        ));
    };
    let accepted = claim.accept_identity.as_ref() == Some(identity);
    if let Some(pinned) = claim.pinned.as_ref().filter(|pinned| *pinned != identity)
        && !accepted
    {
        return Err(changed(
            store,
            pinned,
            &format!("another one, {identity}"),
            identity,
        ));
    }
    if *cluster == claim.cluster_uid {
        return Ok(Next::Hold(identity.clone()));
    }
    if claim.take_over_from.as_ref() != Some(cluster) {
        return Err(Problem::new(
            Reason::HeldByOtherCluster,
            format!(
                "installation {} is held on store {store} by the cluster {cluster}, and this one is {}: nothing is done; if that cluster is gone for good, annotate the ObjectStore with eoffice.gdcc.go.th/take-over-from={cluster}",
                claim.installation, claim.cluster_uid
            ),
        ));
    }
    let mut tags = tags.clone();
    tags.extend(marker(claim, identity));
    Ok(Next::TakeOver(identity.clone(), tags))
}

/// A store that was pinned and has no marker is an empty one, or a restored one that has lost it.
/// The identity it would get follows from the one lost, so that an admin can be told it and an
/// acceptance is good for this loss only.
fn without_marker(store: &str, claim: &Claim, fresh_identity: &str) -> Result<Next, Problem> {
    let Some(pinned) = &claim.pinned else {
        return Ok(Next::Make(fresh_identity.into()));
    };
    let next = derived_identity(&claim.installation, pinned);
    if claim.accept_identity.as_ref() == Some(&next) {
        return Ok(Next::Make(next));
    }
    Err(changed(
        store,
        pinned,
        "one without this installation's marker bucket, an empty or another one",
        &next,
    ))
}

fn changed(store: &str, pinned: &str, found: &str, accept: &str) -> Problem {
    Problem::new(
        Reason::IdentityChanged,
        format!(
            "store {store} is known as {pinned}, and its address now answers with {found}: nothing is done there; correct the address, or if this is the store to use from now on, annotate the ObjectStore with eoffice.gdcc.go.th/accept-identity={accept}"
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn claim(pinned: Option<&str>) -> Claim {
        Claim {
            installation: "korat".parse().unwrap(),
            cluster_uid: "cluster-1".into(),
            pinned: pinned.map(Into::into),
            accept_identity: None,
            take_over_from: None,
        }
    }

    fn tags(cluster: &str, identity: &str) -> Tags {
        let mut claim = claim(None);
        claim.cluster_uid = cluster.into();
        marker(&claim, identity)
    }

    fn judged(claim: &Claim, found: Option<&Tags>) -> Result<Next, Problem> {
        judge("objects", claim, found, "fresh")
    }

    #[test]
    fn the_first_contact_makes_a_marker_and_later_ones_hold_it() {
        assert_eq!(
            judged(&claim(None), None).unwrap(),
            Next::Make("fresh".into())
        );
        let found = tags("cluster-1", "one");
        for pinned in [None, Some("one")] {
            let next = judged(&claim(pinned), Some(&found)).unwrap();
            assert_eq!(next, Next::Hold("one".into()));
        }
    }

    #[test]
    fn a_vanished_marker_waits_for_an_acceptance_of_this_very_loss() {
        let mut claim = claim(Some("one"));
        let problem = judged(&claim, None).unwrap_err();
        assert_eq!(problem.reason, Reason::IdentityChanged);
        let next = derived_identity(&claim.installation, "one");
        assert!(problem.message.ends_with(&format!("={next}")), "{problem}");
        for wrong in ["one", "fresh", ""] {
            claim.accept_identity = Some(wrong.into());
            assert!(judged(&claim, None).is_err());
        }
        claim.accept_identity = Some(next.clone());
        assert_eq!(judged(&claim, None).unwrap(), Next::Make(next.clone()));
        // The same annotation does not accept the next loss.
        claim.pinned = Some(next);
        assert!(judged(&claim, None).is_err());
    }

    #[test]
    fn another_store_waits_for_an_acceptance() {
        let found = tags("cluster-1", "two");
        let mut claim = claim(Some("one"));
        let problem = judged(&claim, Some(&found)).unwrap_err();
        assert_eq!(problem.reason, Reason::IdentityChanged);
        assert!(problem.message.ends_with("accept-identity=two"));
        claim.accept_identity = Some("two".into());
        let next = judged(&claim, Some(&found)).unwrap();
        assert_eq!(next, Next::Hold("two".into()));
    }

    #[test]
    fn another_cluster_is_waited_for() {
        let found = tags("cluster-0", "one");
        let mut claim = claim(None);
        let problem = judged(&claim, Some(&found)).unwrap_err();
        assert_eq!(problem.reason, Reason::HeldByOtherCluster);
        claim.take_over_from = Some("cluster-00".into());
        assert!(judged(&claim, Some(&found)).is_err());
        claim.take_over_from = Some("cluster-0".into());
        let next = judged(&claim, Some(&found)).unwrap();
        assert_eq!(next, Next::TakeOver("one".into(), tags("cluster-1", "one")));
    }

    #[test]
    fn a_bucket_without_our_tags_is_foreign() {
        let mut other = tags("cluster-1", "one");
        other.insert(tag("installation"), "test".into());
        for found in [Tags::new(), other] {
            let problem = judged(&claim(None), Some(&found)).unwrap_err();
            assert_eq!(problem.reason, Reason::ForeignObject);
        }
    }
}
