//! New tenants take turns: who waits, who had a turn, and who is woken when one is free.

mod look;
mod tell;
mod turn;

use self::look::{Living, finished, is_paused, living, ready, record_of, waits_for_its_own_host};
use self::tell::tell;
use self::turn::{Grip, Turn};
use super::world::World;
use crate::plan::Problem;
use crate::settings::Settings;
use crate::tenant::parse::Tenant;
use crate::tenant::status::{Nature, nature};
use crate::waves::{
    AWAITING, Breadth, Entry, Matter, Member, Report, Rules, Seen, Stage, Summary, Turns, Wave,
    matter, order, pace, stage,
};
use eoffice_crds::{EOfficeTenant, Reason, TenantRecord};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Changes within this time are looked at together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Of a large fleet a look takes long: it may take up one part in so many of the time.
const SHARE: u32 = 10;
/// How old the pace and what follows from it may be while tenants wait.
const REFRESH: Duration = Duration::from_secs(5);

/// What a tenant may do that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Be begun, or go on.
    Turn,
    /// See whether it could be begun by now, and only then ask for a turn anew. Asked before, it would take turns
    /// from others for as long as it has to wait.
    Trial,
}

/// The queue of new tenants.
pub struct Waves {
    rules: Rules,
    changed: Notify,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Whether those were taken in that waited when this process began.
    resumed: bool,
    /// Those who asked for a turn and wait, by UID.
    waiting: HashMap<String, Entry>,
    /// Those who gave their turn up, by UID: they could not be begun, and wait for something else.
    aside: HashSet<String>,
    /// Those who had a turn, by UID.
    begun: HashMap<String, Turn>,
    /// How it stood last. There is room only while nobody waits.
    wave: Wave,
    /// How many at once are worth it.
    breadth: Breadth,
}

impl Waves {
    /// A queue in which nobody waits yet.
    pub fn new(settings: &Settings) -> Self {
        let rules = Rules {
            size: settings.wave_size.into(),
            failed_percent: settings.wave_failed_percent.into(),
            patience: settings.wave_patience,
        };
        Self {
            rules,
            changed: Notify::new(),
            inner: Mutex::new(Inner {
                resumed: false,
                waiting: HashMap::new(),
                aside: HashSet::new(),
                begun: HashMap::new(),
                wave: Wave::of(&[], &rules),
                breadth: Breadth::new(rules.size),
            }),
        }
    }

    /// Whether a tenant may be begun now, or go on. One that is not new always may: an agency that is down goes first.
    /// Whoever has to wait is looked at again when it is its turn.
    pub fn admit(&self, world: &World, tenant: &Tenant) -> Result<Admission, Problem> {
        let has_data = world.records.with(|registry| {
            let record = registry.get(&tenant.name);
            record.is_some_and(|record| record.state.holds_data())
        });
        if has_data || tenant.object.spec.restore_from.is_some() {
            return Ok(Admission::Turn);
        }
        if self.lock().aside.contains(&tenant.uid) {
            return Ok(Admission::Trial);
        }
        self.ask(world, tenant)?;
        Ok(Admission::Turn)
    }

    /// Whether it is a new tenant's turn.
    pub fn ask(&self, world: &World, tenant: &Tenant) -> Result<(), Problem> {
        let room = {
            let mut inner = self.lock();
            inner.aside.remove(&tenant.uid);
            if !inner.begun.contains_key(&tenant.uid) {
                let entry = Entry::of(&tenant.object);
                inner.waiting.insert(tenant.uid.clone(), entry);
            }
            !inner.resumed || inner.wave.room > 0
        };
        if room {
            self.give_turns(world);
        } else {
            self.changed();
        }
        match self.lock().begun.get_mut(&tenant.uid) {
            Some(turn) => {
                if turn.grip == Grip::Given {
                    turn.grip = Grip::Taken;
                }
                Ok(())
            }
            None => Err(Problem::new(Reason::AwaitingTurn, AWAITING)),
        }
    }

    /// A tenant could not be begun. If it had its turn, and waits for something else, that turn is another's.
    pub fn refused(&self, uid: &str, problem: &Problem) {
        if problem.reason == Reason::AwaitingTurn {
            return;
        }
        let mut inner = self.lock();
        let turn = inner.begun.get_mut(uid);
        // Once there is a record, record and status tell.
        let Some(turn) = turn.filter(|turn| turn.recorded.is_none()) else {
            return;
        };
        if turn.grip != Grip::Given && matter(problem.reason) == Matter::Platform {
            turn.grip = Grip::Failed(problem.reason);
        } else {
            inner.begun.remove(uid);
            inner.aside.insert(uid.to_owned());
        }
        drop(inner);
        self.changed();
    }

    /// The watch saw a record: its tenant had its turn when that was made.
    pub fn saw(&self, record: &TenantRecord) {
        let made = record.creation_timestamp().map(|made| made.0);
        let uid = record.spec.tenant.uid.clone();
        let mut inner = self.lock();
        inner.aside.remove(&uid);
        let turn = inner.begun.entry(uid);
        let turn =
            turn.or_insert_with(|| Turn::new(made.unwrap_or(Timestamp::UNIX_EPOCH), Grip::Taken));
        turn.recorded = made;
        drop(inner);
        self.changed();
    }

    /// Something changed of a tenant: a turn may be free.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// Gives as many turns as there are, wakes whoever got one, and tells how it stands. Answers with when somebody
    /// will have taken too long.
    fn give_turns(&self, world: &World) -> Option<Timestamp> {
        // Not the world's clock: it is compared with times that the API server gives.
        let now = Timestamp::now();
        let mut inner = self.lock();
        let living = living(world);
        inner.resume(world, &living);
        inner.forget_the_gone(world, &living);
        let members = inner.members(world, &living, &self.rules, now);
        let wave = Wave::of(&members, &self.rules);
        inner.learn(&members, now);
        let turns = Turns::after(members.iter().map(|member| &member.entry));
        let waiting = inner.waiting.values().cloned().collect();
        let mut waiting = order(waiting, &turns);
        let given = wave.turns(&members, &waiting, inner.breadth.at_once());
        if given > 0 {
            inner.breadth.begun(now);
        } else if !waiting.is_empty() && wave.room > 0 {
            inner.breadth.is_full(now);
        }
        for (nanos, entry) in (0..).zip(waiting.drain(..given)) {
            inner.waiting.remove(&entry.uid);
            // No two at the same time: what is fair next goes by who was first.
            let at = now + SignedDuration::from_nanos(nanos);
            world.queue.push(&entry.namespace, &entry.name);
            inner.begun.insert(entry.uid, Turn::new(at, Grip::Given));
        }
        inner.wave = Wave {
            making: wave.making + given,
            room: match waiting.is_empty() {
                true => wave.room - given,
                false => 0,
            },
            ..wave
        };
        let summary = Summary {
            waiting: waiting.len(),
            making: inner.wave.making,
            failing: wave.failing,
            per_minute: pace(finished(world), now),
            stopped: wave.stopped,
        };
        drop(inner);
        world.metrics.queue(Report { summary, waiting });
        if given > 0 {
            // Whether they can take it is seen with the next look.
            self.changed();
        }
        Wave::next_overdue(&members)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whoever waited when this process began waits on, though it was not looked at yet.
    fn resume(&mut self, world: &World, living: &Living) {
        if std::mem::replace(&mut self.resumed, true) {
            return;
        }
        let waits = |tenant: &EOfficeTenant| {
            matches!(ready(tenant), Some((_, Reason::AwaitingTurn)))
                && world
                    .records
                    .with(|it| it.get(&tenant.name_any()).is_none())
        };
        let waiting = living.iter().filter(|(_, tenant)| waits(tenant));
        let waiting = waiting.map(|(uid, tenant)| (uid.clone(), Entry::of(tenant)));
        self.waiting.extend(waiting);
    }

    fn forget_the_gone(&mut self, world: &World, living: &Living) {
        self.begun.retain(|uid, _| living.contains_key(uid));
        self.aside.retain(|uid| living.contains_key(uid));
        let begun = &self.begun;
        self.waiting.retain(|uid, _| {
            let tenant = living.get(uid);
            !begun.contains_key(uid) && tenant.is_some_and(|it| !is_paused(world, it, None))
        });
    }

    /// Learns from those that were finished how many at once are worth it.
    fn learn(&mut self, members: &[Member], now: Timestamp) {
        let is_making = |member: &&Member| matches!(member.stage, Stage::Making(_));
        let making = members.iter().filter(is_making).count();
        for member in members {
            let Some(turn) = self.begun.get_mut(&member.entry.uid) else {
                continue;
            };
            match member.stage {
                Stage::Making(_) => turn.company = turn.company.max(making),
                Stage::Done if turn.company > 0 => {
                    let took = now.duration_since(turn.at);
                    self.breadth.finished(took, turn.company, now);
                    turn.company = 0;
                }
                Stage::Done | Stage::Failing => turn.company = 0,
            }
        }
    }

    /// Those who had their turn, the first of them first.
    fn members(
        &mut self,
        world: &World,
        living: &Living,
        rules: &Rules,
        now: Timestamp,
    ) -> Vec<Member> {
        let mut members = Vec::new();
        self.begun.retain(|uid, turn| {
            let Some(tenant) = living.get(uid) else {
                return false;
            };
            // An agency that comes back has a record older than itself: it is not new, and takes up no turn.
            let made = tenant.creation_timestamp().map(|made| made.0);
            if turn
                .recorded
                .is_some_and(|recorded| made.is_some_and(|made| recorded < made))
            {
                return true;
            }
            let record = record_of(world, tenant);
            let told = match (turn.grip, &record) {
                (_, Some(_)) => ready(tenant),
                (Grip::Given | Grip::Taken, None) => None,
                (Grip::Failed(reason), None) => Some((false, reason)),
            };
            let own_host = waits_for_its_own_host(tenant);
            turn.failing_since = told
                .filter(|(ready, reason)| !ready && (own_host || nature(*reason) == Nature::Retry))
                .map(|_| turn.failing_since.unwrap_or(now));
            let class = record.as_ref().map(|record| record.class.as_str());
            let seen = Seen {
                at: turn.at,
                proved: record.as_ref().is_some_and(|record| record.proved),
                paused: is_paused(world, tenant, class),
                ready: told,
                own_host,
                failing_since: turn.failing_since,
            };
            let stage = stage(&seen, now, rules);
            members.extend(stage.map(|stage| Member {
                entry: Entry::of(tenant),
                at: turn.at,
                stage,
            }));
            true
        });
        members.sort_by(|a, b| (a.at, &a.entry.uid).cmp(&(b.at, &b.entry.uid)));
        members
    }
}

/// Gives turns whenever one may be free. To be begun once every tenant and every record is known.
pub async fn keep(world: Arc<World>) {
    let mut told = false;
    loop {
        let began = Instant::now();
        let overdue = world.waves.give_turns(&world);
        let took = began.elapsed();
        let wave = world.waves.lock().wave;
        if wave.stopped != told {
            told = wave.stopped;
            tell(&world, &wave).await;
        }
        let rest = rest(&world, overdue);
        tokio::select! {
            () = world.waves.changed.notified() => {}
            () = tokio::time::sleep(rest) => {}
        }
        tokio::time::sleep(TOGETHER.max(took * SHARE)).await;
    }
}

/// How long nothing changes by time alone.
fn rest(world: &World, overdue: Option<Timestamp>) -> Duration {
    let waiting = !world.waves.lock().waiting.is_empty();
    let refresh = if waiting { REFRESH } else { Duration::MAX };
    let left = overdue.map(|at| at.duration_since(Timestamp::now()));
    let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
    left.map_or(refresh, |left| left.min(refresh))
}
