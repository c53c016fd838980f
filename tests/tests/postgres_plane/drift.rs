//! What somebody changes by hand comes back, by exactly one correction.

use crate::bed::{Bed, Tenant, canary};
use eoffice_crds::Reason;
use eoffice_operator::postgres::{converge, verify};
use eoffice_operator::proof::Proof;

enum By {
    Superuser,
    Tenant,
}
use By::{Superuser, Tenant as Itself};

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_hand_comes_back() {
    let bed = Bed::prepared().await;
    let tenant = Tenant::new("somebody");
    let neighbour = Tenant::new("neighbour");
    for one in [&tenant, &neighbour] {
        converge(&bed.server, &bed.effects, &one.open())
            .await
            .unwrap();
    }
    let names = &tenant.record.database;
    let (d, r, l) = (&names.name, &names.role, &names.login);
    let other = &neighbour.record.database.login;
    let cases: Vec<(By, String, Vec<&str>)> = vec![
        (
            Superuser,
            format!("GRANT CONNECT ON DATABASE {d} TO PUBLIC"),
            vec!["from PUBLIC"],
        ),
        (
            Superuser,
            format!("GRANT CONNECT ON DATABASE {d} TO {other}"),
            vec!["revoke all rights"],
        ),
        (
            Superuser,
            format!(
                "GRANT CREATE ON DATABASE {d} TO {r} WITH GRANT OPTION; SET ROLE {r}; \
                 GRANT CREATE ON DATABASE {d} TO {other}"
            ),
            vec!["revoke grant options", "revoke all rights"],
        ),
        (
            Superuser,
            format!("REVOKE CREATE ON DATABASE {d} FROM {r}"),
            vec!["grant rights"],
        ),
        (
            Superuser,
            format!("REVOKE ALL ON DATABASE {d} FROM {r}"),
            vec!["grant rights"],
        ),
        (
            Superuser,
            format!("ALTER DATABASE {d} CONNECTION LIMIT 1"),
            vec!["open database"],
        ),
        (
            Superuser,
            format!("ALTER DATABASE {d} IS_TEMPLATE true"),
            vec!["open database"],
        ),
        (
            Superuser,
            format!("ALTER DATABASE {d} ALLOW_CONNECTIONS false"),
            vec!["open database"],
        ),
        (
            Superuser,
            format!("ALTER ROLE {l} CONNECTION LIMIT 500"),
            vec!["limit"],
        ),
        (Superuser, format!("ALTER ROLE {l} NOLOGIN"), vec!["log in"]),
        (
            Superuser,
            format!("ALTER ROLE {r} LOGIN PASSWORD 'x'"),
            vec!["no more", "end the sessions", "remove the password"],
        ),
        (
            Superuser,
            format!("ALTER ROLE {l} CREATEDB CREATEROLE"),
            vec!["attributes", "set the password"],
        ),
        (
            Superuser,
            format!("ALTER ROLE {r} NOINHERIT"),
            vec!["attributes"],
        ),
        (
            Superuser,
            format!("ALTER ROLE {l} VALID UNTIL '2020-01-01'"),
            vec!["attributes"],
        ),
        (
            Superuser,
            format!(
                "COMMENT ON ROLE {l} IS $$eoffice:{}$$",
                tenant
                    .open()
                    .mark
                    .to_comment()
                    .trim_start_matches("eoffice:")
                    .replace("uid-1", "uid-0")
            ),
            vec!["mark role"],
        ),
        (
            Superuser,
            format!("SET ROLE eoffice_operator; REVOKE {r} FROM {l}"),
            vec!["member of"],
        ),
        (
            Superuser,
            format!("SET ROLE eoffice_operator; GRANT {r} TO {l} WITH ADMIN TRUE"),
            vec!["member of"],
        ),
        (
            Superuser,
            format!("SET ROLE eoffice_operator; GRANT {r} TO {other}"),
            vec!["membership of"],
        ),
        (
            Superuser,
            format!(
                "SET ROLE eoffice_operator; REVOKE {l} FROM eoffice_operator GRANTED BY eoffice_operator"
            ),
            vec!["let the operator act as"],
        ),
        (
            Itself,
            format!("ALTER ROLE {l} PASSWORD 'mine'"),
            vec!["set the password"],
        ),
        (
            Itself,
            format!("ALTER ROLE {l} SET search_path = evil"),
            vec!["reset the settings"],
        ),
        (
            Itself,
            format!("ALTER ROLE {r} SET search_path = evil"),
            vec!["reset the settings"],
        ),
        (
            Itself,
            format!("ALTER ROLE {r} PASSWORD 'mine'"),
            vec!["remove the password"],
        ),
        (
            Itself,
            format!("ALTER ROLE {l} IN DATABASE {d} SET role = none"),
            vec!["act as"],
        ),
        (
            Itself,
            format!("ALTER ROLE {l} IN DATABASE {d} RESET ALL"),
            vec!["act as"],
        ),
        (
            Itself,
            format!("ALTER ROLE {l} IN DATABASE postgres SET role = none"),
            vec!["in database \"postgres\""],
        ),
        (
            Itself,
            format!("DROP OWNED BY {r} CASCADE; CREATE SCHEMA public"),
            vec![],
        ),
    ];
    for (by, sql, expected) in cases {
        match by {
            Superuser => bed.sql(&sql).await,
            Itself => {
                let session = bed.enter(&tenant, d).await.unwrap();
                // A role's own affairs are the login's, or those of the role it acts as.
                let acting = if sql.contains(&format!("ROLE {l}")) {
                    "SET ROLE NONE"
                } else {
                    "SELECT 1"
                };
                session.batch_execute(acting).await.unwrap();
                if let Err(error) = session.batch_execute(&sql).await {
                    panic!("{sql}: {error:?}");
                }
            }
        }
        let done = converge(&bed.server, &bed.effects, &tenant.open())
            .await
            .unwrap_or_else(|problem| panic!("{sql}: {problem}"))
            .done;
        assert_eq!(done.len(), expected.len(), "{sql}: {done:?}");
        for (done, expected) in done.iter().zip(&expected) {
            assert!(done.contains(expected), "{sql}: {done:?}");
        }
        let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
        assert_eq!(proof, Proof::Passed, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_superuser_can_mend_is_said() {
    let bed = Bed::prepared().await;
    let tenant = Tenant::new("somebody");
    converge(&bed.server, &bed.effects, &tenant.open())
        .await
        .unwrap();
    let names = &tenant.record.database;
    let (d, r, l) = (&names.name, &names.role, &names.login);
    for change in [
        format!("ALTER ROLE {l} SUPERUSER"),
        format!("ALTER ROLE {l} BYPASSRLS"),
        format!("ALTER DATABASE {d} OWNER TO postgres"),
        format!("GRANT pg_read_all_data TO {r}"),
        format!("REVOKE {r} FROM eoffice_operator GRANTED BY postgres CASCADE"),
    ] {
        bed.sql(&change).await;
        let problem = converge(&bed.server, &bed.effects, &tenant.open())
            .await
            .unwrap_err();
        assert_eq!(problem.reason, Reason::Drifted, "{change}: {problem}");
        // The remedy is the very statement to run.
        let (_, remedy) = problem.message.split_once(" run ").unwrap();
        let remedy = remedy.trim_end_matches(" there");
        bed.sql(remedy).await;
        converge(&bed.server, &bed.effects, &tenant.open())
            .await
            .unwrap_or_else(|problem| panic!("{change}, after {remedy}: {problem}"));
    }
    let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
    assert_eq!(proof, Proof::Passed);
}
