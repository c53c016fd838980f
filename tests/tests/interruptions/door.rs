//! Where a tenant's way ends: each call to the outside that was not passed yet, before it and after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eoffice_operator::effect::{Access, Fault, Plane, Site, Verdict};
use eoffice_operator::identity::BackendNames;
use eoffice_tests::operator::INSTALLATION;
use eoffice_tests::resident::tenant_in_hand;

use crate::transitions::Names;

/// Which calls are ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Before and after every call.
    Calls,
    /// Before and after every write, and before the first read after each.
    Writes,
    /// Before the first write and after every one: each state that the outside comes through, once. Whoever is born
    /// after a write finds the same as before the next one.
    States,
}

/// On which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    Before,
    After,
}

/// A moment of a transition: a call, the how many-th of its kind, and a side of it. Names of the tenant's own are `~`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub write: bool,
    plane: String,
    verb: &'static str,
    object: String,
    nth: usize,
    moment: Moment,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plane,
            verb,
            object,
            nth,
            moment,
            ..
        } = self;
        let side = match moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "{side} {plane} {verb} of {object}, call {nth} of it")
    }
}

/// The points of one transition that somebody's way has ended at.
#[derive(Debug, Default)]
pub struct Passed(Mutex<BTreeSet<Point>>);

impl Passed {
    /// All so far.
    pub fn all(&self) -> BTreeSet<Point> {
        self.lock().clone()
    }

    /// Whether this one is new; it is not from then on.
    fn take(&self, point: &Point) -> bool {
        self.lock().insert(point.clone())
    }

    /// It was not come to after all.
    fn give_back(&self, point: &Point) {
        self.lock().remove(point);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One tenant's way through a transition.
struct Way {
    /// Texts in the names of its objects.
    texts: Vec<String>,
    passed: Arc<Passed>,
    counts: BTreeMap<(&'static str, String), usize>,
    /// The last call was a write.
    wrote: bool,
    /// There was a write.
    changed: bool,
    end: Option<Point>,
    /// The call that it ends after is carried out.
    ended: bool,
    last: Instant,
}

/// The hand at the operator's door. While it is armed, each tenant's way ends at the first point that is new: that call
/// hangs, and so does every other one for the tenant from then on, as if the process had died there. It dies when all
/// of its tenants have come to such an end, or to the end of the transition.
pub struct Door {
    depth: Depth,
    ways: Mutex<BTreeMap<String, Way>>,
}

impl Door {
    pub fn new(depth: Depth) -> Arc<Self> {
        let ways = Mutex::default();
        Arc::new(Self { depth, ways })
    }

    /// Lets the ways of these tenants end at points that are not in what was passed.
    pub fn arm<'a>(&self, tenants: impl IntoIterator<Item = (&'a Names, Arc<Passed>)>) {
        let way = |names: &Names, passed| Way {
            texts: vec![
                names.own.clone(),
                names.other.clone(),
                stem(&names.own),
                stem(&names.other),
            ],
            passed,
            counts: BTreeMap::new(),
            wrote: false,
            changed: false,
            end: None,
            ended: false,
            last: Instant::now(),
        };
        let tenants = tenants.into_iter();
        *self.lock() = tenants
            .map(|(names, passed)| (names.own.clone(), way(names, passed)))
            .collect();
    }

    /// Lets everything pass.
    pub fn disarm(&self) {
        self.lock().clear();
    }

    /// Where the way of a tenant has ended, if it has.
    pub fn end_of(&self, tenant: &str) -> Option<Point> {
        let ways = self.lock();
        let way = ways.get(tenant)?;
        way.end.clone().filter(|_| way.ended)
    }

    /// Whether anybody's way has ended.
    pub fn any_end(&self) -> bool {
        self.lock().values().any(|way| way.ended)
    }

    /// For how long nothing has been called for anybody whose way has not ended.
    pub fn all_quiet(&self) -> Duration {
        let ways = self.lock();
        let under_way = ways.values().filter(|way| !way.ended);
        let quiet = under_way.map(|way| way.last.elapsed()).min();
        quiet.unwrap_or_default()
    }

    /// For how long nothing has been called for a tenant.
    pub fn quiet(&self, tenant: &str) -> Duration {
        let ways = self.lock();
        let way = ways.get(tenant);
        way.map(|way| way.last.elapsed()).unwrap_or_default()
    }

    /// Whether the call that the way ends after is on its way.
    pub fn is_ending(&self, tenant: &str) -> bool {
        let ways = self.lock();
        ways.get(tenant)
            .is_some_and(|way| way.end.is_some() && !way.ended)
    }

    /// The call that the way would end after waits for what another's end let hang: another tenant is to come there.
    pub fn give_up(&self, tenant: &str) {
        let ways = self.lock();
        if let Some(way) = ways.get(tenant).filter(|way| !way.ended)
            && let Some(end) = &way.end
        {
            way.passed.give_back(end);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls for all tenants at once are nobody's: the lease, the looks at servers and stores, their status.
fn whose(ways: &BTreeMap<String, Way>, site: &Site, object: &str) -> Option<String> {
    if let Some(tenant) = tenant_in_hand() {
        return Some(tenant);
    }
    let write = site.access == Access::Write;
    let named =
        |tenant: &&String| object.contains(tenant.as_str()) || object.contains(&stem(tenant));
    ways.keys().find(|tenant| write && named(tenant)).cloned()
}

/// What the names of a tenant's backend objects have in common.
pub fn stem(tenant: &str) -> String {
    let installation = INSTALLATION.parse().expect("an installation id");
    let user = BackendNames::first(&installation, tenant).user;
    user.trim_start_matches("eo-").to_owned()
}

impl Fault for Door {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        let mut ways = self.lock();
        let Some(tenant) = whose(&ways, site, object) else {
            return Verdict::Proceed;
        };
        let Some(way) = ways.get_mut(&tenant) else {
            return Verdict::Proceed;
        };
        if way.end.is_some() {
            return Verdict::HangBefore;
        }
        way.last = Instant::now();
        let write = site.access == Access::Write;
        let first_read = way.wrote && !write;
        let first_write = write && !way.changed;
        way.wrote = write;
        way.changed |= write;
        let texts = way.texts.iter();
        let object = texts.fold(object.to_owned(), |object, text| object.replace(text, "~"));
        let nth = way.counts.entry((site.verb, object.clone())).or_default();
        *nth += 1;
        let point = |moment| Point {
            write,
            plane: plane(site.plane),
            verb: site.verb,
            object: object.clone(),
            nth: *nth,
            moment,
        };
        let (ends_before, ends_after) = match self.depth {
            Depth::Calls => (true, true),
            Depth::Writes => (write || first_read, write),
            Depth::States => (first_write, write),
        };
        let (before, after) = (point(Moment::Before), point(Moment::After));
        if ends_before && way.passed.take(&before) {
            (way.end, way.ended) = (Some(before), true);
            Verdict::HangBefore
        } else if ends_after && way.passed.take(&after) {
            way.end = Some(after);
            Verdict::HangAfter
        } else {
            Verdict::Proceed
        }
    }

    fn carried_out(&self, site: &Site, object: &str) {
        let mut ways = self.lock();
        let tenant = whose(&ways, site, object);
        if let Some(way) = tenant.and_then(|tenant| ways.get_mut(&tenant)) {
            way.ended = true;
        }
    }
}

fn plane(plane: Plane) -> String {
    format!("{plane:?}")
}
