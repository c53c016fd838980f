//! A tenant with full use of its own credentials gains nothing.

use crate::bed::{Bed, Tenant, canary, code};
use eoffice_operator::postgres::{audit, converge, verify};
use eoffice_operator::proof::Proof;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_cannot_forge_loosen_drop_or_leave() {
    let bed = Bed::prepared().await;
    let (tenant, neighbour) = (Tenant::new("hostile"), Tenant::new("neighbour"));
    for one in [&tenant, &neighbour] {
        converge(&bed.server, &bed.effects, &one.open(), &())
            .await
            .unwrap();
    }
    let (own, next) = (&tenant.record.database, &neighbour.record.database);
    let (d, r, l) = (&own.name, &own.role, &own.login);
    let before = audit(&bed.server, &bed.effects).await.unwrap();

    for database in ["postgres", "template1", &canary(), &next.name] {
        let error = bed.enter(&tenant, database).await.unwrap_err();
        assert_eq!(code(&error), "42501", "{database}");
    }
    let attempts = [
        format!("COMMENT ON DATABASE {d} IS 'forged'"),
        format!("COMMENT ON ROLE {r} IS 'forged'"),
        format!("COMMENT ON ROLE {l} IS 'forged'"),
        format!("ALTER DATABASE {d} CONNECTION LIMIT 500"),
        format!("ALTER DATABASE {d} ALLOW_CONNECTIONS true"),
        format!("ALTER DATABASE {d} OWNER TO {r}"),
        format!("ALTER DATABASE {d} RENAME TO mine"),
        format!("ALTER DATABASE {d} SET search_path = evil"),
        format!("ALTER ROLE {l} CONNECTION LIMIT 500"),
        format!("ALTER ROLE {l} SUPERUSER"),
        format!("ALTER ROLE {r} LOGIN"),
        format!("ALTER ROLE {r} RENAME TO mine"),
        format!("DROP DATABASE {d}"),
        format!("DROP ROLE {r}"),
        format!("GRANT {r} TO {other}", other = next.login),
        "CREATE ROLE mine".into(),
        "CREATE DATABASE mine".into(),
        format!("ALTER ROLE {} PASSWORD 'x'", next.login),
        format!("ALTER ROLE {} SET role = none", next.login),
        "ALTER ROLE eoffice_operator PASSWORD 'x'".into(),
        format!("SET ROLE {}", next.role),
        "SET ROLE eoffice_operator".into(),
        "SET SESSION AUTHORIZATION eoffice_operator".into(),
        "SELECT rolpassword FROM pg_authid".into(),
        "CREATE EXTENSION dblink".into(),
        "COPY (SELECT 1) TO PROGRAM 'true'".into(),
        "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION pg_catalog.now()".into(),
        "SELECT pg_read_file('pg_hba.conf')".into(),
        "ALTER SYSTEM SET log_statement = 'all'".into(),
    ];
    for role in ["NONE", r] {
        let session = bed.enter(&tenant, d).await.unwrap();
        session
            .batch_execute(&format!("SET ROLE {role}"))
            .await
            .unwrap();
        for attempt in &attempts {
            let error = session.batch_execute(attempt).await.unwrap_err();
            let refused = ["42501", "42939", "2BP01", "55006", "0A000"].contains(&code(&error));
            assert!(refused, "{attempt} as {role}: {error:?}");
        }
    }
    // A right it has not is granted with a warning, and without effect.
    let session = bed.enter(&tenant, d).await.unwrap();
    let granting = format!("GRANT CONNECT ON DATABASE {d} TO PUBLIC");
    let _ = session.batch_execute(&granting).await;
    drop(session);

    let after = audit(&bed.server, &bed.effects).await.unwrap();
    for name in [d, &next.name] {
        assert_eq!(before.database(name), after.database(name));
    }
    for name in [r, l, &next.role, &next.login] {
        let calm = |role: Option<&eoffice_operator::postgres::Role>| {
            let mut role = role.unwrap().clone();
            role.sessions = 0;
            role
        };
        assert_eq!(calm(before.role(name)), calm(after.role(name)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trojan_gains_nothing_when_the_operator_passes_by() {
    let bed = Bed::prepared().await;
    let (tenant, neighbour) = (Tenant::new("hostile"), Tenant::new("neighbour"));
    for one in [&tenant, &neighbour] {
        converge(&bed.server, &bed.effects, &one.open(), &())
            .await
            .unwrap();
    }
    let (own, next) = (&tenant.record.database, &neighbour.record.database);
    let session = bed.enter(&tenant, &own.name).await.unwrap();
    let careless = format!(
        "SET ROLE NONE; ALTER ROLE {} SET search_path = public, pg_catalog",
        own.login
    );
    session.batch_execute(&careless).await.unwrap();
    session.batch_execute("RESET ROLE").await.unwrap();
    // Whoever runs these by their bare names runs them with his own rights.
    session
        .batch_execute(&format!(
            "CREATE TABLE public.caught (who text);
             GRANT INSERT ON public.caught TO PUBLIC;
             CREATE FUNCTION public.trap() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO public.caught VALUES (session_user || '/' || current_user);
                 BEGIN EXECUTE 'ALTER ROLE {next} PASSWORD ''stolen'''; EXCEPTION WHEN OTHERS THEN NULL; END;
                 RETURN '';
             END $$;
             CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS 'SELECT public.trap()';
             CREATE FUNCTION public.current_database() RETURNS text LANGUAGE sql AS 'SELECT public.trap()';
             CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT public.trap()';
             CREATE FUNCTION public.eq(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.trap() IS NULL';
             CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.eq);
             CREATE DOMAIN public.text AS pg_catalog.text CHECK (public.trap() IS NOT NULL);
             CREATE VIEW public.pg_database AS SELECT public.trap() AS datname;
             CREATE VIEW public.pg_roles AS SELECT public.trap() AS rolname;",
            next = next.login,
        ))
        .await
        .unwrap();
    // It works on whoever is careless.
    let superuser = bed.postgres.connect(&own.name).await.unwrap();
    superuser
        .batch_execute("SET search_path = public, pg_catalog; SELECT version()")
        .await
        .unwrap();
    let caught = "SELECT count(*) FROM public.caught";
    let count = async || -> i64 { superuser.query_one(caught, &[]).await.unwrap().get(0) };
    assert_eq!(count().await, 1);
    let healed = converge(&bed.server, &bed.effects, &neighbour.open(), &())
        .await
        .unwrap();
    assert_eq!(healed.done.len(), 1, "{:?}", healed.done);

    // Everything the operator ever does while the trap is set: repairs, even with the rights gone that
    // show that the schema was handed over, and proofs.
    bed.sql(&format!(
        "REVOKE ALL ON DATABASE {} FROM {}",
        own.name, own.role
    ))
    .await;
    let done = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap()
        .done;
    assert!(!done.is_empty());
    let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
    assert_eq!(proof, Proof::Passed);
    // Worse: no schema is its role's any more, so that the operator does enter.
    superuser
        .batch_execute(&format!(
            "ALTER SCHEMA public OWNER TO {}; REVOKE ALL ON DATABASE {} FROM {}",
            own.login, own.name, own.role
        ))
        .await
        .unwrap();
    let done = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap()
        .done;
    assert!(done.iter().any(|d| d.field == "schema public"));
    assert_eq!(count().await, 1, "the operator was caught");
    let neighbours = converge(&bed.server, &bed.effects, &neighbour.open(), &())
        .await
        .unwrap();
    assert_eq!(neighbours.done, []);
}
