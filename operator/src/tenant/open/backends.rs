//! Both backends of a tenant, side by side.

use crate::plan::Problem;
use crate::tenant::pass::{Brought, Pass};
use crate::tenant::{database, storage};
use eoffice_crds::{ConditionType, Plane, Reason};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// How often both backends are brought to order: once, again where the first made an object that its
/// twin has to name, and again where a person's acceptance was taken.
const ROUNDS: usize = 3;
/// How much longer than the other a backend may take while the other has something to cut off.
const PATIENCE: Duration = Duration::from_secs(1);

/// The planes that have a backend.
const BOTH: [Plane; 2] = [Plane::Database, Plane::Storage];

type Answers = (
    Option<Brought<database::Found>>,
    Option<Brought<storage::Found>>,
);

impl Pass<'_> {
    /// Both backends, until nothing new is to be written into the record.
    pub(super) async fn backends(&mut self) {
        self.backends_of(&BOTH).await;
    }

    /// The same for some of them.
    pub(super) async fn backends_of(&mut self, planes: &[Plane]) {
        self.rounds(planes, [None, None]).await;
    }

    /// As [`Self::backends`]; but where one has a successor of what is to be cut off at once, it does not wait for
    /// the other, which may hang. True if the other was left in the midst of its work.
    pub(super) async fn backends_in_haste(&mut self) -> bool {
        let under_way = self.record.rotation.under_way.as_ref();
        let urgent = under_way.filter(|_| self.hurries(Plane::Database) && !self.planning);
        let patience = urgent.map_or([None, None], |it| {
            [&it.login_retired_at, &it.key_retired_at].map(|at| at.is_none().then_some(PATIENCE))
        });
        self.rounds(&BOTH, patience).await
    }

    async fn rounds(&mut self, planes: &[Plane], patience: [Option<Duration>; 2]) -> bool {
        for _ in 0..ROUNDS {
            let before = self.record.clone();
            let skip_database =
                !planes.contains(&Plane::Database) || self.waits(ConditionType::DatabaseReady);
            let skip_storage =
                !planes.contains(&Plane::Storage) || self.waits(ConditionType::StorageReady);
            // Each on the heap: what they await is deep, and a thread's stack is not.
            let database = Box::pin(async {
                match skip_database {
                    true => None,
                    false => Some(database::bring(self).await),
                }
            });
            let storage = Box::pin(async {
                match skip_storage {
                    true => None,
                    false => Some(storage::bring(self).await),
                }
            });
            // Both are left for an emergency that was asked for meanwhile: the next look knows of it.
            let (database, storage) = tokio::select! {
                answers = in_haste(database, storage, patience) => answers,
                () = self.called() => (None, None),
            };
            let parts = [
                (database.is_none(), ConditionType::DatabaseReady),
                (storage.is_none(), ConditionType::StorageReady),
            ];
            self.take_in_both((database.flatten(), storage.flatten()));
            for (_, part) in parts.iter().filter(|(left, _)| *left) {
                let waiting = Problem::new(Reason::Waiting, "an emergency comes first");
                self.parts.insert(*part, Err(waiting));
            }
            let left = parts.iter().any(|(left, _)| *left);
            if self.record == before {
                return left;
            }
            if self.planning {
                continue;
            }
            if let Err(problem) = self.amend().await {
                self.settle(ConditionType::NamespaceReady, Err(problem), "");
                return left;
            }
            if left {
                return true;
            }
        }
        false
    }

    /// Returns when an emergency is asked for that this look does not know of.
    async fn called(&self) {
        match self.planning || self.tenant.paused.is_some() {
            true => std::future::pending().await,
            false => self.world.queue.called(&self.tenant.object).await,
        }
    }

    fn take_in_both(&mut self, (database, storage): Answers) {
        let found = database.and_then(|brought| {
            self.take_in(
                Plane::Database,
                ConditionType::DatabaseReady,
                brought,
                "database, roles and their Secret stand",
            )
        });
        if let Some(found) = found {
            self.record.database = found.recorded;
            self.unsettle_if(found.accepted, &[Plane::Database]);
        }
        let found = storage.and_then(|brought| {
            self.take_in(
                Plane::Storage,
                ConditionType::StorageReady,
                brought,
                "bucket, user, policy, key and their Secret stand",
            )
        });
        if let Some(found) = found {
            self.record.storage = found.recorded;
            self.unsettle_if(found.accepted, &[Plane::Storage, Plane::Database]);
        }
    }

    /// What follows from an acceptance was asked for: it is no drift, and waits for nobody. A new bucket is
    /// named in the database's marks, too. The reverse is told as drift: a bucket without marks is taken up
    /// only while its own loss is being accepted.
    fn unsettle_if(&mut self, accepted: bool, planes: &[Plane]) {
        for plane in planes.iter().filter(|_| accepted) {
            self.settled.remove(plane);
            self.record.settled.remove(plane);
        }
    }
}

/// Both at once. Where one came out well and has patience with the other for so long only, the other is then left: it
/// may be left at any point, as a process may die at any point.
async fn in_haste<A, B>(
    one: impl Future<Output = Option<Brought<A>>>,
    other: impl Future<Output = Option<Brought<B>>>,
    patience: [Option<Duration>; 2],
) -> (Option<Option<Brought<A>>>, Option<Option<Brought<B>>>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    tokio::select! {
        done = &mut one => {
            let wait = patience[0].filter(|_| is_well(done.as_ref()));
            (Some(done), within(wait, other).await)
        }
        done = &mut other => {
            let wait = patience[1].filter(|_| is_well(done.as_ref()));
            (within(wait, one).await, Some(done))
        }
    }
}

fn is_well<T>(done: Option<&Brought<T>>) -> bool {
    done.is_some_and(|brought| brought.result.is_ok())
}

async fn within<T>(wait: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match wait {
        Some(wait) => tokio::time::timeout(wait, work).await.ok(),
        None => Some(work.await),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    fn well() -> Option<Brought<()>> {
        let brought = Brought::failed(Problem::new(Reason::Waiting, ""));
        Some(Brought {
            result: Ok(()),
            ..brought
        })
    }

    fn badly() -> Option<Brought<()>> {
        Some(Brought::failed(Problem::new(Reason::Unreachable, "down")))
    }

    #[tokio::test]
    async fn one_that_has_something_to_cut_off_does_not_wait_for_one_that_hangs() {
        let short = Duration::from_millis(20);
        let slow = async || {
            tokio::time::sleep(4 * short).await;
            well()
        };
        let hangs = pending::<Option<Brought<()>>>;
        let hurries = [Some(short), Some(short)];
        let (one, other) = in_haste(ready(well()), hangs(), hurries).await;
        assert!(one.is_some() && other.is_none());
        let (one, other) = in_haste(hangs(), ready(well()), hurries).await;
        assert!(one.is_none() && other.is_some());
        // Nothing to cut off, because it was, or because it failed itself: the other has all its time.
        for (first, patience) in [(well(), [None, Some(short)]), (badly(), hurries)] {
            let (one, other) = in_haste(ready(first), slow(), patience).await;
            assert!(one.is_some() && other.is_some(), "{patience:?}");
        }
        let patient = [Some(100 * short); 2];
        let (_, other) = in_haste(ready(well()), slow(), patient).await;
        assert!(other.is_some(), "a little longer");
    }
}
