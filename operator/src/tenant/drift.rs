//! What people are told of drift: the list in the status, and the condition Synced. Pure.

use crate::audit::actor;
use crate::plan::Problem;
use crate::tenant::keeper::{Fate, Note};
use crate::tenant::status::Part;
use eoffice_crds::{ConditionType, Drift, DriftAction, FIELD_MANAGER, Reason};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Reasons of a plane that is not as asked, and that a person has to bring there.
const LEFT_TO_A_PERSON: [Reason; 3] = [Reason::Drifted, Reason::DataMissing, Reason::ForeignObject];
/// How many differences the status keeps.
const KEPT: usize = 10;
/// How often a difference that stays the same is written again.
const AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// The list with what this look found: the newest first.
pub fn fold(before: &[Drift], notes: &[Note], now: Timestamp) -> Vec<Drift> {
    let mut list = before.to_vec();
    for note in notes {
        let Some(action) = note.drift() else {
            continue;
        };
        let found = Drift {
            plane: note.plane,
            object: note.difference.object.clone(),
            field: note.difference.field.clone(),
            expected: note.difference.after.clone(),
            observed: note.difference.before.clone(),
            actor: actor(note.difference.actor.as_ref()).to_owned(),
            first_seen: Time(now),
            last_seen: Time(now),
            count: 1,
            action,
        };
        let known = list.iter().position(|known| same(known, &found));
        match known.map(|at| list.remove(at)) {
            None => list.insert(0, found),
            // Another controller is still at it.
            Some(known) if note.fate == Fate::Elsewhere && repeats(&known, &found) => {
                list.insert(0, known);
            }
            Some(known) if stays(&known, &found) => {
                let due = now.duration_since(known.last_seen.0) >= AT_MOST;
                let last_seen = if due {
                    Time(now)
                } else {
                    known.last_seen.clone()
                };
                list.insert(0, Drift { last_seen, ..known });
            }
            Some(known) => list.insert(
                0,
                Drift {
                    first_seen: known.first_seen,
                    count: known.count + 1,
                    ..found
                },
            ),
        }
    }
    // What is listed and still stands makes room only for what was put right: where there is more than is kept,
    // the rest would take turns, and be told of as new with every look.
    let settled = |drift: &Drift| {
        let known = before.iter().any(|known| same(known, drift));
        notes
            .iter()
            .any(|note| is_of(note, drift) && (known || note.fate == Fate::Made))
    };
    list.sort_by_key(|drift| (!settled(drift), Reverse(drift.last_seen.0)));
    list.truncate(KEPT);
    list.sort_by_key(|drift| Reverse(drift.last_seen.0));
    list
}

fn is_of(note: &Note, drift: &Drift) -> bool {
    note.plane == drift.plane
        && note.difference.object == drift.object
        && note.difference.field == drift.field
}

fn same(one: &Drift, other: &Drift) -> bool {
    one.plane == other.plane && one.object == other.object && one.field == other.field
}

/// Whether it was told of so short a time ago that another controller may still be at it.
pub fn is_recent(known: &Drift, now: Timestamp) -> bool {
    now.duration_since(known.last_seen.0) < SignedDuration::from_mins(1)
}

/// Whether what another controller puts right was told of just before.
fn repeats(known: &Drift, found: &Drift) -> bool {
    is_recent(known, found.last_seen.0)
        && known.action == found.action
        && known.observed == found.observed
        && known.expected == found.expected
}

/// Whether it is the very difference that was told of before, and nothing was done about it.
fn stays(known: &Drift, found: &Drift) -> bool {
    known.action != DriftAction::Corrected
        && known.action == found.action
        && known.observed == found.observed
        && known.expected == found.expected
}

/// The worst difference that is left, as a sentence; none where nothing is left.
pub fn open(notes: &[Note]) -> Option<Problem> {
    let mut left: Vec<(&Note, &Problem)> = notes
        .iter()
        .filter_map(|note| match &note.fate {
            Fate::Withheld(problem) | Fate::Left(problem) => Some((note, problem)),
            _ => None,
        })
        .collect();
    left.sort_by_key(|(_, problem)| rank(problem.reason));
    let (worst, why) = left.first()?;
    let others = match left.len() - 1 {
        0 => String::new(),
        n => format!("; and {n} more, see status.drift"),
    };
    Some(Problem::new(
        why.reason,
        format!("{}: {}{others}", what(worst), why.message),
    ))
}

/// What only a person can end, of the first plane that has any: it is no step's difference, or was found by a look
/// before this one, and yet the plane is not as asked.
pub fn left_to_a_person(parts: &BTreeMap<ConditionType, Part>) -> Option<Problem> {
    let mut problems = parts.values().filter_map(|part| part.as_ref().err());
    problems
        .find(|it| LEFT_TO_A_PERSON.contains(&it.reason))
        .cloned()
}

fn what(note: &Note) -> String {
    let difference = &note.difference;
    match difference.field.is_empty() {
        true => difference.object.clone(),
        false => format!("{} {}", difference.object, difference.field),
    }
}

fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::Contested => 0,
        Reason::Held => 1,
        Reason::Drifted => 2,
        Reason::Paused => 3,
        _ => 4,
    }
}

/// The sentence for something that two writers keep changing.
pub fn contested(other: &str) -> Problem {
    Problem::new(
        Reason::Contested,
        format!(
            "{other} and {FIELD_MANAGER} keep changing it back and forth; it is now put right only every ten minutes; stop the other writer, or set driftPolicy to Report"
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::audit::Cause;
    use crate::plan::{Actor, Difference};
    use eoffice_crds::Plane;

    fn note(object: &str, observed: &str, fate: Fate) -> Note {
        let mut difference = Difference::update(object, "spec.hard.pods")
            .before(observed)
            .after("20");
        difference.actor = Some(Actor {
            name: "kubectl-edit".into(),
            at: None,
        });
        Note {
            plane: Plane::Namespace,
            difference,
            cause: Cause::Drift,
            fate,
        }
    }

    fn reported() -> Fate {
        Fate::Withheld(Problem::new(Reason::Drifted, "as asked"))
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn short(list: &[Drift]) -> Vec<(String, i64, i64, i64)> {
        let minute = |time: &Time| time.0.as_second() / 60;
        list.iter()
            .map(|d| {
                (
                    d.object.clone(),
                    minute(&d.first_seen),
                    minute(&d.last_seen),
                    d.count,
                )
            })
            .collect()
    }

    #[test]
    fn each_correction_counts_and_the_first_time_is_kept() {
        let one = fold(&[], &[note("a", "99", Fate::Made)], at(1));
        let two = fold(&one, &[note("a", "98", Fate::Made)], at(2));
        assert_eq!(short(&two), [("a".into(), 1, 2, 2)]);
        assert_eq!(two[0].observed.as_deref(), Some("98"));
        assert_eq!(two[0].actor, "kubectl-edit");
    }

    #[test]
    fn what_stays_is_written_hourly_and_counted_once() {
        let first = fold(&[], &[note("a", "99", reported())], at(0));
        let soon = fold(&first, &[note("a", "99", reported())], at(59));
        assert_eq!(soon, first);
        let later = fold(&soon, &[note("a", "99", reported())], at(60));
        assert_eq!(short(&later), [("a".into(), 0, 60, 1)]);
        let other = fold(&later, &[note("a", "98", reported())], at(61));
        assert_eq!(short(&other), [("a".into(), 0, 61, 2)]);
    }

    #[test]
    fn the_newest_ten_are_kept() {
        let mut list = Vec::new();
        for n in 0..12 {
            list = fold(&list, &[note(&n.to_string(), "1", Fate::Made)], at(n));
        }
        let names: Vec<_> = list.iter().map(|d| d.object.as_str()).collect();
        assert_eq!(names, ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
    }

    #[test]
    fn what_stays_does_not_take_turns_where_there_is_more_than_is_kept() {
        let stand: Vec<Note> = (0..12)
            .map(|n| note(&n.to_string(), "1", reported()))
            .collect();
        let first = fold(&[], &stand, at(0));
        assert_eq!(first.len(), KEPT);
        assert_eq!(fold(&first, &stand, at(1)), first);
        // What was put right is told of, and then makes room again.
        let corrected = [stand.clone(), vec![note("new", "1", Fate::Made)]].concat();
        let second = fold(&first, &corrected, at(2));
        assert_eq!(second[0].object, "new");
        let third = fold(&second, &stand, at(3));
        assert_eq!(fold(&third, &stand, at(4)), third);
    }

    #[test]
    fn the_worst_that_is_left_is_named_and_the_others_are_counted() {
        assert_eq!(open(&[note("a", "1", Fate::Made)]), None);
        let notes = [
            note("a", "1", reported()),
            note("b", "1", Fate::Withheld(contested("helm"))),
        ];
        let worst = open(&notes).unwrap();
        assert_eq!(worst.reason, Reason::Contested);
        assert!(worst.message.starts_with("b spec.hard.pods: helm and "));
        assert!(worst.message.ends_with("; and 1 more, see status.drift"));
    }
}
