//! `kubectl eoffice` against a real API server. The operator's part in the statuses is played here: what is tested is
//! what a person sees, what is asked, and what is waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "plugin/accept.rs"]
mod accept;
#[path = "plugin/bed.rs"]
mod bed;
#[path = "plugin/build.rs"]
mod build;
#[path = "plugin/doctor.rs"]
mod doctor;
#[path = "plugin/examples.rs"]
mod examples;
#[path = "plugin/holds.rs"]
mod holds;
#[path = "plugin/live.rs"]
mod live;
#[path = "plugin/people.rs"]
mod people;
#[path = "plugin/plans.rs"]
mod plans;
#[path = "plugin/program.rs"]
mod program;
#[path = "plugin/secrets.rs"]
mod secrets;
#[path = "plugin/stages.rs"]
mod stages;
#[path = "plugin/tenants.rs"]
mod tenants;
#[path = "plugin/tombstones.rs"]
mod tombstones;

use bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_eoffice_tells_asks_and_decides() {
    let bed = Bed::start().await;
    program::all(&bed).await;
    doctor::before_anything_is_there(&bed).await;
    bed.describe_the_platform().await;
    tokio::join!(
        tenants::all(&bed),
        plans::all(&bed),
        secrets::all(&bed),
        holds::all(&bed),
        accept::all(&bed),
        stages::all(&bed),
        tombstones::all(&bed),
    );
    examples::lifecycle(&bed).await;
    doctor::each_trouble_is_found(&bed).await;
}
