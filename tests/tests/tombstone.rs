//! What a tenant left: kept, given back, taken over, and destroyed only as ordered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "tombstone/bed.rs"]
mod bed;
#[path = "tombstone/bereft.rs"]
mod bereft;
#[path = "tombstone/edited.rs"]
mod edited;
#[path = "tombstone/forced.rs"]
mod forced;
#[path = "tombstone/inherited.rs"]
mod inherited;
#[path = "tombstone/opened.rs"]
mod opened;
#[path = "tombstone/purged.rs"]
mod purged;
#[path = "tombstone/restored.rs"]
mod restored;
#[path = "tombstone/stalled.rs"]
mod stalled;
#[path = "tombstone/withdrawn.rs"]
mod withdrawn;

use anyhow::Result;
use bed::Bed;
use futures::FutureExt;
use futures::future::BoxFuture;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_left_is_kept_until_a_committee_decides() {
    let bed = Bed::start().await.unwrap();
    // Each puts the clock forward or ends the operator: one after the other.
    let scenarios: [(&str, BoxFuture<'_, Result<()>>); 15] = [
        (
            "a tenant made again has its data with new credentials",
            restored::with_other_uids(&bed).boxed(),
        ),
        (
            "where the class says so, only when asked",
            restored::only_when_asked(&bed).boxed(),
        ),
        (
            "of two that ask to take over what one left, one has it",
            restored::by_one_of_two(&bed).boxed(),
        ),
        (
            "what was taken over comes with its hold, and ends with its volumes",
            inherited::with_its_hold_and_its_volumes(&bed).boxed(),
        ),
        (
            "what is ordered is destroyed, and nothing beside it",
            purged::as_ordered(&bed).boxed(),
        ),
        (
            "what is locked for a time is waited for",
            purged::not_before_the_lock_ends(&bed).boxed(),
        ),
        (
            "a legal hold on a document is waited for",
            purged::not_while_a_document_is_held(&bed).boxed(),
        ),
        (
            "who stood still while he destroyed does not go on when another leads",
            stalled::until_another_leads(&bed).boxed(),
        ),
        (
            "an order is void once its tenant is back",
            purged::not_while_its_tenant_is_back(&bed).boxed(),
        ),
        (
            "an order can be stopped in its last second",
            withdrawn::in_its_last_second(&bed).boxed(),
        ),
        (
            "what a forged mark or an edited record names is not destroyed",
            edited::by_hand(&bed).boxed(),
        ),
        (
            "what a second record of the same data orders is not destroyed",
            edited::twice(&bed).boxed(),
        ),
        (
            "an access that somebody opens to what is kept is ended",
            opened::by_an_admin_of_the_backends(&bed).boxed(),
        ),
        (
            "a tenant that goes without being closed is closed, and comes back",
            bereft::by_an_admin(&bed).boxed(),
        ),
        (
            "no data goes with a record or a namespace that an admin deletes",
            forced::by_an_admin(&bed).boxed(),
        ),
    ];
    let mut failed = Vec::new();
    for (what, scenario) in scenarios {
        let began = std::time::Instant::now();
        let result = scenario.await;
        println!("{:5.1} s  {what}", began.elapsed().as_secs_f64());
        failed.extend(result.err().map(|error| format!("{what}: {error:#}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
