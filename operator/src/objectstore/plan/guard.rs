//! What forbids every change: what is another's, what is lost, what the store cannot do.

use super::super::desired::{Desired, Witness, code_tag_prefix};
use super::super::observe::{Bucket, Observed, User};
use crate::plan::Problem;
use eoffice_crds::Reason;

/// How the bucket under the tenant's name stands to the tenant.
pub(super) enum Standing<'a> {
    /// There is none, and there never was.
    Absent,
    /// Our own, from a creation that was interrupted before the mark was on it.
    Unmarked(&'a Bucket),
    /// The tenant's own.
    Ours(&'a Bucket),
}

/// The store must be able to do what the class promises.
pub(super) fn capable(desired: &Desired) -> Result<(), Problem> {
    let able = desired.capabilities;
    let lacking = [
        (desired.versioning && !able.versioning, "keep old versions"),
        (
            desired.retention.is_some() && !able.object_lock,
            "lock objects",
        ),
    ];
    match lacking.iter().find(|(lacks, _)| *lacks) {
        None => Ok(()),
        Some((_, what)) => Err(Problem::new(
            Reason::Unsupported,
            format!(
                "the class of this tenant asks for what store {} cannot do: {what}; use a store that can, or a class that does not ask for it",
                desired.store
            ),
        )),
    }
}

/// The tenant's user. A user of that name under another path is foreign.
pub(super) fn user<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> Result<Option<&'a User>, Problem> {
    match &observed.user {
        Some(user) if user.path != desired.user_path => Err(Problem::new(
            Reason::ForeignObject,
            format!(
                "user {} in the IAM of store {} has the path {}, not {}: it is not this tenant's and is left untouched; remove or rename it",
                desired.user, desired.store, user.path, desired.user_path
            ),
        )),
        user => Ok(user.as_ref()),
    }
}

/// The tenant's bucket.
///
/// A store that takes tags with the creation of a bucket (AWS, VersityGW) never shows ours without
/// the mark. Elsewhere the mark is written by a second call, and a crash between the two leaves an
/// unmarked bucket. It is taken for ours only if nobody can lose anything by it and we had seen
/// that there was none before: it has no tag, no policy and nothing in it, nobody knows of an
/// earlier bucket, and our user is there, which is made only after the bucket was found absent.
pub(super) fn bucket<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> Result<Standing<'a>, Problem> {
    let Some(bucket) = &observed.bucket else {
        return match desired.witnesses.first() {
            None => Ok(Standing::Absent),
            Some(witness) => Err(missing(desired, witness, "there is none")),
        };
    };
    if !desired.owns(&bucket.tags) {
        let bare = bucket.tags.is_empty() && bucket.empty && !bucket.has_policy;
        return if bare && desired.witnesses.is_empty() && observed.user.is_some() {
            Ok(Standing::Unmarked(bucket))
        } else {
            Err(foreign(desired))
        };
    }
    let found = bucket.identity();
    let strange = |identity: &str| found != Some(identity);
    if let Some(witness) = desired.witnesses.iter().find(|w| strange(&w.identity)) {
        let why = match found {
            Some(identity) => format!("the one there is {identity}"),
            None => "the one there has no tag eoffice-identity".into(),
        };
        return Err(missing(desired, witness, &why));
    }
    same_agency(desired, bucket)?;
    Ok(Standing::Ours(bucket))
}

/// Without a record that names this very bucket, a name alone does not make the same agency.
fn same_agency(desired: &Desired, bucket: &Bucket) -> Result<(), Problem> {
    if !desired.witnesses.is_empty() {
        return Ok(());
    }
    let prefix = code_tag_prefix();
    let mut recorded = bucket
        .tags
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .peekable();
    let nothing_recorded = recorded.peek().is_none();
    let (mut matches, mut differs) = (false, false);
    for (scheme, value) in recorded {
        match desired.code_tags.get(scheme) {
            Some(claimed) if claimed == value => matches = true,
            Some(_) => differs = true,
            None => {}
        }
    }
    if nothing_recorded || (matches && !differs) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::OtherAgency,
        format!(
            "bucket {} in store {} holds the records of an agency with other codes than spec.agency.codes; correct the codes, or give this agency another name",
            desired.bucket, desired.store
        ),
    ))
}

fn foreign(desired: &Desired) -> Problem {
    Problem::new(
        Reason::ForeignObject,
        format!(
            "bucket {} in store {} does not carry this tenant's mark: it is left untouched; if it is nobody's, remove it, and if its tags were lost, restore them",
            desired.bucket, desired.store
        ),
    )
}

fn missing(desired: &Desired, witness: &Witness, why: &str) -> Problem {
    let Witness { who, identity } = witness;
    Problem::new(
        Reason::DataMissing,
        format!(
            "the documents bucket {} is known to {who} as {identity}, and in store {} {why}: nothing is done, so that no empty bucket hides the loss; restore the bucket with its tags from a backup",
            desired.bucket, desired.store
        ),
    )
}
