//! SQL texts. Every name in them is qualified or quoted.

use super::auditor::{AUDITOR_SESSIONS, AUDITOR_SETTINGS};
use super::ident::{Ident, Literal};
use super::step::Step;
use crate::identity::Mark;

/// One look at the databases and roles of the names in `$1`, auditors of such databases included, or at all with our prefix where it is null.
///
/// It answers flat lists, whose parts belong together by oid or name: what is put together here would be joined
/// by plans that are only as good as statistics of catalogs that nobody analyses. `pg_shdepend` shows from
/// outside what roles own inside a database, so that none has to be entered.
pub const AUDIT: &str = r"
WITH me AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
), roles AS MATERIALIZED (
    SELECT r.* FROM pg_catalog.pg_roles r
    WHERE CASE
      WHEN $1::text[] IS NULL THEN r.rolname LIKE 'eo\_%'
      ELSE r.rolname = ANY ($1)
        OR EXISTS (SELECT FROM unnest($1) n WHERE pg_catalog.starts_with(r.rolname::text, n || '_audit_'))
    END
), ties AS MATERIALIZED (
    SELECT m.* FROM pg_catalog.pg_auth_members m
    WHERE m.roleid IN (SELECT r.oid FROM roles r) OR m.member IN (SELECT r.oid FROM roles r)
)
SELECT pg_catalog.json_build_object(
  'operator', current_user,
  'databases', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
        d.datname, d.oid::bigint, pg_catalog.pg_get_userbyid(d.datdba),
        d.datallowconn, d.datistemplate, d.datconnlimit, c.description,
        (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
              CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END,
              a.privilege_type, a.is_grantable)), '[]')
            FROM pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
            WHERE a.grantee <> d.datdba),
        c.description IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_shdepend s WHERE s.dbid = d.oid),
        (SELECT coalesce(pg_catalog.json_agg(DISTINCT pg_catalog.pg_get_userbyid(s.refobjid)), '[]')
            FROM pg_catalog.pg_shdepend s
            WHERE s.dbid = d.oid AND s.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
              AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype = 'o'))), '[]')
    FROM pg_catalog.pg_database d
      LEFT JOIN pg_catalog.pg_shdescription c
        ON c.objoid = d.oid AND c.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
    WHERE CASE WHEN $1::text[] IS NULL THEN d.datname LIKE 'eo\_%' ELSE d.datname = ANY ($1) END),
  'roles', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
        r.rolname, r.oid::bigint, c.description, r.rolcanlogin,
        pg_catalog.array_remove(ARRAY[
            CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
            CASE WHEN r.rolreplication THEN 'REPLICATION' END,
            CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END], NULL),
        pg_catalog.array_remove(ARRAY[
            CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END], NULL),
        r.rolconnlimit, nullif(r.rolvaliduntil, 'infinity'))), '[]')
    FROM roles r
      LEFT JOIN pg_catalog.pg_shdescription c
        ON c.objoid = r.oid AND c.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass),
  'held', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(h.role, h.administered, h.usable)), '[]')
    FROM (
      SELECT t.roleid::bigint AS role, bool_or(t.admin_option) AS administered,
          bool_or(t.inherit_option) AND bool_or(t.set_option) AS usable
      FROM ties t WHERE t.member = (SELECT me.oid FROM me) GROUP BY t.roleid) h),
  'memberships', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
        pg_catalog.pg_get_userbyid(t.roleid), pg_catalog.pg_get_userbyid(t.member),
        pg_catalog.pg_get_userbyid(t.grantor), t.admin_option, t.inherit_option AND t.set_option)), '[]')
    FROM ties t WHERE t.member <> (SELECT me.oid FROM me)),
  'settings', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
        s.setrole::bigint, d.datname, s.setconfig)), '[]')
    FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    WHERE s.setrole IN (SELECT r.oid FROM roles r)),
  'fingerprints', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(f.role::bigint, f.fingerprint)), '[]')
    FROM eoffice.password_fingerprints(
      CASE WHEN $1::text[] IS NOT NULL THEN ARRAY(SELECT r.rolname FROM roles r) END) f),
  'sessions', (
    SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(a.role, a.number)), '[]')
    FROM (
      SELECT a.usesysid::bigint AS role, count(*) AS number FROM pg_catalog.pg_stat_activity a
      WHERE a.usesysid IN (SELECT r.oid FROM roles r) GROUP BY a.usesysid) a)
)::text";

/// A comment that is the mark.
pub(super) fn comment(kind: &str, name: &Ident, mark: &Mark) -> String {
    // A mark's text is JSON, in which a zero byte is always escaped.
    let text = Literal::new(mark.to_comment()).map_or_else(|_| "NULL".into(), |l| l.to_string());
    format!("COMMENT ON {kind} {name} IS {text}")
}

/// The statements of a step that are run in one transaction in the maintenance database; what a step
/// takes more than that, such as a password, is in `apply`.
pub(super) fn statements(step: &Step) -> String {
    match step {
        Step::CreateRole { role, mark } => {
            format!(
                "CREATE ROLE {role} NOLOGIN; {}",
                comment("ROLE", role, mark)
            )
        }
        Step::CreateLogin {
            login,
            role,
            mark,
            verifier: _,
            connection_limit,
        } => format!(
            "CREATE ROLE {login} NOLOGIN CONNECTION LIMIT {connection_limit}; {}; {}",
            comment("ROLE", login, mark),
            join(role, login),
        ),
        Step::CreateDatabase { database } => format!(
            "CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false"
        ),
        Step::MarkDatabase { database, mark } => comment("DATABASE", database, mark),
        Step::MarkRole { role, mark } => comment("ROLE", role, mark),
        Step::RevokePublic { database } => {
            format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC CASCADE")
        }
        Step::Revoke { database, from } => {
            format!("REVOKE ALL ON DATABASE {database} FROM {from} CASCADE")
        }
        Step::RevokeGrantOption { database, from } => {
            format!("REVOKE GRANT OPTION FOR ALL ON DATABASE {database} FROM {from} CASCADE")
        }
        Step::OpenDatabase { database } => format!(
            "ALTER DATABASE {database} ALLOW_CONNECTIONS true CONNECTION LIMIT -1 IS_TEMPLATE false"
        ),
        Step::HandOverSchema { role, .. } => {
            format!("CREATE SCHEMA IF NOT EXISTS public; ALTER SCHEMA public OWNER TO {role}")
        }
        Step::Grant { database, role } => {
            format!("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role}")
        }
        Step::Join { role, member } => join(role, member),
        Step::Rejoin { role } => {
            format!("GRANT {role} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE")
        }
        Step::Leave { role, member } => {
            format!("REVOKE {role} FROM {member} GRANTED BY CURRENT_USER CASCADE")
        }
        Step::ResetAttributes { role } => {
            format!("ALTER ROLE {role} NOCREATEDB NOCREATEROLE INHERIT")
        }
        Step::LimitTime { role, until } => format!(
            "ALTER ROLE {role} VALID UNTIL '{}'",
            until.map_or_else(|| "infinity".to_owned(), |until| until.to_string())
        ),
        Step::LimitConnections { login, limit } => {
            format!("ALTER ROLE {login} CONNECTION LIMIT {limit}")
        }
        Step::ResetSettings { role, database } => match database {
            Some(database) => format!("ALTER ROLE {role} IN DATABASE {database} RESET ALL"),
            None => format!("ALTER ROLE {role} RESET ALL"),
        },
        Step::ActAs {
            login,
            database,
            role,
        } => format!(
            "ALTER ROLE {login} IN DATABASE {database} RESET ALL; \
             ALTER ROLE {login} IN DATABASE {database} SET role TO {role}"
        ),
        Step::SetPassword { login, .. } => take_verifier(login),
        Step::RemovePassword { role } => format!("ALTER ROLE {role} PASSWORD NULL"),
        Step::OpenLogin { login } => format!("ALTER ROLE {login} LOGIN"),
        Step::CloseLogin { role } => format!("ALTER ROLE {role} NOLOGIN"),
        Step::DropDatabase { database, .. } => {
            format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        }
        Step::DropRole { role, .. } => format!("DROP ROLE IF EXISTS {role}"),
        Step::EndSessions { .. } => END_SESSIONS.into(),
        Step::CreateAuditor {
            login,
            mark,
            verifier: _,
            until,
        } => format!(
            "CREATE ROLE {login} NOLOGIN CONNECTION LIMIT {AUDITOR_SESSIONS} VALID UNTIL '{until}'; {}; {}",
            comment("ROLE", login, mark),
            confine(login),
        ),
        Step::Confine { login } => confine(login),
        Step::Admit { database, login } => {
            format!("GRANT CONNECT ON DATABASE {database} TO {login}")
        }
        // What is to be granted is only known inside the database.
        Step::TakeWrites { .. } | Step::LetRead { .. } => String::new(),
    }
}

/// Where a verifier arrives. It is in no statement, since statements are logged, and data of COPY is not.
pub(super) const AWAIT_VERIFIER: &str =
    "BEGIN; CREATE TEMPORARY TABLE verifier (line pg_catalog.text) ON COMMIT DROP";

/// How it arrives.
pub(super) const COPY_VERIFIER: &str = "COPY pg_temp.verifier FROM STDIN";

/// Gives a login the verifier that has arrived. What a block executes is not logged; should it fail, the error is
/// raised anew, for the first one's context would show it.
fn take_verifier(login: &Ident) -> String {
    let login = Literal::new(login.as_str()).map_or_else(|_| "NULL".into(), |l| l.to_string());
    let body = format!(
        "DECLARE arrived pg_catalog.text; \
         BEGIN \
           SELECT line INTO STRICT arrived FROM pg_temp.verifier; \
           EXECUTE pg_catalog.format('ALTER ROLE %I PASSWORD %L', {login}, arrived); \
         EXCEPTION WHEN OTHERS THEN \
           RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM; \
         END"
    );
    let body = Literal::new(body).map_or_else(|_| "NULL".into(), |l| l.to_string());
    format!("DO {body}; COMMIT")
}

/// Ends the sessions of the role in `$1`, and waits up to five seconds for each to be gone.
pub(super) const END_SESSIONS: &str = "SELECT pg_catalog.pg_terminate_backend(a.pid, 5000) \
     FROM pg_catalog.pg_stat_activity a \
     WHERE a.usename = $1 AND a.pid <> pg_catalog.pg_backend_pid()";

/// An auditor's own settings, exactly.
fn confine(login: &Ident) -> String {
    let settings = AUDITOR_SETTINGS
        .map(|(name, value)| format!("ALTER ROLE {login} SET {name} = {value}"))
        .join("; ");
    format!("ALTER ROLE {login} RESET ALL; {settings}")
}

fn join(role: &Ident, member: &Ident) -> String {
    format!("GRANT {role} TO {member} WITH ADMIN FALSE, INHERIT TRUE, SET TRUE")
}
