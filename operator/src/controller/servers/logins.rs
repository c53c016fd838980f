//! Which logins are used: samples that the audits take.

use jiff::Timestamp;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Audits that may fail in a row before what happened meanwhile counts as not seen.
const GAP: u32 = 3;

/// What is known of the use of one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginUse {
    /// Since when logins are watched without a gap.
    pub watched_since: Timestamp,
    /// When it was last seen with a session, since then.
    pub last_seen: Option<Timestamp>,
}

/// The logins of one server. Nothing in it is older than the watching without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logins {
    since: Timestamp,
    latest: Instant,
    seen: HashMap<String, Timestamp>,
}

impl Logins {
    /// What is known after a look at the server that found these `in_use`, or after one that failed. `at` and `now` are the same moment, on the
    /// clock that nobody sets and on the one that people read; `interval` is the time between two looks.
    pub fn next(
        before: Option<&Self>,
        in_use: Option<&[&str]>,
        (at, now): (Instant, Timestamp),
        interval: Duration,
    ) -> Self {
        let gap = interval * GAP;
        let watched = before.filter(|before| at.duration_since(before.latest) <= gap);
        let mut next = watched.cloned().unwrap_or(Self {
            since: now,
            latest: at,
            seen: HashMap::new(),
        });
        if let Some(in_use) = in_use {
            next.latest = at;
            let seen = in_use.iter().map(|login| ((*login).to_owned(), now));
            next.seen.extend(seen);
        }
        next
    }

    /// What is known of one.
    pub fn of(&self, login: &str) -> LoginUse {
        LoginUse {
            watched_since: self.since,
            last_seen: self.seen.get(login).copied(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[test]
    fn a_use_is_known_from_when_all_looks_succeeded() {
        let begin = Instant::now();
        // When, in seconds; who was found with a session, if anybody could look; since when it is watched, and when
        // eo_1_a was last seen.
        type Look = (u64, Option<&'static [&'static str]>, i64, Option<i64>);
        let looks: &[Look] = &[
            (0, Some(&[]), 0, None),
            (30, Some(&["eo_1_a", "eo_2_a"]), 0, Some(30)),
            (60, Some(&["eo_2_a"]), 0, Some(30)),
            (90, None, 0, Some(30)),
            (120, None, 0, Some(30)),
            (150, Some(&[]), 0, Some(30)),
            // For more than three intervals nobody could look: whatever it did meanwhile was not seen.
            (180, None, 0, Some(30)),
            (300, Some(&[]), 300, None),
            (330, Some(&["eo_1_a"]), 300, Some(330)),
        ];
        let mut known: Option<Logins> = None;
        for (seconds, found, since, seen) in looks {
            let at = begin + Duration::from_secs(*seconds);
            let second = |second| Timestamp::from_second(second).unwrap();
            let now = second(i64::try_from(*seconds).unwrap());
            let next = Logins::next(known.as_ref(), *found, (at, now), INTERVAL);
            let expected = LoginUse {
                watched_since: second(*since),
                last_seen: seen.map(second),
            };
            assert_eq!(next.of("eo_1_a"), expected, "after {seconds} s");
            known = Some(next);
        }
    }
}
