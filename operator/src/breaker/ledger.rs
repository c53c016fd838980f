//! What happens to the batches as acts are seen, carried out and taken back.

use super::batch::{Batch, ROOM, down, is, up};
use super::{Act, Rules, is_entered};
use eoffice_crds::{Decision, HeldTenant, HoldState, Impact, TenantRef};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::time::Duration;

/// How long a batch that was decided about is kept for people to read.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Something to be written down.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// An act is wanted.
    Seen(TenantRef, Act),
    /// An act on the tenant of this UID was carried out.
    Done(String, Act),
    /// It is not wanted any more.
    TakenBack(String, Act),
}

/// What is known of the tenant of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The object of that UID stands.
    Stands,
    /// It is gone, and its record still names it as living: it was let go without having been closed.
    Released,
    /// It is gone.
    Gone,
}

/// The batches with these notes entered, and without what is over. The states follow.
pub fn enter(
    mut batches: Vec<Batch>,
    notes: &[Note],
    presence: impl Fn(&HeldTenant) -> Presence,
    now: Timestamp,
    rules: &Rules,
) -> Vec<Batch> {
    for note in notes {
        match note {
            Note::Seen(tenant, act) => seen(&mut batches, tenant, act, now),
            Note::Done(uid, act) => over(&mut batches, uid, act, now, true),
            Note::TakenBack(uid, act) => over(&mut batches, uid, act, now, false),
        }
    }
    for batch in &mut batches {
        follow(batch, &presence, now);
        if batch.is_undecided() {
            batch
                .entries
                .retain(|entry| counts(entry, now, rules.window));
        }
    }
    let holding = batches.iter().any(Batch::is_held);
    let too_many = count(&batches, now, rules.window) > rules.limit;
    for batch in &mut batches {
        let state = match batch.decision {
            Some(Decision::Resume) => HoldState::Resumed,
            Some(Decision::Recover) => HoldState::Recovered,
            None if batch.is_pending() && (holding || too_many) => HoldState::Held,
            None => HoldState::Watching,
        };
        if batch.state != state {
            batch.state = state;
            batch.since = down(now).0;
        }
    }
    batches.retain(|batch| !is_over(batch, now));
    batches
}

/// How many tenants count towards the limit: an act counts until it has been done for as long as the window.
pub fn count(batches: &[Batch], now: Timestamp, window: Duration) -> usize {
    let undecided = batches.iter().filter(|batch| batch.is_undecided());
    let tenants: HashSet<&str> = undecided
        .flat_map(|batch| &batch.entries)
        .filter(|entry| counts(entry, now, window))
        .map(|entry| entry.uid.as_str())
        .collect();
    tenants.len()
}

fn counts(entry: &HeldTenant, now: Timestamp, window: Duration) -> bool {
    entry.done_at.as_ref().is_none_or(|done| {
        now.duration_since(done.0) < SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX)
    })
}

fn is_over(batch: &Batch, now: Timestamp) -> bool {
    match batch.decision {
        None => batch.entries.is_empty(),
        Some(_) => !batch.is_pending() && now.duration_since(batch.since) > KEPT,
    }
}

/// Enters an act, unless it is entered. One that was done before begins anew.
fn seen(batches: &mut Vec<Batch>, tenant: &TenantRef, act: &Act, now: Timestamp) {
    if is_entered(batches, &tenant.uid, act) {
        return;
    }
    let new = HeldTenant {
        namespace: tenant.namespace.clone(),
        name: tenant.name.clone(),
        uid: tenant.uid.clone(),
        impact: act.impact,
        cause: act.cause.clone(),
        seen_at: up(now),
        done_at: None,
    };
    let undecided = batches.iter_mut().filter(|batch| batch.is_undecided());
    let mut entries = undecided.flat_map(|batch| &mut batch.entries);
    if let Some(entry) = entries.find(|entry| is(entry, &tenant.uid, act)) {
        *entry = new;
        return;
    }
    let with_room = batches
        .iter_mut()
        .filter(|batch| batch.is_undecided() && batch.entries.len() < ROOM)
        .min_by_key(|batch| (!batch.is_held(), batch.name.clone()));
    match with_room {
        Some(batch) => batch.entries.push(new),
        None => {
            let mut batch = Batch::new(name(batches, now), down(now).0);
            batch.entries.push(new);
            batches.push(batch);
        }
    }
}

/// A name by its time, with a dot: no tenant can have it.
fn name(batches: &[Batch], now: Timestamp) -> String {
    let base = now.strftime("batch-%Y%m%d.%H%M%S").to_string();
    let taken = |name: &String| batches.iter().any(|batch| batch.name == *name);
    let numbered = (2..).map(|number| format!("{base}.{number}"));
    [base.clone()]
        .into_iter()
        .chain(numbered)
        .find(|name| !taken(name))
        .unwrap_or(base)
}

/// An act came to its end. What was taken back leaves a batch that is not decided about, and is not counted; in one
/// that is, it is over.
fn over(batches: &mut [Batch], uid: &str, act: &Act, now: Timestamp, done: bool) {
    for batch in batches {
        let keep = done || !batch.is_undecided();
        batch
            .entries
            .retain(|entry| keep || !is(entry, uid, act) || entry.done_at.is_some());
        for entry in &mut batch.entries {
            if is(entry, uid, act) && entry.done_at.is_none() {
                entry.done_at = Some(down(now));
            }
        }
    }
}

/// What became of acts on tenants that are gone. A deletion was carried out; anything else has no object any more. One
/// that was let go without being closed is yet to be, and can still be made again, until a person has decided otherwise.
fn follow(batch: &mut Batch, presence: impl Fn(&HeldTenant) -> Presence, now: Timestamp) {
    let decision = batch.decision;
    let open = |entry: &HeldTenant| entry.done_at.is_none();
    batch.entries.retain_mut(|entry| {
        let presence = if open(entry) {
            presence(entry)
        } else {
            Presence::Stands
        };
        let deleted = entry.impact == Impact::Delete;
        match (presence, decision) {
            (Presence::Stands, _) => true,
            (_, Some(Decision::Recover)) if deleted => true,
            (Presence::Released, None) if deleted => true,
            (_, None) if !deleted => false,
            _ => {
                entry.done_at = Some(down(now));
                true
            }
        }
    });
}
