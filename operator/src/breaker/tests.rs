mod recovery;

use super::batch::{Batch, ROOM, up};
use super::ledger::{Note, Presence, count, enter};
use super::*;
use eoffice_crds::{Decision, FleetHold, HeldTenant, HoldState, TenantRef};
use jiff::{SignedDuration, Timestamp};

const RULES: Rules = Rules {
    limit: 5,
    window: Duration::from_secs(600),
    delay: Duration::from_secs(30),
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn tenant(number: usize) -> TenantRef {
    TenantRef {
        namespace: "province-30".into(),
        name: format!("town-{number}"),
        uid: format!("uid-{number}"),
    }
}

fn act(origin: Origin, impact: Impact, cause: &str) -> Act {
    Act {
        impact,
        origin,
        cause: cause.into(),
    }
}

fn delete() -> Act {
    act(Origin::Inherited, Impact::Delete, "deleted")
}

fn close() -> Act {
    act(Origin::Asked, Impact::Close, "suspended")
}

fn moved() -> Act {
    act(Origin::Inherited, Impact::Move, "class standard")
}

/// The batches over time, as they are written: through the resource and back.
#[derive(Default)]
struct Fleet(Vec<Batch>);

impl Fleet {
    fn write(&mut self, notes: &[Note], second: i64) {
        self.follow(notes, second, |_| Presence::Stands);
    }

    fn follow(&mut self, notes: &[Note], second: i64, presence: impl Fn(&HeldTenant) -> Presence) {
        let now = at(second);
        let batches = enter(std::mem::take(&mut self.0), notes, presence, now, &RULES);
        let stored = batches.iter().map(|batch| {
            let mut hold = FleetHold::new(&batch.name, Default::default());
            hold.spec.decision = batch.decision;
            hold.status = Some(batch.status(&RULES));
            let text = serde_json::to_string(&hold).unwrap();
            Batch::of(&serde_json::from_str(&text).unwrap(), now)
        });
        self.0 = stored.collect();
        assert_eq!(self.0, batches, "what is written is not what was meant");
    }

    fn see(&mut self, tenants: impl IntoIterator<Item = usize>, act: &Act, second: i64) {
        let notes: Vec<_> = tenants
            .into_iter()
            .map(|number| Note::Seen(tenant(number), act.clone()))
            .collect();
        self.write(&notes, second);
    }

    fn judge(&self, number: usize, act: &Act, second: i64) -> &'static str {
        match judge(&self.0, &format!("uid-{number}"), act, at(second), &RULES) {
            Verdict::Go => "go",
            Verdict::Wait(_) => "wait",
            Verdict::Held(_) => "held",
            Verdict::Undo(_) => "undo",
        }
    }

    fn decide(&mut self, decision: Decision) {
        self.0[0].decision = Some(decision);
    }

    fn states(&self) -> Vec<HoldState> {
        self.0.iter().map(|batch| batch.state).collect()
    }
}

#[test]
fn an_act_waits_goes_or_is_held_by_its_origin_and_the_number_of_tenants() {
    let by_name = act(Origin::ByName, Impact::Move, "accepted");
    // Deletions seen at 0, the act looked at, when, and what comes of it.
    for (tenants, act, second, expected) in [
        (1, delete(), 0, "wait"),
        (1, delete(), 29, "wait"),
        (1, delete(), 30, "go"),
        (5, delete(), 30, "go"),
        (6, delete(), 0, "held"),
        (6, delete(), 3600, "held"),
        (4, close(), 0, "go"),
        (5, close(), 0, "go"),
        (6, close(), 0, "held"),
        (6, by_name.clone(), 0, "go"),
        (0, by_name, 0, "go"),
    ] {
        let mut fleet = Fleet::default();
        fleet.see(0..tenants, &delete(), 0);
        if act.origin == Origin::Asked {
            fleet.see([0], &act, 0);
        }
        assert_eq!(
            fleet.judge(0, &act, second),
            expected,
            "{tenants} {act:?} {second}"
        );
    }
}

#[test]
fn nothing_goes_that_was_not_entered() {
    let fleet = Fleet::default();
    for act in [delete(), close(), moved()] {
        assert_eq!(fleet.judge(0, &act, 0), "wait");
        assert!(!is_entered(&fleet.0, "uid-0", &act));
    }
}

#[test]
fn tenants_are_counted_and_not_acts() {
    let mut fleet = Fleet::default();
    for act in [delete(), close(), moved()] {
        fleet.see(0..5, &act, 0);
    }
    assert_eq!(count(&fleet.0, at(0), RULES.window), 5);
    assert_eq!(fleet.states(), [HoldState::Watching]);
    fleet.see([5], &close(), 0);
    assert_eq!(fleet.states(), [HoldState::Held]);
}

#[test]
fn what_was_done_counts_for_the_window_and_what_was_not_for_as_long_as_it_takes() {
    let mut fleet = Fleet::default();
    fleet.see(0..5, &delete(), 0);
    let done: Vec<_> = (0..4)
        .map(|number| Note::Done(format!("uid-{number}"), delete()))
        .collect();
    fleet.write(&done, 30);
    assert_eq!(count(&fleet.0, at(629), RULES.window), 5);
    assert_eq!(count(&fleet.0, at(631), RULES.window), 1);
    // One after the other, each within the window of the first.
    let mut slowly = Fleet::default();
    for number in 0..6 {
        let second = 100 * number as i64;
        slowly.see([number], &delete(), second);
        let verdict = slowly.judge(number, &delete(), second + 30);
        assert_eq!(verdict, if number < 5 { "go" } else { "held" }, "{number}");
        if number < 5 {
            slowly.write(
                &[Note::Done(format!("uid-{number}"), delete())],
                second + 40,
            );
        }
    }
}

#[test]
fn the_limit_is_the_larger_of_a_number_and_a_share() {
    for (tenants, expected) in [
        (0, 5),
        (20, 5),
        (250, 5),
        (251, 6),
        (1000, 20),
        (26_411, 529),
    ] {
        assert_eq!(Rules::limit(5, 2, tenants), expected, "{tenants}");
    }
}

#[test]
fn a_held_batch_takes_in_whatever_comes_and_stays_held() {
    let mut fleet = Fleet::default();
    fleet.see(0..6, &delete(), 0);
    fleet.see([7], &close(), 4000);
    assert_eq!(fleet.judge(7, &close(), 4000), "held");
    assert_eq!(fleet.0.len(), 1);
    assert_eq!(fleet.0[0].entries.len(), 7);
    // Fewer than the limit are left, and a person still has to decide.
    let back: Vec<_> = (0..5)
        .map(|number| Note::TakenBack(format!("uid-{number}"), delete()))
        .collect();
    fleet.write(&back, 4001);
    assert_eq!(fleet.states(), [HoldState::Held]);
    assert_eq!(fleet.0[0].entries.len(), 2);
    let rest = [
        Note::TakenBack("uid-5".into(), delete()),
        Note::TakenBack("uid-7".into(), close()),
    ];
    fleet.write(&rest, 4002);
    assert!(fleet.0.is_empty(), "nothing is left to decide about");
}

#[test]
fn a_decision_counts_for_the_acts_it_was_about_and_for_no_other() {
    for (decision, verdict) in [(Decision::Resume, "go"), (Decision::Recover, "undo")] {
        let mut fleet = Fleet::default();
        fleet.see(0..6, &moved(), 0);
        fleet.decide(decision);
        fleet.write(&[], 1);
        for number in 0..6 {
            assert_eq!(fleet.judge(number, &moved(), 1), verdict);
        }
        // Another tenant, another impact, another cause: each is new.
        let other = act(Origin::Inherited, Impact::Move, "another edit");
        fleet.see([9], &moved(), 2);
        fleet.see([0], &delete(), 2);
        fleet.see([1], &other, 2);
        for (number, act) in [(9, moved()), (0, delete()), (1, other)] {
            assert_eq!(fleet.judge(number, &act, 3), "wait", "{number}");
        }
        assert_eq!(fleet.0.len(), 2);
        // And what was decided about stays so, until it is done or taken back.
        assert_eq!(fleet.judge(1, &moved(), 3), verdict);
        // What was done is asked anew.
        fleet.write(&[Note::Done("uid-2".into(), moved())], 4);
        fleet.see([2], &moved(), 5);
        assert_eq!(fleet.judge(2, &moved(), 5), "wait");
    }
}

#[test]
fn an_act_that_comes_again_begins_anew() {
    let mut fleet = Fleet::default();
    fleet.see([0], &moved(), 0);
    fleet.see([0], &moved(), 20);
    assert_eq!(
        fleet.judge(0, &moved(), 30),
        "go",
        "seen again it is not new"
    );
    let other = act(Origin::Inherited, Impact::Move, "another edit");
    fleet.see([0], &other, 40);
    assert_eq!(fleet.judge(0, &other, 69), "wait");
    fleet.write(&[Note::Done("uid-0".into(), other.clone())], 70);
    fleet.see([0], &other, 80);
    assert_eq!(fleet.judge(0, &other, 109), "wait");
    assert_eq!(fleet.judge(0, &other, 110), "go");
}

#[test]
fn acts_of_different_causes_do_not_disturb_one_another() {
    let causes = ["asks for another Database", "asks for another Storage"]
        .map(|cause| act(Origin::Inherited, Impact::Credential, cause));
    let mut fleet = Fleet::default();
    for second in [0, 10, 20] {
        for act in &causes {
            fleet.see([0], act, second);
        }
    }
    for act in &causes {
        assert_eq!(fleet.judge(0, act, 30), "go");
    }
    assert_eq!(count(&fleet.0, at(30), RULES.window), 1);
    fleet.see(1..6, &causes[1], 30);
    fleet.decide(Decision::Recover);
    fleet.write(&[Note::Done("uid-0".into(), causes[0].clone())], 40);
    assert_eq!(fleet.judge(0, &causes[1], 40), "undo");
}

#[test]
fn a_resource_is_deleted_only_once() {
    for (decision, verdict) in [
        (None, "held"),
        (Some(Decision::Resume), "go"),
        (Some(Decision::Recover), "undo"),
    ] {
        let mut fleet = Fleet::default();
        fleet.see(0..6, &delete(), 0);
        fleet.0[0].decision = decision;
        fleet.write(&[Note::Done("uid-0".into(), delete())], 10);
        let before = fleet.0.clone();
        fleet.see([0], &delete(), 11);
        assert_eq!(fleet.0, before, "it is entered anew");
        assert_eq!(fleet.judge(0, &delete(), 11), verdict);
    }
}

#[test]
fn batches_end_when_nothing_of_them_counts_any_more() {
    let mut fleet = Fleet::default();
    fleet.see([0], &delete(), 0);
    fleet.write(&[Note::Done("uid-0".into(), delete())], 30);
    fleet.write(&[], 629);
    assert_eq!(fleet.0.len(), 1);
    fleet.write(&[], 631);
    assert!(fleet.0.is_empty());

    let week = 7 * 24 * 3600;
    fleet.see(0..6, &delete(), 0);
    fleet.decide(Decision::Resume);
    fleet.write(&[], 10);
    fleet.write(&[], week + 100);
    assert_eq!(fleet.0.len(), 1, "it is kept while anything of it is open");
    let done: Vec<_> = (0..6)
        .map(|number| Note::Done(format!("uid-{number}"), delete()))
        .collect();
    fleet.write(&done, week + 5);
    assert_eq!(fleet.states(), [HoldState::Resumed]);
    fleet.write(&[], week + 11);
    assert!(fleet.0.is_empty());
}

#[test]
fn what_is_gone_is_followed() {
    use Presence::{Gone, Released, Stands};
    // Act, how many others, decision, what is known of the tenant, whether its entry is open, done or gone.
    for (act, others, decision, presence, expected) in [
        (delete(), 0, None, Stands, "open"),
        (delete(), 0, None, Gone, "done"),
        (delete(), 0, None, Released, "open"),
        (delete(), 6, None, Gone, "done"),
        (delete(), 6, None, Released, "open"),
        (delete(), 6, Some(Decision::Resume), Gone, "done"),
        (delete(), 6, Some(Decision::Recover), Gone, "open"),
        (delete(), 6, Some(Decision::Recover), Released, "open"),
        (close(), 0, None, Gone, "gone"),
        (close(), 6, None, Gone, "gone"),
        (close(), 6, Some(Decision::Recover), Gone, "done"),
    ] {
        let mut fleet = Fleet::default();
        fleet.see(1..=others, &delete(), 0);
        fleet.see([0], &act, 0);
        if decision.is_some() {
            fleet.0[0].decision = decision;
        }
        fleet.follow(&[], 1, |entry| match entry.uid.as_str() {
            "uid-0" => presence,
            _ => Stands,
        });
        let entry = fleet.0.iter().find_map(|batch| batch.entry("uid-0", &act));
        let now = match entry {
            None => "gone",
            Some(entry) if entry.done_at.is_some() => "done",
            Some(_) => "open",
        };
        assert_eq!(now, expected, "{act:?} {others} {decision:?} {presence:?}");
    }
}

#[test]
fn a_batch_is_no_larger_than_an_object_may_be() {
    let mut fleet = Fleet::default();
    fleet.see(0..ROOM + 10, &moved(), 0);
    fleet.see(ROOM + 10..ROOM + 20, &moved(), 1);
    assert_eq!(fleet.states(), [HoldState::Held, HoldState::Held]);
    assert_ne!(fleet.0[0].name, fleet.0[1].name);
    assert_eq!(fleet.0[1].entries.len(), 20);
    assert_eq!(fleet.judge(ROOM + 15, &moved(), 1), "held");
    assert!(
        serde_json::to_string(&fleet.0[0].status(&RULES))
            .unwrap()
            .len()
            < 1_000_000
    );
}

#[test]
fn times_are_stored_without_shortening_a_delay() {
    let half = at(0) + SignedDuration::from_millis(500);
    assert_eq!(up(half).0, at(1));
    assert_eq!(up(at(0)).0, at(0));
    let seen = [Note::Seen(tenant(0), delete())];
    let batches = enter(Vec::new(), &seen, |_| Presence::Stands, half, &RULES);
    let left = judge(&batches, "uid-0", &delete(), half, &RULES);
    assert_eq!(left, Verdict::Wait(Duration::from_millis(30_500)));
    // Another machine's clock is an hour ahead.
    let left = judge(&batches, "uid-0", &delete(), at(-3600), &RULES);
    assert_eq!(left, Verdict::Wait(Duration::from_secs(31)));
}
