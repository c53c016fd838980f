//! A tenant's database and roles, as those see and change them who have the rights to.

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::{Platform, ask};
use eoffice_tests::parts::postgres::Postgres;
use eoffice_tests::proof::Database;

use crate::row::{Deed, Names};

/// A role that is no tenant's, made by the operator's.
pub const STRANGER: &str = "stranger";

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

/// A second login, as a rotation leaves it: the first one's mark, and no access.
const IDLE: &str = "
SET ROLE eoffice_operator;
SET createrole_self_grant = 'set, inherit';
CREATE ROLE {idle} NOLOGIN CONNECTION LIMIT 0;
DO $$ BEGIN EXECUTE format('COMMENT ON ROLE {idle} IS %L', shobj_description('{login}'::regrole, 'pg_authid')); END $$;
RESET ROLE";

/// A tenant on its server.
pub struct Sql<'a> {
    server: &'a Postgres,
    /// What is in its Secret.
    pub database: Database,
}

impl<'a> Sql<'a> {
    pub async fn of(platform: &'a Platform, tenant: &str) -> Result<Self> {
        Ok(Self {
            server: platform.sandbox.server("pg-a")?,
            database: Database::read(&platform.sandbox.admin(), tenant).await?,
        })
    }

    pub fn names(&self) -> Names {
        let Database { name, username, .. } = &self.database;
        Names(
            [
                ("db", name.clone()),
                ("role", format!("{name}_owner")),
                ("login", username.clone()),
                ("idle", format!("{name}_b")),
                ("stranger", STRANGER.to_owned()),
            ]
            .into(),
        )
    }

    /// What there is.
    pub async fn look(&self) -> Result<String> {
        let superuser = self.server.connect("postgres").await?;
        let portrait = ask(&superuser, &self.names().put_in(PORTRAIT)).await?;
        portrait.context("there is no such database")
    }

    /// The identity of the database; none where there is none.
    pub async fn oid(&self) -> Result<Option<String>> {
        let question = "SELECT max(oid)::text FROM pg_database WHERE datname = '{db}'";
        let superuser = self.server.connect("postgres").await?;
        ask(&superuser, &self.names().put_in(question)).await
    }

    /// Makes the login that is not in use.
    pub async fn make_idle_login(&self) -> Result<()> {
        self.run(IDLE).await
    }

    /// A superuser runs it, in the database `postgres`.
    pub async fn run(&self, text: &str) -> Result<()> {
        self.run_in("postgres", text).await
    }

    /// A superuser runs it.
    pub async fn run_in(&self, database: &str, text: &str) -> Result<()> {
        let superuser = self.server.connect(database).await?;
        let run = superuser.batch_execute(&self.names().put_in(text)).await;
        run.with_context(|| text.to_owned())
    }

    /// Does it, and makes sure that it changes something.
    pub async fn change(&self, deed: &Deed, sound: &str) -> Result<()> {
        let (text, client) = match deed {
            Deed::Sql(text) => (text, self.server.connect("postgres").await?),
            Deed::Tenant(text) => (text, self.database.connect().await?),
            _ => anyhow::bail!("that is not done to a server"),
        };
        client.batch_execute("BEGIN").await?;
        let done = client.batch_execute(&self.names().put_in(text)).await;
        done.with_context(|| text.clone())?;
        if let Deed::Sql(_) = deed {
            // Before it is committed nobody can have undone it.
            let changed = ask(&client, &self.names().put_in(PORTRAIT)).await?;
            ensure!(changed.as_deref() != Some(sound), "it changes nothing");
        }
        client.batch_execute("COMMIT").await?;
        Ok(())
    }
}
