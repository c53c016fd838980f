//! Close looks at every tenant of a store, at a small steady rate.

use super::looks::{Looks, Place};
use crate::controller::world::World;
use crate::objectstore::Store;
use crate::objectstore::observe::{Inventory, listed_tenant};
use eoffice_crds::ConditionType;
use futures::{StreamExt, stream};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval_at};

/// Close looks at once.
const AT_ONCE: usize = 4;
/// Share of the pass in which a round is made: the rest is for looks that take long.
const ROUND: f64 = 0.9;
const SHORTEST: Duration = Duration::from_millis(1);

/// Goes over all tenants of a store, again and again. Whoever is found changed is looked at by the
/// controller.
pub async fn patrol(world: &World, name: &str) -> Infallible {
    let settings = &world.settings;
    loop {
        let places = places(world, name);
        let backend = world.storage.get(name);
        let Some(backend) = backend.filter(|it| it.usable().is_ok() && !places.is_empty()) else {
            tokio::time::sleep(settings.storage_interval.min(settings.storage_pass)).await;
            continue;
        };
        let turn = turn(settings.storage_pass, places.len());
        let (unseen, seen) = backend.looks.round(places);
        drop(backend);
        stream::iter(unseen)
            .for_each_concurrent(AT_ONCE, |place| visit(world, name, place))
            .await;
        paced(seen, turn)
            .for_each_concurrent(AT_ONCE, |place| visit(world, name, place))
            .await;
    }
}

/// All tenants that records place in the store of this name.
pub fn places(world: &World, name: &str) -> Vec<Place> {
    world.records.with(|registry| {
        let records = registry.records();
        let here = records.filter(|record| record.storage.store == name);
        here.map(Place::of).collect()
    })
}

/// Looks at all these as soon as can be. Failures are left to the rounds.
pub async fn look_at_all(
    world: &World,
    (store, listed): (&Store, &Inventory),
    looks: &Looks,
    places: Vec<Place>,
) {
    stream::iter(places)
        .for_each_concurrent(AT_ONCE, |place| async move {
            look(world, store, listed, looks, &place).await;
        })
        .await;
}

/// The time from one look to the next.
fn turn(pass: Duration, tenants: usize) -> Duration {
    let tenants = u32::try_from(tenants).unwrap_or(u32::MAX).max(1);
    (pass.mul_f64(ROUND) / tenants).max(SHORTEST)
}

/// One after the other, each at its turn; what is late makes the later ones no quicker.
fn paced(places: Vec<Place>, turn: Duration) -> impl stream::Stream<Item = Place> {
    let mut turns = interval_at(tokio::time::Instant::now() + turn, turn);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(
        (places.into_iter(), turns),
        async |(mut rest, mut turns)| {
            let place = rest.next()?;
            turns.tick().await;
            Some((place, (rest, turns)))
        },
    )
}

async fn visit(world: &World, name: &str, place: Place) {
    let Some(backend) = world.storage.get(name) else {
        return;
    };
    let (Ok((store, _)), Some(listed)) = (backend.usable(), &backend.inventory) else {
        return;
    };
    if look(world, store, listed, &backend.looks, &place).await {
        // What it waited with is not what is there any more.
        world
            .memory
            .clear(&place.tenant, ConditionType::StorageReady);
        world.push_seen(&place.tenant);
    }
}

/// Looks closely at one tenant. True if something new was seen.
async fn look(
    world: &World,
    store: &Store,
    listed: &Inventory,
    looks: &Looks,
    place: &Place,
) -> bool {
    let began = Instant::now();
    let Place {
        tenant,
        bucket,
        user,
    } = place;
    match listed_tenant(store, &world.effects, bucket, user, listed).await {
        Ok(observed) => looks.note(place, began, observed),
        Err(problem) => {
            tracing::warn!(tenant, %problem, "a close look failed");
            false
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_spread_over_its_pass() {
        let pass = Duration::from_secs(600);
        assert_eq!(turn(pass, 1_000), Duration::from_millis(540));
        assert_eq!(turn(pass, 1), Duration::from_secs(540));
        assert_eq!(turn(Duration::from_millis(2), 1_000), SHORTEST);
    }

    #[tokio::test]
    async fn looks_come_one_at_a_time() {
        let places: Vec<_> = ["a", "b", "c"]
            .map(|name| Place {
                tenant: name.into(),
                bucket: name.into(),
                user: name.into(),
            })
            .to_vec();
        let began = tokio::time::Instant::now();
        let turn = Duration::from_millis(20);
        let looks: Vec<_> = paced(places, turn)
            .map(|place| (place.tenant, began.elapsed()))
            .collect()
            .await;
        let order: Vec<_> = looks.iter().map(|(tenant, _)| tenant.as_str()).collect();
        assert_eq!(order, ["a", "b", "c"]);
        for (number, (_, at)) in (1..).zip(&looks) {
            assert!(*at >= turn * number, "{looks:?}");
        }
    }
}
