//! What people change by hand from outside of the operator: it is seen in time, told of truthfully, and put right,
//! only reported, or left to a person, as was asked; and when all is done, nothing more is changed.

#[path = "drift/bucket.rs"]
mod bucket;
#[path = "drift/calm.rs"]
mod calm;
#[path = "drift/contest.rs"]
mod contest;
#[path = "drift/frozen.rs"]
mod frozen;
#[path = "drift/ground.rs"]
mod ground;
#[path = "drift/groups.rs"]
mod groups;
#[path = "drift/missing.rs"]
mod missing;
#[path = "drift/objects.rs"]
mod objects;
#[path = "drift/pause.rs"]
mod pause;
#[path = "drift/place.rs"]
mod place;
#[path = "drift/quiet.rs"]
mod quiet;
#[path = "drift/refused.rs"]
mod refused;
#[path = "drift/report.rs"]
mod report;
#[path = "drift/row.rs"]
mod row;
#[path = "drift/sql.rs"]
mod sql;
#[path = "drift/table.rs"]
mod table;
#[path = "drift/telling.rs"]
mod telling;

use anyhow::Result;
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;

use crate::ground::{CALM, EDITED};
use crate::groups::Log;
use crate::place::Place;
use crate::row::Row;

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn what_is_changed_by_hand() {
    let options = Options {
        servers: vec!["pg-a".into()],
        audit: true,
        log_statements: true,
        ..Options::default()
    };
    // What the breaker does is another test's matter.
    let operator = OperatorOptions {
        env: [
            ("EOFFICE_BREAKER_DELAY", "200ms"),
            ("EOFFICE_BREAKER_LIMIT", "100"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        ..OperatorOptions::default()
    };
    let platform = Platform::start(options, operator).await.unwrap();
    ground::prepare(&platform).await.unwrap();
    let rows = row::table().unwrap();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let calm = calm::Calm::of(&platform, CALM).await.unwrap();
    let put_right = put_right(&platform, &rows).await;
    let decided = decided(&platform, &rows).await;
    let untouched = platform
        .all(vec![(
            "nothing of it has touched a tenant to whom nothing was done",
            calm.is_untouched().boxed(),
        )])
        .await;
    let rest = at_rest(&platform).await;
    put_right.and(decided).and(untouched).and(rest).unwrap();
}

/// Every row of the table.
async fn put_right(platform: &Platform, rows: &[Row]) -> Result<()> {
    let log = Log::default();
    let edited = Place::of(platform, EDITED[0]).await?;
    let mut all = Ok(());
    for scenarios in [
        vec![(
            "each object of Kubernetes comes back within a second",
            groups::objects_come_back(platform, rows, &log).boxed(),
        )],
        vec![
            (
                "each right, limit, setting and password in PostgreSQL comes back",
                groups::databases_come_back(platform, rows, &log).boxed(),
            ),
            (
                "each rule, policy, tag and key in the store comes back",
                groups::buckets_come_back(platform, rows, &log).boxed(),
            ),
            (
                "what would take away a tenant's memory is refused",
                refused::at_once(&edited).boxed(),
            ),
        ],
    ] {
        all = all.and(platform.all(scenarios).await);
    }
    all?;
    let told = log.into_inner()?;
    platform
        .all(vec![(
            "Events, audit and metrics tell the same",
            telling::is_the_same_everywhere(platform, &told).boxed(),
        )])
        .await
}

/// What is decided otherwise than to put it right, each of other tenants.
async fn decided(platform: &Platform, rows: &[Row]) -> Result<()> {
    let [dropped, emptied] = [
        Place::of(platform, missing::DROPPED).await?,
        Place::of(platform, missing::EMPTIED).await?,
    ];
    let fought = Place::of(platform, contest::FOUGHT).await?;
    let asked = Place::of(platform, ground::ASKED).await?;
    platform
        .all(vec![
            (
                "what is only to be reported is left as it is",
                report::only_reported(platform, rows).boxed(),
            ),
            (
                "a database that is gone or another is a person's matter",
                missing::database(&dropped).boxed(),
            ),
            (
                "a bucket that is gone or another is a person's matter",
                missing::bucket(&emptied).boxed(),
            ),
            (
                "two writers do not fight for long",
                contest::fight(&fought).boxed(),
            ),
            (
                "changes are stopped and go on",
                pause::stopped(platform, rows).boxed(),
            ),
            (
                "a look that is asked for is answered",
                pause::answered(&asked).boxed(),
            ),
            (
                "nobody moves because a class was edited",
                frozen::nobody_moves_unasked(platform).boxed(),
            ),
        ])
        .await
}

/// In the end nothing is written any more, and no secret was told.
async fn at_rest(platform: &Platform) -> Result<()> {
    let open = [frozen::MOVES, frozen::STAYS];
    for scenario in [
        (
            "no secret is told anywhere",
            telling::is_without_secrets(platform).boxed(),
        ),
        (
            "where nothing differs nothing is written",
            quiet::nothing_is_written(platform, &open).boxed(),
        ),
        (
            "nor is it after a restart",
            quiet::nothing_is_written_after_a_restart(platform, &open).boxed(),
        ),
    ] {
        platform.all(vec![scenario]).await?;
    }
    Ok(())
}
