//! Makes every drift of the table: each is told of rightly and in time, and ends as the table says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, Plane, TLS_SECRET};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{condition, eventually, is_ready, says};
use eoffice_tests::proof::{self, Credentials};
use tokio::time::{Instant, sleep};

use crate::bucket::Portrait;
use crate::objects::{decided, same};
use crate::place::Place;
use crate::row::{Deed, End, Names, Row, Tally, Told, news, tally};

/// Within what time a drift is told of: the interval of looks, which is a second or two in this sandbox, and room for
/// a machine that has other things to do.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// Between two looks at what is told.
const LOOK: Duration = Duration::from_millis(20);

/// How long things took.
#[derive(Clone, Debug)]
pub struct Took {
    /// Until an object of Kubernetes was as before, since the change was answered.
    pub repaired: Option<Duration>,
    /// Until it was told.
    pub told: Duration,
    /// What was told.
    pub what: Vec<Told>,
}

/// Makes the drifts one after the other, and says of all that did not go as they should.
pub async fn run(place: &Place<'_>, rows: &[Row]) -> Result<Vec<Took>> {
    let (mut took, mut failed) = (Vec::new(), Vec::new());
    for row in rows {
        match make(place, row).await {
            Ok(one) => took.push(one),
            Err(error) => failed.push(format!("{}: {}: {error:#}", place.tenant, row.name())),
        }
    }
    ensure!(
        failed.is_empty(),
        "{} of {} rows:\n{}",
        failed.len(),
        rows.len(),
        failed.join("\n")
    );
    Ok(took)
}

/// How a plane was before.
enum Sound {
    Sql(String),
    Store(Portrait),
    Object(serde_json::Value),
}

async fn make(place: &Place<'_>, row: &Row) -> Result<Took> {
    // What cert-manager mends may be gone before the operator looks: it waits until that was told.
    let cert_manager = &place.platform.sandbox.cert_manager.part;
    let by_another = row.plane == Plane::Certificate && matches!(row.ends, End::Works);
    if by_another {
        cert_manager.pause();
    }
    let made = make_and_be_told(place, row).await;
    if by_another {
        cert_manager.resume();
    }
    let (took, before) = made?;
    let Before {
        credentials,
        sound,
        object,
        names,
    } = before;
    match &row.ends {
        End::Renewed => renewed(place, &credentials, row.plane, &sound, &object).await?,
        End::Works => works(place, row.plane).await?,
        End::Mended(words) => {
            let words: Vec<String> = words.iter().map(|word| names.put_in(word)).collect();
            mend(place, row.plane, &words, &sound).await?;
            is_again(place, &sound, &object).await?;
        }
        End::Same => is_again(place, &sound, &object).await?,
    }
    Ok(took)
}

/// How things were.
struct Before {
    credentials: Credentials,
    sound: Sound,
    object: String,
    names: Names,
}

async fn make_and_be_told(place: &Place<'_>, row: &Row) -> Result<(Took, Before)> {
    let (mut names, before) = (place.names().await?, place.tally().await?);
    let credentials = Credentials::read(&place.platform.sandbox.admin(), place.tenant).await?;
    let object = names.put_in(&row.object);
    let sound = match &row.does {
        Deed::Sql(_) | Deed::Tenant(_) => Sound::Sql(place.sql.look().await?),
        Deed::Store(_) => Sound::Store(place.store.look().await?),
        _ => {
            let object = place.objects.get(&object).await?;
            Sound::Object(decided(&object, matches!(row.ends, End::Renewed)))
        }
    };
    let began = Instant::now();
    let repaired = match (&sound, &row.ends) {
        (Sound::Object(_), End::Same) => Some(place.objects.watched(&object, &row.does).await?),
        _ => {
            place.make(row, &mut names).await?;
            None
        }
    };
    let what = match &row.ends {
        End::Mended(words) => told_as_held(place, row, &names, &before, words).await?,
        _ => told(place, row, &names, &before).await?,
    };
    let told = began.elapsed();
    ensure!(told <= TOLD_WITHIN, "it was told of after {told:?} only");
    let before = Before {
        credentials,
        sound,
        object,
        names,
    };
    Ok((
        Took {
            repaired,
            told,
            what,
        },
        before,
    ))
}

/// Exactly what the row says is told, and nothing besides.
async fn told(place: &Place<'_>, row: &Row, names: &Names, before: &Tally) -> Result<Vec<Told>> {
    let expected = row.told(names, "Corrected");
    let deadline = Instant::now() + TOLD_WITHIN;
    loop {
        let told = news(before, &place.tally().await?);
        if told == expected {
            return Ok(told);
        }
        ensure!(
            Instant::now() < deadline,
            "expected to be told:\n  {expected:?}\ntold:\n  {told:?}"
        );
        sleep(LOOK).await;
    }
}

async fn is_again(place: &Place<'_>, sound: &Sound, object: &str) -> Result<()> {
    eventually("all is as it was", || async {
        match sound {
            Sound::Sql(sound) => {
                let now = place.sql.look().await?;
                ensure!(now == *sound, "it was\n{sound}\nand is\n{now}");
            }
            Sound::Store(sound) => {
                let now = place.store.look().await?;
                ensure!(now == *sound, "it was\n{sound:?}\nand is\n{now:?}");
            }
            Sound::Object(sound) => {
                same(sound, &decided(&place.objects.get(object).await?, false))?;
            }
        }
        Ok(())
    })
    .await
}

/// There is another credential that works; whoever has the old one is not let in with it; the rest is as it was.
async fn renewed(
    place: &Place<'_>,
    before: &Credentials,
    plane: Plane,
    sound: &Sound,
    object: &str,
) -> Result<()> {
    eventually("there is another credential", || async {
        let now = Credentials::read(&place.platform.sandbox.admin(), place.tenant).await?;
        if plane == Plane::Database {
            ensure!(now.database.password != before.database.password);
            ensure!(now.database.password != "chosen-by-hand");
            proof::sql(&now.database).await?;
            let old = before.database.log_in_at(&now.database).await?;
            ensure!(old.is_err(), "the old password is still good");
        } else {
            ensure!(now.storage.key.access != before.storage.key.access);
            proof::s3(&now.storage).await?;
            ensure!(
                proof::s3(&before.storage).await.is_err(),
                "the old key is still good"
            );
        }
        match sound {
            Sound::Object(sound) => {
                same(sound, &decided(&place.objects.get(object).await?, true))?;
            }
            Sound::Store(sound) => {
                let now = place.store.look().await?;
                ensure!(sound.but_for_keys() == now.but_for_keys(), "{now:?}");
            }
            Sound::Sql(_) => {}
        }
        Ok(())
    })
    .await
}

/// It may be another, and is used as before.
async fn works(place: &Place<'_>, plane: Plane) -> Result<()> {
    eventually("it works", || async {
        ensure!(is_ready(&place.object().await?), "it is not Ready");
        if plane == Plane::Database {
            return proof::sql(&place.sql.database).await;
        }
        let secret = place.objects.get(&format!("Secret/{TLS_SECRET}")).await?;
        ensure!(
            !secret.data["data"]["tls.crt"].is_null(),
            "no certificate is there"
        );
        proof::prove(&place.platform.sandbox, place.tenant).await
    })
    .await
}

/// `Synced` has the reason, and what was found is told as held; nothing is told of what nobody can tell from another's.
async fn told_as_held(
    place: &Place<'_>,
    row: &Row,
    names: &Names,
    before: &Tally,
    words: &[String],
) -> Result<Vec<Told>> {
    let unsynced = |tenant: &_| {
        condition(tenant, ConditionType::Synced)
            .is_some_and(|it| it.status == "False" && Some(&it.reason) == words.first())
    };
    let told = place
        .platform
        .until(place.tenant, "not Synced", unsynced)
        .await?;
    let told = news(before, &tally(&told));
    let expected = match words.first().map(String::as_str) {
        Some("Drifted" | "DataMissing") => row.told(names, "Held"),
        _ => Vec::new(),
    };
    ensure!(
        told == expected,
        "expected to be told:\n  {expected:?}\ntold:\n  {told:?}"
    );
    Ok(told)
}

/// The condition says what to do; nothing is done until a person does it; and then all is well.
async fn mend(place: &Place<'_>, plane: Plane, words: &[String], sound: &Sound) -> Result<()> {
    let (reason, words) = words.split_first().context("no reason")?;
    let part = match plane {
        Plane::Database => ConditionType::DatabaseReady,
        _ => ConditionType::StorageReady,
    };
    let what = "told of what only a person can put right";
    let open = |tenant: &_| {
        condition(tenant, part).is_some_and(|it| it.status == "False" && it.reason == *reason)
    };
    let told = place.platform.until(place.tenant, what, open).await?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    says(&told, part, &words)?;
    match sound {
        Sound::Sql(_) => {
            let changed = place.sql.look().await?;
            looked_again(place.platform, 2, 0).await?;
            let now = place.sql.look().await?;
            ensure!(now == changed, "it was\n{changed}\nand is\n{now}");
            // The very statement that the sentence has.
            let sentence = condition(&told, part).map_or("", |it| it.message.as_str());
            let statement = sentence.split_once(" run ").map(|(_, rest)| rest);
            let statement = statement.and_then(|rest| rest.rsplit_once(" there"));
            let (statement, _) = statement.with_context(|| format!("no statement: {sentence}"))?;
            place.sql.run(statement).await?;
        }
        Sound::Store(sound) => {
            let changed = place.store.look().await?;
            looked_again(place.platform, 2, 2).await?;
            let now = place.store.look().await?;
            ensure!(now == changed, "it was\n{changed:?}\nand is\n{now:?}");
            place.store.put_back_tags(sound).await?;
        }
        Sound::Object(_) => anyhow::bail!("the operator may change every object"),
    }
    place.platform.ready(place.tenant).await?;
    Ok(())
}

/// The p-th percentile, by the nearest rank.
pub fn percentile(sorted: &[Duration], p: usize) -> Result<Duration> {
    let rank = (sorted.len() * p).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .copied()
        .context("nothing was measured")
}
