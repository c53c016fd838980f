//! What was lost, and what a person has said about it.

use super::*;
use crate::plan::Loss;

type Place = fn(&mut Observed);
type Words = fn(&mut Desired);
/// The lost identity, and the one that stands there now.
type Told = (&'static str, Option<&'static str>);

fn said(desired: &mut Desired, oid: u32) {
    desired.witnesses = vec![Witness {
        who: "its record",
        oid,
    }];
}

fn db(seen: &mut Observed) -> &mut Database {
    seen.database.as_mut().unwrap()
}

/// As a person restores it: another identity, no mark, open to everybody.
fn restored(seen: &mut Observed) {
    let database = db(seen);
    database.oid = 200;
    database.comment = None;
    database.grants = vec![grant(None, "CONNECT"), grant(None, "TEMPORARY")];
    // A role's settings for a database go with it.
    seen.roles.get_mut("eo_1_a").unwrap().settings.clear();
}

#[test]
fn a_loss_is_told_with_what_to_say_about_it() {
    let cases: &[(Place, Words, Option<Told>)] = &[
        (|_| (), |_| (), None),
        (|_| (), |d| said(d, 100), None),
        (|_| (), |d| said(d, 99), Some(("99", Some("100")))),
        (|s| s.database = None, |_| (), None),
        (|s| s.database = None, |d| said(d, 100), Some(("100", None))),
        (|s| *s = nothing(), |d| said(d, 100), Some(("100", None))),
        (restored, |d| said(d, 100), Some(("100", Some("200")))),
        (restored, |d| said(d, 200), None),
        (|s| db(s).connection_limit = -2, |_| (), Some(("100", None))),
        (
            |s| db(s).connection_limit = -2,
            |d| said(d, 100),
            Some(("100", None)),
        ),
        (
            |s| db(s).connection_limit = -2,
            |d| said(d, 99),
            Some(("99", None)),
        ),
        (
            |s| db(s).connection_limit = -2,
            |d| d.superseded = vec![100],
            None,
        ),
        // The mark was taken away, and it is still the same.
        (|s| db(s).comment = None, |d| said(d, 100), None),
    ];
    for (number, (place, words, expected)) in cases.iter().enumerate() {
        let (mut seen, mut desired) = (whole(Access::Open), desired(Access::Open));
        place(&mut seen);
        words(&mut desired);
        let lost = expected.map(|(lost, found)| Loss {
            name: "eo_1".into(),
            lost: lost.into(),
            found: found.map(Into::into),
        });
        assert_eq!(loss(&desired, &seen), lost, "case {number}");
        let Some(lost) = lost else {
            plan(&desired, &seen).unwrap_or_else(|problem| panic!("case {number}: {problem}"));
            continue;
        };
        let problem = plan(&desired, &seen).unwrap_err();
        assert_eq!(problem.reason, Reason::DataMissing, "case {number}");
        let said = format!("eoffice.gdcc.go.th/accept-data-loss: eo_1/{}", lost.lost);
        assert!(problem.message.contains(&said), "case {number}: {problem}");
        let said = "eoffice.gdcc.go.th/accept-restored: eo_1/";
        let said = lost
            .found
            .map_or_else(|| said.into(), |f| format!("{said}{f}"));
        let told = problem.message.contains(&said);
        assert_eq!(
            told,
            expected.unwrap().1.is_some(),
            "case {number}: {problem}"
        );
    }
}

#[test]
fn a_mark_that_was_taken_away_or_written_over_is_written_again() {
    for comment in [None, Some("a person's note")] {
        let (mut seen, mut desired) = (whole(Access::Open), desired(Access::Open));
        said(&mut desired, 100);
        db(&mut seen).comment = comment.map(Into::into);
        let changes = plan(&desired, &seen).unwrap();
        assert_eq!(shown(&changes), [r#"mark database "eo_1""#]);
        let difference = &changes[0].differences[0];
        assert_eq!(difference.before.as_deref(), comment);
        assert_eq!(difference.after, Some(desired.mark.to_comment()));
    }
}

#[test]
fn what_was_accepted_as_restored_is_taken_up() {
    let (mut seen, mut desired) = (whole(Access::Open), desired(Access::Open));
    restored(&mut seen);
    said(&mut desired, 200);
    desired.superseded = vec![100];
    let changes = plan(&desired, &seen).unwrap();
    assert_eq!(
        shown(&changes),
        [
            r#"mark database "eo_1""#,
            r#"revoke all rights on database "eo_1" from PUBLIC"#,
            r#"grant rights on database "eo_1" to "eo_1_owner""#,
            r#"have "eo_1_a" act as "eo_1_owner" in database "eo_1""#,
        ]
    );
    all_done(&desired, &mut seen);
    assert_eq!(plan(&desired, &seen), Ok(vec![]));
}

#[test]
fn what_was_accepted_as_lost_is_made_anew() {
    let mut desired = desired(Access::Open);
    desired.superseded = vec![100];
    let rest = [
        r#"create database "eo_1""#,
        r#"mark database "eo_1""#,
        r#"revoke all rights on database "eo_1" from PUBLIC"#,
        r#"open database "eo_1""#,
        r#"give schema public of database "eo_1" to "eo_1_owner""#,
        r#"grant rights on database "eo_1" to "eo_1_owner""#,
        r#"have "eo_1_a" act as "eo_1_owner" in database "eo_1""#,
    ];
    let mut gone = whole(Access::Open);
    gone.database = None;
    assert_eq!(shown(&plan(&desired, &gone).unwrap()), rest);

    let mut half = whole(Access::Open);
    db(&mut half).connection_limit = -2;
    let changes = plan(&desired, &half).unwrap();
    assert_eq!(shown(&changes[..1]), [r#"drop database "eo_1" (oid 100)"#]);
    assert_eq!(
        told(&changes[..1]),
        ["- database eo_1 | : oid 100 -> none !"]
    );
    assert_eq!(shown(&changes[1..]), rest);
    all_done(&desired, &mut half);
    assert_eq!(plan(&desired, &half), Ok(vec![]));

    // A tenant that has left gets no new one.
    desired.mark.state = RecordState::Retained;
    desired.access = Access::Closed;
    let made = |change: &Change<Step>| change.differences[0].action == Action::Create;
    for seen in [gone, whole(Access::Open)] {
        assert!(!plan(&desired, &seen).unwrap().iter().any(made));
    }
}

fn with_twin(twin: Option<&str>) -> Desired {
    let mut desired = desired(Access::Open);
    desired.mark.twin = twin.map(Into::into);
    desired
}

#[test]
fn a_twin_that_the_record_forgot_is_kept() {
    let mut seen = whole(Access::Open);
    all_done(&with_twin(Some("b1")), &mut seen);
    assert_eq!(plan(&with_twin(Some("b1")), &seen), Ok(vec![]));
    assert_eq!(plan(&with_twin(None), &seen), Ok(vec![]));
}

#[test]
fn a_replaced_twin_is_written_only_when_the_first_was_given_up() {
    let mut seen = whole(Access::Open);
    all_done(&with_twin(Some("b1")), &mut seen);
    let problem = plan(&with_twin(Some("b2")), &seen).unwrap_err();
    assert_eq!(problem.reason, Reason::DataMissing);
    for twin in [Some("b2"), None] {
        let mut desired = with_twin(twin);
        desired.superseded_twins = vec!["b1".into()];
        let mut seen = seen.clone();
        let changes = plan(&desired, &seen).unwrap();
        assert_eq!(changes.len(), 3, "{twin:?}: {:?}", shown(&changes));
        all_done(&desired, &mut seen);
        assert_eq!(plan(&desired, &seen), Ok(vec![]));
        let mark = seen.database.unwrap().mark().unwrap();
        assert_eq!(mark.twin.as_deref(), twin);
    }
}

/// A role is known by its own mark: what stands in the database's place keeps nobody in.
#[test]
fn access_ends_whatever_became_of_the_database() {
    type Case = (Option<Reason>, Place, Words, &'static [&'static str]);
    const BOTH: &[&str] = &[
        r#"let "eo_1_a" log in no more"#,
        r#"end the sessions of "eo_1_a""#,
    ];
    fn role<'a>(seen: &'a mut Observed, name: &str) -> &'a mut Role {
        seen.roles.get_mut(name).unwrap()
    }
    let (lost, foreign) = (Some(Reason::DataMissing), Some(Reason::ForeignObject));
    let drifted = Some(Reason::Drifted);
    let cases: &[Case] = &[
        (None, |_| (), |_| (), BOTH),
        (lost, |s| s.database = None, |d| said(d, 100), BOTH),
        (lost, restored, |d| said(d, 100), BOTH),
        (lost, |s| db(s).connection_limit = -2, |_| (), BOTH),
        (
            lost,
            |s| all_done(&with_twin(Some("b1")), s),
            |d| d.mark.twin = Some("b2".into()),
            BOTH,
        ),
        (foreign, |s| db(s).comment = None, |_| (), BOTH),
        (drifted, |s| db(s).owner = "somebody".into(), |_| (), BOTH),
        (
            foreign,
            |s| role(s, "eo_1_owner").comment = None,
            |_| (),
            BOTH,
        ),
        // It was ended before, apart from a session.
        (
            lost,
            |s| {
                s.database = None;
                role(s, "eo_1_a").login = false;
                role(s, "eo_1_a").sessions = 1;
            },
            |d| said(d, 100),
            &BOTH[1..],
        ),
        // The role is another's, or beyond our rights: told of, also where another's object is beside it.
        (foreign, |s| role(s, "eo_1_a").comment = None, |_| (), &[]),
        (foreign, |_| (), |d| d.mark.fingerprint = "g".into(), &[]),
        (
            drifted,
            |s| {
                role(s, "eo_1_a").administered = false;
                role(s, "eo_1_owner").comment = None;
            },
            |_| (),
            &[],
        ),
        (
            drifted,
            |s| {
                role(s, "eo_1_a").privileges = vec!["SUPERUSER".into()];
                s.database = None;
            },
            |d| said(d, 100),
            &[],
        ),
        (
            drifted,
            |s| role(s, "eo_1_a").privileges = vec!["BYPASSRLS".into()],
            |_| (),
            BOTH,
        ),
        // A tenant that stays open loses nothing.
        (
            lost,
            restored,
            |d| {
                said(d, 100);
                d.access = Access::Open;
            },
            &[],
        ),
    ];
    for (number, (reason, place, words, expected)) in cases.iter().enumerate() {
        let (mut seen, mut desired) = (whole(Access::Open), desired(Access::Closed));
        place(&mut seen);
        words(&mut desired);
        let told = plan(&desired, &seen).err().map(|problem| problem.reason);
        assert_eq!(told, *reason, "case {number}");
        let closing = plan_close(&desired, &seen);
        assert_eq!(shown(&closing), *expected, "case {number}");
    }
}
