//! Retention where a store has one window for the whole bucket.

use super::shown;
use super::world::*;
use crate::objectstore::desired::Access;
use crate::objectstore::observe::Observed;
use eoffice_crds::RecordState;

#[test]
fn a_window_for_the_whole_bucket_is_renewed_while_the_tenant_lives() {
    let after = |days: i32, seconds: i64| {
        let mut later = desired();
        later.retention = Some(rule(days));
        later.now = jiff::Timestamp::from_second(NOW + seconds).unwrap();
        let mut world = settled();
        bucket(&mut world).retention = Some(rule(days));
        (later, world)
    };
    let (day, tenth) = (86_400, 8_640);
    for (days, seconds, renewed) in [
        (3650, 30 * day, false),
        (3650, 30 * day + 1, true),
        (100, 10 * day + 1, true),
        (1, tenth, false),
        (1, tenth + 1, true),
        (1, -tenth - 1, true),
    ] {
        let (later, mut world) = after(days, seconds);
        let due = steps(&later, &world).len();
        assert_eq!(due, usize::from(renewed), "{days} {seconds}");
        for step in steps(&later, &world) {
            carry_out(&mut world, &step);
        }
        assert_eq!(shown(&later, &world), [""; 0]);
    }
    let (mut stamped, world) = after(3650, 400 * day);
    stamped.capabilities.retention_per_object = true;
    assert_eq!(shown(&stamped, &world), [""; 0]);
}

#[test]
fn one_that_leaves_gets_its_full_window_once_and_nothing_new() {
    let mut left = desired();
    left.access = Access::Closed;
    left.mark.state = RecordState::Retained;
    left.now = jiff::Timestamp::from_second(NOW + 5).unwrap();
    let mut world = settled();
    assert_eq!(
        shown(&left, &world),
        [
            "deactivate key AKIA1 of user eo-1",
            "set retention of bucket eo-1-documents to Governance 3650 days",
            "write the tags of bucket eo-1-documents",
        ]
    );
    for step in steps(&left, &world) {
        carry_out(&mut world, &step);
    }
    left.now = jiff::Timestamp::from_second(NOW + 400 * 86_400).unwrap();
    assert_eq!(shown(&left, &world), [""; 0]);
    left.witnesses.clear();
    assert_eq!(shown(&left, &Observed::default()), [""; 0]);
}
