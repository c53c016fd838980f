//! When a tenant's failing plane is tried again: exponential, with jitter, never given up.

use crate::plan::Problem;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(300);

/// What failed last, and how often in a row.
#[derive(Clone, Debug)]
struct Entry {
    failures: u32,
    until: Instant,
    problem: Problem,
}

/// The waits of all keys that failed last time.
#[derive(Debug)]
pub struct Backoff<K> {
    entries: HashMap<K, Entry>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// What it failed with, if it is too early to try again.
    pub fn waiting(&self, key: &K, now: Instant) -> Option<(Problem, Duration)> {
        let entry = self.entries.get(key)?;
        let left = entry.until.checked_duration_since(now)?;
        Some((entry.problem.clone(), left))
    }

    /// Notes a failure; `jitter` from 0 to 1 spreads the next try over the upper half of its wait.
    /// Answers with the wait.
    pub fn failed(&mut self, key: K, problem: Problem, now: Instant, jitter: f64) -> Duration {
        let entry = self.entries.entry(key).or_insert(Entry {
            failures: 0,
            until: now,
            problem: problem.clone(),
        });
        let wait = wait(entry.failures, jitter);
        entry.failures += 1;
        entry.until = now + wait;
        entry.problem = problem;
        wait
    }

    /// Notes that it went well, or that it is worth trying again at once.
    pub fn clear(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// Forgets the keys that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }
}

fn wait(failures: u32, jitter: f64) -> Duration {
    let full = FIRST
        .saturating_mul(2u32.saturating_pow(failures.min(20)))
        .min(CAP);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use eoffice_crds::Reason;

    #[test]
    fn waits_double_up_to_five_minutes_and_end_with_a_success() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let problem = Problem::new(Reason::Unreachable, "no answer");
        let waits: Vec<_> = (0..40)
            .map(|_| backoff.failed("a", problem.clone(), now, 1.0).as_secs_f64())
            .collect();
        assert_eq!(waits[..4], [0.5, 1.0, 2.0, 4.0]);
        assert_eq!(waits[39], 300.0);
        assert!(backoff.waiting(&"a", now).is_some());
        assert!(backoff.waiting(&"a", now + CAP + FIRST).is_none());
        backoff.clear(&"a");
        assert!(backoff.waiting(&"a", now).is_none());
    }

    #[test]
    fn jitter_stays_in_the_upper_half() {
        assert_eq!(wait(2, 0.0), Duration::from_secs(1));
        assert_eq!(wait(2, 1.0), Duration::from_secs(2));
    }
}
