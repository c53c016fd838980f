//! Where the time goes.

use std::fmt::Write;
use std::time::{Duration, Instant};

/// What was done, one thing after the other, and how long each took.
#[derive(Debug)]
pub(super) struct Phases {
    began: Instant,
    last: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Phases {
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            last: now,
            done: Vec::new(),
        }
    }

    /// Ends the phase called `name`; the next one begins.
    pub(super) fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.done.push((name, now - self.last));
        self.last = now;
    }

    /// One line: each phase, and all of them.
    pub(super) fn summary(&self) -> String {
        let mut line = String::from("Where the time went: ");
        for (name, took) in &self.done {
            let _ = write!(line, "{name} {:.1}s, ", took.as_secs_f64());
        }
        let _ = write!(
            line,
            "in all {:.1}s",
            (self.last - self.began).as_secs_f64()
        );
        line
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_every_phase_and_the_sum() {
        let now = Instant::now();
        let phases = Phases {
            began: now,
            last: now + Duration::from_millis(3_500),
            done: vec![
                ("platform", Duration::from_millis(2_500)),
                ("proof", Duration::from_secs(1)),
            ],
        };
        assert_eq!(
            phases.summary(),
            "Where the time went: platform 2.5s, proof 1.0s, in all 3.5s"
        );
    }
}
