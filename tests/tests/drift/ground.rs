//! The tenants to whom things are done, each for its own kind of trouble.

use anyhow::Result;
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, tenant};
use futures::future::try_join_all;
use serde_json::json;

use crate::place::Place;
use crate::{contest, frozen, missing, pause, report, sql};

/// Objects in Kubernetes are changed, first of the one and then of the other.
pub const EDITED: [&str; 2] = ["town-edited-3021", "town-edited-3022"];
/// Their databases and roles are changed.
pub const ALTERED: [&str; 3] = [
    "town-altered-3021",
    "town-altered-3022",
    "town-altered-3023",
];
/// Their buckets, with locked records, and their users are changed.
pub const LOCKED: [&str; 2] = ["town-locked-3021", "town-locked-3022"];
/// Its bucket without locks is changed.
pub const PLAIN: &str = "tao-plain-3021";
/// Nobody does anything to it.
pub const CALM: &str = "town-calm-3021";
/// Somebody asks for a look at it.
pub const ASKED: &str = "town-asked-3021";

/// The class of a tenant that is not of the class `standard`.
fn class_of(name: &str) -> Option<&'static str> {
    match name {
        PLAIN | missing::EMPTIED => Some("plain"),
        report::INHERITED => Some(report::CLASS),
        pause::HALTED => Some(pause::CLASS),
        frozen::MOVES | frozen::STAYS => Some(frozen::CLASS),
        _ => None,
    }
}

pub async fn prepare(platform: &Platform) -> Result<()> {
    class(platform, "plain", |spec| {
        spec["storage"]["retention"] = serde_json::Value::Null;
        spec["storage"]["versioning"] = json!(true);
    })
    .await?;
    class(platform, report::CLASS, |spec| {
        spec["driftPolicy"] = report::policy("Report");
    })
    .await?;
    class(platform, pause::CLASS, |_| {}).await?;
    class(platform, frozen::CLASS, |_| {}).await?;
    let others = [
        PLAIN,
        CALM,
        ASKED,
        report::ASKED,
        report::INHERITED,
        missing::DROPPED,
        missing::EMPTIED,
        contest::FOUGHT,
        pause::STOPPED,
        pause::HALTED,
        frozen::MOVES,
        frozen::STAYS,
    ];
    let all = [&EDITED[..], &ALTERED, &LOCKED, &others].concat();
    let objects: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let mut object = tenant(name);
            if let Some(class) = class_of(name) {
                object["spec"]["className"] = json!(class);
            }
            if LOCKED.contains(name) {
                let code = format!("43021{place:02}");
                object["spec"]["agency"]["codes"] = json!([{"scheme": "dla", "value": code}]);
            }
            if *name == report::ASKED {
                object["spec"]["driftPolicy"] = report::policy("Report");
            }
            object
        })
        .collect();
    platform.apply(&objects).await?;
    try_join_all(all.iter().map(|name| platform.ready(name))).await?;
    let superuser = platform.sandbox.server("pg-a")?.connect("postgres").await?;
    let stranger = format!("SET ROLE eoffice_operator; CREATE ROLE {}", sql::STRANGER);
    superuser.batch_execute(&stranger).await?;
    for name in ALTERED {
        let place = Place::of(platform, name).await?;
        place.sql.make_idle_login().await?;
    }
    Ok(())
}
