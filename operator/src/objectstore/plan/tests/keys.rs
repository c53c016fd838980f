//! Two keys of one user: the current one, and the one that a rotation takes away.

use super::world::*;
use super::{reason, shown};
use crate::objectstore::desired::{Access, Desired, Retiring};
use crate::objectstore::observe::Observed;
use crate::objectstore::plan::plan_close;

const SECOND: &str = "AKIA2";

/// A store in which the user has these keys, active or not.
fn with(keys: &[(&str, bool)]) -> Observed {
    let mut world = settled();
    let keys = keys.iter().map(|(key, active)| ((*key).into(), *active));
    user(&mut world).keys = keys.collect();
    world
}

/// What is asked while a rotation takes [`KEY`] away and this key is in the Secret.
fn rotating(current: Option<&str>, retired: bool) -> Desired {
    Desired {
        current_key: current.map(Into::into),
        retiring: Some(Retiring {
            key: KEY.into(),
            retired,
        }),
        ..desired()
    }
}

type Row = (&'static str, Desired, Observed, &'static [&'static str]);

#[test]
fn keys_in_every_state_of_a_rotation() {
    let first = Some(KEY);
    let second = Some(SECOND);
    let rows: Vec<Row> = vec![
        (
            "begun",
            rotating(first, false),
            with(&[(KEY, true)]),
            &["create a key of user eo-1"],
        ),
        (
            "begun, and the key of the rotation before is in the way",
            rotating(first, false),
            with(&[(KEY, true), ("AKIA0", false)]),
            &["delete key AKIA0 of user eo-1", "create a key of user eo-1"],
        ),
        (
            "begun, and the reply of the new key was lost",
            rotating(first, false),
            with(&[(KEY, true), (SECOND, true)]),
            &["delete key AKIA2 of user eo-1", "create a key of user eo-1"],
        ),
        (
            "begun, and a person switched the old key off",
            rotating(first, false),
            with(&[(KEY, false)]),
            &[
                "activate key AKIA1 of user eo-1",
                "create a key of user eo-1",
            ],
        ),
        (
            "the new one is in the Secret",
            rotating(second, false),
            with(&[(KEY, true), (SECOND, true)]),
            &[],
        ),
        (
            "a person switched the old one off before its time",
            rotating(second, false),
            with(&[(KEY, false), (SECOND, true)]),
            &["activate key AKIA1 of user eo-1"],
        ),
        (
            "the old one's time is over",
            rotating(second, true),
            with(&[(KEY, true), (SECOND, true)]),
            &["deactivate key AKIA1 of user eo-1"],
        ),
        (
            "the old one is retired",
            rotating(second, true),
            with(&[(KEY, false), (SECOND, true)]),
            &[],
        ),
        (
            "the old one was deleted by a person",
            rotating(second, true),
            with(&[(SECOND, true)]),
            &[],
        ),
        (
            "the Secret was deleted before the old one retired",
            rotating(None, false),
            with(&[(KEY, true), (SECOND, true)]),
            &["delete key AKIA2 of user eo-1", "create a key of user eo-1"],
        ),
        (
            "the Secret was deleted after the old one retired",
            rotating(None, true),
            with(&[(KEY, false), (SECOND, true)]),
            &["delete key AKIA2 of user eo-1", "create a key of user eo-1"],
        ),
        (
            "the retired one came back into the Secret from a backup",
            rotating(first, true),
            with(&[(KEY, false), (SECOND, true)]),
            &["delete key AKIA2 of user eo-1", "create a key of user eo-1"],
        ),
        (
            "it is over",
            Desired {
                current_key: second.map(Into::into),
                ..desired()
            },
            with(&[(KEY, false), (SECOND, true)]),
            &[],
        ),
        (
            "it is over, and a person switched the old one on again",
            Desired {
                current_key: second.map(Into::into),
                ..desired()
            },
            with(&[(KEY, true), (SECOND, true)]),
            &["delete key AKIA1 of user eo-1"],
        ),
        (
            "it is over, and the current one was deleted by a person",
            Desired {
                current_key: second.map(Into::into),
                ..desired()
            },
            with(&[(KEY, false)]),
            &["create a key of user eo-1"],
        ),
        (
            "it is over, and both places are taken by keys of no use",
            Desired {
                current_key: None,
                ..desired()
            },
            with(&[(KEY, false), ("AKIA0", false)]),
            &["delete key AKIA0 of user eo-1", "create a key of user eo-1"],
        ),
    ];
    for (name, mut desired, mut world, expected) in rows {
        assert_eq!(shown(&desired, &world), expected, "{name}");
        let steps = steps(&desired, &world);
        assert_eq!(
            desired.renews(),
            name.starts_with("begun") || name.starts_with("the retired")
        );
        for step in &steps {
            let before: Vec<_> = user(&mut world).keys.keys().cloned().collect();
            carry_out(&mut world, step);
            let after = user(&mut world).keys.clone();
            let made = after.keys().find(|key| !before.contains(key));
            if let Some(made) = made {
                desired.current_key = Some(made.clone());
            }
        }
        assert_eq!(shown(&desired, &world), [""; 0], "{name}");
        if let Some(current) = &desired.current_key {
            assert!(
                user(&mut world).keys[current],
                "{name}: the key in the Secret works"
            );
        }
    }
}

#[test]
fn closed_in_the_middle_of_a_rotation_neither_works_and_both_come_back() {
    let open = rotating(Some(SECOND), false);
    let closed = Desired {
        access: Access::Closed,
        ..open.clone()
    };
    let mut world = with(&[(KEY, true), (SECOND, true)]);
    for step in plan_close(&closed, &world)
        .into_iter()
        .map(|change| change.step)
    {
        carry_out(&mut world, &step);
    }
    assert_eq!(
        user(&mut world)
            .keys
            .values()
            .filter(|active| **active)
            .count(),
        0
    );
    assert_eq!(shown(&closed, &world), [""; 0]);
    assert_eq!(
        shown(&open, &world),
        [
            "activate key AKIA1 of user eo-1",
            "activate key AKIA2 of user eo-1"
        ]
    );
    let retired = rotating(Some(SECOND), true);
    assert_eq!(shown(&retired, &world), ["activate key AKIA2 of user eo-1"]);
    // A tenant that is closed before the successor was made gets none.
    let begun = Desired {
        access: Access::Closed,
        ..rotating(Some(KEY), false)
    };
    assert_eq!(shown(&begun, &with(&[(KEY, false)])), [""; 0]);
}

#[test]
fn a_foreign_user_stops_a_rotation_too() {
    let mut world = with(&[(KEY, true)]);
    user(&mut world).path = "/".into();
    let reason = reason(&rotating(Some(KEY), false), &world);
    assert_eq!(reason, eoffice_crds::Reason::ForeignObject);
}
