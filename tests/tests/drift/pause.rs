//! A person stops changes, of one tenant or of all of a class: what drifts is told of and left, a new spec waits, and
//! with the end of the pause all goes on. And a look that is asked for is answered.

use anyhow::{Result, ensure};
use eoffice_crds::{ConditionType, Reason, TenantClass, annotations};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{Platform, holds};
use serde_json::{Value, json};

use crate::place::Place;
use crate::report::Drifted;
use crate::row::Row;

/// Stopped itself.
pub const STOPPED: &str = "town-stopped-3021";
/// Its class is stopped.
pub const HALTED: &str = "town-halted-3021";
/// The class.
pub const CLASS: &str = "halted";

/// Another limit than the class gives.
const LIMIT: i32 = 7;

fn annotated(key: &str, value: Option<&str>) -> Value {
    json!({"metadata": {"annotations": {key: value}}})
}

pub async fn stopped(platform: &Platform, rows: &[Row]) -> Result<()> {
    let (tenants, classes) = (platform.tenants(), platform.cluster::<TenantClass>());
    let (stop, go) = (
        annotated(annotations::PAUSED, Some("true")),
        annotated(annotations::PAUSED, None),
    );
    let places = [
        Place::of(platform, STOPPED).await?,
        Place::of(platform, HALTED).await?,
    ];
    let [own, of_class] = &places;
    platform
        .merge(tenants.clone(), STOPPED, stop.clone())
        .await?;
    platform.merge(classes.clone(), CLASS, stop).await?;
    for place in &places {
        let paused = |it: &_| holds(it, ConditionType::Paused);
        platform.until(place.tenant, "paused", paused).await?;
    }
    let (one, other) = tokio::try_join!(Drifted::make(own, rows), Drifted::make(of_class, rows))?;
    for drifted in [&one, &other] {
        drifted.told("Held").await?;
        drifted.unsynced(Reason::Paused).await?;
    }
    let limited = json!({"spec": {"database": {"connectionLimit": LIMIT}}});
    let asked = platform.merge(tenants.clone(), HALTED, limited).await?;
    looked_again(platform, 3, places.len()).await?;
    for drifted in [&one, &other] {
        drifted.is_left().await?;
    }
    let waits = of_class.object().await?;
    let observed = waits.status.and_then(|status| status.observed_generation);
    ensure!(
        observed < asked.metadata.generation,
        "the new spec was observed: {observed:?}"
    );

    platform.merge(tenants.clone(), STOPPED, go.clone()).await?;
    one.told("Corrected").await?;
    one.is_undone().await?;
    platform.merge(classes, CLASS, go).await?;
    let ready = platform.ready(HALTED).await?;
    ensure!(!holds(&ready, ConditionType::Paused), "it is still paused");
    ensure!(
        of_class
            .sql
            .look()
            .await?
            .contains(&format!("\"limit\" : {LIMIT},")),
        "no new limit"
    );
    // What it had before was its class's: with that again, nothing is left of all that was changed.
    platform
        .merge(tenants, HALTED, json!({"spec": {"database": null}}))
        .await?;
    other.is_undone().await
}

/// Asked for, it is looked at and answered, and nothing is changed.
pub async fn answered(place: &Place<'_>) -> Result<()> {
    let sound = place.look().await?;
    place.looked_at().await?;
    sound.is(&place.look().await?)
}
