//! Room on the servers that is free again, and who of those who wait for some is called to it.

use super::Inner;
use super::look::Living;
use crate::controller::world::World;
use crate::tenant::database;
use crate::tenant::parse::matches;
use crate::waves::{Entry, Turns, order};
use eoffice_crds::{EOfficeTenant, Reason, TenantClass};
use kube::ResourceExt;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many tenants each server that can be worked with still takes, with a connection each at least.
type Places = BTreeMap<String, i64>;

/// Who waits for room, and how much of it there is.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// As seen last.
    places: Places,
    /// Whether some became free since, be it taken again or not.
    pub(super) freed: bool,
    /// Those who wait and were not called since some became free last, by UID.
    uncalled: HashSet<String>,
    /// Those who were called and did not answer yet, by UID: each sees for itself whether it finds room. What became
    /// free since it was called it may not have seen.
    called: HashSet<String>,
}

impl Room {
    /// A tenant was set aside for want of room. Whoever was called and found none waits until more is free.
    pub(super) fn lacks(&mut self, uid: &str) {
        if !self.called.remove(uid) {
            self.uncalled.insert(uid.to_owned());
        }
    }
}

impl Inner {
    /// Calls as many of those who wait for room as there are places, in their order. One who does not take his place
    /// leaves it to the next.
    pub(super) fn call_to_room(&mut self, world: &World, living: &Living, turns: &Turns) {
        let places = places(world);
        let aside = &self.aside;
        let waits = |uid: &String| aside.get(uid) == Some(&Reason::Queued);
        if std::mem::take(&mut self.room.freed) || more(&self.room.places, &places) {
            self.room.uncalled = aside.keys().filter(|uid| waits(uid)).cloned().collect();
        }
        self.room.called.retain(&waits);
        self.room.uncalled.retain(&waits);
        let free: i64 = places.values().sum();
        let free = usize::try_from(free).unwrap_or_default();
        let left = free.saturating_sub(self.room.called.len());
        self.room.places = places;
        if left == 0 || self.room.uncalled.is_empty() {
            return;
        }
        let mut pools = Pools::new(world, &self.room.places);
        let uncalled = self.room.uncalled.difference(&self.room.called);
        let tenants = uncalled.filter_map(|uid| living.get(uid));
        let able = tenants.filter(|tenant| pools.have_room(tenant));
        let able = able.map(|tenant| Entry::of(tenant)).collect();
        for entry in order(able, turns).into_iter().take(left) {
            world.queue.push(&entry.namespace, &entry.name);
            self.room.uncalled.remove(&entry.uid);
            self.room.called.insert(entry.uid);
        }
    }
}

fn places(world: &World) -> Places {
    let servers = world.servers.state();
    let seen = servers.iter().map(|server| database::place(world, server));
    let usable = seen.filter(|server| server.standing.is_ok());
    world.records.with(|registry| {
        usable
            .map(|server| server.promised(registry, None))
            .map(|server| (server.name.clone(), server.places()))
            .collect()
    })
}

/// Whether some server has more places than before.
fn more(before: &Places, now: &Places) -> bool {
    now.iter()
        .any(|(server, places)| *places > before.get(server).copied().unwrap_or_default())
}

/// Which classes' pools have places.
struct Pools<'a> {
    world: &'a World,
    places: &'a Places,
    known: HashMap<Option<String>, bool>,
}

impl<'a> Pools<'a> {
    fn new(world: &'a World, places: &'a Places) -> Self {
        Self {
            world,
            places,
            known: HashMap::new(),
        }
    }

    /// Whether the class that a tenant asks for has any. Where that cannot be told the tenant sees for itself.
    fn have_room(&mut self, tenant: &EOfficeTenant) -> bool {
        let asked = &tenant.spec.class_name;
        if let Some(known) = self.known.get(asked) {
            return *known;
        }
        let classes = self.world.classes.state();
        let mut named = classes.iter().filter(|it| it.metadata.name == *asked);
        let have = named.next().is_none_or(|class| self.has_room(class));
        self.known.insert(asked.clone(), have);
        have
    }

    fn has_room(&self, class: &TenantClass) -> bool {
        let selector = Some(&class.spec.database.server_selector);
        self.world.servers.state().iter().any(|server| {
            let free = self.places.get(&server.name_any());
            free.is_some_and(|free| *free > 0) && matches(selector, server.labels()).unwrap_or(true)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn room_is_free_where_a_server_has_more_places_than_before() {
        let of = |places: &[(&str, i64)]| -> Places {
            let owned = places
                .iter()
                .map(|(name, left)| ((*name).to_owned(), *left));
            owned.collect()
        };
        for (before, now, expected) in [
            (of(&[]), of(&[]), false),
            (of(&[("a", 0)]), of(&[("a", 0)]), false),
            (of(&[("a", 2)]), of(&[("a", 1)]), false),
            (of(&[("a", 0)]), of(&[("a", 1)]), true),
            (of(&[("a", 5), ("b", 0)]), of(&[("a", 1), ("b", 1)]), true),
            (of(&[("a", 5)]), of(&[("a", 5), ("b", 1)]), true),
            (of(&[("a", 5)]), of(&[("a", 5), ("b", 0)]), false),
            (of(&[("a", 5)]), of(&[]), false),
        ] {
            assert_eq!(more(&before, &now), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn whoever_was_called_and_found_no_room_is_not_called_again_for_the_same() {
        let mut room = Room::default();
        room.lacks("a");
        assert!(room.uncalled.contains("a"));
        room.uncalled.remove("a");
        room.called.insert("a".to_owned());
        room.lacks("a");
        assert!(room.uncalled.is_empty() && room.called.is_empty());
        // More became free while it looked.
        room.called.insert("a".to_owned());
        room.uncalled.insert("a".to_owned());
        room.lacks("a");
        assert!(room.uncalled.contains("a") && room.called.is_empty());
    }
}
