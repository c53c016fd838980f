use super::*;
use crate::tenant::status::{Nature, nature};
use eoffice_crds::Reason;

#[test]
fn how_far_a_tenant_is_follows_from_what_is_seen_of_it() {
    let seen = |proved, paused, ready| Seen {
        at: at(0),
        proved,
        paused,
        ready,
        own_host: false,
        failing_since: ready
            .filter(|(_, reason)| nature(*reason) == Nature::Retry)
            .map(|_| at(100)),
    };
    let not = |reason| Some((false, reason));
    let overdue = Some(Stage::Making(at(600)));
    let failing = Some(Stage::Failing);
    // What it is at second 105, 111 and 601 of its making.
    let table = [
        (
            "nothing is told of it yet",
            seen(false, false, None),
            [overdue, overdue, failing],
        ),
        (
            "on its way",
            seen(false, false, not(Reason::Progressing)),
            [overdue, overdue, failing],
        ),
        (
            "the first look after its turn comes",
            seen(false, false, not(Reason::AwaitingTurn)),
            [overdue, overdue, failing],
        ),
        (
            "its certificate is waited for",
            seen(false, false, not(Reason::NotIssued)),
            [overdue, overdue, failing],
        ),
        (
            "a backend fails",
            seen(false, false, not(Reason::Unreachable)),
            [Some(Stage::Making(at(110))), failing, failing],
        ),
        (
            "only a person can help",
            seen(false, false, not(Reason::NoServerMatches)),
            [failing; 3],
        ),
        (
            "proved, and failing now",
            seen(true, false, not(Reason::Unreachable)),
            [Some(Stage::Done); 3],
        ),
        (
            "closed as asked, never proved",
            seen(false, false, Some((true, Reason::Suspended))),
            [Some(Stage::Done); 3],
        ),
        (
            "no way in for its own host, all else is there",
            Seen {
                own_host: true,
                failing_since: Some(at(100)),
                ..seen(false, false, not(Reason::NotIssued))
            },
            [Some(Stage::Making(at(110))), None, None],
        ),
        (
            "paused while it fails",
            seen(false, true, not(Reason::Unreachable)),
            [None; 3],
        ),
        (
            "begun right after it was approved",
            seen(false, false, not(Reason::AwaitingApproval)),
            [overdue, overdue, failing],
        ),
        (
            "begun right after it waited for room",
            seen(false, false, not(Reason::Queued)),
            [overdue, overdue, failing],
        ),
        (
            "a code that another agency has",
            seen(false, false, not(Reason::CodeConflict)),
            [None; 3],
        ),
        (
            "in a held batch",
            seen(false, false, not(Reason::Held)),
            [None; 3],
        ),
    ];
    for (what, seen, expected) in table {
        let stages = [105, 111, 601].map(|second| stage(&seen, at(second), &RULES));
        assert_eq!(stages, expected, "{what}");
    }
    // What may never come is not waited for for ever.
    for reason in Reason::ALL {
        let late = stage(&seen(false, false, not(*reason)), at(601), &RULES);
        assert!(!matches!(late, Some(Stage::Making(_))), "{reason}");
        assert_eq!(
            late.is_none(),
            matter(*reason) == Matter::Tenant,
            "{reason}"
        );
    }
}

#[test]
fn a_wave_is_as_long_as_asked_and_stops_when_too_many_fail() {
    let rules = |size, failed_percent| Rules {
        size,
        failed_percent,
        ..RULES
    };
    let table: [(&str, Rules, &str, usize, bool); 14] = [
        ("at the beginning", RULES, "", 10, false),
        ("some are in the making", RULES, "DDMMMM", 6, false),
        ("all turns are taken", RULES, "MMMMMMMMMM", 0, false),
        (
            "more than all, after a setting was lowered",
            rules(2, 30),
            "MMM",
            0,
            false,
        ),
        (
            "whoever fails holds up nobody",
            RULES,
            "FFFMMMMMMM",
            3,
            false,
        ),
        ("one more is too many", RULES, "FFFFMMMMMM", 0, true),
        (
            "each that fails lets another in, and is not forgotten for it",
            RULES,
            "FFFFMMMMMMMMMM",
            0,
            true,
        ),
        (
            "others of that wave turned out well",
            RULES,
            "FFFFDDDDDDDDDD",
            10,
            false,
        ),
        (
            "failures of long ago do not count",
            RULES,
            "FFFFFFDDDDDDDDDDM",
            9,
            false,
        ),
        ("two of two say too little", rules(1, 30), "FF", 1, false),
        (
            "of a wave of one, three are judged",
            rules(1, 40),
            "DFF",
            0,
            true,
        ),
        ("any", rules(10, 0), "DDF", 0, true),
        ("never", rules(10, 100), "FFFFFFFFFFFF", 10, false),
        ("the others were deleted", RULES, "DDDDDDF", 10, false),
    ];
    for (what, rules, stages, room, stopped) in table {
        let mut members = members(stages);
        let wave = Wave::of(&members, &rules);
        assert_eq!((wave.room, wave.stopped), (room, stopped), "{what}");
        members.reverse();
        assert_eq!(Wave::of(&members, &rules), wave, "{what}, in another order");
    }
}

#[test]
fn the_first_to_be_overdue_is_known() {
    let after = |stages| Wave::next_overdue(&members(stages));
    assert_eq!(after("DFD"), None);
    assert_eq!(after("DFMM"), Some(at(602)));
}

#[test]
fn one_more_may_come_whose_creator_has_nobody_in_the_making() {
    // In the making: of 30/a. Who waits, how many at once are worth it, and how many have their turn.
    let table: [(&str, &[&str], usize, usize); 8] = [
        ("M", &["30/a@9"], 2, 1),
        ("MM", &["30/a@9"], 2, 0),
        ("MM", &["30/b@9", "30/a@9"], 2, 1),
        ("MM", &["31/a@9"], 2, 1),
        ("MM", &["31/a@8", "30/b@9"], 2, 1),
        ("MMM", &["30/b@9"], 2, 0),
        ("M", &["31/a@8", "31/a@9"], 2, 1),
        ("MMMMMMMMMM", &["30/b@9"], 10, 0),
    ];
    for (stages, waiting, at_once, expected) in table {
        let members = members(stages);
        let wave = Wave::of(&members, &RULES);
        let turns = wave.turns(&members, &entries(waiting), at_once);
        assert_eq!(turns, expected, "{stages} {waiting:?}");
    }
}
