//! Where drift is only to be reported it is told of and nothing is changed, until it is to be corrected again.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, Reason, TenantClass};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{Platform, eventually, holds, is};
use serde_json::{Value, json};

use crate::place::{Place, Whole};
use crate::row::{Row, Tally, Told, news};

/// The tenant itself wants it so.
pub const ASKED: &str = "town-reported-3021";
/// The class wants it so.
pub const INHERITED: &str = "town-reported-3022";
/// The class.
pub const CLASS: &str = "reporting";

/// What is to be done about drift: in every plane the same.
pub fn policy(word: &str) -> Value {
    let planes = ["namespace", "database", "storage", "certificate", "ingress"];
    planes
        .into_iter()
        .map(|plane| (plane.to_owned(), json!(word)))
        .collect()
}

pub async fn only_reported(platform: &Platform, rows: &[Row]) -> Result<()> {
    let places = [
        Place::of(platform, ASKED).await?,
        Place::of(platform, INHERITED).await?,
    ];
    let [asked, inherited] = &places;
    let (one, other) =
        tokio::try_join!(Drifted::make(asked, rows), Drifted::make(inherited, rows))?;
    for drifted in [&one, &other] {
        drifted.told("Reported").await?;
        drifted.unsynced(Reason::Drifted).await?;
    }
    looked_again(platform, 3, places.len()).await?;
    for drifted in [&one, &other] {
        drifted.is_left().await?;
        ensure!(holds(&drifted.place.object().await?, ConditionType::Ready));
    }
    let correct = json!({"spec": {"driftPolicy": null}});
    platform
        .merge(platform.tenants(), ASKED, correct.clone())
        .await?;
    platform
        .merge(platform.cluster::<TenantClass>(), CLASS, correct)
        .await?;
    for drifted in [&one, &other] {
        drifted.told("Corrected").await?;
        drifted.is_undone().await?;
    }
    Ok(())
}

/// A tenant with several drifts at once that the operator leaves as they are.
pub struct Drifted<'a> {
    place: &'a Place<'a>,
    sound: Whole,
    changed: Whole,
    before: Tally,
    told: Vec<Told>,
}

impl<'a> Drifted<'a> {
    /// Makes every drift of these rows that is for such a tenant.
    pub async fn make(place: &'a Place<'a>, rows: &[Row]) -> Result<Self> {
        let (sound, before) = (place.look().await?, place.tally().await?);
        let mut names = place.names().await?;
        let mut told = Vec::new();
        for row in rows.iter().filter(|row| row.reported) {
            place
                .make(row, &mut names)
                .await
                .with_context(|| row.name())?;
            told.extend(row.told(&names, ""));
        }
        told.sort();
        let changed = place.look().await?;
        ensure!(changed.is(&sound).is_err(), "nothing was changed");
        Ok(Self {
            place,
            sound,
            changed,
            before,
            told,
        })
    }

    /// All of it is told of, and nothing else.
    pub async fn told(&self, action: &'static str) -> Result<()> {
        let expected: Vec<Told> = self
            .told
            .iter()
            .map(|told| Told {
                action,
                ..told.clone()
            })
            .collect();
        eventually(&format!("all is told as {action}"), || async {
            let told = news(&self.before, &self.place.tally().await?);
            let told: Vec<Told> = told
                .into_iter()
                .filter(|told| told.action == action)
                .collect();
            ensure!(
                told == expected,
                "expected:\n{expected:#?}\ntold:\n{told:#?}"
            );
            Ok(())
        })
        .await
    }

    /// `Synced` says why.
    pub async fn unsynced(&self, reason: Reason) -> Result<()> {
        let what = format!("not Synced: {reason}");
        let place = self.place;
        let unsynced = |it: &_| is(it, ConditionType::Synced, "False", reason);
        place.platform.until(place.tenant, &what, unsynced).await?;
        Ok(())
    }

    /// Nothing of it was put right, and nothing else was changed.
    pub async fn is_left(&self) -> Result<()> {
        self.changed.is(&self.place.look().await?)
    }

    /// All is as it was before, and the tenant says so.
    pub async fn is_undone(&self) -> Result<()> {
        eventually("all is as it was", || async {
            self.sound.is(&self.place.look().await?)
        })
        .await?;
        let what = "Synced";
        let synced = |it: &_| holds(it, ConditionType::Synced);
        self.place
            .platform
            .until(self.place.tenant, what, synced)
            .await?;
        Ok(())
    }
}
