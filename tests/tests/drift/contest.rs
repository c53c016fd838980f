//! Where another writer keeps changing the same thing back, the operator stops fighting, says so, and goes on with
//! everything else.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use eoffice_crds::{ConditionType, FIELD_MANAGER, Reason};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{eventually, holds, is, says};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::objects::EDITOR;
use crate::place::Place;
use crate::quiet::by_operator;
use crate::row::Deed;

/// The tenant.
pub const FOUGHT: &str = "town-fought-3021";

/// The other writer.
const OTHER: &str = "helm-controller";
const QUOTA: &str = "ResourceQuota/eoffice";
const ROUNDS: usize = 3;

pub async fn fight(place: &Place<'_>) -> Result<()> {
    let pods = pods(place).await?;
    let judged = tokio::select! {
        judged = judge(place) => judged,
        fought = keep_changing(place, &pods) => fought,
    };
    judged?;
    // Let be, it is put right only at the slow pace: a person does so now.
    let back = Deed::Merge(json!({"spec": {"hard": {"pods": pods}}}));
    place.objects.change(QUOTA, &back, EDITOR).await?;
    let synced = |it: &_| holds(it, ConditionType::Synced);
    place.platform.until(place.tenant, "Synced", synced).await?;
    Ok(())
}

async fn pods(place: &Place<'_>) -> Result<Value> {
    Ok(place.objects.get(QUOTA).await?.data["spec"]["hard"]["pods"].clone())
}

/// Changes the quota each time that it was put right.
async fn keep_changing(place: &Place<'_>, sound: &Value) -> Result<()> {
    let change = Deed::Merge(json!({"spec": {"hard": {"pods": "999"}}}));
    loop {
        if pods(place).await? == *sound {
            place.objects.change(QUOTA, &change, OTHER).await?;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn judge(place: &Place<'_>) -> Result<()> {
    let corrections = || {
        let writes = place.platform.sandbox.control_plane.writes()?;
        let ours = writes.iter().filter(|write| {
            by_operator(write)
                && write.resource == "resourcequotas"
                && write.namespace == place.objects.namespace
        });
        anyhow::Ok(ours.count())
    };
    let before = corrections()?;
    let contested = |it: &_| is(it, ConditionType::Synced, "False", Reason::Contested);
    let told = place
        .platform
        .until(place.tenant, "contested", contested)
        .await?;
    says(
        &told,
        ConditionType::Synced,
        &[QUOTA, "spec.hard.pods", OTHER, FIELD_MANAGER],
    )?;
    ensure!(
        holds(&told, ConditionType::Ready),
        "it is not Ready any more"
    );
    let made = corrections()? - before;
    ensure!(made == ROUNDS, "it was put right {made} times");

    // All else is cared for as ever, in Kubernetes and elsewhere.
    place
        .objects
        .watched("LimitRange/eoffice", &Deed::Delete)
        .await?;
    let sound = place.sql.look().await?;
    let deed = Deed::Sql("ALTER ROLE {login} NOLOGIN".into());
    place.sql.change(&deed, &sound).await?;
    eventually("the database is as it was", || async {
        let now = place.sql.look().await?;
        ensure!(now == sound, "it was\n{sound}\nand is\n{now}");
        Ok(())
    })
    .await?;
    looked_again(place.platform, 3, 1).await?;
    let made = corrections()? - before;
    ensure!(made == ROUNDS, "it was put right {made} times");
    match pods(place).await? {
        pods if pods == "999" => Ok(()),
        pods => bail!("the other writer has lost: {pods}"),
    }
}
