//! What no tenant asks for: batches that time ends, and those that a person wants undone.

use super::Request;
use super::writer::presence;
use crate::breaker::Act;
use crate::breaker::batch::{Batch, act_of};
use crate::breaker::ledger::{Note, enter};
use crate::controller::world::World;
use crate::tenant::recover::{Recovered, recover};
use eoffice_crds::{Decision, HeldTenant};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often it is looked whether time has ended anything, where there are batches at all. It reads memory only.
const TICK: Duration = Duration::from_secs(5);
/// Tenants recovered at once.
const AT_ONCE: usize = 8;

/// Sees to it all, whenever woken and every few seconds.
pub async fn keep(world: Arc<World>) {
    // Not by waiting for the store: of several that wait for one, only the last is woken.
    while !world.breaker.listed_tenants.load(Ordering::Acquire) {
        world.breaker.due.notified().await;
    }
    // Acts whose cause is not ours to take away: nothing is looked at twice for them.
    let mut left = HashSet::new();
    loop {
        let batches = world.breaker.memory().batches.clone();
        if is_due(&world, &batches) {
            drop(world.breaker.requests.send(Request::Tidy));
        }
        undo(&world, &batches, &mut left).await;
        tokio::select! {
            () = world.breaker.due.notified() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Whether the batches would be others if they were written now.
fn is_due(world: &World, batches: &[Batch]) -> bool {
    let now = Timestamp::now();
    let rules = world.breaker.rules();
    let presence = |entry: &HeldTenant| presence(world, entry);
    enter(batches.to_vec(), &[], presence, now, &rules) != batches
}

/// Brings everything that is to be undone a step on.
async fn undo(world: &World, batches: &[Batch], left: &mut HashSet<(String, Act)>) {
    let recovered = batches
        .iter()
        .filter(|batch| batch.decision == Some(Decision::Recover));
    let open: Vec<HeldTenant> = recovered
        .flat_map(|batch| &batch.entries)
        .filter(|entry| entry.done_at.is_none())
        .filter(|entry| !left.contains(&(entry.uid.clone(), act_of(entry))))
        .cloned()
        .collect();
    let outcomes = stream::iter(open)
        .map(|entry| async move {
            let outcome = recover(world, &entry).await;
            (entry, outcome)
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    for (entry, outcome) in outcomes {
        match outcome {
            Ok(Recovered::Done) => {
                let breaker = &world.breaker;
                breaker.note(Note::Done(entry.uid.clone(), act_of(&entry)));
            }
            Ok(Recovered::Left) => {
                left.insert((entry.uid.clone(), act_of(&entry)));
            }
            Ok(Recovered::Waits) => {}
            Err(problem) => {
                tracing::warn!(tenant = entry.name, %problem, "the tenant is recovered later");
            }
        }
    }
}
