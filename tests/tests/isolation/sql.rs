//! What a tenant's SQL can reach and change.

use anyhow::{Context, Result, bail, ensure};
use eoffice_tests::e2e::security::{Credentials, Platform, ask, eventually};
use eoffice_tests::parts::postgres::Postgres;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{LIMIT, Parties};

/// What the tenant's SQL must be refused for want of rights. `{db}`, `{role}` and `{login}` are its own, `{other}` its
/// neighbour's database, `{others_login}` and `{others_role}` its neighbour's roles.
const REFUSED: &[&str] = &[
    // The marks.
    "COMMENT ON DATABASE {db} IS 'mine'",
    "COMMENT ON ROLE {role} IS 'mine'",
    "COMMENT ON ROLE {login} IS 'mine'",
    "COMMENT ON DATABASE {other} IS 'mine'",
    // Its limits and attributes.
    "ALTER ROLE {login} CONNECTION LIMIT -1",
    "ALTER ROLE {login} CREATEDB CREATEROLE",
    "ALTER ROLE {login} SUPERUSER",
    "ALTER ROLE {others_login} RENAME TO mine",
    "ALTER ROLE {role} LOGIN",
    "CREATE ROLE mine LOGIN IN ROLE {role}",
    "GRANT {role} TO {others_login}",
    "GRANT {others_role} TO {login}",
    "GRANT pg_read_all_data TO {login}",
    "DROP ROLE {others_login}",
    // Its database.
    "DROP DATABASE {db}",
    "ALTER DATABASE {db} RENAME TO mine",
    "ALTER DATABASE {db} OWNER TO {role}",
    "ALTER DATABASE {db} CONNECTION LIMIT 1000",
    "ALTER DATABASE {db} ALLOW_CONNECTIONS false",
    "ALTER DATABASE {db} SET search_path = public",
    "ALTER DATABASE {other} ALLOW_CONNECTIONS false",
    "DROP DATABASE {other}",
    "CREATE DATABASE mine",
    // The server.
    "SET ROLE eoffice_operator",
    "SET ROLE {others_role}",
    "SET SESSION AUTHORIZATION eoffice_operator",
    "ALTER ROLE eoffice_operator PASSWORD 'mine'",
    "ALTER DEFAULT PRIVILEGES FOR ROLE eoffice_operator GRANT ALL ON TABLES TO {role}",
    "REASSIGN OWNED BY eoffice_operator TO {role}",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('PG_VERSION')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{others_login}'",
    "SELECT pg_reload_conf()",
    "ALTER SYSTEM SET log_statement = 'none'",
    "SET log_statement = 'none'",
    "SET session_replication_role = replica",
    "DO $$ BEGIN LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE; END $$",
    "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION public.f()",
    "CREATE FUNCTION public.c() RETURNS int LANGUAGE c AS 'libc', 'abort'",
    "CREATE CAST (text AS int) WITHOUT FUNCTION",
    "CREATE EXTENSION postgres_fdw",
    "CREATE PUBLICATION p FOR ALL TABLES",
    "CREATE TABLESPACE t LOCATION '/tmp'",
    "UPDATE pg_catalog.pg_database SET datacl = NULL",
];

/// What changes nothing, whether it is refused or only warned of.
const HARMLESS: &[&str] = &[
    "GRANT CONNECT ON DATABASE {db} TO PUBLIC",
    "GRANT ALL ON DATABASE {db} TO {others_login}",
    "REVOKE ALL ON DATABASE {db} FROM eoffice_operator",
    "GRANT CONNECT ON DATABASE {other} TO {login}",
    "REVOKE {role} FROM eoffice_operator",
];

/// All that the server's catalog says of databases, roles, memberships and settings.
async fn catalog(superuser: &Client) -> Result<Option<String>> {
    let sql = "select json_build_object(
        'databases', (select json_agg(json_build_array(oid, datname, datdba, datacl::text, datconnlimit, datallowconn,
            datistemplate, shobj_description(oid, 'pg_database')) order by oid) from pg_database),
        'roles', (select json_agg(json_build_array(oid, to_jsonb(a) - 'rolpassword',
            shobj_description(oid, 'pg_authid')) order by oid) from pg_authid a),
        'members', (select json_agg(to_jsonb(m) order by oid) from pg_auth_members m))::text";
    ask(superuser, sql).await
}

fn code(error: &tokio_postgres::Error) -> Option<&SqlState> {
    error.code()
}

pub async fn sql_stays_within_its_own_database(platform: &Platform) -> Result<()> {
    let parties = Parties::find(platform).await?;
    let server = platform.sandbox.server("pg-a")?;
    let superuser = server.connect("postgres").await?;
    let _neighbour_at_work = parties.theirs.sql(server).await?;

    // What it is for works: else every refusal below would prove nothing.
    let session = parties.mine.sql(server).await?;
    session
        .batch_execute(
            "CREATE SCHEMA work; CREATE TABLE work.letter (id int primary key); INSERT INTO work.letter VALUES (1);
             CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE EXTENSION pg_trgm",
        )
        .await
        .context("a tenant uses its own database")?;

    let before = catalog(&superuser).await?;
    let mut wrong = Vec::new();
    // As its role, which its login becomes, and as the login itself.
    for whom in ["RESET ROLE", "SET ROLE NONE"] {
        session.batch_execute(whom).await?;
        for sql in REFUSED.iter().map(|sql| parties.fill(sql)) {
            match session.simple_query(&sql).await {
                Ok(_) => wrong.push(format!("after {whom} it was allowed to {sql}")),
                Err(error) if code(&error) == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {}
                Err(error) => wrong.push(format!("after {whom}, {sql}: {error:?}")),
            }
        }
        for sql in HARMLESS {
            // The catalog below is what counts.
            let _ = session.simple_query(&parties.fill(sql)).await;
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(
        catalog(&superuser).await? == before,
        "the catalog has changed"
    );

    let canary = "select datname from pg_database where datname like 'eo\\_%canary'";
    let canary = ask(&superuser, canary)
        .await?
        .context("there is a canary")?;
    for database in [
        "postgres",
        "template1",
        &canary,
        parties.theirs.database_name(),
    ] {
        refused_connection(
            &parties.mine,
            server,
            database,
            &SqlState::INSUFFICIENT_PRIVILEGE,
        )
        .await?;
    }

    let mut sessions = vec![session];
    while sessions.len() < LIMIT {
        // One of the operator's proofs may be in the way, with the same login.
        let more = eventually("another session begins", || parties.mine.sql(server)).await?;
        sessions.push(more);
    }
    let own = parties.mine.database_name();
    refused_connection(&parties.mine, server, own, &SqlState::TOO_MANY_CONNECTIONS).await
}

async fn refused_connection(
    who: &Credentials,
    server: &Postgres,
    database: &str,
    expected: &SqlState,
) -> Result<()> {
    match who.sql_in(server, database).await {
        Ok(_) => bail!("it could connect to {database}"),
        Err(error) => {
            let found = error.downcast_ref::<tokio_postgres::Error>().and_then(code);
            ensure!(
                found == Some(expected),
                "{database}: another error: {error:?}"
            );
            Ok(())
        }
    }
}
