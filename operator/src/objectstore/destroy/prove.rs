//! Reads what is to be destroyed once more, live: it must be what the record names.

use super::Doomed;
use crate::effect::Effects;
use crate::identity::{Mark, tag};
use crate::objectstore::client::Store;
use crate::objectstore::desired::identity_tag;
use crate::objectstore::observe;
use crate::objectstore::store::canary_bucket;
use crate::plan::Problem;
use eoffice_crds::{Reason, RetentionMode};
use std::collections::BTreeMap;

/// A bucket that was just read and is the one.
pub(super) struct Proved<'a> {
    /// Its name.
    pub bucket: &'a str,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The identity given at its making.
    pub identity: String,
    /// Whether locks in Governance mode are passed.
    pub past_locks: bool,
}

impl Proved<'_> {
    /// Whether a lock of this mode is passed.
    pub fn passes(&self, mode: RetentionMode) -> bool {
        self.past_locks && mode == RetentionMode::Governance
    }
}

/// The store must be the one on record: its marker bucket is read again.
pub(super) async fn store(
    store: &Store,
    effects: &Effects,
    doomed: &Doomed,
) -> Result<(), Problem> {
    let installation = doomed.installation.parse();
    let installation =
        installation.map_err(|_| refused(store, doomed, "the record names no installation"))?;
    let found = observe::tags(store, effects, &canary_bucket(&installation)).await?;
    let found = found.unwrap_or_default();
    let ours = found.get(&tag("installation")) == Some(&doomed.installation);
    let same = found.get(&identity_tag()) == Some(&doomed.store_identity);
    if ours && same {
        return Ok(());
    }
    let name = found
        .get(&identity_tag())
        .map_or("without its marker", String::as_str);
    Err(Problem::new(
        Reason::IdentityChanged,
        format!(
            "ObjectStore {} now answers as another store ({name}) than the one that holds this tenant's documents ({}): nothing is destroyed; correct the address of the ObjectStore",
            store.name(),
            doomed.store_identity
        ),
    ))
}

/// The bucket, if it is still there: it must bear the mark and the identity on record.
pub(super) async fn bucket<'a>(
    store: &Store,
    effects: &Effects,
    doomed: &'a Doomed,
) -> Result<Option<Proved<'a>>, Problem> {
    let Some(tags) = observe::tags(store, effects, &doomed.bucket).await? else {
        return Ok(None);
    };
    match judge(doomed, &tags) {
        Ok(identity) => Ok(Some(Proved {
            bucket: &doomed.bucket,
            tags,
            identity,
            past_locks: doomed.left,
        })),
        Err(what) => Err(refused(store, doomed, &what)),
    }
}

/// Its identity, or what is wrong with its tags.
fn judge(doomed: &Doomed, tags: &BTreeMap<String, String>) -> Result<String, String> {
    let Some(mark) = Mark::from_tags(tags) else {
        return Err("it does not carry a whole mark".into());
    };
    if mark.installation != doomed.installation || !doomed.fingerprints.contains(&mark.fingerprint)
    {
        return Err(format!(
            "its mark names another owner, {} of installation {}",
            mark.fingerprint, mark.installation
        ));
    }
    if mark.state != doomed.state {
        return Err("its mark does not say that its tenant has left".into());
    }
    if mark.order != doomed.order {
        return Err("its mark does not name the order on which it would be destroyed".into());
    }
    let Some(identity) = tags.get(&identity_tag()) else {
        return Err("it has no identity".into());
    };
    match &doomed.identity {
        Some(recorded) if recorded != identity => Err(format!(
            "its identity is {identity}, and the record's is {recorded}"
        )),
        // Its tenant went before anything was ever recorded of it.
        None if mark.uid != doomed.uid => {
            Err("the record knows of no bucket, and this one was another tenant's".into())
        }
        _ => Ok(identity.clone()),
    }
}

fn refused(store: &Store, doomed: &Doomed, what: &str) -> Problem {
    Problem::new(
        Reason::ForeignObject,
        format!(
            "bucket {} in store {} is not destroyed: {what}; find out who changed it, and put back what the tenant's record says",
            doomed.bucket,
            store.name()
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use eoffice_crds::RecordState;

    fn doomed() -> Doomed {
        Doomed {
            installation: "korat".into(),
            fingerprints: vec!["f2".into(), "f1".into()],
            uid: "u1".into(),
            state: RecordState::Retained,
            store_identity: "s1".into(),
            bucket: "eo-1-documents".into(),
            identity: Some("id1".into()),
            user: "eo-1".into(),
            order: Some("o1".into()),
            left: true,
        }
    }

    fn tags() -> BTreeMap<String, String> {
        let mark = Mark {
            installation: "korat".into(),
            fingerprint: "f2".into(),
            uid: "u1".into(),
            state: RecordState::Retained,
            twin: None,
            order: Some("o1".into()),
        };
        let mut tags = mark.to_tags();
        tags.insert(identity_tag(), "id1".into());
        tags
    }

    #[test]
    fn only_the_very_bucket_on_record_is_destroyed() {
        assert_eq!(judge(&doomed(), &tags()), Ok("id1".into()));
        let mut inherited = tags();
        inherited.insert(tag("fingerprint"), "f1".into());
        assert_eq!(judge(&doomed(), &inherited), Ok("id1".into()));
        for (key, value) in [
            ("installation", Some("test")),
            ("installation", None),
            ("fingerprint", Some("f3")),
            ("fingerprint", None),
            ("state", Some("live")),
            ("state", None),
            ("uid", None),
            ("identity", Some("id2")),
            ("order", Some("o2")),
            ("order", None),
            ("identity", None),
        ] {
            let mut other = tags();
            other.remove(&tag(key));
            other.extend(value.map(|value| (tag(key), value.to_owned())));
            assert!(judge(&doomed(), &other).is_err(), "{key} {value:?}");
        }
    }

    #[test]
    fn what_was_never_recorded_is_destroyed_only_with_its_own_incarnation() {
        let mut unrecorded = doomed();
        unrecorded.identity = None;
        assert_eq!(judge(&unrecorded, &tags()), Ok("id1".into()));
        unrecorded.uid = "u2".into();
        assert!(judge(&unrecorded, &tags()).is_err());
    }
}
