//! What was last seen of each tenant in a store.

use crate::objectstore::observe::{Inventory, Observed};
use eoffice_crds::TenantRecordSpec;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where a tenant is in its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The tenant.
    pub tenant: String,
    /// Its bucket.
    pub bucket: String,
    /// Its user.
    pub user: String,
}

impl Place {
    /// Where the tenant of this record is.
    pub fn of(record: &TenantRecordSpec) -> Self {
        Self {
            tenant: record.tenant.name.clone(),
            bucket: record.storage.bucket.clone(),
            user: record.storage.user.clone(),
        }
    }
}

struct Look {
    place: Place,
    /// When it was looked at closely; where it never was, since when it is known.
    at: Instant,
    /// Absent where it was never looked at, or where the lists have contradicted since.
    observed: Option<Observed>,
    /// What the last lists said of it.
    listed: Option<Presence>,
}

/// Whether bucket and user are there.
type Presence = (bool, bool);

impl Look {
    /// What lists have to say, if nothing has changed.
    fn expected(&self) -> Option<Presence> {
        let seen = self.observed.as_ref();
        let seen = seen.map(|seen| (seen.bucket.is_some(), seen.user.is_some()));
        seen.or(self.listed)
    }
}

/// The last close look at each tenant, by bucket.
#[derive(Default)]
pub struct Looks {
    inner: Mutex<HashMap<String, Look>>,
}

impl Looks {
    /// What was seen of the tenant with this bucket.
    pub fn of(&self, bucket: &str) -> Option<Observed> {
        self.lock().get(bucket)?.observed.clone()
    }

    /// Notes a look that began at this time. True if it shows something new; a look that is older
    /// than the one known shows nothing.
    pub fn note(&self, place: &Place, began: Instant, observed: Observed) -> bool {
        let mut looks = self.lock();
        let known = looks.get(&place.bucket);
        if known.is_some_and(|look| look.observed.is_some() && look.at > began) {
            return false;
        }
        let new = known.is_none_or(|look| look.observed.as_ref() != Some(&observed));
        let look = Look {
            place: place.clone(),
            at: Instant::now(),
            listed: known.and_then(|look| look.listed),
            observed: Some(observed),
        };
        looks.insert(place.bucket.clone(), look);
        new
    }

    /// Begins a round over exactly these: first who was never looked at, then from the oldest look on.
    pub fn round(&self, places: Vec<Place>) -> (Vec<Place>, Vec<Place>) {
        let mut looks = self.lock();
        let mut before = std::mem::take(&mut *looks);
        for place in places {
            let look = match before.remove(&place.bucket) {
                Some(known) => Look { place, ..known },
                None => Look {
                    place,
                    at: Instant::now(),
                    observed: None,
                    listed: None,
                },
            };
            looks.insert(look.place.bucket.clone(), look);
        }
        let mut all: Vec<_> = looks.values().collect();
        all.sort_by_key(|look| look.at);
        let (seen, unseen): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|look| look.observed.is_some());
        let places = |looks: Vec<&Look>| looks.iter().map(|look| look.place.clone()).collect();
        (places(unseen), places(seen))
    }

    /// Compares with lists that were begun at this time. A look that they contradict is forgotten:
    /// what there is needs another one. Answers with the tenants concerned.
    pub fn compare(&self, listed: &Inventory, began: Instant) -> Vec<String> {
        let mut contradicted = Vec::new();
        for look in self.lock().values_mut() {
            if look.observed.is_some() && look.at >= began {
                continue;
            }
            let Place { bucket, user, .. } = &look.place;
            let present = (
                listed.buckets.contains(bucket),
                listed.users.contains_key(user),
            );
            if look.expected().is_some_and(|expected| expected != present) {
                look.observed = None;
                contradicted.push(look.place.tenant.clone());
            }
            look.listed = Some(present);
        }
        contradicted
    }

    /// When the one who waits the longest was looked at.
    pub fn oldest(&self) -> Option<Instant> {
        self.lock().values().map(|look| look.at).min()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Look>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::objectstore::observe::{Bucket, User};

    fn place(name: &str) -> Place {
        Place {
            tenant: name.into(),
            bucket: format!("eo-{name}-documents"),
            user: format!("eo-{name}"),
        }
    }

    fn whole() -> Observed {
        Observed {
            bucket: Some(Bucket::default()),
            user: Some(User::default()),
            ..Observed::default()
        }
    }

    fn listed(names: &[&str]) -> Inventory {
        let places: Vec<_> = names.iter().map(|name| place(name)).collect();
        Inventory {
            buckets: places.iter().map(|place| place.bucket.clone()).collect(),
            users: places
                .iter()
                .map(|place| (place.user.clone(), "/".into()))
                .collect(),
        }
    }

    fn names(places: &[Place]) -> Vec<&str> {
        places.iter().map(|place| place.tenant.as_str()).collect()
    }

    #[test]
    fn a_round_goes_from_the_unseen_to_the_latest_look_and_forgets_who_left() {
        let looks = Looks::default();
        for name in ["b", "a", "gone", "c"] {
            looks.note(&place(name), Instant::now(), whole());
        }
        let all = ["a", "b", "c", "new"].map(place).to_vec();
        let (unseen, seen) = looks.round(all.clone());
        assert_eq!(names(&unseen), ["new"]);
        assert_eq!(names(&seen), ["b", "a", "c"]);
        assert_eq!(looks.of("eo-gone-documents"), None);
        looks.note(&place("b"), Instant::now(), whole());
        assert_eq!(names(&looks.round(all).1), ["a", "c", "b"]);
    }

    #[test]
    fn only_what_is_new_is_told_and_an_older_look_shows_nothing() {
        let looks = Looks::default();
        let before = Instant::now();
        assert!(looks.note(&place("a"), before, whole()));
        assert!(!looks.note(&place("a"), Instant::now(), whole()));
        assert!(!looks.note(&place("a"), before, Observed::default()));
        assert_eq!(looks.of("eo-a-documents"), Some(whole()));
        assert!(looks.note(&place("a"), Instant::now(), Observed::default()));
    }

    #[test]
    fn lists_end_looks_that_they_contradict() {
        let looks = Looks::default();
        let early = Instant::now();
        for name in ["a", "b"] {
            looks.note(&place(name), early, whole());
        }
        let contradicted = |listed: &Inventory, began: Instant| {
            let mut tenants = looks.compare(listed, began);
            tenants.sort();
            tenants
        };
        // These were begun before the looks.
        assert_eq!(contradicted(&listed(&["a"]), early), [""; 0]);
        let now = Instant::now();
        assert_eq!(contradicted(&listed(&["a", "b"]), now), [""; 0]);
        assert_eq!(contradicted(&listed(&["a"]), now), ["b"]);
        assert_eq!(looks.of("eo-b-documents"), None);
        assert_eq!(contradicted(&listed(&["a"]), now), [""; 0], "told once");
        let mut without_user = listed(&["a"]);
        without_user.users.clear();
        assert_eq!(contradicted(&without_user, now), ["a"]);
        // They come back, whether they were looked at in between or not.
        looks.note(&place("b"), now, Observed::default());
        let later = Instant::now();
        assert_eq!(contradicted(&listed(&["a", "b"]), later), ["a", "b"]);
        assert_eq!(contradicted(&listed(&["a", "b"]), later), [""; 0]);
    }

    #[test]
    fn who_waits_the_longest_counts_though_it_was_never_looked_at() {
        let looks = Looks::default();
        assert_eq!(looks.oldest(), None);
        looks.round(vec![place("a")]);
        let first = looks.oldest().unwrap();
        looks.round(["a", "b"].map(place).to_vec());
        looks.note(&place("b"), Instant::now(), whole());
        assert_eq!(looks.oldest(), Some(first));
        looks.note(&place("a"), Instant::now(), whole());
        assert!(looks.oldest().unwrap() > first);
    }
}
