//! Where another writer keeps changing the same thing back, so that fighting it only makes noise.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// So many corrections of the same thing within [`WINDOW`] are a fight.
const ROUNDS: usize = 3;
/// Within what time corrections count together.
const WINDOW: Duration = Duration::from_secs(600);
/// How often a thing that is fought over is put right.
const PACE: Duration = Duration::from_secs(600);

/// An object and a field of it.
type What = (String, String);

/// What was put right lately, by tenant.
#[derive(Debug, Default)]
pub struct Contests {
    tenants: HashMap<String, HashMap<What, Contest>>,
}

#[derive(Debug)]
struct Contest {
    corrections: VecDeque<Instant>,
    fought: bool,
    other: String,
}

impl Contests {
    /// Notes that something which `other` had changed was put right.
    pub fn corrected(&mut self, tenant: &str, what: What, other: String, now: Instant) {
        let things = self.tenants.entry(tenant.to_owned()).or_default();
        things.retain(|_, contest| contest.matters(now));
        let contest = things.entry(what).or_insert_with(|| Contest {
            corrections: VecDeque::new(),
            fought: false,
            other: String::new(),
        });
        contest.other = other;
        contest.corrections.push_back(now);
        if contest.corrections.len() > ROUNDS {
            contest.corrections.pop_front();
        }
        let recent = |at: &&Instant| now.duration_since(**at) < WINDOW;
        contest.fought |= contest.corrections.iter().filter(recent).count() >= ROUNDS;
    }

    /// Who else changes it, and how long it waits, if it is fought over.
    pub fn waiting(
        &self,
        tenant: &str,
        object: &str,
        field: &str,
        now: Instant,
    ) -> Option<(&str, Duration)> {
        let things = self.tenants.get(tenant)?;
        let contest = things.get(&(object.to_owned(), field.to_owned()))?;
        let last = contest.corrections.back().filter(|_| contest.fought)?;
        let left = (*last + PACE).checked_duration_since(now)?;
        Some((&contest.other, left))
    }

    /// Forgets a tenant.
    pub fn forget(&mut self, tenant: &str) {
        self.tenants.remove(tenant);
    }
}

impl Contest {
    /// A fight ends when the other writer has let it be for twice the pace.
    fn matters(&self, now: Instant) -> bool {
        self.corrections
            .back()
            .is_some_and(|last| now.duration_since(*last) < WINDOW.max(2 * PACE))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn correct(contests: &mut Contests, now: Instant) {
        let what = ("quota".into(), "pods".into());
        contests.corrected("a", what, "helm".into(), now);
    }

    #[test]
    fn the_third_correction_in_ten_minutes_begins_a_slow_pace() {
        let (mut contests, start) = (Contests::default(), Instant::now());
        let after = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let waits = |contests: &Contests, now| {
            let found = contests.waiting("a", "quota", "pods", now);
            found.map(|(other, left)| (other.to_owned(), left.as_secs() / 60))
        };
        correct(&mut contests, after(0));
        correct(&mut contests, after(1));
        assert_eq!(waits(&contests, after(1)), None);
        correct(&mut contests, after(2));
        assert_eq!(waits(&contests, after(3)), Some(("helm".into(), 9)));
        assert_eq!(waits(&contests, after(13)), None);
        // One correction, and the pace goes on.
        correct(&mut contests, after(13));
        assert_eq!(waits(&contests, after(14)), Some(("helm".into(), 9)));
        assert!(contests.waiting("a", "quota", "cpu", after(14)).is_none());
        // Left alone for long enough, it is forgotten.
        correct(&mut contests, after(60));
        assert_eq!(waits(&contests, after(60)), None);
    }

    #[test]
    fn corrections_far_apart_are_no_fight() {
        let (mut contests, start) = (Contests::default(), Instant::now());
        for hours in 0..5 {
            let now = start + Duration::from_secs(3600 * hours);
            correct(&mut contests, now);
            assert!(contests.waiting("a", "quota", "pods", now).is_none());
        }
    }
}
