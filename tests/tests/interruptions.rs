//! The operator dies before and after each of its calls to the outside, in each transition of a tenant from one stage
//! to the next. Born again, it brings the tenant to the same end, with the same data, and with nothing left behind.
//!
//! A point is a call (what is done, to which object, the how many-th time since the transition was asked for) and a
//! side of it. They are not listed anywhere: a tenant goes through its transition until its way reaches a point that
//! none has ended at, and that is where the process dies; a transition is done when a tenant comes through it without
//! reaching a new one. Several tenants go side by side, and the process dies when each has come to its own point: what
//! was called for it from then on has never gone out, so to each it is as if the process had died just there.
//!
//! Left out are calls that are about no tenant: the lease, the looks at servers and stores, their status, the classes'.
//!
//! Between two writes nothing outside changes: after one write is before the next. So by default the process dies before
//! the first write and after each. `EOFFICE_INTERRUPT=writes` has it die on both sides of each write and before the
//! first read after it, `EOFFICE_INTERRUPT=calls` on both sides of every call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "interruptions/access.rs"]
mod access;
#[path = "interruptions/asks.rs"]
mod asks;
#[path = "interruptions/backends.rs"]
mod backends;
#[path = "interruptions/certificate.rs"]
mod certificate;
#[path = "interruptions/door.rs"]
mod door;
#[path = "interruptions/lane.rs"]
mod lane;
#[path = "interruptions/stage.rs"]
mod stage;
#[path = "interruptions/state.rs"]
mod state;
#[path = "interruptions/transitions.rs"]
mod transitions;
#[path = "interruptions/walk.rs"]
mod walk;

use door::Depth;
use transitions::{COMING_AND_GOING, DECIDED_BY_PEOPLE, Group, KEPT_FOR_LONG};
use walk::Walk;

/// Set to `writes`, both sides of every write are points; set to `calls`, both sides of every call.
const DEPTH_VARIABLE: &str = "EOFFICE_INTERRUPT";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; README.md names its command"]
async fn wherever_the_operator_dies_tenants_come_and_go_and_are_closed_as_they_should() {
    interrupt(&COMING_AND_GOING).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; README.md names its command"]
async fn wherever_the_operator_dies_what_is_kept_for_long_comes_to_the_same_end() {
    interrupt(&KEPT_FOR_LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; README.md names its command"]
async fn wherever_the_operator_dies_what_people_decide_is_done_once() {
    interrupt(&DECIDED_BY_PEOPLE).await;
}

/// Has it die everywhere in these.
async fn interrupt(group: &'static Group) {
    let depth = match std::env::var(DEPTH_VARIABLE).as_deref() {
        Ok("calls") => Depth::Calls,
        Ok("writes") => Depth::Writes,
        Ok(other) => {
            panic!("{DEPTH_VARIABLE} is {other:?}: set it to writes or calls, or leave it out")
        }
        Err(_) => Depth::States,
    };
    let mut walk = Walk::begin(depth, group).await.unwrap();
    let outcome = walk.finish().await;
    walk.tell();
    outcome.unwrap();
}
