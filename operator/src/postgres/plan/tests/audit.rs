//! Those who may read, and those who no longer may.

use super::*;
use crate::postgres::auditor::{AUDITOR_SETTINGS, Auditor};
use crate::postgres::inside::{Inside, Sorts};

const LOGIN: &str = "eo_1_audit_x";

const UNTIL: &str = "2027-01-31T17:00:00Z";

fn audited() -> Desired {
    let credential = Credential::new(LOGIN, [5; 32], [6; 16]);
    let until = UNTIL.parse().unwrap();
    let auditor = Auditor::new(LOGIN, credential.verifier(), until).unwrap();
    desired(Access::Closed).with_auditors(vec![auditor])
}

/// What PostgreSQL does at an auditor's steps.
fn admitted() -> Observed {
    let (desired, mut seen) = (audited(), whole(Access::Closed));
    let mut role = bare_role(&id(LOGIN), &desired.mark);
    role.connection_limit = 2;
    role.valid_until = Some("2027-02-01T00:00:00+07:00".into());
    role.login = true;
    role.fingerprint = Some(desired.auditors[0].verifier_fingerprint.clone());
    role.settings = vec![Setting {
        database: None,
        values: AUDITOR_SETTINGS.map(|(n, v)| format!("{n}={v}")).into(),
    }];
    seen.auditors.insert(LOGIN.into(), role);
    let database = seen.database.as_mut().unwrap();
    database.grants.push(grant(Some(LOGIN), "CONNECT"));
    seen
}

fn auditor(seen: &mut Observed) -> &mut Role {
    seen.auditors.get_mut(LOGIN).unwrap()
}

fn some(sort: &str, number: i64) -> Option<Inside> {
    let of = |sorts: Sorts| [(LOGIN.to_owned(), sorts)].into();
    Some(Inside {
        unread: of([(sort.to_owned(), number)].into()),
        writable: of([(sort.to_owned(), number)].into()),
    })
}

#[test]
fn an_auditor_is_let_in_last_and_only_to_read() {
    let changes = plan(&audited(), &whole(Access::Closed)).unwrap();
    assert_eq!(
        shown(&changes),
        [
            r#"create auditor's login "eo_1_audit_x""#,
            r#"let "eo_1_audit_x" connect to database "eo_1""#,
            r#"take from "eo_1_audit_x" all but reading in database "eo_1""#,
            r#"let "eo_1_audit_x" read all of database "eo_1""#,
            r#"let "eo_1_audit_x" log in"#,
        ]
    );
    assert_eq!(plan(&audited(), &admitted()), Ok(vec![]));
    // Nothing could be decided about him: he stays as he is.
    let undecided = desired(Access::Closed).sparing(vec![LOGIN.to_owned()]);
    assert_eq!(plan(&undecided, &admitted()), Ok(vec![]));
    for before in [0, 2] {
        let last = &changes[changes.len() - 1].step;
        assert!(last.needs(&changes[before].step), "without {before}");
    }
    // Nothing is made for an auditor of a tenant without a database.
    let none = plan(&audited(), &nothing()).unwrap();
    assert!(!shown(&none).iter().any(|step| step.contains(LOGIN)));
}

#[test]
fn each_drift_of_an_auditor_gets_its_correction() {
    type Change = fn(&mut Observed);
    let cases: &[(Change, &[&str])] = &[
        (
            |s| auditor(s).login = false,
            &[
                "~ role eo_1_audit_x | writing in eo_1: not looked at -> none",
                "~ role eo_1_audit_x | not readable in eo_1: not looked at -> none",
                "~ role eo_1_audit_x | login: false -> true",
            ],
        ),
        (
            |s| s.inside = some("tables", 3),
            &[
                "~ role eo_1_audit_x | writing in eo_1: 3 tables -> none",
                "~ role eo_1_audit_x | not readable in eo_1: 3 tables -> none",
            ],
        ),
        (|s| s.inside = Some(Inside::default()), &[]),
        (
            |s| auditor(s).settings[0].values[0] = "default_transaction_read_only=off".into(),
            &[
                "~ role eo_1_audit_x | setting default_transaction_read_only: default_transaction_read_only=off -> default_transaction_read_only=on",
            ],
        ),
        (
            |s| auditor(s).connection_limit = -1,
            &["~ role eo_1_audit_x | connectionLimit: -1 -> 2"],
        ),
        (
            |s| auditor(s).valid_until = None,
            &["~ role eo_1_audit_x | validUntil: none -> 2027-01-31T17:00:00Z"],
        ),
        (
            |s| auditor(s).valid_until = Some("2027-02-01T00:00:00+00:00".into()),
            &[
                "~ role eo_1_audit_x | validUntil: 2027-02-01T00:00:00+00:00 -> 2027-01-31T17:00:00Z",
            ],
        ),
        (
            |s| auditor(s).fingerprint = None,
            &["~ role eo_1_audit_x | password: none -> 65be9982a8e5561f"],
        ),
        (
            |s| {
                let joined = membership("eo_1_owner", LOGIN, OPERATOR);
                auditor(s).memberships.push(joined.clone());
                s.roles.get_mut("eo_1_owner").unwrap().members.push(joined);
            },
            &["~ role eo_1_audit_x | member of eo_1_owner: inherit, set -> none"],
        ),
        (
            |s| {
                let database = s.database.as_mut().unwrap();
                database.grants.push(grant(Some(LOGIN), "TEMPORARY"));
            },
            &["~ database eo_1 | acl.eo_1_audit_x: CONNECT, TEMPORARY -> none"],
        ),
        (
            |s| {
                let database = s.database.as_mut().unwrap();
                database
                    .grants
                    .retain(|g| g.grantee.as_deref() != Some(LOGIN));
            },
            &["~ database eo_1 | acl.eo_1_audit_x: none -> CONNECT"],
        ),
    ];
    for (number, (change, expected)) in cases.iter().enumerate() {
        let mut seen = admitted();
        change(&mut seen);
        let changes = plan(&audited(), &seen).unwrap();
        assert_eq!(told(&changes), *expected, "case {number}");
    }
}

#[test]
fn an_auditor_that_is_not_wanted_is_shut_out_and_dropped_with_the_database() {
    let shut = [
        r#"let "eo_1_audit_x" log in no more"#,
        r#"end the sessions of "eo_1_audit_x""#,
    ];
    let unwanted = desired(Access::Closed);
    let steps = shown(&plan(&unwanted, &admitted()).unwrap());
    assert_eq!(steps[..2], shut);
    assert_eq!(
        steps[2..],
        [
            r#"limit "eo_1_audit_x" to 0 connections"#,
            r#"reset the settings of "eo_1_audit_x""#,
            r#"revoke all rights on database "eo_1" from "eo_1_audit_x""#,
        ]
    );
    // Whatever became of the database.
    let mut lost = admitted();
    lost.database = None;
    for wanted in [&unwanted, &desired(Access::Open)] {
        assert_eq!(shown(&plan_close(wanted, &lost)), shut);
    }
    let dropped = shown(&plan_drop(&audited(), &admitted()).unwrap());
    assert_eq!(dropped[..2], shut);
    assert_eq!(dropped.last().unwrap(), r#"drop role "eo_1_audit_x""#);

    // Somebody else's role of such a name is nobody's auditor.
    let mut foreign = admitted();
    auditor(&mut foreign).comment = None;
    let database = foreign.database.as_mut().unwrap();
    database
        .grants
        .retain(|g| g.grantee.as_deref() != Some(LOGIN));
    assert_eq!(plan(&unwanted, &foreign), Ok(vec![]));
    let left = shown(&plan_drop(&unwanted, &foreign).unwrap());
    assert!(!left.iter().any(|step| step.contains(LOGIN)), "{left:?}");
    let problem = plan(&audited(), &foreign).unwrap_err();
    assert_eq!(problem.reason, Reason::ForeignObject);
}
