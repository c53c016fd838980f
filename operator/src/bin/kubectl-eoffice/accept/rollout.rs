//! Who is next, and when to stop: pure, so that no clock is needed to test it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// A share is judged on no fewer tenants than this, so that one that fails early does not end it all.
const FEWEST: usize = 10;
/// Without anything to wait for, look again after this.
const IDLE: Duration = Duration::from_secs(60);

/// So many tenants in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Tenants that may wait at once, and that are begun in one unit of time.
    number: u32,
    /// Between the beginnings of two.
    every: Duration,
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("s", 1), ("min", 60), ("m", 60), ("h", 3600)];
        let parsed = text.split_once('/').and_then(|(number, unit)| {
            let number: u32 = number.parse().ok().filter(|&number| number > 0)?;
            let (_, seconds) = units.iter().find(|(name, _)| *name == unit)?;
            Some(Self {
                number,
                every: Duration::from_secs(*seconds) / number,
            })
        });
        parsed.ok_or_else(|| format!("{text:?} is no rate: write for example 10/min or 60/h"))
    }
}

/// A share of a whole, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(usize);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
        percent
            .filter(|&percent| percent <= 100)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no share: write 0% to 100%"))
    }
}

/// Tenants that are begun one by one, awaited, and counted.
#[derive(Debug)]
pub struct Rollout {
    all: usize,
    queue: VecDeque<String>,
    waiting: BTreeMap<String, Instant>,
    /// How many took it and are Ready.
    pub ready: usize,
    /// Which failed.
    pub failed: BTreeSet<String>,
    pace: Option<Pace>,
    share: Share,
    patience: Duration,
    last: Option<Instant>,
}

impl Rollout {
    /// Nothing is begun yet.
    pub fn new(
        tenants: impl Iterator<Item = String>,
        pace: Option<Pace>,
        share: Share,
        patience: Duration,
    ) -> Self {
        let queue: VecDeque<String> = tenants.collect();
        Self {
            all: queue.len(),
            queue,
            waiting: BTreeMap::new(),
            ready: 0,
            failed: BTreeSet::new(),
            pace,
            share,
            patience,
            last: None,
        }
    }

    /// The next tenant to begin at this moment, if its time has come. It counts as begun.
    pub fn next(&mut self, now: Instant) -> Option<String> {
        if self.is_stopped() || self.due().is_some_and(|due| now < due) {
            return None;
        }
        // As many as are begun in one unit of time: what hangs would otherwise be seen only after its patience.
        if self
            .pace
            .is_some_and(|pace| self.waiting.len() >= pace.number as usize)
        {
            return None;
        }
        let tenant = self.queue.pop_front()?;
        self.last = Some(now);
        self.waiting.insert(tenant.clone(), now + self.patience);
        Some(tenant)
    }

    /// When the next may begin; None: at once.
    fn due(&self) -> Option<Instant> {
        Some(self.last? + self.pace?.every)
    }

    /// Whether more have failed than may.
    fn is_stopped(&self) -> bool {
        let done = self.ready + self.failed.len();
        let judged = done.max(FEWEST.min(self.all));
        self.failed.len() * 100 > judged * self.share.0
    }

    /// Whether there is nothing left to begin or to wait for.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && (self.queue.is_empty() || self.is_stopped())
    }

    /// Whether this one was begun and has not ended.
    pub fn is_waiting(&self, tenant: &str) -> bool {
        self.waiting.contains_key(tenant)
    }

    /// It took the change.
    pub fn ready(&mut self, tenant: &str) {
        if self.waiting.remove(tenant).is_some() {
            self.ready += 1;
        }
    }

    /// It failed.
    pub fn failed(&mut self, tenant: &str) {
        if self.waiting.remove(tenant).is_some() {
            self.failed.insert(tenant.into());
        }
    }

    /// Those whose patience is over; they count as failed.
    pub fn overdue(&mut self, now: Instant) -> Vec<String> {
        let over =
            |(tenant, deadline): (&String, &Instant)| (now >= *deadline).then(|| tenant.clone());
        let overdue: Vec<String> = self.waiting.iter().filter_map(over).collect();
        for tenant in &overdue {
            self.failed(tenant);
        }
        overdue
    }

    /// When something is to be done even if nothing is heard.
    pub fn wake(&self, now: Instant) -> Instant {
        let full = self
            .pace
            .is_some_and(|pace| self.waiting.len() >= pace.number as usize);
        let next = self
            .due()
            .filter(|_| !self.queue.is_empty() && !full && !self.is_stopped());
        let patience = self.waiting.values().min().copied();
        next.into_iter().chain(patience).min().unwrap_or(now + IDLE)
    }

    /// How many have ended, of how many.
    pub fn progress(&self) -> (usize, usize) {
        (self.ready + self.failed.len(), self.all)
    }

    /// How many were never begun.
    pub fn left(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn rollout(all: usize, pace: Option<&str>, share: &str) -> Rollout {
        let tenants = (0..all).map(|at| format!("p/t{at}"));
        let pace = pace.map(|pace| pace.parse().unwrap());
        Rollout::new(tenants, pace, share.parse().unwrap(), 5 * MINUTE)
    }

    fn begin(rollout: &mut Rollout, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| rollout.next(now)).collect()
    }

    #[test]
    fn rates_and_shares_are_read() {
        let pace = |text: &str| text.parse::<Pace>();
        assert_eq!(
            pace("10/min"),
            Ok(Pace {
                number: 10,
                every: Duration::from_secs(6)
            })
        );
        assert_eq!(
            pace("60/h"),
            Ok(Pace {
                number: 60,
                every: MINUTE
            })
        );
        for bad in ["10", "0/min", "x/min", "10/day", "/min", "-1/min"] {
            assert!(pace(bad).is_err(), "{bad}");
        }
        assert_eq!("10%".parse(), Ok(Share(10)));
        assert_eq!("0".parse(), Ok(Share(0)));
        assert!("101%".parse::<Share>().is_err());
    }

    #[test]
    fn without_a_rate_all_begin_at_once() {
        let mut all = rollout(30, None, "10%");
        assert_eq!(begin(&mut all, Instant::now()).len(), 30);
    }

    #[test]
    fn a_rate_spreads_the_beginnings_and_bounds_how_many_wait() {
        let mut paced = rollout(30, Some("3/min"), "10%");
        let start = Instant::now();
        assert_eq!(begin(&mut paced, start), ["p/t0"]);
        assert_eq!(paced.wake(start), start + Duration::from_secs(20));
        assert!(begin(&mut paced, start + Duration::from_secs(19)).is_empty());
        for second in [20, 40] {
            assert_eq!(
                begin(&mut paced, start + Duration::from_secs(second)).len(),
                1
            );
        }
        assert!(
            begin(&mut paced, start + MINUTE).is_empty(),
            "three wait already"
        );
        assert_eq!(
            paced.wake(start + MINUTE),
            start + 5 * MINUTE,
            "until the first has lost patience"
        );
        paced.ready("p/t1");
        assert_eq!(begin(&mut paced, start + MINUTE), ["p/t3"]);
    }

    #[test]
    fn it_stops_when_a_larger_share_has_failed() {
        let mut paced = rollout(100, Some("100/s"), "10%");
        let mut now = Instant::now();
        let mut one = |rollout: &mut Rollout| {
            now += MINUTE;
            rollout.next(now)
        };
        let first = one(&mut paced).unwrap();
        paced.failed(&first);
        let second = one(&mut paced).expect("one of the first ten may fail");
        paced.failed(&second);
        assert_eq!(one(&mut paced), None, "two of ten are more than a tenth");
        assert!(paced.is_over());
        assert_eq!((paced.left(), paced.progress()), (98, (2, 100)));
    }

    #[test]
    fn with_few_tenants_the_share_is_of_all_of_them() {
        let mut few = rollout(3, Some("1/s"), "10%");
        let first = few.next(Instant::now()).unwrap();
        few.failed(&first);
        assert!(few.is_over());
    }

    #[test]
    fn what_has_begun_is_awaited_also_after_the_stop() {
        let mut paced = rollout(30, Some("10/s"), "0%");
        let start = Instant::now();
        let first = paced.next(start).unwrap();
        let second = paced.next(start + Duration::from_secs(1)).unwrap();
        paced.failed(&first);
        assert!(!paced.is_over(), "the second still waits");
        assert_eq!(paced.overdue(start + 6 * MINUTE), [second]);
        assert!(paced.is_over());
        assert_eq!(paced.failed.len(), 2);
    }
}
