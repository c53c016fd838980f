#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::postgres::credential::Credential;
use crate::postgres::desired::Witness;
use crate::postgres::observe::{Grant, Membership, Setting};
use database::RIGHTS;
use eoffice_crds::{Action, Reason};
use std::collections::BTreeMap;

mod audit;
mod lost;
mod refuse;
mod repair;
mod rotate;

const OPERATOR: &str = "eoffice_operator";

fn id(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

fn desired(access: Access) -> Desired {
    let credential = Credential::new("eo_1_a", [1; 32], [2; 16]);
    Desired {
        server: "pg-a".into(),
        system_identifier: "1".into(),
        database: id("eo_1"),
        role: id("eo_1_owner"),
        login: id("eo_1_a"),
        idle: id("eo_1_b"),
        verifier: credential.verifier().clone(),
        verifier_fingerprint: credential.fingerprint(),
        connection_limit: 20,
        order: crate::identity::Order::Is(None),
        warrant: None,
        mark: Mark {
            installation: "korat".into(),
            fingerprint: "f".into(),
            uid: "u1".into(),
            state: RecordState::Live,
            twin: None,
            order: None,
        },
        witnesses: vec![],
        superseded: vec![],
        superseded_twins: vec![],
        access,
        retiring: false,
        auditors: vec![],
        spared: vec![],
        predecessor: None,
    }
}

fn nothing() -> Observed {
    Observed {
        operator: OPERATOR.into(),
        database: None,
        roles: BTreeMap::new(),
        auditors: BTreeMap::new(),
        inside: None,
    }
}

fn grant(grantee: Option<&str>, privilege: &str) -> Grant {
    Grant {
        grantee: grantee.map(Into::into),
        privilege: privilege.into(),
        grantable: false,
    }
}

fn membership(role: &str, member: &str, grantor: &str) -> Membership {
    Membership {
        role: role.into(),
        member: member.into(),
        grantor: grantor.into(),
        admin: false,
        full: true,
    }
}

fn bare_role(name: &Ident, mark: &Mark) -> Role {
    Role {
        name: name.as_str().into(),
        oid: 7,
        comment: Some(mark.to_comment()),
        login: false,
        privileges: vec![],
        attributes: vec![],
        connection_limit: -1,
        valid_until: None,
        administered: true,
        usable: true,
        memberships: vec![],
        members: vec![],
        settings: vec![],
        fingerprint: None,
        sessions: 0,
    }
}

/// What PostgreSQL does at the steps that make a tenant.
fn carry_out(step: &Step, seen: &mut Observed, fingerprint: &str) {
    let database = seen.database.as_mut();
    match step {
        Step::CreateRole { role, mark } => {
            let made = bare_role(role, mark);
            seen.roles.insert(role.as_str().into(), made);
        }
        Step::CreateLogin {
            login,
            role,
            mark,
            connection_limit,
            ..
        } => {
            let mut made = bare_role(login, mark);
            made.connection_limit = *connection_limit;
            made.fingerprint = Some(fingerprint.into());
            let joined = membership(role.as_str(), login.as_str(), OPERATOR);
            made.memberships = vec![joined.clone()];
            seen.roles.insert(login.as_str().into(), made);
            let owner = seen.roles.get_mut(role.as_str()).unwrap();
            owner.members.push(joined);
        }
        Step::CreateDatabase { database } => {
            assert_eq!(seen.database, None);
            seen.database = Some(Database {
                name: database.as_str().into(),
                oid: 100,
                owner: OPERATOR.into(),
                open: false,
                template: false,
                connection_limit: -1,
                comment: None,
                grants: vec![grant(None, "CONNECT"), grant(None, "TEMPORARY")],
                occupied: false,
                schema_owners: vec![],
            });
        }
        Step::MarkDatabase { mark, .. } => database.unwrap().comment = Some(mark.to_comment()),
        Step::RevokePublic { .. } => {
            database.unwrap().grants.retain(|g| g.grantee.is_some());
        }
        Step::OpenDatabase { .. } => database.unwrap().open = true,
        Step::HandOverSchema { role, .. } => {
            let database = database.unwrap();
            assert!(database.open && database.grants.is_empty());
            database.schema_owners = vec![role.as_str().into()];
            database.occupied = true;
        }
        Step::Grant { role, .. } => {
            let role = Some(role.as_str());
            database.unwrap().grants = RIGHTS.map(|right| grant(role, right)).into();
        }
        Step::ActAs {
            login,
            database,
            role,
        } => {
            seen.roles.get_mut(login.as_str()).unwrap().settings = vec![Setting {
                database: Some(database.as_str().into()),
                values: vec![format!("role={}", role.as_str())],
            }];
        }
        Step::DropDatabase { .. } => seen.database = None,
        Step::MarkRole { role, mark } => {
            let role = seen.roles.get_mut(role.as_str()).unwrap();
            role.comment = Some(mark.to_comment());
        }
        Step::LimitConnections { login, limit } => {
            seen.roles.get_mut(login.as_str()).unwrap().connection_limit = *limit;
        }
        Step::SetPassword { login, .. } => {
            let role = seen.roles.get_mut(login.as_str()).unwrap();
            assert!(!role.login, "opened with another's password");
            role.fingerprint = Some(fingerprint.into());
        }
        Step::OpenLogin { login } => seen.roles.get_mut(login.as_str()).unwrap().login = true,
        other => panic!("not a step of making: {other}"),
    }
}

/// A tenant that has all it should have.
fn whole(access: Access) -> Observed {
    let desired = desired(access);
    let mut seen = nothing();
    all_done(&desired, &mut seen);
    seen
}

/// Carries a whole plan out.
fn all_done(desired: &Desired, seen: &mut Observed) {
    for change in plan(desired, seen).unwrap() {
        carry_out(&change.step, seen, &desired.verifier_fingerprint);
    }
}

/// What is done.
fn shown(changes: &[Change<Step>]) -> Vec<String> {
    changes.iter().map(|c| c.step.to_string()).collect()
}

/// What is told: `~ role eo_1_a | login: false -> true`, with `!` where access or data ends.
fn lines(differences: &[Difference]) -> Vec<String> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    let difference = |d: &Difference| {
        let action = match d.action {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
        };
        let (before, after) = (value(&d.before), value(&d.after));
        let end = if d.destructive { " !" } else { "" };
        let (object, field) = (&d.object, &d.field);
        format!("{action} {object} | {field}: {before} -> {after}{end}")
    };
    differences.iter().map(difference).collect()
}

fn told(changes: &[Change<Step>]) -> Vec<String> {
    let differences = changes.iter().flat_map(|change| &change.differences);
    lines(&differences.cloned().collect::<Vec<_>>())
}

#[test]
fn a_tenant_is_made_in_a_safe_order() {
    let steps = plan(&desired(Access::Open), &nothing()).unwrap();
    assert_eq!(
        shown(&steps),
        [
            r#"create role "eo_1_owner""#,
            r#"create login "eo_1_a""#,
            r#"create database "eo_1""#,
            r#"mark database "eo_1""#,
            r#"revoke all rights on database "eo_1" from PUBLIC"#,
            r#"open database "eo_1""#,
            r#"give schema public of database "eo_1" to "eo_1_owner""#,
            r#"grant rights on database "eo_1" to "eo_1_owner""#,
            r#"have "eo_1_a" act as "eo_1_owner" in database "eo_1""#,
            r#"let "eo_1_a" log in"#,
        ]
    );
    assert_eq!(
        told(&steps),
        [
            "+ role eo_1_owner | : none -> cannot log in",
            "+ role eo_1_a | : none -> member of eo_1_owner, connectionLimit 20",
            "+ database eo_1 | : none -> empty",
            &format!(
                "~ database eo_1 | mark: none -> {}",
                desired(Access::Open).mark.to_comment()
            ),
            "~ database eo_1 | acl.PUBLIC: CONNECT, TEMPORARY -> none",
            "~ database eo_1 | allowConnections: false -> true",
            "~ database eo_1 | schema public: none -> eo_1_owner",
            "~ database eo_1 | acl.eo_1_owner: none -> CONNECT, CREATE, TEMPORARY",
            "~ role eo_1_a | setting role in eo_1: none -> role=eo_1_owner",
            "~ role eo_1_a | login: false -> true",
        ]
    );
    assert_eq!(
        plan(&desired(Access::Open), &whole(Access::Open)),
        Ok(vec![])
    );
}

#[test]
fn a_crash_anywhere_leads_on_to_the_same_end() {
    for access in [Access::Open, Access::Closed] {
        let desired = desired(access);
        let all = plan(&desired, &nothing()).unwrap();
        for done in 0..=all.len() {
            let mut seen = nothing();
            for change in &all[..done] {
                carry_out(&change.step, &mut seen, &desired.verifier_fingerprint);
            }
            let rest = plan(&desired, &seen).unwrap();
            assert_eq!(rest, all[done..], "after {done} steps");
        }
    }
}

/// Whatever is refused, the rest can be carried out, and lets nobody in too early: `carry_out` would notice.
#[test]
fn what_needs_something_that_was_refused_waits() {
    let desired = desired(Access::Open);
    let all = plan(&desired, &nothing()).unwrap();
    for left_out in 0..all.len() {
        let mut seen = nothing();
        let mut refused: Vec<&Step> = vec![];
        for (number, Change { step, .. }) in all.iter().enumerate() {
            if number == left_out || refused.iter().any(|other| step.needs(other)) {
                refused.push(step);
            } else {
                carry_out(step, &mut seen, &desired.verifier_fingerprint);
            }
        }
        all_done(&desired, &mut seen);
        assert_eq!(seen, whole(Access::Open), "without step {left_out}");
    }
    let closing = plan(&super::tests::desired(Access::Closed), &whole(Access::Open)).unwrap();
    assert!(
        closing[1].step.needs(&closing[0].step),
        "sessions come back"
    );
    let dropping = plan_drop(&desired, &whole(Access::Closed)).unwrap();
    assert!(
        dropping[1].step.needs(&dropping[0].step),
        "roles own things"
    );
}

#[test]
fn closing_ends_the_login_and_its_sessions_and_keeps_the_rest() {
    let mut seen = whole(Access::Open);
    let close = [
        r#"let "eo_1_a" log in no more"#,
        r#"end the sessions of "eo_1_a""#,
    ];
    assert_eq!(
        shown(&plan(&desired(Access::Closed), &seen).unwrap()),
        close
    );
    let login = seen.roles.get_mut("eo_1_a").unwrap();
    login.login = false;
    login.sessions = 2;
    assert_eq!(
        shown(&plan(&desired(Access::Closed), &seen).unwrap()),
        close[1..]
    );
    let mut retained = desired(Access::Closed);
    retained.mark.state = RecordState::Retained;
    assert_eq!(plan(&retained, &nothing()), Ok(vec![]), "nothing is made");
    let marks = shown(&plan(&retained, &whole(Access::Closed)).unwrap());
    assert_eq!(
        marks,
        [
            r#"mark role "eo_1_a""#,
            r#"mark role "eo_1_owner""#,
            r#"mark database "eo_1""#
        ]
    );
}

#[test]
fn dropping_takes_only_what_is_ours_and_finishes_what_was_begun() {
    let desired = desired(Access::Open);
    let seen = whole(Access::Open);
    let all = [
        r#"let "eo_1_a" log in no more"#,
        r#"end the sessions of "eo_1_a""#,
        r#"drop database "eo_1" (oid 100)"#,
        r#"drop role "eo_1_a""#,
        r#"drop role "eo_1_owner""#,
    ];
    assert_eq!(shown(&plan_drop(&desired, &seen).unwrap()), all);
    let all_end = told(&plan_drop(&desired, &seen).unwrap());
    assert!(
        all_end.iter().all(|line| line.ends_with(" !")),
        "{all_end:?}"
    );
    let mut half = whole(Access::Closed);
    half.database.as_mut().unwrap().connection_limit = -2;
    assert_eq!(shown(&plan_drop(&desired, &half).unwrap()), all[2..]);
    half.database = None;
    assert_eq!(shown(&plan_drop(&desired, &half).unwrap()), all[3..]);
    assert_eq!(plan_drop(&desired, &nothing()), Ok(vec![]));
    let mut other = desired.clone();
    other.witnesses = vec![Witness {
        who: "its record",
        oid: 99,
    }];
    assert_eq!(
        plan_drop(&other, &seen).unwrap_err().reason,
        Reason::DataMissing
    );
    other.mark.fingerprint = "g".into();
    assert_eq!(
        plan_drop(&other, &seen).unwrap_err().reason,
        Reason::ForeignObject
    );
}
