//! One tenant on its way round: to a point or to the end of a transition, and what is found there.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_tests::Resident;
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::proof::Credentials;
use tokio::time::sleep;

use crate::access::{document_is_kept, finds_document, is_refused, store_document};
use crate::certificate::is_whole;
use crate::door::{Door, Point, stem};
use crate::stage::Stage;
use crate::state::{Identity, State, difference, look, record};
use crate::transitions::{Cycle, Names, Transition};

/// A transition of which nothing was called for so long is through.
const QUIET: Duration = Duration::from_millis(800);

/// All that follows from a transition is done by then.
const SETTLED: Duration = Duration::from_secs(2);

/// A tenant of which nothing was called for so long, and that is not through, waits for what another's end let hang.
const STUCK: Duration = Duration::from_secs(2);

/// A call that is on its way for so long waits for the same, such as a lock on the server.
const IN_FLIGHT: Duration = Duration::from_secs(6);

/// By then a tenant has come to a point or through its transition, or never will.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// Between two looks at a tenant.
const LOOK: Duration = Duration::from_millis(200);

/// Between two looks at all that stands for a tenant, which is dear.
const WHOLE_LOOK: Duration = Duration::from_secs(1);

/// What should be by then never will be.
const SOON: Duration = Duration::from_secs(60);

/// One tenant on its way round.
pub struct Lane {
    /// Its cycle, and which of those in it.
    place: String,
    laps: usize,
    /// Whether it shows how all stands without an interruption.
    pub first: bool,
    pub names: Names,
    /// In the names of its backend objects, whoever has them.
    pub stem: String,
    pub cycle: &'static Cycle,
    pub at: usize,
    pub credentials: Option<Credentials>,
    pub identity: Identity,
}

impl Lane {
    fn new(cycle: &'static Cycle, place: String) -> Self {
        let names = names(&place, 0);
        Self {
            stem: stem(&names.own),
            first: place.ends_with("-0"),
            names,
            place,
            laps: 0,
            cycle,
            at: 0,
            credentials: None,
            identity: Identity::default(),
        }
    }

    /// Nothing is left of it, or all is another's: the next is another. It need not wait until the namespace of this one
    /// is gone.
    fn begin_anew(&mut self) {
        self.laps += 1;
        self.names = names(&self.place, self.laps);
        self.stem = stem(&self.names.own);
        self.credentials = None;
        self.identity = Identity::default();
    }

    /// On to the next transition.
    pub fn pass(&mut self) {
        let Transition {
            to, handed_over, ..
        } = self.next();
        self.at = (self.at + 1) % self.cycle.transitions.len();
        if *to == Stage::Destroyed || *handed_over {
            self.begin_anew();
        }
    }

    /// Whether there is nothing of it yet.
    pub fn is_new(&self) -> bool {
        self.at == 0 && self.credentials.is_none()
    }

    pub fn next(&self) -> &'static Transition {
        &self.cycle.transitions[self.at]
    }

    /// From now on it is the other that goes round, where the next transition has it so.
    pub fn hand_over(&mut self) {
        if self.next().handed_over {
            let Names { own, other } = &mut self.names;
            std::mem::swap(own, other);
            // Its namespace is another.
            self.identity.namespace = None;
        }
    }
}

/// The tenants, each with a name of its own.
pub fn lanes(cycles: &'static [Cycle]) -> Vec<Lane> {
    let cycles = cycles.iter().enumerate();
    let lanes = cycles.flat_map(|(number, cycle)| {
        (0..cycle.lanes).map(move |lane| Lane::new(cycle, format!("{number}-{lane}")))
    });
    lanes.collect()
}

fn names(place: &str, lap: usize) -> Names {
    Names {
        own: format!("tao-{place}-{lap}-3021"),
        other: format!("town-{place}-{lap}-3021"),
    }
}

/// How far a tenant came before the operator died.
pub enum End {
    /// To a point that was new.
    At(Point),
    /// Through its transition: it met no new point.
    Through,
    /// Somewhere in between: what the operator does for all tenants hung with another's end.
    Cut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(point) => point.fmt(f),
            Self::Through => f.write_str("after all was done"),
            Self::Cut => f.write_str("while it waited for another"),
        }
    }
}

/// Waits until the tenant's way has ended.
pub async fn to_an_end(platform: &Platform, door: &Door, lane: &Lane) -> Result<End> {
    let deadline = Instant::now() + UNDER_WAY;
    let name = lane.names.own.as_str();
    loop {
        if let Some(point) = door.end_of(name) {
            return Ok(End::At(point));
        }
        let (quiet, ending) = (door.quiet(name), door.is_ending(name));
        let told = match quiet >= QUIET && !ending {
            true => lane.next().to.told(platform, &lane.names).await,
            false => Err(anyhow::anyhow!("it is being worked on")),
        };
        let stuck = if ending { IN_FLIGHT } else { STUCK };
        // Whoever waits for a turn has it when another one is through: only when nobody goes on, nobody will.
        let waits = quiet.min(door.all_quiet());
        match told {
            Ok(()) => return Ok(End::Through),
            Err(_) if waits >= stuck && door.any_end() => {
                door.give_up(name);
                return Ok(End::Cut);
            }
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{} {}", lane.names.own, lane.next().name)));
            }
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// Tries again after each pause until it succeeds; the last error, where it does not.
async fn eventually<F>(what: &str, pause: Duration, mut attempt: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let deadline = Instant::now() + SOON;
    loop {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what}, within {SOON:?}")));
            }
            Err(_) => sleep(pause).await,
        }
    }
}

/// All stands as it should.
pub async fn stands(platform: &Platform, lane: &Lane, expected: &State) -> Result<()> {
    eventually(
        "all stands as without an interruption",
        WHOLE_LOOK,
        || async {
            let (found, _) = look(platform, &lane.names, &lane.stem).await?;
            ensure!(found == *expected, "\n{}", difference(expected, &found));
            Ok(())
        },
    )
    .await
}

/// The end of a transition as people and applications meet it.
pub async fn arrived(platform: &Platform, lane: &mut Lane, transition: &Transition) -> Result<()> {
    let (names, stem, to) = (lane.names.clone(), lane.stem.clone(), transition.to);
    let name = names.own.as_str();
    eventually("it comes to its stage", LOOK, || to.told(platform, &names)).await?;
    let client = platform.sandbox.admin();
    let known = lane.credentials.clone();
    match to {
        Stage::Active | Stage::Outdated => {
            let given = Credentials::read(&client, name).await?;
            match &known {
                Some(_) => finds_document(&given).await?,
                None => store_document(&given).await?,
            }
            if let Some(known) = known.filter(|known| !known.is(&given)) {
                eventually("the old ones are refused", LOOK, || is_refused(&known)).await?;
            }
            lane.credentials = Some(given);
        }
        Stage::Waiting => {}
        Stage::Closed(_) | Stage::Tombstone | Stage::Cooling => {
            is_refused(&Credentials::read(&client, name).await?).await?;
            is_refused(&known.context("it never had credentials")?).await?;
            document_is_kept(platform, &stem).await?;
        }
        Stage::Destroyed | Stage::Purged => {
            is_refused(&known.context("it never had credentials")?).await?;
            lane.credentials = None;
            if to == Stage::Purged {
                let record = record(platform, name).await?;
                is_whole(&record.context("its record is gone")?)?;
            }
        }
    }
    let (_, now) = look(platform, &names, &stem).await?;
    if matches!(to, Stage::Destroyed | Stage::Purged) {
        lane.identity = Identity::default();
        return Ok(());
    }
    let lives_on = lane.identity.lives_on_in(&now);
    ensure!(lives_on, "it was {:?}, and is {now:?}", lane.identity);
    lane.identity = now;
    Ok(())
}

/// One tenant goes round, and how all stands after each transition is told.
pub async fn undisturbed(
    platform: &Platform,
    resident: &Resident,
    door: &Arc<Door>,
    lane: &mut Lane,
) -> Result<Vec<(&'static str, State)>> {
    let mut found = Vec::new();
    for transition in lane.cycle.transitions {
        resident.time.advance(transition.time_passes())?;
        lane.hand_over();
        if transition.unseen {
            resident.kill().await?;
        }
        (transition.ask)(platform, &lane.names).await?;
        if transition.unseen {
            resident.start_under(Some(door.clone())).await?;
        }
        let arrived = arrived(platform, lane, transition).await;
        arrived.with_context(|| format!("{} {}", lane.names.own, transition.name))?;
        // What comes after it was told, comes soon.
        sleep(SETTLED).await;
        let (state, _) = look(platform, &lane.names, &lane.stem).await?;
        found.push((transition.name, state));
        lane.pass();
    }
    Ok(found)
}
