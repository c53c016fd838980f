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
            &[r#"revoke all rights on database "eo_1" from PUBLIC"#],
        ),
        (
            |s| db(s).grants.push(grant(Some("spy"), "CONNECT")),
            &[r#"revoke all rights on database "eo_1" from "spy""#],
        ),
        (
            |s| db(s).grants[0].grantable = true,
            &[r#"revoke grant options on database "eo_1" from "eo_1_owner""#],
        ),
        (
            |s| drop(db(s).grants.remove(1)),
            &[r#"grant rights on database "eo_1" to "eo_1_owner""#],
        ),
        (
            |s| {
                db(s).grants.clear();
            },
            &[r#"grant rights on database "eo_1" to "eo_1_owner""#],
        ),
        // A tenant may drop its schema: that is its own affair.
        (|s| db(s).schema_owners.clear(), &[]),
        (|s| db(s).open = false, &[r#"open database "eo_1""#]),
        (|s| db(s).template = true, &[r#"open database "eo_1""#]),
        (|s| db(s).connection_limit = 1, &[r#"open database "eo_1""#]),
        (
            |s| login(s).connection_limit = 500,
            &[r#"limit "eo_1_a" to 20 connections"#],
        ),
        (|s| login(s).login = false, &[r#"let "eo_1_a" log in"#]),
        (
            |s| login(s).fingerprint = Some("other".into()),
            &[r#"set the password of "eo_1_a""#],
        ),
        (
            |s| login(s).fingerprint = None,
            &[r#"set the password of "eo_1_a""#],
        ),
        (
            |s| owner(s).fingerprint = Some("any".into()),
            &[r#"remove the password of "eo_1_owner""#],
        ),
        (
            |s| owner(s).login = true,
            &[
                r#"let "eo_1_owner" log in no more"#,
                r#"end the sessions of "eo_1_owner""#,
            ],
        ),
        (
            |s| login(s).odd = true,
            &[r#"reset the attributes of role "eo_1_a""#],
        ),
        (
            |s| owner(s).odd = true,
            &[r#"reset the attributes of role "eo_1_owner""#],
        ),
        (
            |s| owner(s).usable = false,
            &[r#"let the operator act as "eo_1_owner""#],
        ),
        (
            |s| login(s).settings.clear(),
            &[r#"have "eo_1_a" act as "eo_1_owner" in database "eo_1""#],
        ),
        (
            |s| login(s).settings[0].values.push("search_path=evil".into()),
            &[r#"have "eo_1_a" act as "eo_1_owner" in database "eo_1""#],
        ),
        (
            |s| {
                login(s).settings.push(Setting {
                    database: None,
                    values: vec!["search_path=evil".into()],
                })
            },
            &[r#"reset the settings of "eo_1_a""#],
        ),
        (
            |s| {
                owner(s).settings.push(Setting {
                    database: Some("eo_2".into()),
                    values: vec!["role=x".into()],
                })
            },
            &[r#"reset the settings of "eo_1_owner" in database "eo_2""#],
        ),
        (
            |s| login(s).memberships.clear(),
            &[r#"make "eo_1_a" a member of "eo_1_owner""#],
        ),
        (
            |s| login(s).memberships[0].admin = true,
            &[r#"make "eo_1_a" a member of "eo_1_owner""#],
        ),
        (
            |s| login(s).memberships[0].full = false,
            &[r#"make "eo_1_a" a member of "eo_1_owner""#],
        ),
        (
            |s| {
                login(s)
                    .memberships
                    .push(membership("eo_2_owner", "eo_1_a", OPERATOR))
            },
            &[r#"end "eo_1_a"'s membership of "eo_2_owner""#],
        ),
        (
            |s| {
                owner(s)
                    .members
                    .push(membership("eo_1_owner", "eo_2_a", OPERATOR))
            },
            &[r#"end "eo_2_a"'s membership of "eo_1_owner""#],
        ),
        (
            |s| owner(s).comment = owner(s).comment.take().map(|c| c.replace("u1", "u0")),
            &[r#"mark role "eo_1_owner""#],
        ),
        (
            |s| db(s).comment = db(s).comment.take().map(|c| c.replace("live", "retained")),
            &[r#"mark database "eo_1""#],
        ),
        (
            |s| drop(s.roles.remove("eo_1_a")),
            &[
                r#"create login "eo_1_a""#,
                r#"have "eo_1_a" act as "eo_1_owner" in database "eo_1""#,
                r#"let "eo_1_a" log in"#,
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
                r#"let "eo_1_b" log in no more"#,
                r#"end the sessions of "eo_1_b""#,
                r#"limit "eo_1_b" to 0 connections"#,
            ],
        ),
    ];
    for (change, expected) in cases {
        let mut seen = whole(Access::Open);
        change(&mut seen);
        let steps = plan(&desired(Access::Open), &seen).unwrap();
        assert_eq!(shown(&steps), *expected);
    }
}
