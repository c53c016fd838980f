//! Tells people when nobody is begun any more.

use crate::controller::world::World;
use crate::effect::{Plane, Site};
use crate::waves::Wave;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};

const EVENT: Site = Site::write(Plane::Kubernetes, "create_event");

/// Tells people that nobody is begun any more, or that it goes on.
pub(super) async fn tell(world: &World, wave: &Wave) {
    let (type_, reason, note) = match wave.stopped {
        true => (
            EventType::Warning,
            "WaveStopped",
            format!(
                "{} of the new tenants that settled last fail: no further ones are begun until fewer do. kubectl eoffice status -A names them; mend what they fail for, or pause or delete those that cannot be helped",
                wave.failing
            ),
        ),
        false => (
            EventType::Normal,
            "WaveGoesOn",
            "fewer of the new tenants fail: further ones are begun".to_owned(),
        ),
    };
    tracing::warn!(reason, "{note}");
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Admit".to_owned(),
        secondary: None,
    };
    let lease = ObjectReference {
        api_version: Some("coordination.k8s.io/v1".into()),
        kind: Some("Lease".into()),
        namespace: Some(world.settings.lease_namespace.clone()),
        name: Some(world.settings.lease_name.clone()),
        ..ObjectReference::default()
    };
    let written = world.effects.call(EVENT, &world.settings.lease_name, || {
        world.recorder.publish(&event, &lease)
    });
    if let Err(failure) = written.await {
        tracing::warn!(%failure, "an Event could not be written");
    }
}
