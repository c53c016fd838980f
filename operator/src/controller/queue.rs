//! The tenants that wait to be looked at.

use eoffice_crds::EOfficeTenant;
use futures::Stream;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::controller::ReconcileRequest;
use kube::runtime::reflector::ObjectRef;

/// Puts tenants into the queue. A tenant that is waiting already is not put in twice.
#[derive(Clone)]
pub struct Queue(UnboundedSender<ObjectRef<EOfficeTenant>>);

impl Queue {
    /// A queue, and what comes out of it.
    pub fn new() -> (Self, UnboundedReceiver<ObjectRef<EOfficeTenant>>) {
        let (sender, receiver) = unbounded();
        (Self(sender), receiver)
    }

    /// Asks for a look at a tenant.
    pub fn push(&self, namespace: &str, name: &str) {
        // The receiver is gone only while the process ends.
        drop(
            self.0
                .unbounded_send(ObjectRef::new(name).within(namespace)),
        );
    }
}

/// The queue as the applier wants it.
pub fn requests(
    receiver: UnboundedReceiver<ObjectRef<EOfficeTenant>>,
) -> impl Stream<Item = Result<ReconcileRequest<EOfficeTenant>, std::convert::Infallible>> {
    use futures::StreamExt;
    receiver.map(|tenant| Ok(tenant.into()))
}
