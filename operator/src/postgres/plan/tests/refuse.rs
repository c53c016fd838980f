//! What must not be touched.

use super::*;

#[test]
fn what_is_not_ours_or_beyond_our_rights_is_not_touched() {
    type Change = fn(&mut Observed, &mut Desired);
    fn db(seen: &mut Observed) -> &mut Database {
        seen.database.as_mut().unwrap()
    }
    fn other(mark: &Mark) -> Option<String> {
        let mark = Mark {
            fingerprint: "g".into(),
            ..mark.clone()
        };
        Some(mark.to_comment())
    }
    fn unmarked(seen: &mut Observed) -> &mut Database {
        let database = seen.database.as_mut().unwrap();
        database.comment = None;
        database.open = false;
        database.occupied = false;
        database.grants = vec![grant(None, "CONNECT")];
        database
    }
    fn said(desired: &mut Desired, oid: u32) {
        desired.witnesses = vec![Witness {
            who: "its record",
            oid,
        }];
    }
    let cases: &[(Reason, Change)] = &[
        (Reason::ForeignObject, |s, _| db(s).comment = None),
        (Reason::ForeignObject, |s, _| {
            db(s).comment = Some("a person's".into())
        }),
        (Reason::ForeignObject, |s, d| db(s).comment = other(&d.mark)),
        (Reason::ForeignObject, |s, d| {
            d.mark.installation = {
                let _ = s;
                "test".into()
            }
        }),
        (Reason::ForeignObject, |s, _| {
            s.roles.get_mut("eo_1_a").unwrap().comment = None
        }),
        (Reason::ForeignObject, |s, d| {
            s.roles.get_mut("eo_1_owner").unwrap().comment = other(&d.mark)
        }),
        // Almost an interrupted creation.
        (Reason::ForeignObject, |s, _| unmarked(s).open = true),
        (Reason::ForeignObject, |s, _| unmarked(s).occupied = true),
        (Reason::ForeignObject, |s, _| {
            unmarked(s).owner = "somebody".into()
        }),
        (Reason::ForeignObject, |s, _| {
            unmarked(s).grants.push(grant(Some("x"), "CONNECT"))
        }),
        (Reason::ForeignObject, |s, _| {
            unmarked(s);
            s.roles.clear();
        }),
        // What its record names, and somebody else's mark on it.
        (Reason::ForeignObject, |s, d| {
            said(d, 100);
            db(s).comment = other(&d.mark);
        }),
        (Reason::ForeignObject, |s, d| {
            said(d, 100);
            db(s).comment = Some("eoffice:{\"of\":\"a newer operator\"}".into());
        }),
        (Reason::Drifted, |s, d| {
            said(d, 100);
            unmarked(s).owner = "postgres".into();
        }),
        (Reason::Drifted, |s, _| db(s).owner = "somebody".into()),
        (Reason::Drifted, |s, _| {
            s.roles.get_mut("eo_1_a").unwrap().privileges = vec!["BYPASSRLS".into()]
        }),
        (Reason::Drifted, |s, _| {
            let login = s.roles.get_mut("eo_1_a").unwrap();
            login
                .memberships
                .push(membership("pg_read_all_data", "eo_1_a", "postgres"));
        }),
        (Reason::Drifted, |s, _| {
            s.roles.get_mut("eo_1_owner").unwrap().administered = false
        }),
    ];
    for (number, (reason, change)) in cases.iter().enumerate() {
        let (mut seen, mut desired) = (whole(Access::Open), desired(Access::Open));
        change(&mut seen, &mut desired);
        let problem = plan(&desired, &seen).unwrap_err();
        assert_eq!(problem.reason, *reason, "case {number}: {problem}");
        assert!(problem.message.contains("pg-a"), "{problem}");
    }
}

#[test]
fn what_only_a_superuser_can_mend_holds_up_nothing_else() {
    let mut seen = whole(Access::Open);
    let login = seen.roles.get_mut("eo_1_a").unwrap();
    login
        .memberships
        .push(membership("pg_read_all_data", "eo_1_a", "postgres"));
    login.connection_limit = 500;
    assert_eq!(plan(&desired(Access::Open), &seen).unwrap().len(), 1);
}

#[test]
fn what_only_a_superuser_can_mend_is_told_of() {
    type Change = fn(&mut Observed);
    let cases: &[(Change, &[&str])] = &[
        (|_| (), &[]),
        (
            |s| s.database.as_mut().unwrap().owner = "postgres".into(),
            &["~ database eo_1 | owner: postgres -> eoffice_operator"],
        ),
        (
            |s| {
                let privileges = vec!["SUPERUSER".into(), "BYPASSRLS".into()];
                s.roles.get_mut("eo_1_a").unwrap().privileges = privileges;
            },
            &["~ role eo_1_a | attributes: SUPERUSER, BYPASSRLS -> none"],
        ),
        (
            |s| s.roles.get_mut("eo_1_owner").unwrap().administered = false,
            &["~ role eo_1_owner | member eoffice_operator: without admin -> admin"],
        ),
        (
            |s| {
                let login = s.roles.get_mut("eo_1_a").unwrap();
                let granted = |by| membership("pg_read_all_data", "eo_1_a", by);
                login
                    .memberships
                    .extend([granted("postgres"), granted(OPERATOR)]);
            },
            &["~ role eo_1_a | member of pg_read_all_data: inherit, set -> none"],
        ),
    ];
    for (change, expected) in cases {
        let mut seen = whole(Access::Open);
        change(&mut seen);
        assert_eq!(lines(&beyond(&desired(Access::Open), &seen)), *expected);
    }
}
