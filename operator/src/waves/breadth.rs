//! How many at once are worth it: beyond that they only wait for one another, and for whoever comes in between.

use jiff::{SignedDuration, Timestamp};

/// The first one shows what a tenant takes alone.
const FIRST: f64 = 1.0;
/// What one in company may take, as a multiple of its time alone.
const DEAR: f64 = 1.5;
/// How much one that was finished in time widens it, and one that was not narrows it.
const WIDER: f64 = 1.0;
const NARROWER: f64 = -0.5;
/// If nobody is finished for so long, they wait for something else than one another.
const STILL: SignedDuration = SignedDuration::from_secs(5);

/// How many are made at once, learnt from how long each takes.
#[derive(Clone, Copy, Debug)]
pub struct Breadth {
    most: f64,
    now: f64,
    alone: Option<SignedDuration>,
    moved: Timestamp,
}

impl Breadth {
    /// Nothing is learnt yet; never more than so many.
    pub fn new(most: usize) -> Self {
        let most = most as f64;
        Self {
            most,
            now: FIRST,
            alone: None,
            moved: Timestamp::UNIX_EPOCH,
        }
    }

    /// How many at once.
    pub fn at_once(&self) -> usize {
        self.now as usize
    }

    /// One was finished that took so long, with so many in the making at times, itself included.
    pub fn finished(&mut self, took: SignedDuration, company: usize, now: Timestamp) {
        self.moved = now;
        let alone = match self.alone {
            // Whatever it takes by itself is its time alone, be that longer than before.
            Some(known) if company > 1 => known.min(took),
            _ => took,
        };
        self.alone = Some(alone);
        let dear = took.as_secs_f64() > DEAR * alone.as_secs_f64();
        self.widen(if dear { NARROWER } else { WIDER });
    }

    /// All turns are taken, and somebody waits.
    pub fn is_full(&mut self, now: Timestamp) {
        if self.moved == Timestamp::UNIX_EPOCH {
            self.moved = now;
        }
        if now.duration_since(self.moved) >= STILL {
            self.moved = now;
            self.widen(self.now);
        }
    }

    /// Somebody was begun.
    pub fn begun(&mut self, now: Timestamp) {
        self.moved = now;
    }

    fn widen(&mut self, by: f64) {
        self.now = (self.now + by).clamp(1.0, self.most);
    }
}
