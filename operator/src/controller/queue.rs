//! The tenants that wait to be looked at: those for whom a person asks in an emergency before all others.

use eoffice_crds::{EOfficeTenant, annotations};
use futures::{Stream, stream};
use kube::ResourceExt;
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::{ObjectRef, Store};
use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

type Ref = ObjectRef<EOfficeTenant>;

/// Puts tenants into the queue. A tenant that is waiting already is not put in twice.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    tenants: Store<EOfficeTenant>,
    lanes: Mutex<Lanes>,
    changed: Notify,
    urgent: Notify,
}

/// Who waits, and who was handed on to be looked at.
struct Lanes {
    urgent: VecDeque<Ref>,
    calm: VecDeque<Ref>,
    waiting: HashSet<Ref>,
    /// As `(namespace, name)`.
    in_hand: HashSet<(String, String)>,
    at_once: usize,
}

impl Lanes {
    fn new(at_once: usize) -> Self {
        Self {
            urgent: VecDeque::new(),
            calm: VecDeque::new(),
            waiting: HashSet::new(),
            in_hand: HashSet::new(),
            at_once,
        }
    }

    fn put(&mut self, tenant: Ref, urgent: bool) {
        match (urgent, self.waiting.insert(tenant.clone())) {
            (true, _) if !self.urgent.contains(&tenant) => self.urgent.push_back(tenant),
            (false, true) => self.calm.push_back(tenant),
            _ => {}
        }
    }

    /// The next, if there is room for it: for one that is urgent there always is.
    fn take(&mut self) -> Option<Ref> {
        let room = self.in_hand.len() < self.at_once;
        let next = loop {
            let urgent = self.urgent.pop_front();
            let next = urgent.or_else(|| room.then(|| self.calm.pop_front()).flatten())?;
            // What was urgent meanwhile is still in the other lane, and has had its turn.
            if self.waiting.remove(&next) {
                break next;
            }
        };
        self.in_hand.insert(place(&next));
        Some(next)
    }
}

fn place(tenant: &Ref) -> (String, String) {
    let namespace = tenant.namespace.clone();
    (namespace.unwrap_or_default(), tenant.name.clone())
}

impl Queue {
    /// A queue of these tenants, of whom so many are handed on at once; 0 is no limit.
    pub fn new(tenants: Store<EOfficeTenant>, at_once: u16) -> Self {
        let at_once = match at_once {
            0 => usize::MAX,
            limit => limit.into(),
        };
        Self(Arc::new(Inner {
            tenants,
            lanes: Mutex::new(Lanes::new(at_once)),
            changed: Notify::new(),
            urgent: Notify::new(),
        }))
    }

    /// Asks for a look at a tenant.
    pub fn push(&self, namespace: &str, name: &str) {
        let tenant = ObjectRef::new(name).within(namespace);
        let known = self.0.tenants.get(&tenant);
        let urgent = known.is_some_and(|tenant| is_urgent(&tenant));
        self.lanes().put(tenant, urgent);
        self.0.changed.notify_one();
        if urgent {
            self.0.urgent.notify_waiters();
        }
    }

    /// A look at a tenant is over.
    pub fn done(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        self.lanes().in_hand.remove(&place);
        self.0.changed.notify_one();
    }

    /// The tenants to be looked at, as the applier wants them.
    pub fn requests(
        self,
    ) -> impl Stream<Item = Result<ReconcileRequest<EOfficeTenant>, Infallible>> {
        stream::unfold(self, |queue| async move {
            let next = queue.next().await;
            Some((Ok(next.into()), queue))
        })
    }

    async fn next(&self) -> Ref {
        loop {
            if let Some(next) = self.lanes().take() {
                return next;
            }
            self.0.changed.notified().await;
        }
    }

    /// Returns when an emergency is asked for that the tenant, as it is being looked at, does not tell of.
    pub async fn called(&self, seen: &EOfficeTenant) {
        let tenant = ObjectRef::from_obj(seen);
        loop {
            let mut pushed = pin!(self.0.urgent.notified());
            pushed.as_mut().enable();
            let known = self.0.tenants.get(&tenant);
            if known.is_some_and(|known| asked(&known).is_some() && asked(&known) != asked(seen)) {
                return;
            }
            pushed.await;
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asked(tenant: &EOfficeTenant) -> Option<&String> {
    tenant
        .annotations()
        .get(annotations::ROTATE_NOW_REQUESTED_AT)
}

/// Whether an emergency was asked for, and nobody was told yet that it is answered.
fn is_urgent(tenant: &EOfficeTenant) -> bool {
    let status = tenant.status.as_ref();
    let told = status.and_then(|status| status.credentials.as_ref());
    let answered = told.and_then(|told| told.last_handled_rotate_now_at.as_ref());
    asked(tenant).is_some() && asked(tenant) != answered
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use kube::runtime::reflector::store::{Writer, store};
    use kube::runtime::watcher::Event;
    use serde_json::json;

    fn tenant(name: &str, now: Option<&str>) -> EOfficeTenant {
        let annotations = now.map(|now| json!({annotations::ROTATE_NOW_REQUESTED_AT: now}));
        serde_json::from_value(json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1", "kind": "EOfficeTenant",
            "metadata": {"namespace": "p", "name": name, "annotations": annotations},
            "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
        }))
        .unwrap()
    }

    fn queue(at_once: u16) -> (Queue, Writer<EOfficeTenant>) {
        let (tenants, writer) = store();
        (Queue::new(tenants, at_once), writer)
    }

    fn next(queue: &Queue) -> Option<String> {
        queue.next().now_or_never().map(|next| next.name)
    }

    #[test]
    fn an_emergency_comes_before_all_that_wait_and_needs_no_room() {
        let (queue, mut tenants) = queue(2);
        for name in ["a", "b", "c", "d", "b"] {
            queue.push("p", name);
        }
        assert_eq!(next(&queue).as_deref(), Some("a"));
        assert_eq!(next(&queue).as_deref(), Some("b"));
        assert_eq!(next(&queue), None, "two are in hand");
        tenants.apply_watcher_event(&Event::Apply(tenant("d", Some("once"))));
        queue.push("p", "d");
        assert_eq!(next(&queue).as_deref(), Some("d"));
        queue.done("p", "a");
        assert_eq!(next(&queue), None, "its own look is in hand, too");
        queue.done("p", "d");
        assert_eq!(next(&queue).as_deref(), Some("c"));
        queue.done("p", "b");
        assert_eq!(next(&queue), None, "each had its turn once");
        // Looked at again after its turn, like any other.
        queue.push("p", "b");
        assert_eq!(next(&queue).as_deref(), Some("b"));
    }

    #[test]
    fn a_look_is_called_away_by_an_emergency_that_it_does_not_know_of() {
        let (queue, mut tenants) = queue(2);
        let calm = tenant("a", None);
        tenants.apply_watcher_event(&Event::Apply(calm.clone()));
        let mut called = Box::pin(queue.called(&calm));
        assert!((&mut called).now_or_never().is_none());
        let urgent = tenant("a", Some("once"));
        tenants.apply_watcher_event(&Event::Apply(urgent.clone()));
        queue.push("p", "a");
        assert!((&mut called).now_or_never().is_some());
        assert!(queue.called(&urgent).now_or_never().is_none(), "it knows");
        assert!(queue.called(&calm).now_or_never().is_some(), "at any time");
    }
}
