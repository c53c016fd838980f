//! The breaker at work: batches as last seen, and the one way to ask, to report and to take back.
//!
//! An answer that lets something happen is always given from a fresh read, after the act stands in a FleetHold.

pub mod keeper;
mod memory;
pub mod writer;

use super::queue::Queue;
use crate::breaker::ledger::Note;
use crate::breaker::{Act, DELAYED, Hold, Origin, Rules, Verdict, is_entered, judge};
use crate::plan::Problem;
use crate::settings::Settings;
use crate::telemetry::Metrics;
use eoffice_crds::{EOfficeTenant, FleetHold, Reason, TenantRef};
use jiff::Timestamp;
use kube::runtime::reflector::Store;
use memory::Memory;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

/// The breaker over the fleet.
pub struct Breaker {
    memory: Mutex<Memory>,
    requests: UnboundedSender<Request>,
    due: Notify,
    listed_tenants: AtomicBool,
    tenants: Store<EOfficeTenant>,
    queue: Queue,
    metrics: Metrics,
    least: usize,
    percent: usize,
    window: Duration,
    delay: Duration,
}

/// What the writer is asked for.
enum Request {
    /// Enters an act and answers with what may be done about it.
    Ask(Ask),
    /// Writes something down that nobody waits for.
    Note(Note),
    /// Writes what time has changed.
    Tidy,
}

/// An act to be entered. Where nobody waits for the answer, its tenant was told that it is held, and is looked at again
/// if that turns out to be otherwise.
struct Ask {
    tenant: TenantRef,
    act: Act,
    answer: Option<oneshot::Sender<Result<Verdict, Problem>>>,
}

/// What the writer still has to do.
pub struct Requests(UnboundedReceiver<Request>);

impl Breaker {
    /// A breaker that knows of no batch yet, and what its writer will be asked for.
    pub fn new(
        settings: &Settings,
        tenants: Store<EOfficeTenant>,
        queue: Queue,
        metrics: Metrics,
    ) -> (Self, Requests) {
        let (requests, received) = unbounded_channel();
        let breaker = Self {
            memory: Mutex::default(),
            requests,
            due: Notify::new(),
            listed_tenants: AtomicBool::new(false),
            tenants,
            queue,
            metrics,
            least: settings.breaker_limit.into(),
            percent: settings.breaker_percent.into(),
            window: settings.breaker_window,
            delay: settings.breaker_delay,
        };
        (breaker, Requests(received))
    }

    /// What may be done about an act on this tenant. It is entered first, and stays entered until it was reported
    /// [`done`](Self::done) or [`taken back`](Self::keep_only).
    ///
    /// Where the answer is `Wait`, ask again after that time; where it is `Held` or `Undo`, the tenant is looked at
    /// again when that has changed. An error means that nothing may be done.
    pub async fn ask(&self, tenant: &TenantRef, act: &Act) -> Result<Verdict, Problem> {
        if act.origin == Origin::ByName {
            return Ok(Verdict::Go);
        }
        let ask = |answer| {
            let (tenant, act) = (tenant.clone(), act.clone());
            // The writer is gone only while the process ends.
            drop(self.requests.send(Request::Ask(Ask {
                tenant,
                act,
                answer,
            })));
        };
        match self.standing(&tenant.uid, act) {
            Standing::Entered(Verdict::Go) | Standing::New => {}
            Standing::Entered(verdict) => return Ok(verdict),
            // A mass of them is not worth a write for each.
            Standing::Joins(hold) => {
                ask(None);
                return Ok(Verdict::Held(hold));
            }
        }
        let (answer, answered) = oneshot::channel();
        ask(Some(answer));
        answered.await.unwrap_or_else(|_| {
            let ends = "this process ends; the next one asks again";
            Err(Problem::new(Reason::Waiting, ends))
        })
    }

    /// An act on the tenant of this UID was carried out.
    pub fn done(&self, uid: &str, act: &Act) {
        if self.memory().open_of(uid).contains(act) {
            self.note(Note::Done(uid.to_owned(), act.clone()));
        }
    }

    /// Nothing but these acts is wanted of the tenant of this UID now: others are taken back. To be called at the end of
    /// every pass that could come to its acts; it costs nothing where there is nothing to take back.
    pub fn keep_only(&self, uid: &str, wanted: &[Act]) {
        let open = self.memory().open_of(uid);
        for act in open.into_iter().filter(|act| !wanted.contains(act)) {
            self.note(Note::TakenBack(uid.to_owned(), act));
        }
    }

    /// Every tenant is known: from now on, one that is not is gone.
    pub fn knows_all_tenants(&self) {
        self.listed_tenants.store(true, Ordering::Release);
        self.due.notify_one();
    }

    /// Something happened that a batch may wait for: a tenant is gone.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// The watch or the writer saw a FleetHold. Whom a new decision or a new hold concerns is looked at.
    pub fn saw(&self, hold: &FleetHold) {
        let concerned = self.memory().put(hold, Timestamp::now());
        if let Some(tenants) = concerned {
            self.look_at(tenants);
            self.due.notify_one();
        }
        self.count();
    }

    /// A FleetHold is gone. Whoever was in it asks anew.
    pub fn gone(&self, hold: &str) {
        let concerned = self.memory().remove(hold);
        self.look_at(concerned);
        self.count();
    }

    /// The watch has listed these FleetHolds, and no other exists.
    pub fn listed(&self, holds: &[String]) {
        self.memory().retain(holds);
        self.count();
    }

    fn look_at(&self, tenants: Vec<(String, String)>) {
        for (namespace, name) in tenants {
            self.queue.push(&namespace, &name);
        }
    }

    fn note(&self, note: Note) {
        drop(self.requests.send(Request::Note(note)));
    }

    fn standing(&self, uid: &str, act: &Act) -> Standing {
        let memory = self.memory();
        let verdict = judge(&memory.batches, uid, act, Timestamp::now(), &self.rules());
        match verdict {
            verdict if is_entered(&memory.batches, uid, act) => Standing::Entered(verdict),
            Verdict::Held(hold) => Standing::Joins(hold),
            _ => Standing::New,
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            limit: Rules::limit(self.least, self.percent, self.tenants.len()),
            window: self.window,
            delay: self.delay,
        }
    }

    fn count(&self) {
        let memory = self.memory();
        let held = || memory.batches.iter().filter(|batch| batch.is_held());
        let tenants: std::collections::HashSet<&str> = held()
            .flat_map(|batch| &batch.entries)
            .filter(|entry| entry.done_at.is_none())
            .map(|entry| entry.uid.as_str())
            .collect();
        self.metrics.breaker(held().count(), tenants.len());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an act stands as far as memory goes.
enum Standing {
    /// It is entered, and this may be done about it.
    Entered(Verdict),
    /// It is not entered, and will be held with others.
    Joins(Hold),
    /// It is not entered.
    New,
}

/// How an act that is not carried out now is told in the tenant's conditions; none for one that is.
pub fn told(verdict: &Verdict) -> Option<Problem> {
    match verdict {
        Verdict::Go => None,
        Verdict::Wait(_) => Some(Problem::new(Reason::Delayed, DELAYED)),
        Verdict::Held(Hold { message, .. }) | Verdict::Undo(Hold { message, .. }) => {
            Some(Problem::new(Reason::Held, message.clone()))
        }
    }
}
