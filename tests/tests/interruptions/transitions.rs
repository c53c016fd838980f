//! The table: each transition from one stage to its neighbour, and how it is asked for.

use std::time::Duration;

use anyhow::Result;
use eoffice_crds::annotations;
use eoffice_tests::e2e::security::Platform;
use futures::future::BoxFuture;

use crate::asks::{
    annotate, approve, archive, ask_back, ask_for, delete, grow, make, make_again_unseen,
    make_approved, make_asked, make_trial, open, order, suspend, take_over, withdraw,
};
use crate::stage::{ARCHIVED, SUSPENDED, Stage};

/// A tenant's name, and that of the one whose data it takes over, or which takes over its own.
#[derive(Clone, Debug)]
pub struct Names {
    pub own: String,
    pub other: String,
}

/// Asks for a transition.
pub type Ask = for<'a> fn(&'a Platform, &'a Names) -> BoxFuture<'a, Result<()>>;

/// A way from one stage to another. Those of one name are one: whoever goes it, and in which cycle.
pub struct Transition {
    pub name: &'static str,
    pub ask: Ask,
    pub to: Stage,
    /// It is the other's: what was its own is asked for by that.
    pub handed_over: bool,
    /// It is asked for while no operator runs.
    pub unseen: bool,
}

/// Transitions that lead back to where they began, so that a tenant goes round until each was interrupted everywhere.
pub struct Cycle {
    /// How many tenants go round at once: about as their share of all points is.
    pub lanes: usize,
    /// Brings a tenant to where the first begins; absent where that is nothing.
    pub enter: Option<Ask>,
    pub transitions: &'static [Transition],
}

/// Cycles that go round together.
pub struct Group {
    /// For how long an order to destroy can be withdrawn, as the operator's argument has it.
    pub cooling: &'static str,
    pub cycles: &'static [Cycle],
}

const fn to(to: Stage, name: &'static str, ask: Ask) -> Transition {
    Transition {
        name,
        ask,
        to,
        handed_over: false,
        unseen: false,
    }
}

/// Nothing is destroyed that was ordered, however the clock is put forward.
const WITHDRAWN_IN_TIME: &str = "87600h";

/// Made, destroyed, kept, closed and approved.
pub static COMING_AND_GOING: Group = Group {
    cooling: WITHDRAWN_IN_TIME,
    cycles: &[
        Cycle {
            lanes: 6,
            enter: None,
            transitions: &[
                to(Stage::Active, "made", make_trial),
                to(Stage::Destroyed, "destroyed by its deletion policy", delete),
            ],
        },
        Cycle {
            lanes: 5,
            enter: Some(make),
            transitions: &[
                to(Stage::Tombstone, "deleted", delete),
                to(Stage::Active, "restored", make),
            ],
        },
        Cycle {
            lanes: 4,
            enter: Some(make),
            transitions: &[
                to(SUSPENDED, "suspended", suspend),
                to(Stage::Active, "opened after it was suspended", open),
            ],
        },
        Cycle {
            lanes: 1,
            enter: Some(make_approved),
            transitions: &[
                to(Stage::Outdated, "grown without an approval", grow),
                to(Stage::Active, "approved as it has grown", approve),
            ],
        },
    ],
};

/// Waited for, asked back, ordered away, and made again behind the operator's back.
pub static DECIDED_BY_PEOPLE: Group = Group {
    cooling: WITHDRAWN_IN_TIME,
    cycles: &[
        Cycle {
            lanes: 6,
            enter: None,
            transitions: &[
                to(Stage::Waiting, "asked for without an approval", ask_for),
                to(Stage::Active, "begun on its first approval", approve),
                to(Stage::Destroyed, "destroyed though approved", delete),
            ],
        },
        Cycle {
            lanes: 4,
            enter: Some(make_asked),
            transitions: &[
                to(Stage::Tombstone, "deleted, to be asked back", delete),
                to(Stage::Active, "restored as it was asked", ask_back),
            ],
        },
        Cycle {
            lanes: 8,
            enter: Some(make),
            transitions: &[
                to(SUSPENDED, "suspended before it leaves", suspend),
                to(Stage::Tombstone, "deleted while suspended", delete),
                to(Stage::Cooling, "ordered away", order),
                to(Stage::Tombstone, "the order withdrawn", withdraw),
                to(Stage::Active, "restored after all", make),
            ],
        },
        Cycle {
            lanes: 3,
            enter: Some(make),
            transitions: &[Transition {
                unseen: true,
                ..to(
                    Stage::Active,
                    "made again with another UID",
                    make_again_unseen,
                )
            }],
        },
    ],
};

/// Archived, with other credentials, purged and taken over.
pub static KEPT_FOR_LONG: Group = Group {
    cooling: "1s",
    cycles: &[
        Cycle {
            lanes: 5,
            enter: Some(make),
            transitions: &[
                to(ARCHIVED, "archived, with an auditor", archive),
                to(SUSPENDED, "suspended although it was archived", suspend),
                to(ARCHIVED, "archived although it was suspended", archive),
                to(Stage::Active, "opened after it was archived", open),
            ],
        },
        Cycle {
            lanes: 4,
            enter: Some(make),
            transitions: &[
                to(Stage::Active, "rotated", |platform, names| {
                    annotate(platform, names, annotations::ROTATE_REQUESTED_AT)
                }),
                to(Stage::Active, "rotated at once", |platform, names| {
                    annotate(platform, names, annotations::ROTATE_NOW_REQUESTED_AT)
                }),
            ],
        },
        Cycle {
            // There is all that a certificate tells of: two logins, and an auditor's.
            lanes: 12,
            enter: Some(make),
            transitions: &[
                to(Stage::Active, "rotated", |platform, names| {
                    annotate(platform, names, annotations::ROTATE_REQUESTED_AT)
                }),
                to(ARCHIVED, "archived, with an auditor", archive),
                to(Stage::Tombstone, "deleted for good", delete),
                to(Stage::Purged, "purged", order),
                to(Stage::Active, "made anew after it was purged", make),
            ],
        },
        Cycle {
            lanes: 4,
            enter: Some(make),
            transitions: &[
                to(Stage::Tombstone, "deleted for its successor", delete),
                Transition {
                    handed_over: true,
                    ..to(Stage::Active, "taken over", take_over)
                },
            ],
        },
    ],
};

/// After it what is kept for a day may be destroyed.
const RETENTION: Duration = Duration::from_secs(25 * 3600);

impl Transition {
    /// How far the clock is put forward before: what was left must be old enough to be destroyed. Nothing else waits
    /// for days, and certificates that a tenant keeps all the way would grow too old.
    pub fn time_passes(&self) -> Duration {
        match self.to {
            Stage::Cooling | Stage::Purged => RETENTION,
            _ => Duration::ZERO,
        }
    }
}
