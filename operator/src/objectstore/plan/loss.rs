//! Data that something witnesses and that is gone or was replaced.

use crate::objectstore::desired::{Desired, Witness, successor};
use crate::objectstore::observe::Observed;
use crate::plan::{Loss, Problem};
use eoffice_crds::{Reason, annotations};

/// The bucket that a witness names, where it is gone or is another now.
pub fn loss(desired: &Desired, observed: &Observed) -> Option<Loss> {
    find(desired, observed).map(|(_, loss)| loss)
}

/// The same, with who names it. Another's bucket is no finding here: it is left to its owner.
fn find<'a>(desired: &'a Desired, observed: &Observed) -> Option<(&'a Witness, Loss)> {
    let bucket = observed.bucket.as_ref();
    if bucket.is_some_and(|bucket| desired.disowns(&bucket.tags)) {
        return None;
    }
    let identity = bucket.and_then(|bucket| desired.identity_of(bucket));
    let mut witnesses = desired.witnesses.iter();
    let witness = witnesses.find(|witness| identity != Some(&witness.identity))?;
    // One that came back bare would get an identity that follows from the lost one: so it can be
    // told before, and accepted for this one loss.
    let found = bucket.and_then(|bucket| match bucket.identity() {
        Some(identity) if desired.owns(&bucket.tags) => Some(identity.to_owned()),
        _ => successor(&desired.mark.installation, &witness.identity),
    });
    let loss = Loss {
        name: desired.bucket.clone(),
        lost: witness.identity.clone(),
        found,
    };
    Some((witness, loss))
}

/// Says so, and what a person can write.
pub(super) fn check(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let Some((witness, loss)) = find(desired, observed) else {
        return Ok(());
    };
    let store = &desired.store;
    let Loss { name, lost, found } = loss;
    let (restored, gone) = (annotations::ACCEPT_RESTORED, annotations::ACCEPT_DATA_LOSS);
    let bare = observed
        .bucket
        .as_ref()
        .and_then(|bucket| bucket.identity())
        != found.as_deref();
    let rest = match found {
        None => format!(
            "there is none: nothing is done, so that no empty bucket hides the loss; restore it with its tags from a backup, or if the documents are lost for good, annotate the EOfficeTenant with {gone}: {name}/{lost}"
        ),
        Some(found) => {
            let what = match bare {
                true => "the one there came back without its mark or identity".to_owned(),
                false => format!("the one there is {found}"),
            };
            format!(
                "{what}: nothing is done to it, so that nothing else passes for what is lost; if it holds the restored documents, annotate the EOfficeTenant with {restored}: {name}/{found}, or if they are lost for good, remove it and annotate the EOfficeTenant with {gone}: {name}/{lost}"
            )
        }
    };
    let who = witness.who;
    Err(Problem::new(
        Reason::DataMissing,
        format!(
            "the documents bucket {name} is known to {who} as {lost}, and in store {store} {rest}"
        ),
    ))
}
