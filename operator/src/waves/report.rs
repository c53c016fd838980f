//! How the queue is told: its length, its pace, and what follows from them for each who waits.

use super::Entry;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The pace is taken from what was finished within this time.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// Two finished at once would else be an endless pace.
const AT_LEAST: f64 = 1.0;

/// The queue in a few numbers, as the operator's lease carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many wait for their turn.
    pub waiting: usize,
    /// How many are in the making.
    pub making: usize,
    /// How many fail, of those that settled last.
    #[serde(default)]
    pub failing: usize,
    /// How many were finished a minute lately; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<f64>,
    /// Whether nobody is begun, as too many fail.
    pub stopped: bool,
}

impl Summary {
    /// In what time the tenant at this place, counted from 1, has its turn. None where nobody can tell.
    pub fn expected(&self, place: usize) -> Option<Duration> {
        let per_minute = self
            .per_minute
            .filter(|pace| *pace > 0.0 && !self.stopped)?;
        Duration::try_from_secs_f64(place as f64 * 60.0 / per_minute).ok()
    }
}

/// How many a minute were finished lately, by when each was.
pub fn pace(finished: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Option<f64> {
    let recent = |at: &Timestamp| now.duration_since(*at) <= RECENT;
    let ago: Vec<f64> = finished
        .into_iter()
        .filter(recent)
        .map(|at| now.duration_since(at).as_secs_f64().max(0.0))
        .collect();
    let longest = ago.iter().copied().reduce(f64::max)?;
    Some(ago.len() as f64 * 60.0 / longest.max(AT_LEAST))
}

/// The queue as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In numbers.
    pub summary: Summary,
    /// Those who wait, the next one first.
    pub waiting: Vec<Entry>,
}
