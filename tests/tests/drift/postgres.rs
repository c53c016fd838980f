//! A tenant's database and roles, changed by those who have the rights to.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, Reason};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{Platform, ask, eventually, says};
use eoffice_tests::parts::postgres::Postgres;
use eoffice_tests::proof::{self, Database};

use crate::{ALTERED, EDITED, PLAIN, stuck};

/// What is done, with the names of the tenant's database, role and login put in, and another tenant's role. Rights on
/// roles are given and taken in the operator's name: what a superuser gives there in his own, only he can take.
const DONE: &[&str] = &[
    "GRANT CONNECT ON DATABASE {db} TO PUBLIC",
    "GRANT ALL ON DATABASE {db} TO PUBLIC",
    "GRANT CONNECT ON DATABASE {db} TO {other}",
    "GRANT CONNECT ON DATABASE {db} TO {role} WITH GRANT OPTION",
    "REVOKE CREATE ON DATABASE {db} FROM {role}",
    "REVOKE ALL ON DATABASE {db} FROM {role}",
    "ALTER DATABASE {db} CONNECTION LIMIT 3",
    "ALTER DATABASE {db} ALLOW_CONNECTIONS false",
    "ALTER DATABASE {db} IS_TEMPLATE true",
    "ALTER ROLE {login} CONNECTION LIMIT 500",
    "ALTER ROLE {login} NOLOGIN",
    "ALTER ROLE {login} PASSWORD 'chosen-by-hand'",
    "ALTER ROLE {login} PASSWORD NULL",
    "ALTER ROLE {login} VALID UNTIL '2020-01-01'",
    "ALTER ROLE {login} CREATEDB CREATEROLE",
    "ALTER ROLE {login} SET statement_timeout = '1ms'",
    "ALTER ROLE {login} IN DATABASE {db} SET search_path = 'elsewhere'",
    "ALTER ROLE {login} IN DATABASE {db} RESET role",
    "ALTER ROLE {role} LOGIN PASSWORD 'chosen-by-hand'",
    "ALTER ROLE {role} SET search_path = 'elsewhere'",
    "SET LOCAL ROLE eoffice_operator; REVOKE {role} FROM {login}; RESET ROLE",
    "SET LOCAL ROLE eoffice_operator; GRANT {other} TO {login}; RESET ROLE",
    "SET LOCAL ROLE eoffice_operator; GRANT {role} TO {other}; RESET ROLE",
    "DO $$ BEGIN EXECUTE format('COMMENT ON ROLE {login} IS %L',
        replace(shobj_description('{login}'::regrole, 'pg_authid'), 'live', 'retained')); END $$",
    "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE {db} IS %L',
        replace((SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{db}'),
            'live', 'retained')); END $$",
];

/// Everything about one tenant on its server that somebody decided.
const PORTRAIT: &str = "
SELECT json_build_object(
  'owner', pg_get_userbyid(d.datdba), 'limit', d.datconnlimit, 'open', d.datallowconn,
  'template', d.datistemplate, 'comment', shobj_description(d.oid, 'pg_database'), 'oid', d.oid,
  'rights', (SELECT json_agg(g ORDER BY g) FROM (
      SELECT concat_ws(' ', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
        a.privilege_type, a.is_grantable) FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
    ) AS rights(g)),
  'roles', (SELECT json_agg(json_build_object(
      'name', r.rolname, 'oid', r.oid, 'login', r.rolcanlogin, 'limit', r.rolconnlimit, 'password', r.rolpassword,
      'attributes', concat_ws(' ', r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
        r.rolbypassrls, nullif(r.rolvaliduntil, 'infinity')),
      'comment', shobj_description(r.oid, 'pg_authid'),
      'settings', (SELECT json_agg(concat_ws(' ', s.setdatabase, s.setconfig::text)
          ORDER BY s.setdatabase) FROM pg_db_role_setting s WHERE s.setrole = r.oid),
      'ties', (SELECT json_agg(t ORDER BY t) FROM (
          SELECT concat_ws(' ', m.roleid::regrole, m.member::regrole, m.grantor::regrole, m.admin_option,
            m.inherit_option, m.set_option) FROM pg_auth_members m WHERE r.oid IN (m.roleid, m.member)
        ) AS ties(t))
    ) ORDER BY r.rolname) FROM pg_authid r WHERE r.rolname LIKE replace(d.datname, '_', '\\_') || '\\_%')
)::text FROM pg_database d WHERE d.datname = '{db}'";

/// A tenant on its server.
pub struct Place<'a> {
    server: &'a Postgres,
    database: Database,
}

impl<'a> Place<'a> {
    pub async fn of(platform: &'a Platform, tenant: &str) -> Result<Self> {
        Ok(Self {
            server: platform.sandbox.server("pg-a")?,
            database: Database::read(&platform.sandbox.admin(), tenant).await?,
        })
    }

    fn sql(&self, text: &str) -> String {
        text.replace("{db}", &self.database.name)
            .replace("{role}", &format!("{}_owner", self.database.name))
            .replace("{login}", &self.database.username)
    }

    /// What there is.
    pub async fn look(&self) -> Result<String> {
        let superuser = self.server.connect("postgres").await?;
        let portrait = ask(&superuser, &self.sql(PORTRAIT)).await?;
        portrait.context("there is no such database")
    }

    async fn run(&self, text: &str) -> Result<()> {
        let superuser = self.server.connect("postgres").await?;
        let run = superuser.batch_execute(&self.sql(text)).await;
        run.with_context(|| text.to_owned())
    }

    /// Does it, makes sure that it changes something, and waits until it is undone.
    async fn undone(&self, text: &str) -> Result<()> {
        let sound = self.look().await?;
        let superuser = self.server.connect("postgres").await?;
        superuser.batch_execute("BEGIN").await?;
        superuser.batch_execute(&self.sql(text)).await?;
        // Before it is committed nobody can have undone it.
        let changed = ask(&superuser, &self.sql(PORTRAIT)).await?;
        ensure!(changed.as_ref() != Some(&sound), "it changes nothing");
        superuser.batch_execute("COMMIT").await?;
        self.is_again(&sound).await
    }

    async fn is_again(&self, sound: &str) -> Result<()> {
        eventually("all is as it was", || async {
            let now = self.look().await?;
            ensure!(now == sound, "it was\n{sound}\nand is\n{now}");
            Ok(())
        })
        .await
    }

    async fn is_still(&self, platform: &Platform, changed: &str) -> Result<()> {
        looked_again(platform, 3, 0).await?;
        let now = self.look().await?;
        ensure!(now == changed, "it was\n{changed}\nand is\n{now}");
        Ok(())
    }
}

pub async fn comes_back(platform: &Platform) -> Result<()> {
    let place = Place::of(platform, ALTERED).await?;
    let other = Place::of(platform, PLAIN).await?.sql("{role}");
    for text in DONE {
        let text = text.replace("{other}", &other);
        place.undone(&text).await.with_context(|| text.clone())?;
    }
    platform.ready(ALTERED).await?;
    proof::sql(&place.database).await
}

/// Without the mark nothing is done, not even what would be done otherwise; another tenant is still cared for.
pub async fn without_its_mark(platform: &Platform) -> Result<()> {
    let place = Place::of(platform, ALTERED).await?;
    for (kind, name) in [
        ("DATABASE", "{db}"),
        ("ROLE", "{role}"),
        ("ROLE", "{login}"),
    ] {
        let sound = place.look().await?;
        let superuser = place.server.connect("postgres").await?;
        let mark = match kind {
            "DATABASE" => "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{db}'".to_owned(),
            _ => format!("SELECT shobj_description('{name}'::regrole, 'pg_authid')"),
        };
        let mark = ask(&superuser, &place.sql(&mark)).await?;
        let mark = mark.context("it bears no mark")?;
        place
            .run(&format!(
                "COMMENT ON {kind} {name} IS NULL; ALTER ROLE {{login}} CONNECTION LIMIT 77"
            ))
            .await?;
        let left = |it: &_| stuck(it, ConditionType::DatabaseReady, Reason::ForeignObject);
        let told = platform
            .until(ALTERED, "told of the lost mark", left)
            .await?;
        says(
            &told,
            ConditionType::DatabaseReady,
            &[&place.sql(name), "pg-a", "COMMENT ON"],
        )?;
        let changed = place.look().await?;
        ensure!(changed.contains("77"), "{changed}");
        place.is_still(platform, &changed).await?;
        let neighbour = Place::of(platform, EDITED).await?;
        neighbour.undone("ALTER ROLE {login} NOLOGIN").await?;

        place
            .run(&format!("COMMENT ON {kind} {name} IS '{mark}'"))
            .await?;
        place.is_again(&sound).await?;
        platform.ready(ALTERED).await?;
    }
    Ok(())
}

/// As if it had been dropped, or another had been put in its place; and then it is found again.
pub async fn gone(platform: &Platform) -> Result<()> {
    let place = Place::of(platform, ALTERED).await?;
    let sound = place.look().await?;
    let lost = |it: &_| stuck(it, ConditionType::DatabaseReady, Reason::DataMissing);
    eventually("the database is renamed", || {
        place.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{db}'; ALTER DATABASE {db} RENAME TO laid_aside")
    })
    .await?;
    let told = platform.until(ALTERED, "told of the loss", lost).await?;
    says(
        &told,
        ConditionType::DatabaseReady,
        &[&place.database.name, "restore it from a backup"],
    )?;
    looked_again(platform, 3, 0).await?;
    ensure!(
        place.look().await.is_err(),
        "an empty one was made in its place"
    );

    place.run("CREATE DATABASE {db} TEMPLATE template0").await?;
    let foreign = |it: &_| stuck(it, ConditionType::DatabaseReady, Reason::ForeignObject);
    let what = "told of another's database";
    platform.until(ALTERED, what, foreign).await?;
    let other = place.look().await?;
    place.is_still(platform, &other).await?;

    place.run("DROP DATABASE {db}").await?;
    eventually("the database is back", || {
        place.run("ALTER DATABASE laid_aside RENAME TO {db}")
    })
    .await?;
    place.is_again(&sound).await?;
    platform.ready(ALTERED).await?;
    proof::sql(&place.database).await
}
