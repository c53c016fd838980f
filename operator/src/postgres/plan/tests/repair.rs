//! Each drift gets exactly its correction.

use super::*;

#[test]
fn each_drift_gets_exactly_its_correction() {
    type Change = fn(&mut Observed);
    fn db(seen: &mut Observed) -> &mut Database {
        seen.database.as_mut().unwrap()
    }
    fn login(seen: &mut Observed) -> &mut Role {
        seen.roles.get_mut("eo_1_a").unwrap()
    }
    fn owner(seen: &mut Observed) -> &mut Role {
        seen.roles.get_mut("eo_1_owner").unwrap()
    }
    let cases: &[(Change, &[&str])] = &[
        (
            |s| db(s).grants.push(grant(None, "CONNECT")),
            &["~ database eo_1 | acl.PUBLIC: CONNECT -> none"],
        ),
        (
            |s| db(s).grants.push(grant(Some("spy"), "CONNECT")),
            &["~ database eo_1 | acl.spy: CONNECT -> none"],
        ),
        (
            |s| db(s).grants[0].grantable = true,
            &["~ database eo_1 | acl.eo_1_owner.grantOption: CONNECT -> none"],
        ),
        (
            |s| drop(db(s).grants.remove(1)),
            &["~ database eo_1 | acl.eo_1_owner: CONNECT, TEMPORARY -> CONNECT, CREATE, TEMPORARY"],
        ),
        (
            |s| {
                db(s).grants.clear();
            },
            &["~ database eo_1 | acl.eo_1_owner: none -> CONNECT, CREATE, TEMPORARY"],
        ),
        // A tenant may drop its schema: that is its own affair.
        (|s| db(s).schema_owners.clear(), &[]),
        (
            |s| db(s).open = false,
            &["~ database eo_1 | allowConnections: false -> true"],
        ),
        (
            |s| db(s).template = true,
            &["~ database eo_1 | template: true -> false"],
        ),
        (
            |s| db(s).connection_limit = 1,
            &["~ database eo_1 | connectionLimit: 1 -> -1"],
        ),
        (
            |s| {
                db(s).open = false;
                db(s).connection_limit = 1;
            },
            &[
                "~ database eo_1 | allowConnections: false -> true",
                "~ database eo_1 | connectionLimit: 1 -> -1",
            ],
        ),
        (
            |s| login(s).connection_limit = 500,
            &["~ role eo_1_a | connectionLimit: 500 -> 20"],
        ),
        (
            |s| login(s).login = false,
            &["~ role eo_1_a | login: false -> true"],
        ),
        (
            |s| login(s).fingerprint = Some("0123456789abcdef0123".into()),
            &["~ role eo_1_a | password: 0123456789abcdef -> 580132553cad1323"],
        ),
        (
            |s| login(s).fingerprint = None,
            &["~ role eo_1_a | password: none -> 580132553cad1323"],
        ),
        (
            |s| owner(s).fingerprint = Some("any".into()),
            &["~ role eo_1_owner | password: any -> none"],
        ),
        (
            |s| owner(s).login = true,
            &[
                "~ role eo_1_owner | login: true -> false !",
                "~ role eo_1_owner | sessions: open -> none !",
            ],
        ),
        (
            |s| login(s).attributes = vec!["CREATEDB".into(), "NOINHERIT".into()],
            &["~ role eo_1_a | attributes: CREATEDB, NOINHERIT -> none"],
        ),
        (
            |s| login(s).valid_until = Some("-infinity".into()),
            &["~ role eo_1_a | validUntil: -infinity -> none"],
        ),
        (
            |s| owner(s).attributes = vec!["CREATEROLE".into()],
            &["~ role eo_1_owner | attributes: CREATEROLE -> none"],
        ),
        (
            |s| owner(s).usable = false,
            &[
                "~ role eo_1_owner | member eoffice_operator: without inherit or set -> inherit, set",
            ],
        ),
        (
            |s| login(s).settings.clear(),
            &["~ role eo_1_a | setting role in eo_1: none -> role=eo_1_owner"],
        ),
        (
            |s| login(s).settings[0].values.push("search_path=evil".into()),
            &["~ role eo_1_a | setting search_path in eo_1: search_path=evil -> none"],
        ),
        (
            |s| {
                login(s).settings.push(Setting {
                    database: None,
                    values: vec!["search_path=evil".into()],
                })
            },
            &["~ role eo_1_a | setting search_path: search_path=evil -> none"],
        ),
        (
            |s| {
                owner(s).settings.push(Setting {
                    database: Some("eo_2".into()),
                    values: vec!["role=x".into()],
                })
            },
            &["~ role eo_1_owner | setting role in eo_2: role=x -> none"],
        ),
        (
            |s| login(s).memberships.clear(),
            &["~ role eo_1_a | member of eo_1_owner: none -> inherit, set"],
        ),
        (
            |s| login(s).memberships[0].admin = true,
            &["~ role eo_1_a | member of eo_1_owner: admin, inherit, set -> inherit, set"],
        ),
        (
            |s| login(s).memberships[0].full = false,
            &["~ role eo_1_a | member of eo_1_owner: without inherit or set -> inherit, set"],
        ),
        (
            |s| {
                login(s)
                    .memberships
                    .push(membership("eo_2_owner", "eo_1_a", OPERATOR))
            },
            &["~ role eo_1_a | member of eo_2_owner: inherit, set -> none"],
        ),
        (
            |s| {
                owner(s)
                    .members
                    .push(membership("eo_1_owner", "eo_2_a", OPERATOR))
            },
            &["~ role eo_1_owner | member eo_2_a: inherit, set -> none"],
        ),
        (
            |s| owner(s).comment = owner(s).comment.take().map(|c| c.replace("u1", "u0")),
            &[
                r#"~ role eo_1_owner | mark: eoffice:{"installation":"korat","fingerprint":"f","uid":"u0","state":"live"} -> eoffice:{"installation":"korat","fingerprint":"f","uid":"u1","state":"live"}"#,
            ],
        ),
        (
            |s| db(s).comment = db(s).comment.take().map(|c| c.replace("live", "retained")),
            &[
                r#"~ database eo_1 | mark: eoffice:{"installation":"korat","fingerprint":"f","uid":"u1","state":"retained"} -> eoffice:{"installation":"korat","fingerprint":"f","uid":"u1","state":"live"}"#,
            ],
        ),
        (
            |s| drop(s.roles.remove("eo_1_a")),
            &[
                "+ role eo_1_a | : none -> member of eo_1_owner, connectionLimit 20",
                "~ role eo_1_a | setting role in eo_1: none -> role=eo_1_owner",
                "~ role eo_1_a | login: false -> true",
            ],
        ),
        (
            |s| {
                let mut idle = login(s).clone();
                idle.name = "eo_1_b".into();
                idle.memberships[0].member = "eo_1_b".into();
                idle.settings.clear();
                s.roles.insert("eo_1_b".into(), idle);
            },
            &[
                "~ role eo_1_b | login: true -> false !",
                "~ role eo_1_b | sessions: open -> none !",
                "~ role eo_1_b | connectionLimit: 20 -> 0",
            ],
        ),
    ];
    for (change, expected) in cases {
        let mut seen = whole(Access::Open);
        change(&mut seen);
        let changes = plan(&desired(Access::Open), &seen).unwrap();
        assert_eq!(told(&changes), *expected);
    }
}
