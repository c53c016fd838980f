//! Two logins that alternate, and what was taken over from another tenant.

use super::*;

/// The second login is the current one, and the first may be used a while longer.
fn rotating() -> Desired {
    let other = Credential::new("eo_1_b", [3; 32], [4; 16]);
    Desired {
        login: id("eo_1_b"),
        idle: id("eo_1_a"),
        verifier: other.verifier().clone(),
        verifier_fingerprint: other.fingerprint(),
        retiring: true,
        ..desired(Access::Open)
    }
}

/// As the idle login stands since the rotation before: closed, and with a password that nobody knows any more.
fn idle(seen: &mut Observed) {
    let mut idle = seen.roles["eo_1_a"].clone();
    idle.name = "eo_1_b".into();
    idle.login = false;
    idle.connection_limit = 0;
    idle.settings.clear();
    idle.memberships[0].member = "eo_1_b".into();
    let joined = idle.memberships[0].clone();
    seen.roles
        .get_mut("eo_1_owner")
        .unwrap()
        .members
        .push(joined);
    seen.roles.insert("eo_1_b".into(), idle);
}

#[test]
fn a_rotation_makes_or_opens_the_new_login_and_leaves_the_old_one_alone() {
    type Place = fn(&mut Observed);
    let made = [
        r#"create login "eo_1_b""#,
        r#"have "eo_1_b" act as "eo_1_owner" in database "eo_1""#,
        r#"let "eo_1_b" log in"#,
    ];
    let opened = [
        r#"limit "eo_1_b" to 20 connections"#,
        r#"set the password of "eo_1_b""#,
        made[1],
        made[2],
    ];
    let cases: &[(Place, &[&str])] = &[
        (|_| (), &made),
        (idle, &opened),
        // Whatever became of its password: it is not compared any more.
        (
            |s| {
                idle(s);
                s.roles.get_mut("eo_1_a").unwrap().fingerprint = Some("other".into());
            },
            &opened,
        ),
        // A person closed it: it is opened by nobody.
        (|s| s.roles.get_mut("eo_1_a").unwrap().login = false, &made),
    ];
    for (number, (place, expected)) in cases.iter().enumerate() {
        let mut seen = whole(Access::Open);
        place(&mut seen);
        let old = seen.roles["eo_1_a"].clone();
        let changes = plan(&rotating(), &seen).unwrap();
        assert_eq!(shown(&changes), *expected, "case {number}");
        // And so it goes on wherever it is interrupted.
        for done in 0..=changes.len() {
            let mut seen = seen.clone();
            for change in &changes[..done] {
                carry_out(&change.step, &mut seen, &rotating().verifier_fingerprint);
            }
            assert_eq!(seen.roles["eo_1_a"], old, "case {number} after {done}");
            let rest = plan(&rotating(), &seen).unwrap();
            assert_eq!(rest, changes[done..], "case {number} after {done}");
        }
    }
}

#[test]
fn a_retiring_login_is_kept_as_it_should_be() {
    type Change = fn(&mut Role);
    let cases: &[(Change, &[&str])] = &[
        (|_| (), &[]),
        (|r| r.sessions = 3, &[]),
        (
            |r| r.connection_limit = 500,
            &["~ role eo_1_a | connectionLimit: 500 -> 20"],
        ),
        (
            |r| r.settings.clear(),
            &["~ role eo_1_a | setting role in eo_1: none -> role=eo_1_owner"],
        ),
        (
            |r| r.memberships[0].admin = true,
            &["~ role eo_1_a | member of eo_1_owner: admin, inherit, set -> inherit, set"],
        ),
        (
            |r| r.attributes = vec!["CREATEDB".into()],
            &["~ role eo_1_a | attributes: CREATEDB -> none"],
        ),
    ];
    for (change, expected) in cases {
        let mut seen = whole(Access::Open);
        all_done(&rotating(), &mut seen);
        change(seen.roles.get_mut("eo_1_a").unwrap());
        assert_eq!(told(&plan(&rotating(), &seen).unwrap()), *expected);
    }
}

#[test]
fn a_login_that_was_retired_is_closed_and_stays() {
    let mut seen = whole(Access::Open);
    all_done(&rotating(), &mut seen);
    let retired = Desired {
        retiring: false,
        ..rotating()
    };
    let closed = [
        r#"let "eo_1_a" log in no more"#,
        r#"end the sessions of "eo_1_a""#,
        r#"limit "eo_1_a" to 0 connections"#,
        r#"reset the settings of "eo_1_a" in database "eo_1""#,
    ];
    assert_eq!(shown(&plan(&retired, &seen).unwrap()), closed);
    let suspended = Desired {
        access: Access::Closed,
        ..rotating()
    };
    let both = [
        r#"let "eo_1_b" log in no more"#,
        r#"end the sessions of "eo_1_b""#,
        closed[0],
        closed[1],
    ];
    assert_eq!(shown(&plan(&suspended, &seen).unwrap()), both);
}

#[test]
fn a_login_is_not_opened_with_a_password_that_was_not_set() {
    let mut seen = whole(Access::Open);
    idle(&mut seen);
    let changes = plan(&rotating(), &seen).unwrap();
    let step = |wanted: fn(&Step) -> bool| {
        let found = changes.iter().find(|change| wanted(&change.step));
        found.unwrap().step.clone()
    };
    let password = step(|step| matches!(step, Step::SetPassword { .. }));
    assert!(step(|step| matches!(step, Step::OpenLogin { .. })).needs(&password));
}

#[test]
fn marks_of_the_predecessor_are_ours_and_rewritten() {
    let successor = || {
        let mut desired = desired(Access::Open);
        desired.mark.fingerprint = "g".into();
        desired.mark.uid = "u2".into();
        desired
    };
    let seen = whole(Access::Open);
    let refused = plan(&successor(), &seen).unwrap_err();
    assert_eq!(refused.reason, Reason::ForeignObject);
    let took_over = Desired {
        predecessor: Some("f".into()),
        ..successor()
    };
    let marks = [
        r#"mark role "eo_1_a""#,
        r#"mark role "eo_1_owner""#,
        r#"mark database "eo_1""#,
    ];
    assert_eq!(shown(&plan(&took_over, &seen).unwrap()), marks);
    let mut stranger = took_over.clone();
    stranger.mark.installation = "test".into();
    let refused = plan(&stranger, &seen).unwrap_err();
    assert_eq!(refused.reason, Reason::ForeignObject);
}
