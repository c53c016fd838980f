//! What somebody changes by hand is told, and comes back by exactly one correction.

use crate::bed::{Bed, Tenant, canary};
use eoffice_crds::Reason;
use eoffice_operator::plan::Difference;
use eoffice_operator::postgres::{audit, beyond, converge, observe, plan, survey, verify};
use eoffice_operator::proof::Proof;

#[derive(Clone, Copy)]
enum By {
    Superuser,
    Tenant,
}
use By::{Superuser, Tenant as Itself};

/// Who does what, and which fields of which objects are told of and put right, in this order. `{d}` is the tenant's
/// database, `{r}` its role, `{l}` its login, `{other}` and `{owner}` a neighbour's login and role.
const DRIFTS: &[(By, &str, &[&str])] = &[
    (
        Superuser,
        "GRANT CONNECT ON DATABASE {d} TO PUBLIC",
        &["database {d} acl.PUBLIC"],
    ),
    (
        Superuser,
        "GRANT CONNECT ON DATABASE {d} TO {other}",
        &["database {d} acl.{other}"],
    ),
    (
        Superuser,
        "GRANT CREATE ON DATABASE {d} TO {r} WITH GRANT OPTION; SET ROLE {r}; \
         GRANT CREATE ON DATABASE {d} TO {other}",
        &[
            "database {d} acl.{r}.grantOption",
            "database {d} acl.{other}",
        ],
    ),
    (
        Superuser,
        "REVOKE CREATE ON DATABASE {d} FROM {r}",
        &["database {d} acl.{r}"],
    ),
    (
        Superuser,
        "REVOKE ALL ON DATABASE {d} FROM {r}",
        &["database {d} acl.{r}"],
    ),
    (
        Superuser,
        "ALTER DATABASE {d} CONNECTION LIMIT 1",
        &["database {d} connectionLimit"],
    ),
    (
        Superuser,
        "ALTER DATABASE {d} IS_TEMPLATE true",
        &["database {d} template"],
    ),
    (
        Superuser,
        "ALTER DATABASE {d} ALLOW_CONNECTIONS false CONNECTION LIMIT 3",
        &[
            "database {d} allowConnections",
            "database {d} connectionLimit",
        ],
    ),
    (
        Superuser,
        "COMMENT ON DATABASE {d} IS NULL",
        &["database {d} mark"],
    ),
    (
        Superuser,
        "COMMENT ON DATABASE {d} IS 'ours'",
        &["database {d} mark"],
    ),
    (
        Superuser,
        "ALTER ROLE {l} CONNECTION LIMIT 500",
        &["role {l} connectionLimit"],
    ),
    (Superuser, "ALTER ROLE {l} NOLOGIN", &["role {l} login"]),
    (
        Superuser,
        "ALTER ROLE {r} LOGIN PASSWORD 'x'",
        &["role {r} login", "role {r} sessions", "role {r} password"],
    ),
    (
        Superuser,
        "ALTER ROLE {l} CREATEDB CREATEROLE",
        &["role {l} attributes"],
    ),
    (
        Superuser,
        "ALTER ROLE {l} CREATEDB PASSWORD 'x'",
        &["role {l} attributes", "role {l} password"],
    ),
    (
        Superuser,
        "ALTER ROLE {r} NOINHERIT",
        &["role {r} attributes"],
    ),
    (
        Superuser,
        "ALTER ROLE {l} VALID UNTIL '2020-01-01'",
        &["role {l} validUntil"],
    ),
    (
        Superuser,
        "DO $$ BEGIN EXECUTE format('COMMENT ON ROLE {l} IS %L',
            replace(shobj_description('{l}'::regrole, 'pg_authid'), 'uid-1', 'uid-0')); END $$",
        &["role {l} mark"],
    ),
    (
        Superuser,
        "SET ROLE eoffice_operator; REVOKE {r} FROM {l}",
        &["role {l} member of {r}"],
    ),
    (
        Superuser,
        "SET ROLE eoffice_operator; GRANT {r} TO {l} WITH ADMIN TRUE",
        &["role {l} member of {r}"],
    ),
    (
        Superuser,
        "SET ROLE eoffice_operator; GRANT {r} TO {other}",
        &["role {r} member {other}"],
    ),
    (
        Superuser,
        "SET ROLE eoffice_operator; GRANT {owner} TO {l}",
        &["role {l} member of {owner}"],
    ),
    (
        Superuser,
        "SET ROLE eoffice_operator; REVOKE {l} FROM eoffice_operator GRANTED BY eoffice_operator",
        &["role {l} member eoffice_operator"],
    ),
    (
        Superuser,
        "DROP ROLE {l}",
        &[
            "role {l} ",
            "role {l} setting role in {d}",
            "role {l} login",
        ],
    ),
    (
        Itself,
        "ALTER ROLE {l} PASSWORD 'mine'",
        &["role {l} password"],
    ),
    (
        Itself,
        "ALTER ROLE {l} SET search_path = evil; ALTER ROLE {l} SET work_mem = '1GB'",
        &["role {l} setting search_path, work_mem"],
    ),
    (
        Itself,
        "ALTER ROLE {r} SET search_path = evil",
        &["role {r} setting search_path"],
    ),
    (
        Itself,
        "ALTER ROLE {r} PASSWORD 'mine'",
        &["role {r} password"],
    ),
    (
        Itself,
        "ALTER ROLE {l} IN DATABASE {d} SET role = none",
        &["role {l} setting role in {d}"],
    ),
    (
        Itself,
        "ALTER ROLE {l} IN DATABASE {d} SET search_path = evil",
        &["role {l} setting search_path in {d}"],
    ),
    (
        Itself,
        "ALTER ROLE {l} IN DATABASE {d} RESET ALL",
        &["role {l} setting role in {d}"],
    ),
    (
        Itself,
        "ALTER ROLE {l} IN DATABASE postgres SET role = none",
        &["role {l} setting role in postgres"],
    ),
    // The tenant's own affair.
    (
        Itself,
        "DROP OWNED BY {r} CASCADE; CREATE SCHEMA public",
        &[],
    ),
];

fn fields(differences: &[Difference]) -> Vec<String> {
    let field = |d: &Difference| format!("{} {}", d.object, d.field);
    differences.iter().map(field).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_hand_is_told_and_comes_back() {
    let bed = Bed::prepared().await;
    let mut tenant = Tenant::new("somebody");
    let neighbour = Tenant::new("neighbour");
    for one in [&tenant, &neighbour] {
        converge(&bed.server, &bed.effects, &one.open(), &())
            .await
            .unwrap();
    }
    tenant.remember(&bed).await;
    let (d, r, l) = tenant.names();
    let next = &neighbour.record.database;
    let filled = |text: &str| {
        text.replace("{d}", d)
            .replace("{r}", r)
            .replace("{l}", l)
            .replace("{other}", &next.login)
            .replace("{owner}", &next.role)
    };
    let wanted = tenant.open();
    for (by, sql, expected) in DRIFTS {
        let sql = filled(sql);
        match by {
            Superuser => bed.sql(&sql).await,
            Itself => {
                let session = bed.enter(&tenant, d).await.unwrap();
                // A role's own affairs are the login's, or those of the role it acts as.
                let acting = match sql.contains(&format!("ROLE {l}")) {
                    true => "SET ROLE NONE",
                    false => "SELECT 1",
                };
                session.batch_execute(acting).await.unwrap();
                if let Err(error) = session.batch_execute(&sql).await {
                    panic!("{sql}: {error:?}");
                }
            }
        }
        let expected: Vec<String> = expected.iter().map(|field| filled(field)).collect();
        // The look at all finds what the look at one finds.
        let all = audit(&bed.server, &bed.effects).await.unwrap();
        let found = plan(&wanted, &all.observed(&wanted)).unwrap();
        let surveyed = survey(&bed.server, &bed.effects, &wanted).await.unwrap();
        assert_eq!(surveyed.changes, found, "{sql}");
        let converged = converge(&bed.server, &bed.effects, &wanted, &()).await;
        let done = converged
            .unwrap_or_else(|problem| panic!("{sql}: {problem}"))
            .done;
        assert_eq!(fields(&done), expected, "{sql}: {done:?}");
        // A password is not seen while its role has a privilege, so it is told of once that is gone.
        let told: Vec<_> = found.into_iter().flat_map(|c| c.differences).collect();
        assert_eq!(told, done[..told.len()], "{sql}");
        assert!(told.len() == done.len() || sql.contains("CREATEDB PASSWORD"));
        let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
        assert_eq!(proof, Proof::Passed, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_superuser_can_mend_is_said() {
    let bed = Bed::prepared().await;
    let tenant = Tenant::new("somebody");
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let names = &tenant.record.database;
    let (d, r, l) = (&names.name, &names.role, &names.login);
    for (change, field) in [
        (
            format!("ALTER ROLE {l} SUPERUSER"),
            format!("role {l} attributes"),
        ),
        (
            format!("ALTER ROLE {l} BYPASSRLS"),
            format!("role {l} attributes"),
        ),
        (
            format!("ALTER DATABASE {d} OWNER TO postgres"),
            format!("database {d} owner"),
        ),
        (
            format!("GRANT pg_read_all_data TO {r}"),
            format!("role {r} member of pg_read_all_data"),
        ),
        (
            format!("REVOKE {r} FROM eoffice_operator GRANTED BY postgres CASCADE"),
            format!("role {r} member eoffice_operator"),
        ),
    ] {
        bed.sql(&change).await;
        let problem = converge(&bed.server, &bed.effects, &tenant.open(), &())
            .await
            .unwrap_err();
        assert_eq!(problem.reason, Reason::Drifted, "{change}: {problem}");
        let wanted = tenant.open();
        let seen = observe(&bed.server, &bed.effects, &wanted).await.unwrap();
        assert_eq!(fields(&beyond(&wanted, &seen)), [field], "{change}");
        // The remedy is the very statement to run.
        let (_, remedy) = problem.message.split_once(" run ").unwrap();
        let remedy = remedy.trim_end_matches(" there");
        bed.sql(remedy).await;
        converge(&bed.server, &bed.effects, &tenant.open(), &())
            .await
            .unwrap_or_else(|problem| panic!("{change}, after {remedy}: {problem}"));
    }
    let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
    assert_eq!(proof, Proof::Passed);
}
