//! New tenants are made a few at a time, in a fair order that survives the operator's end; too many that fail stop it,
//! until they are mended or a person sets them aside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "waves/ask.rs"]
mod ask;
#[path = "plugin/build.rs"]
mod build;
#[path = "waves/failing.rs"]
mod failing;
#[path = "waves/log.rs"]
mod log;
#[path = "waves/room.rs"]
mod room;
#[path = "waves/told.rs"]
mod told;
#[path = "waves/turns.rs"]
mod turns;

use anyhow::Result;
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::{OperatorOptions, Options};
use futures::FutureExt;

#[tokio::test(flavor = "multi_thread")]
async fn new_tenants_take_turns() {
    let platform = Platform::start(Options::default(), in_waves(2, 100, 600))
        .await
        .unwrap();
    ask::prepare(&platform).await.unwrap();
    let fair = turns::are_fair_and_few(&platform).boxed();
    let name = "turns are fair, few at a time, and survive the operator's end";
    platform.all(vec![(name, fair)]).await.unwrap();

    let platform = with_operator(platform, in_waves(4, 30, 5)).await.unwrap();
    for (name, scenario) in [
        (
            "a store that is down is waited for, and no turn is taken up",
            failing::waits_for_a_backend_without_a_turn(&platform).boxed(),
        ),
        (
            "an issuer that is missing stops the wave, and it goes on by itself afterwards",
            failing::stops_a_wave_until_mended(&platform).boxed(),
        ),
        (
            "what only a person can mend stops the wave until it is set aside",
            failing::stops_a_wave_until_set_aside(&platform).boxed(),
        ),
        (
            "what is wrong with one tenant alone stops nobody else",
            failing::goes_on_past_the_mistaken(&platform).boxed(),
        ),
        (
            "room that becomes free is taken by one of those who wait",
            room::is_taken(&platform).boxed(),
        ),
    ] {
        // One after the other: each fills the queue.
        platform.all(vec![(name, scenario)]).await.unwrap();
    }
}

/// An operator that makes so many at once, and counts as failing whoever waits longer than that for something.
fn in_waves(size: u16, failed_percent: u16, patience: u16) -> OperatorOptions {
    OperatorOptions {
        args: vec![
            format!("--wave-size={size}"),
            format!("--wave-failed-percent={failed_percent}"),
            format!("--wave-patience={patience}s"),
        ],
        ..OperatorOptions::default()
    }
}

/// The same platform with another operator.
async fn with_operator(platform: Platform, options: OperatorOptions) -> Result<Platform> {
    let Platform { operator, sandbox } = platform;
    operator.part.stop().await;
    let mut options = options;
    options
        .args
        .splice(0..0, eoffice_tests::e2e::security::short_intervals());
    let operator = sandbox.start_operator(options).await?;
    Ok(Platform { operator, sandbox })
}
