//! Tenants going round their transitions, side by side, dying and coming to the same end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use eoffice_tests::e2e::security::{Platform, eventually};
use eoffice_tests::proof::Credentials;
use eoffice_tests::{OperatorOptions, Options, Resident};
use futures::future::{join_all, try_join_all};

use crate::access::store_document;
use crate::asks::{classes, delete};
use crate::door::{Depth, Door, Passed};
use crate::lane::{End, Lane, arrived, lanes, stands, to_an_end, undisturbed};
use crate::stage::Stage;
use crate::state::{State, look};
use crate::transitions::Group;

/// A transition that always meets new points never ends.
const ROUNDS: usize = 2000;

/// All tenants, and the one operator they share.
pub struct Walk {
    // It ends before what it works on.
    resident: Resident,
    platform: Platform,
    door: Arc<Door>,
    lanes: Vec<Lane>,
    courses: BTreeMap<&'static str, Course>,
    began: Instant,
    rounds: usize,
}

/// What is known of one transition.
#[derive(Default)]
struct Course {
    passed: Arc<Passed>,
    /// How everything stands after it, when it was not interrupted.
    undisturbed: State,
    /// A tenant came through it without a new point.
    done: bool,
}

impl Walk {
    /// Starts everything, and lets one tenant of each cycle go round without being disturbed.
    pub async fn begin(depth: Depth, group: &'static Group) -> Result<Self> {
        let servers = vec!["pg-a".into()];
        let options = Options {
            servers,
            ..Options::default()
        };
        let platform = Platform::prepare(options, OperatorOptions::default()).await?;
        classes(&platform).await?;
        let cooling = format!("--purge-cooling={}", group.cooling);
        let more = OperatorOptions {
            args: vec![
                cooling,
                // However many of them hang, the others are worked on.
                "--concurrency=64".into(),
                // It dies when it is told to, and not of a busy machine: the next of its name leads at once.
                "--lease-duration=60s".into(),
            ],
            ..OperatorOptions::default()
        };
        let resident = platform.resident(more).await?;
        let door = Door::new(depth);
        resident.start_under(Some(door.clone())).await?;
        let names = group.cycles.iter().flat_map(|cycle| cycle.transitions);
        let courses = names.map(|it| (it.name, Course::default())).collect();
        let mut walk = Self {
            platform,
            resident,
            door,
            lanes: lanes(group.cycles),
            courses,
            began: Instant::now(),
            rounds: 0,
        };
        walk.enter().await?;
        walk.undisturbed().await?;
        println!(
            "undisturbed ways are known after {:?}",
            walk.began.elapsed()
        );
        walk.began = Instant::now();
        Ok(walk)
    }

    /// Brings every tenant of which there is nothing yet to where its cycle begins.
    async fn enter(&mut self) -> Result<()> {
        let platform = &self.platform;
        let new = self.lanes.iter_mut().filter(|lane| lane.is_new());
        try_join_all(new.map(|lane| async move {
            let Some(enter) = lane.cycle.enter else {
                return Ok(());
            };
            enter(platform, &lane.names).await?;
            let ready = || Stage::Active.told(platform, &lane.names);
            eventually("it is made", ready).await?;
            let admin = platform.sandbox.admin();
            let credentials = Credentials::read(&admin, &lane.names.own).await?;
            store_document(&credentials).await?;
            lane.credentials = Some(credentials);
            lane.identity = look(platform, &lane.names, &lane.stem).await?.1;
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    /// The first tenant of each cycle goes round once, so that it is known how all stands after each transition. Those
    /// for which the operator must be stopped come after all others.
    async fn undisturbed(&mut self) -> Result<()> {
        let firsts = self.lanes.iter_mut().filter(|lane| lane.first);
        let (unseen, seen): (Vec<_>, Vec<_>) =
            firsts.partition(|lane| lane.cycle.transitions.iter().any(|it| it.unseen));
        let (platform, resident, door) = (&self.platform, &self.resident, &self.door);
        let rounds = seen
            .into_iter()
            .map(|lane| undisturbed(platform, resident, door, lane));
        let mut found = try_join_all(rounds).await?;
        for lane in unseen {
            found.push(undisturbed(platform, resident, door, lane).await?);
        }
        for (name, state) in found.into_iter().flatten() {
            let course = self.courses.get_mut(name);
            course.context("an unknown transition")?.undisturbed = state;
        }
        Ok(())
    }

    /// Goes on until every transition was interrupted everywhere.
    pub async fn finish(&mut self) -> Result<()> {
        while self.rounds < ROUNDS {
            let courses = &self.courses;
            self.lanes.retain(|lane| {
                lane.at != 0
                    || lane
                        .cycle
                        .transitions
                        .iter()
                        .any(|it| !courses[it.name].done)
            });
            if self.lanes.is_empty() {
                return Ok(());
            }
            self.enter().await?;
            self.round().await?;
            self.rounds += 1;
        }
        bail!("after {ROUNDS} rounds there are still new points")
    }

    /// Every tenant goes through its next transition, to a point or to the end; the operator dies, and another brings
    /// them all to the end.
    async fn round(&mut self) -> Result<()> {
        let began = Instant::now();
        let platform = &self.platform;
        let passes = self.lanes.iter().map(|lane| lane.next().time_passes());
        self.resident
            .time
            .advance(passes.max().unwrap_or_default())?;
        self.lanes.iter_mut().for_each(Lane::hand_over);
        self.door.arm(self.lanes.iter().map(|lane| {
            let passed = &self.courses[lane.next().name].passed;
            (&lane.names, Arc::clone(passed))
        }));
        let (door, lanes) = (&self.door, &self.lanes);
        let unseen = || lanes.iter().filter(|lane| lane.next().unseen);
        if unseen().next().is_some() {
            self.resident.kill().await?;
            let asks = unseen().map(|lane| (lane.next().ask)(platform, &lane.names));
            try_join_all(asks).await?;
            self.resident.start_under(Some(door.clone())).await?;
        }
        let asks = lanes.iter().map(|lane| async move {
            if !lane.next().unseen {
                (lane.next().ask)(platform, &lane.names).await?;
            }
            to_an_end(platform, door, lane).await
        });
        let ends = all_of(join_all(asks).await)?;
        let asked = began.elapsed();
        self.door.disarm();
        if ends.iter().any(|end| !matches!(end, End::Through)) {
            self.resident.kill().await?;
            self.resident.start_under(Some(self.door.clone())).await?;
        }
        let courses = &self.courses;
        let arrivals = self
            .lanes
            .iter_mut()
            .zip(&ends)
            .map(|(lane, end)| async move {
                let transition = lane.next();
                let expected = &courses[transition.name].undisturbed;
                let came = async {
                    arrived(platform, lane, transition).await?;
                    stands(platform, lane, expected).await
                };
                let came = came.await;
                came.with_context(|| {
                    format!("{} {}: died {end}", lane.names.own, transition.name)
                })?;
                anyhow::Ok((began.elapsed(), transition.name))
            });
        let arrivals = all_of(join_all(arrivals).await)?;
        for (lane, end) in self.lanes.iter_mut().zip(&ends) {
            let transition = lane.next();
            if transition.handed_over {
                // Whoever took over is done with, and need not be looked after by each operator to come.
                delete(platform, &lane.names).await?;
            }
            lane.pass();
            if let Some(course) = self.courses.get_mut(transition.name) {
                course.done |= matches!(end, End::Through);
            }
        }
        let at_points = ends.iter().filter(|end| matches!(end, End::At(_))).count();
        let slowest = arrivals.iter().max().context("nobody goes round")?;
        println!(
            "round {}: {at_points} of {} came to a point, within {asked:.1?}; to the end within {:.1?} ({})",
            self.rounds + 1,
            self.lanes.len(),
            slowest.0,
            slowest.1
        );
        Ok(())
    }

    /// Says how many points were passed.
    pub fn tell(&self) {
        let mut sum = 0;
        for (name, course) in &self.courses {
            let points = course.passed.all();
            let writes = points.iter().filter(|point| point.write).count();
            sum += points.len();
            println!(
                "{:5} points, {writes:4} of them at writes: {name}{}",
                points.len(),
                if course.done { "" } else { " (not to the end)" }
            );
        }
        let took = self.began.elapsed();
        let each = took.as_secs_f64() / sum.max(1) as f64;
        println!(
            "{sum:5} points in {} lives and {took:.0?}: {each:.2} s each",
            self.rounds
        );
    }
}

/// What all of them have, or every failure in one.
fn all_of<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let (found, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let failed = failed.into_iter().filter_map(Result::err);
    let failed: Vec<_> = failed.map(|error| format!("{error:?}")).collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    found.into_iter().collect()
}
