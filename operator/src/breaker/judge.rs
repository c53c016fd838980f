//! Whether an act may be done now: a table.

use super::batch::{Batch, counts_still};
use super::{Act, Hold, Origin, Rules, Verdict};
use eoffice_crds::{Decision, HeldTenant};
use jiff::Timestamp;
use std::time::Duration;

/// Where an act stands.
enum Standing<'a> {
    /// A person let it happen.
    Resumed,
    /// A person wants it undone.
    Recovered(&'a Batch),
    /// It waits for a person.
    Held(&'a Batch),
    /// There are few; this one is entered.
    Entered(&'a HeldTenant),
    /// It is not entered.
    Unknown,
}

/// What may be done about an act that was entered. One that was not waits its whole delay.
pub fn judge(batches: &[Batch], uid: &str, act: &Act, now: Timestamp, rules: &Rules) -> Verdict {
    use Origin::{Asked, ByName, Inherited};
    match (act.origin, standing(batches, uid, act)) {
        (ByName, _) => Verdict::Go,
        (_, Standing::Resumed) => Verdict::Go,
        (_, Standing::Recovered(batch)) => Verdict::Undo(undone(batch, act)),
        (_, Standing::Held(batch)) => Verdict::Held(held(batch)),
        (_, Standing::Unknown) => Verdict::Wait(rules.delay),
        (Asked, Standing::Entered(_)) => Verdict::Go,
        (Inherited, Standing::Entered(entry)) => match left(entry, now, rules.delay) {
            Duration::ZERO => Verdict::Go,
            left => Verdict::Wait(left),
        },
    }
}

/// Whether an act stands in a batch.
pub fn is_entered(batches: &[Batch], uid: &str, act: &Act) -> bool {
    batches
        .iter()
        .any(|batch| batch.entry(uid, act).is_some_and(counts_still))
}

/// A decision counts for the very act that was decided about, until that is done; what is undecided is held where any
/// batch is.
fn standing<'a>(batches: &'a [Batch], uid: &str, act: &Act) -> Standing<'a> {
    let entered = || {
        batches.iter().filter_map(|batch| {
            let entry = batch.entry(uid, act)?;
            Some((batch, entry))
        })
    };
    let decided = entered().find_map(|(batch, entry)| {
        let same = counts_still(entry);
        same.then_some((batch, batch.decision?))
    });
    if let Some((batch, decision)) = decided {
        return match decision {
            Decision::Resume => Standing::Resumed,
            Decision::Recover => Standing::Recovered(batch),
        };
    }
    let undecided = entered().find(|(batch, _)| batch.is_undecided());
    let holding = undecided
        .map(|(batch, _)| batch)
        .filter(|batch| batch.is_held())
        .or_else(|| batches.iter().find(|batch| batch.is_held()));
    match (holding, undecided) {
        (Some(batch), _) => Standing::Held(batch),
        (None, Some((_, entry))) => Standing::Entered(entry),
        (None, None) => Standing::Unknown,
    }
}

/// What is left of the delay; never more than all of it, whatever another machine's clock said.
fn left(entry: &HeldTenant, now: Timestamp, delay: Duration) -> Duration {
    let passed = now.duration_since(entry.seen_at.0);
    let left = i128::try_from(delay.as_nanos()).unwrap_or(i128::MAX) - passed.as_nanos();
    // A stored time is up to a second later than what it tells of.
    let most = delay + Duration::from_secs(1);
    Duration::from_nanos(u64::try_from(left.max(0)).unwrap_or(u64::MAX)).min(most)
}

fn held(batch: &Batch) -> Hold {
    Hold {
        batch: batch.name.clone(),
        message: format!(
            "batch {name} would close, delete or move too many tenants at once: everything stays as it is until a person decides with kubectl eoffice resume {name} (do it) or recover {name} (undo it); kubectl describe fleethold {name} lists them",
            name = batch.name
        ),
    }
}

fn undone(batch: &Batch, act: &Act) -> Hold {
    Hold {
        batch: batch.name.clone(),
        message: format!(
            "a person had batch {} undone: everything stays as it is; what is being deleted is made again, what the spec asks for is put back, and any other cause has to be taken away where it is ({})",
            batch.name, act.cause
        ),
    }
}
