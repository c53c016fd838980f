//! What a tenant can lay out in its own database for others to walk into.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::{Platform, ask, eventually};
use eoffice_tests::parts::postgres::{OPERATOR, Postgres};

use super::{INTRUDER, LIMIT, Parties, calls};

/// What a careless visitor could call without a schema: functions, views, operators, types and casts that tell who
/// came by, and use his rights.
const TRAPS: &str = r"
CREATE SCHEMA lair;
CREATE FUNCTION lair.spring(what pg_catalog.text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    -- A line in the log is not undone with the visitor's transaction.
    RAISE LOG 'trap sprung by <%> as <%> at %', session_user, current_user, what;
    BEGIN
        EXECUTE 'ALTER ROLE {login} CONNECTION LIMIT 999';
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    RETURN true;
END $$;
CREATE FUNCTION lair.version() RETURNS pg_catalog.text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('version'); RETURN pg_catalog.version(); END $$;
CREATE FUNCTION lair.now() RETURNS pg_catalog.timestamptz LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('now'); RETURN pg_catalog.now(); END $$;
CREATE FUNCTION lair.current_database() RETURNS pg_catalog.name LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('current_database'); RETURN pg_catalog.current_database(); END $$;
CREATE FUNCTION lair.quote_ident(pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('quote_ident'); RETURN pg_catalog.quote_ident($1); END $$;
CREATE FUNCTION lair.shobj_description(pg_catalog.oid, pg_catalog.name) RETURNS pg_catalog.text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('shobj_description'); RETURN 'eoffice:{}'; END $$;
CREATE FUNCTION lair.pg_database_size(pg_catalog.oid) RETURNS pg_catalog.int8 LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('pg_database_size'); RETURN 0; END $$;
CREATE FUNCTION lair.pg_terminate_backend(pg_catalog.int4) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN RETURN lair.spring('pg_terminate_backend'); END $$;
CREATE FUNCTION lair.same(pg_catalog.name, pg_catalog.text) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN RETURN lair.spring('operator') AND pg_catalog.nameeqtext($1, $2); END $$;
CREATE OPERATOR lair.= (LEFTARG = pg_catalog.name, RIGHTARG = pg_catalog.text, FUNCTION = lair.same);
CREATE VIEW lair.pg_database AS SELECT * FROM pg_catalog.pg_database WHERE lair.spring('pg_database');
CREATE VIEW lair.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE lair.spring('pg_roles');
CREATE VIEW lair.pg_namespace AS SELECT * FROM pg_catalog.pg_namespace WHERE lair.spring('pg_namespace');
CREATE DOMAIN lair.text AS pg_catalog.text CHECK (lair.spring('text'));
CREATE DOMAIN lair.oid AS pg_catalog.int8 CHECK (lair.spring('oid'));
CREATE TYPE lair.lure AS ENUM ('bait');
CREATE FUNCTION lair.to_int(lair.lure) RETURNS pg_catalog.int4 LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lair.spring('cast'); RETURN 1; END $$;
CREATE CAST (lair.lure AS pg_catalog.int4) WITH FUNCTION lair.to_int(lair.lure) AS IMPLICIT;
GRANT USAGE ON SCHEMA lair TO PUBLIC;
";

/// Whoever it comes upon here, and wherever, meets the traps before the server's own functions.
const HOSTILE_PATHS: &[&str] = &[
    "ALTER ROLE {role} SET search_path = lair, pg_catalog",
    "ALTER ROLE {role} IN DATABASE {db} SET search_path = lair, pg_catalog",
    "SET ROLE NONE",
    "ALTER ROLE {login} SET search_path = lair, pg_catalog",
    "ALTER ROLE {login} IN DATABASE {db} SET search_path = lair, pg_catalog",
];

pub async fn traps_catch_nobody_who_passes_by(platform: &Platform) -> Result<()> {
    let parties = Parties::find(platform).await?;
    let server = platform.sandbox.server("pg-a")?;
    let superuser = server.connect("postgres").await?;
    let limit = parties.fill("select rolconnlimit from pg_roles where rolname = '{login}'");
    let session = parties.mine.sql(server).await?;
    session.batch_execute(&parties.fill(TRAPS)).await?;

    // The traps are sharp: a careless superuser loses by them.
    let careless = server.connect(parties.mine.database_name()).await?;
    careless
        .batch_execute("SET search_path = lair, pg_catalog")
        .await?;
    for sql in [
        "SELECT version()",
        "SELECT count(*) FROM pg_roles",
        "SELECT 'x'::name = 'x'::pg_catalog.text",
    ] {
        ask(&careless, sql).await?;
    }
    ensure!(ask(&superuser, &limit).await?.as_deref() == Some("999"));
    ensure!(caught(server)?.contains("postgres"));

    for sql in HOSTILE_PATHS {
        session
            .simple_query(&parties.fill(sql))
            .await
            .with_context(|| parties.fill(sql))?;
    }
    // Work for who passes by: a limit, a password, a grant, and the settings above.
    let drift = "ALTER ROLE {login} PASSWORD 'a-password-of-its-own'";
    session.simple_query(&parties.fill(drift)).await?;
    let drift = parties.fill("GRANT CONNECT ON DATABASE {db} TO PUBLIC");
    superuser.simple_query(&drift).await?;
    let settings = parties.fill(
        "select coalesce(string_agg(setconfig::text, ' ' order by setconfig::text), '') from pg_db_role_setting s
         join pg_roles r on r.oid = s.setrole where r.rolname in ('{login}', '{role}')",
    );
    eventually("all is put right", || async {
        ensure!(
            ask(&superuser, &limit).await? == Some(LIMIT.to_string()),
            "the limit"
        );
        let left = ask(&superuser, &settings).await?.unwrap_or_default();
        ensure!(!left.contains("lair"), "a hostile search_path: {left}");
        parties
            .mine
            .sql(server)
            .await
            .context("the Secret's password works again")?;
        let public =
            parties.fill("select has_database_privilege('{others_login}', '{db}', 'CONNECT')");
        ensure!(
            ask(&superuser, &public).await?.as_deref() == Some("f"),
            "PUBLIC may connect"
        );
        Ok(())
    })
    .await?;
    for verb in ["audit", "prove_use"] {
        let done = calls(platform, verb).await?;
        eventually(&format!("the operator passes by ({verb})"), || async {
            let now = calls(platform, verb).await?;
            ensure!(now >= done + 2, "{now} calls, after {done}");
            Ok(())
        })
        .await?;
    }
    platform.ready(INTRUDER).await?;

    // The tenant may walk into its own traps, with its own rights.
    let mut allowed = BTreeSet::from(["postgres".to_owned()]);
    allowed.insert(parties.mine.login().to_owned());
    let caught = caught(server)?;
    ensure!(
        !caught.contains(OPERATOR),
        "the operator ran the tenant's code"
    );
    ensure!(caught.is_subset(&allowed), "caught were {caught:?}");
    ensure!(ask(&superuser, &limit).await? == Some(LIMIT.to_string()));
    Ok(())
}

/// Who has run into a trap so far, by the server's own log.
fn caught(server: &Postgres) -> Result<BTreeSet<String>> {
    let log = std::fs::read_to_string(server.part.log())?;
    Ok(log
        .lines()
        .filter_map(|line| {
            Some(
                line.split_once("trap sprung by <")?
                    .1
                    .split_once('>')?
                    .0
                    .to_owned(),
            )
        })
        .filter(|who| who != "%")
        .collect())
}
