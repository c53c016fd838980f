use super::*;
use crate::tenant::status::{Nature, nature};
use eoffice_crds::{EOfficeTenant, Reason};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// `30/gitops@5`: of province 30, by gitops, asked for in second 5. The number is its name, too.
fn entry(text: &str) -> Entry {
    let (who, second) = text.split_once('@').unwrap();
    let (province, creator) = who.split_once('/').unwrap();
    Entry {
        namespace: format!("province-{province}"),
        name: text.to_owned(),
        uid: text.to_owned(),
        province: province.to_owned(),
        creator: creator.to_owned(),
        created_at: at(second.parse().unwrap()),
    }
}

fn entries(texts: &[&str]) -> Vec<Entry> {
    texts.iter().map(|text| entry(text)).collect()
}

#[test]
fn turns_are_fair() {
    type Names = &'static [&'static str];
    let table: [(&str, Names, Names, Names); 8] = [
        ("nobody waits", &["30/a@0"], &[], &[]),
        (
            "one creator: the oldest first",
            &[],
            &["30/a@3", "30/a@1", "30/a@2"],
            &["30/a@1", "30/a@2", "30/a@3"],
        ),
        (
            "asked for in the same second: by name",
            &[],
            &["30/a@01", "30/a@1"],
            &["30/a@01", "30/a@1"],
        ),
        (
            "two provinces: one of each in turn",
            &[],
            &["30/a@1", "30/a@2", "30/a@3", "31/a@8", "31/a@9"],
            &["30/a@1", "31/a@8", "30/a@2", "31/a@9", "30/a@3"],
        ),
        (
            "a province that had the last turn waits for the other",
            &["31/a@0", "30/a@0"],
            &["30/a@1", "31/a@8"],
            &["31/a@8", "30/a@1"],
        ),
        (
            "a portal among many of a pipeline is next",
            &["30/pipeline@0", "30/pipeline@1"],
            &["30/pipeline@2", "30/pipeline@3", "30/portal@9"],
            &["30/portal@9", "30/pipeline@2", "30/pipeline@3"],
        ),
        (
            "a creator's turn in one province is none in another",
            &["30/a@0", "31/b@0"],
            &["30/a@1", "30/b@2", "31/a@3", "31/b@4"],
            &["30/b@2", "31/a@3", "30/a@1", "31/b@4"],
        ),
        (
            "of several creators whose turn is longest ago",
            &["30/a@0", "30/b@0", "30/c@0"],
            &["30/c@1", "30/b@2", "30/a@3"],
            &["30/a@3", "30/b@2", "30/c@1"],
        ),
    ];
    for (what, begun, waiting, expected) in table {
        let turns = Turns::after(&entries(begun));
        assert_eq!(order(entries(waiting), &turns), entries(expected), "{what}");
    }
}

proptest! {
    #[test]
    fn nobody_is_lost_and_no_province_goes_twice_before_another(
        waiting in proptest::collection::vec((0..4u8, 0..3u8), 0..40),
        begun in proptest::collection::vec((0..4u8, 0..3u8), 0..10),
    ) {
        let made = |list: &[(u8, u8)], first: usize| -> Vec<Entry> {
            let texts = list.iter().zip(first..);
            texts.map(|((p, c), n)| entry(&format!("3{p}/{c}@{n}"))).collect()
        };
        let (waiting, turns) = (made(&waiting, 100), Turns::after(&made(&begun, 0)));
        let ordered = order(waiting.clone(), &turns);
        let mut reversed = waiting.clone();
        reversed.reverse();
        prop_assert_eq!(&ordered, &order(reversed, &turns), "it depends on how they came");
        prop_assert_eq!(ordered.len(), waiting.len());
        for entry in &waiting {
            prop_assert!(ordered.contains(entry));
        }
        // Whoever is taken one by one has the same order: that is how turns are given.
        let mut history = made(&begun, 0);
        for next in &ordered {
            let left: Vec<Entry> = waiting.iter().filter(|it| !history.contains(it)).cloned().collect();
            prop_assert_eq!(&order(left, &Turns::after(&history))[0], next);
            history.push(next.clone());
        }
        // Between two of one province each other that still waits has its turn.
        for (index, first) in ordered.iter().enumerate() {
            let rest = &ordered[index + 1..];
            let Some(again) = rest.iter().position(|it| it.province == first.province) else { continue };
            let between: HashSet<&str> = rest[..again].iter().map(|it| it.province.as_str()).collect();
            let others = rest[again..].iter().filter(|it| it.province != first.province);
            for other in others {
                prop_assert!(between.contains(other.province.as_str()), "{} is passed over", other.name);
            }
        }
    }
}

#[test]
fn whoever_asked_first_for_the_spec_is_the_creator() {
    let manager = |name: &str, second: i64, fields: Value| {
        json!({"manager": name, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
               "time": at(second).to_string(), "fieldsV1": fields})
    };
    let spec = json!({"f:spec": {"f:users": {}}});
    let mut status = manager("eoffice-operator", 1, spec.clone());
    status["subresource"] = json!("status");
    let finalizer = manager(
        "eoffice-operator",
        2,
        json!({"f:metadata": {"f:finalizers": {}}}),
    );
    let portal = manager("portal", 3, spec.clone());
    let editor = manager("kubectl-edit", 4, spec);
    for (managers, expected) in [
        (vec![editor.clone(), portal.clone()], "portal"),
        (vec![status, finalizer.clone(), editor], "kubectl-edit"),
        (vec![finalizer], "unknown"),
        (vec![], "unknown"),
    ] {
        let tenant: EOfficeTenant = serde_json::from_value(json!({
            "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
            "kind": "EOfficeTenant",
            "metadata": {"name": "a", "namespace": "province-30", "uid": "u", "managedFields": managers,
                         "creationTimestamp": at(7).to_string()},
            "spec": {"agency": {"nameTh": "ก", "kind": "Other", "province": "30"}},
        }))
        .unwrap();
        let seen = Entry::of(&tenant);
        assert_eq!(seen.creator, expected);
        assert_eq!((seen.province.as_str(), seen.created_at), ("30", at(7)));
    }
}

const RULES: Rules = Rules {
    size: 10,
    failed_percent: 30,
    patience: Duration::from_secs(600),
};

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

/// `D` done, `F` failing, `M` in the making; the oldest turn first.
fn members(stages: &str) -> Vec<Member> {
    let stages = stages.chars().zip(0..);
    stages
        .map(|(stage, second)| Member {
            entry: entry(&format!("30/a@{second}")),
            at: at(second),
            stage: match stage {
                'D' => Stage::Done,
                'F' => Stage::Failing,
                _ => Stage::Making(at(second + 600)),
            },
        })
        .collect()
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
fn the_pace_is_that_of_late() {
    let now = at(10_000);
    let ago = |seconds: &[i64]| pace(seconds.iter().map(|it| at(10_000 - it)), now);
    assert_eq!(ago(&[]), None);
    assert_eq!(ago(&[601, 9_000]), None);
    assert_eq!(ago(&[60, 30, 0, 900]), Some(3.0));
    assert_eq!(ago(&[0, 0]), Some(120.0));
    let mut summary = Summary {
        waiting: 9,
        making: 2,
        per_minute: Some(3.0),
        ..Summary::default()
    };
    assert_eq!(summary.expected(6), Some(Duration::from_secs(120)));
    let text = serde_json::to_value(summary).unwrap();
    assert_eq!(
        text,
        json!({"waiting": 9, "making": 2, "failing": 0, "perMinute": 3.0, "stopped": false})
    );
    assert_eq!(serde_json::from_value::<Summary>(text).unwrap(), summary);
    summary.stopped = true;
    assert_eq!(summary.expected(6), None);
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

/// How many at once it comes to where each takes what `took` says of so many, in seconds, and how often at most.
fn learnt(most: usize, took: impl Fn(f64) -> f64) -> (usize, usize) {
    let mut breadth = Breadth::new(most);
    let (mut least, mut widest) = (most, 0);
    for round in 0..300 {
        let at_once = breadth.at_once();
        let took = SignedDuration::try_from_secs_f64(took(at_once as f64)).unwrap();
        breadth.finished(took, at_once, at(round));
        if round > 100 {
            (least, widest) = (least.min(at_once), widest.max(at_once));
        }
    }
    (least, widest)
}

#[test]
fn as_many_at_once_as_do_not_wait_for_one_another() {
    assert_eq!(
        learnt(10, |_| 2.0),
        (10, 10),
        "waiting for an issuer costs others nothing"
    );
    let (_, widest) = learnt(10, |at_once| at_once.max(2.0) * 0.7);
    assert!((2..=4).contains(&widest), "two cores carry {widest}");
    assert_eq!(learnt(1, |_| 2.0), (1, 1));
    // Nobody is finished: they wait for something else.
    let mut breadth = Breadth::new(10);
    breadth.begun(at(0));
    for second in 0..60 {
        breadth.is_full(at(second));
    }
    assert_eq!(breadth.at_once(), 10);
}

#[test]
fn a_platform_that_became_slower_is_learnt_anew() {
    let mut breadth = Breadth::new(10);
    for round in 0..20 {
        breadth.finished(SignedDuration::from_secs(1), breadth.at_once(), at(round));
    }
    assert_eq!(breadth.at_once(), 10);
    for round in 20..80 {
        breadth.finished(SignedDuration::from_secs(20), breadth.at_once(), at(round));
    }
    assert_eq!(breadth.at_once(), 10);
}
