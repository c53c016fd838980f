//! What forbids every change: what is another's, what is lost, what the store cannot do.

use super::loss;
use crate::identity::{Mark, tag};
use crate::objectstore::desired::{Desired, code_tag_prefix};
use crate::objectstore::observe::{Bucket, Observed, User};
use crate::plan::Problem;
use eoffice_crds::Reason;

/// How the bucket under the tenant's name stands to the tenant.
pub(super) enum Standing<'a> {
    /// There is none, and there never was.
    Absent,
    /// Our own, from a creation that was interrupted before the mark was on it.
    Unmarked(&'a Bucket),
    /// One that came back without mark or identity, as a person has accepted.
    Returned(&'a Bucket),
    /// The tenant's own.
    Ours(&'a Bucket),
}

impl<'a> Standing<'a> {
    /// The bucket, if there is one.
    pub(super) fn there(&self) -> Option<&'a Bucket> {
        match self {
            Self::Absent => None,
            Self::Unmarked(bucket) | Self::Returned(bucket) | Self::Ours(bucket) => Some(bucket),
        }
    }
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

/// The tenant's user, or that of the tenant whose data it took over. A user of that name under another path is foreign.
pub(super) fn user<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> Result<Option<&'a User>, Problem> {
    match &observed.user {
        Some(user) if !desired.owns_user(user) => Err(foreign_user(desired, &desired.user, user)),
        user => Ok(user.as_ref()),
    }
}

/// No auditor gets a user that is another's.
pub(super) fn auditors(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    let wanted = desired.auditors.iter();
    let mut found = wanted.filter_map(|it| observed.auditors.get_key_value(&it.user));
    match found.find(|(_, user)| !desired.owns_user(user)) {
        Some((name, user)) => Err(foreign_user(desired, name, user)),
        None => Ok(()),
    }
}

fn foreign_user(desired: &Desired, name: &str, user: &User) -> Problem {
    Problem::new(
        Reason::ForeignObject,
        format!(
            "user {name} in the IAM of store {} has the path {}, not {}: it is not this tenant's and is left untouched; remove or rename it",
            desired.store, user.path, desired.user_path
        ),
    )
}

/// The tenant's bucket.
///
/// One whose identity is on record is ours, though other tags of the mark were removed: the
/// identity is random. Only tags that name another owner are believed before it.
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
    loss::check(desired, observed)?;
    let Some(bucket) = &observed.bucket else {
        return Ok(Standing::Absent);
    };
    if desired.disowns(&bucket.tags) {
        return Err(foreign(desired));
    }
    if desired.takes_up(bucket) {
        return Ok(Standing::Returned(bucket));
    }
    if !desired.witnesses.is_empty() {
        return Ok(Standing::Ours(bucket));
    }
    if desired.owns(&bucket.tags) {
        same_agency(desired, bucket)?;
        return Ok(Standing::Ours(bucket));
    }
    let bare = bucket.tags.is_empty() && bucket.empty && bucket.policy.is_none();
    if bare && observed.user.is_some() {
        return Ok(Standing::Unmarked(bucket));
    }
    Err(foreign(desired))
}

/// Without a record that names this very bucket, a name alone does not make the same agency.
fn same_agency(desired: &Desired, bucket: &Bucket) -> Result<(), Problem> {
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
    let Mark {
        installation,
        fingerprint,
        ..
    } = &desired.mark;
    Problem::new(
        Reason::ForeignObject,
        format!(
            "bucket {} in store {} does not carry this tenant's mark: it is left untouched; if it is nobody's, remove it, and if its tags were changed by hand, put back {}={installation} and {}={fingerprint}",
            desired.bucket,
            desired.store,
            tag("installation"),
            tag("fingerprint")
        ),
    )
}
