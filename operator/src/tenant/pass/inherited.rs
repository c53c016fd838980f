//! What a plane was brought to, and whether what is asked of it now comes from its class, server or store: that waits
//! a short time, and is asked about where it moves an agency.

use super::{Pass, hash};
use crate::breaker::{Act, Origin};
use crate::plan::Problem;
use eoffice_crds::{Impact, Plane, Reason};
use std::time::Duration;

impl Pass<'_> {
    /// Asks whether a plane may be brought to something that its class, server or store asks for: others may be
    /// moved by the same hand.
    pub async fn ask_about_move(&self, plane: Plane, asked: &str) -> Result<(), Problem> {
        let same = |(_, inherited): (&str, &str)| vital(inherited) == vital(&self.inherited(plane));
        if self.planning
            || self.hurries(plane)
            || !self.is_inherited(plane, asked)
            || self.settled_as(plane).is_none_or(same)
        {
            return Ok(());
        }
        let act = Act {
            impact: impact_of(plane),
            origin: Origin::Inherited,
            cause: format!("its class, server or store asks for another {plane} ({asked})"),
        };
        self.ask(plane, &act).await
    }

    /// What a plane was last brought to: what was asked of it, and what of that came from its class, server or store.
    pub fn settled_as(&self, plane: Plane) -> Option<(&str, &str)> {
        self.record.settled.get(&plane)?.split_once('.')
    }

    pub(super) fn settle_as(&mut self, plane: Plane, asked: &str) {
        if self
            .settled_as(plane)
            .is_none_or(|(settled, _)| settled != asked)
        {
            let inherited = self.inherited(plane);
            self.settled.insert(plane, format!("{asked}.{inherited}"));
        }
    }

    /// Whether a plane is asked for something else because its class, server or store is another than it was.
    fn is_inherited(&self, plane: Plane, asked: &str) -> bool {
        self.settled_as(plane).is_some_and(|(settled, inherited)| {
            settled != asked && inherited != self.inherited(plane)
        })
    }

    /// Fingerprints of what a plane gets from its class, server and store: of all of it, and of that by which the
    /// agency is reached, or reaches what it has.
    fn inherited(&self, plane: Plane) -> String {
        let (world, wanted) = (self.world, &self.wanted);
        let class = &wanted.class;
        let (rest, vital) = match plane {
            Plane::Namespace => (
                format!("{:?} {:?}", class.resources, class.container_defaults),
                format!(
                    "{:?} {} {:?} {:?}",
                    class.ingress.controller,
                    class.ingress.service.port,
                    wanted.database_network,
                    wanted.storage_network
                ),
            ),
            Plane::Database => {
                let server = world.databases.get(&self.record.database.server);
                let place = server.map(|server| {
                    let spec = server.spec();
                    format!("{} {} {:?}", spec.host, spec.port, server.ca())
                });
                let limit = class.database.connection_limit.to_string();
                (limit, place.unwrap_or_default())
            }
            Plane::Storage => {
                let store = world.storage.get(&self.record.storage.store);
                let place = store.map(|store| {
                    let spec = store.spec();
                    format!("{} {} {:?}", spec.endpoint, spec.region, store.ca())
                });
                (String::new(), place.unwrap_or_default())
            }
            Plane::Certificate => (format!("{:?}", class.certificate), String::new()),
            Plane::Ingress => (String::new(), format!("{:?}", class.ingress)),
        };
        format!("{}-{}", hash(&[&rest]), hash(&[&vital]))
    }

    /// A change that comes from a class, a server or a store waits a short time.
    pub(super) fn delayed(&self, plane: Plane, asked: &str) -> Option<(Problem, Duration)> {
        // A plan waits for nothing, and does not begin the time that others wait.
        if self.planning {
            return None;
        }
        if !self.is_inherited(plane, asked) {
            self.world.memory.no_delay(&self.tenant.name, plane);
            return None;
        }
        let delay = self.world.settings.breaker_delay;
        let left = self
            .world
            .memory
            .left_of_delay(&self.tenant.name, plane, asked, delay)?;
        let problem = Problem::new(
            Reason::Delayed,
            "its class, server or store asks for something else; this is carried out after a short time, in which a mistake can be taken back",
        );
        Some((problem, left))
    }
}

/// The part of [`Pass::inherited`] by which the agency is reached, or reaches what it has.
fn vital(inherited: &str) -> Option<&str> {
    Some(inherited.split_once('-')?.1)
}

/// What a change of a plane that nobody asked for by name would mean to the agency.
fn impact_of(plane: Plane) -> Impact {
    match plane {
        Plane::Database | Plane::Storage => Impact::Credential,
        Plane::Namespace => Impact::Close,
        Plane::Certificate | Plane::Ingress => Impact::Move,
    }
}
