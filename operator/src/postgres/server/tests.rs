#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::postgres::observe::Grant;

fn claim() -> Claim {
    Claim {
        installation: "korat".parse().unwrap(),
        cluster_uid: "this".into(),
        pinned: Some("71".into()),
        accept_identity: None,
        take_over_from: None,
    }
}

fn answer() -> Answer {
    Answer {
        version: "18.4".into(),
        version_number: 18,
        system_identifier: "71".into(),
        standby: false,
        operator: "eoffice_operator".into(),
        superuser: false,
        create_database: true,
        create_role: true,
        fingerprints: true,
        public_may_enter: false,
    }
}

#[test]
fn a_server_is_used_only_if_everything_holds() {
    assert_eq!(judge("pg-a", &answer(), &claim()), Ok(()));
    type Change = fn(&mut Answer);
    let cases: [(Change, Reason, &str); 8] = [
        (|a| a.version_number = 15, Reason::Unsupported, "upgrade"),
        (|a| a.standby = true, Reason::Unsupported, "standby"),
        (|a| a.superuser = true, Reason::Unsupported, "superuser"),
        (
            |a| a.create_database = false,
            Reason::Unsupported,
            "CREATEDB",
        ),
        (|a| a.create_role = false, Reason::Unsupported, "CREATEROLE"),
        (|a| a.fingerprints = false, Reason::Unsupported, "bootstrap"),
        (
            |a| a.public_may_enter = true,
            Reason::Unsupported,
            "everybody",
        ),
        (
            |a| a.system_identifier = "99".into(),
            Reason::IdentityChanged,
            "accept-identity=99",
        ),
    ];
    for (change, reason, sentence) in cases {
        let mut answer = answer();
        change(&mut answer);
        let problem = judge("pg-a", &answer, &claim()).unwrap_err();
        assert_eq!(problem.reason, reason);
        assert!(problem.message.contains(sentence), "{problem}");
    }
}

#[test]
fn another_identity_is_taken_at_first_sight_or_when_accepted() {
    for (pinned, accepted, taken) in [
        (None, None, true),
        (Some("99"), None, true),
        (Some("71"), None, false),
        (Some("71"), Some("99"), true),
        (Some("71"), Some("98"), false),
    ] {
        let claim = Claim {
            pinned: pinned.map(Into::into),
            accept_identity: accepted.map(Into::into),
            ..claim()
        };
        assert_eq!(identity("pg-a", "99", &claim).is_ok(), taken, "{claim:?}");
    }
}

fn canary(cluster: &str) -> Database {
    Database {
        name: "c".into(),
        oid: 7,
        owner: "op".into(),
        open: true,
        template: false,
        connection_limit: -1,
        comment: Some(
            Holder {
                installation: "korat".into(),
                cluster: cluster.into(),
            }
            .to_comment(),
        ),
        grants: vec![],
        occupied: false,
        schema_owners: vec![],
    }
}

fn public() -> Vec<Grant> {
    vec![Grant {
        grantee: None,
        privilege: "CONNECT".into(),
        grantable: false,
    }]
}

#[test]
fn the_canary_is_made_step_by_step() {
    let fresh = Database {
        open: false,
        comment: None,
        grants: public(),
        ..canary("this")
    };
    let claimed = Database {
        comment: canary("this").comment,
        ..fresh.clone()
    };
    let shut = Database {
        grants: vec![],
        ..claimed.clone()
    };
    for (found, expected) in [
        (None, Next::Create),
        (Some(fresh), Next::Claim { from: None }),
        (Some(claimed), Next::Shut),
        (Some(shut), Next::Open),
        (Some(canary("this")), Next::Nothing),
    ] {
        assert_eq!(
            next("pg-a", "op", "c", found.as_ref(), &claim()),
            Ok(expected)
        );
    }
}

#[test]
fn another_cluster_holds_it_until_it_is_taken_over() {
    let found = canary("other");
    let ask = |from: Option<&str>| {
        let claim = Claim {
            take_over_from: from.map(Into::into),
            ..claim()
        };
        next("pg-a", "op", "c", Some(&found), &claim)
    };
    assert_eq!(ask(None).unwrap_err().reason, Reason::HeldByOtherCluster);
    assert!(
        ask(None)
            .unwrap_err()
            .message
            .contains("take-over-from=other")
    );
    assert!(ask(Some("third")).is_err());
    let from = found.comment.clone();
    assert_eq!(ask(Some("other")), Ok(Next::Claim { from }));
}

#[test]
fn a_foreign_canary_is_left_alone() {
    let strangers = [
        Database {
            comment: None,
            ..canary("this")
        },
        Database {
            comment: Some("a person's".into()),
            open: false,
            ..canary("this")
        },
        Database {
            owner: "somebody".into(),
            ..canary("this")
        },
        Database {
            comment: None,
            open: false,
            occupied: true,
            ..canary("this")
        },
    ];
    for found in strangers {
        let problem = next("pg-a", "op", "c", Some(&found), &claim()).unwrap_err();
        assert_eq!(problem.reason, Reason::ForeignObject, "{found:?}");
    }
}
