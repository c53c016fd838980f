//! What bears an installation's mark and is nobody's: told of, never removed.

use super::auditors;
use super::client::{Refusal, Store};
use super::desired::user_path;
use super::observe::{self, Inventory};
use super::store::canary_bucket;
use crate::effect::Effects;
use crate::identity::{InstallationId, Mark};
use eoffice_crds::{RecordState, RecordedStorage};
use futures::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Strangers looked at in one go, and at once. The others have their turn with the next lists.
const IN_ONE_GO: usize = 200;
const AT_ONCE: usize = 4;

/// A bucket or a user that no record names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stranger {
    /// A bucket of any owner.
    Bucket(String),
    /// A user under the installation's path.
    User(String),
}

/// Whose it is. A tenant is told by the path that its user has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// Nobody of this installation.
    Other,
    /// A tenant of the installation that is marked as living.
    Living(String),
    /// A tenant that has left.
    Left(String),
}

/// Those in the lists that none of these records names.
pub fn strangers<'a>(
    listed: &Inventory,
    installation: &InstallationId,
    records: impl Iterator<Item = &'a RecordedStorage>,
) -> BTreeSet<Stranger> {
    let canary = canary_bucket(installation);
    let mut named = HashSet::from([canary.as_str()]);
    for record in records {
        named.extend([record.bucket.as_str(), record.user.as_str()]);
    }
    let unnamed = |name: &&String| !named.contains(name.as_str());
    let buckets = listed.buckets.iter().filter(unnamed).cloned();
    let of_auditor = |name: &str| auditors::tenant_user(name).is_some_and(|it| named.contains(it));
    let users = listed.users.keys().filter(unnamed);
    let users = users.filter(|name| !of_auditor(name)).cloned();
    buckets
        .map(Stranger::Bucket)
        .chain(users.map(Stranger::User))
        .collect()
}

/// Whose the strangers of a store are. Each was looked at once, and is remembered while it is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    known: BTreeMap<Stranger, Owner>,
}

impl Strangers {
    /// Forgets who is not among these any more, and looks at those who are new.
    pub async fn meet(
        mut self,
        store: &Store,
        effects: &Effects,
        installation: &InstallationId,
        there: BTreeSet<Stranger>,
    ) -> Self {
        self.known.retain(|stranger, _| there.contains(stranger));
        let new = there.into_iter();
        let new = new.filter(|stranger| !self.known.contains_key(stranger));
        let new: Vec<_> = new.take(IN_ONE_GO).collect();
        let looks = stream::iter(new).map(|stranger| async move {
            let owner = match &stranger {
                Stranger::Bucket(name) => bucket(store, effects, installation, name).await,
                // It may have been removed with its record since it was listed.
                Stranger::User(name) => observe::user_path(store, effects, name)
                    .await
                    .map(|path| path.map(Owner::Living)),
            };
            (stranger, owner)
        });
        let found: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
        for (stranger, owner) in found {
            match owner {
                Ok(Some(owner)) => drop(self.known.insert(stranger, owner)),
                Ok(None) => {}
                // With the next lists again.
                Err(refusal) => tracing::debug!(%refusal, "nobody's bucket was not looked at"),
            }
        }
        self
    }

    /// Those marked as a living tenant's, such as `bucket X`, sorted.
    pub fn orphans(&self) -> Vec<String> {
        let left: HashSet<_> = self
            .known
            .values()
            .filter_map(|owner| match owner {
                Owner::Left(path) => Some(path),
                Owner::Other | Owner::Living(_) => None,
            })
            .collect();
        let orphans = self.known.iter().filter_map(|known| match known {
            (Stranger::Bucket(name), Owner::Living(_)) => Some(format!("bucket {name}")),
            // The user of one that has left stays with its bucket.
            (Stranger::User(name), Owner::Living(path)) if !left.contains(path) => {
                Some(format!("user {name}"))
            }
            _ => None,
        });
        orphans.collect()
    }

    /// The buckets that bear this owner's mark.
    pub fn buckets_of(
        &self,
        installation: &InstallationId,
        owner: &str,
    ) -> impl Iterator<Item = &str> {
        let path = user_path(installation.as_str(), owner);
        self.known.iter().filter_map(move |known| match known {
            (Stranger::Bucket(name), Owner::Living(of) | Owner::Left(of)) if *of == path => {
                Some(name.as_str())
            }
            _ => None,
        })
    }

    /// How many buckets there are of tenants that have left.
    pub fn retained(&self) -> usize {
        let owners = self.known.values();
        owners
            .filter(|owner| matches!(owner, Owner::Left(_)))
            .count()
    }
}

/// Whose a bucket is. None: it is gone.
async fn bucket(
    store: &Store,
    effects: &Effects,
    installation: &InstallationId,
    name: &str,
) -> Result<Option<Owner>, Refusal> {
    let tags = match observe::tags(store, effects, name).await {
        Ok(Some(tags)) => tags,
        Ok(None) => return Ok(None),
        // What we may not look into is not ours.
        Err(refusal) if refusal.is(&["AccessDenied"]) || refusal.is_unknown_call() => {
            return Ok(Some(Owner::Other));
        }
        Err(refusal) => return Err(refusal),
    };
    let mark = Mark::from_tags(&tags).filter(|mark| mark.installation == installation.as_str());
    Ok(Some(match mark {
        None => Owner::Other,
        Some(mark) => {
            let path = user_path(&mark.installation, &mark.fingerprint);
            match mark.state {
                RecordState::Live => Owner::Living(path),
                _ => Owner::Left(path),
            }
        }
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_what_no_record_names() {
        let installation: InstallationId = "korat".parse().unwrap();
        let canary = canary_bucket(&installation);
        let listed = Inventory {
            buckets: ["eo-1-documents", "eo-2-documents", "backup", &canary]
                .map(Into::into)
                .into(),
            users: ["eo-1", "eo-1-audit", "eo-2", "eo-2-audit"]
                .map(|name| (name.into(), "/".into()))
                .into(),
        };
        let record = RecordedStorage {
            store: "objects".into(),
            store_identity: "one".into(),
            bucket: "eo-1-documents".into(),
            user: "eo-1".into(),
            bucket_identity: None,
            superseded: Vec::new(),
        };
        let found = strangers(&listed, &installation, [&record].into_iter());
        let expected = [
            Stranger::Bucket("backup".into()),
            Stranger::Bucket("eo-2-documents".into()),
            Stranger::User("eo-2".into()),
            Stranger::User("eo-2-audit".into()),
        ];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn orphans_are_those_marked_as_living() {
        let known = [
            (Stranger::Bucket("backup".into()), Owner::Other),
            (Stranger::Bucket("b".into()), Owner::Living("/b/".into())),
            (Stranger::User("b".into()), Owner::Living("/b/".into())),
            (Stranger::Bucket("r".into()), Owner::Left("/r/".into())),
            (Stranger::User("r".into()), Owner::Living("/r/".into())),
            (Stranger::User("a".into()), Owner::Living("/a/".into())),
        ];
        let strangers = Strangers {
            known: known.into(),
        };
        assert_eq!(strangers.orphans(), ["bucket b", "user a", "user b"]);
        assert_eq!(strangers.retained(), 1);
    }

    #[test]
    fn an_owner_has_buckets_that_live_and_that_were_left() {
        let installation: InstallationId = "korat".parse().unwrap();
        let of = |owner| user_path("korat", owner);
        let known = [
            (Stranger::Bucket("backup".into()), Owner::Other),
            (Stranger::Bucket("b".into()), Owner::Living(of("f"))),
            (Stranger::Bucket("c".into()), Owner::Living(of("g"))),
            (Stranger::Bucket("r".into()), Owner::Left(of("f"))),
            (Stranger::User("u".into()), Owner::Living(of("f"))),
        ];
        let strangers = Strangers {
            known: known.into(),
        };
        let found: Vec<_> = strangers.buckets_of(&installation, "f").collect();
        assert_eq!(found, ["b", "r"]);
    }
}
