//! What an auditor may do inside a tenant's database: looked at, and put right.
//!
//! The database is hostile ground. Nothing of the tenant's is called there: catalogs alone are read, and every name in
//! a statement is made by `format('%I')` or by PostgreSQL's own output of an object's name.

use super::connection::Server;
use super::desired::Desired;
use super::error::{Asked, broken_answer};
use super::ident::Ident;
use super::sites;
use super::step::Step;
use crate::effect::Effects;
use crate::plan::Problem;
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// Statements of one transaction: each holds a lock until its end.
const AT_ONCE: usize = 200;

/// What is left to be done so that an auditor reads all and writes nothing: how many of each sort of object.
pub type Sorts = BTreeMap<String, i64>;

/// What the auditors of a database may do inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// What each cannot read yet.
    pub unread: BTreeMap<String, Sorts>,
    /// Where each could write.
    pub writable: BTreeMap<String, Sorts>,
}

/// Objects that may be granted: those of roles that the operator can act as. `$1` is the auditor, `$2` are the roles
/// that objects are made by.
const OBJECTS: &str = r"
WITH who AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = $1::pg_catalog.text
), makers AS (
    SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($2::pg_catalog.text[])
), schemas AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), relations AS (
    SELECT c.oid, c.relowner, c.relacl, CASE c.relkind WHEN 'S' THEN 'sequences' ELSE 'tables' END AS sort,
        pg_catalog.format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
            n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN schemas n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
), large AS (
    SELECT l.lomowner, l.lomacl, pg_catalog.format('LARGE OBJECT %s', l.oid) AS name
    FROM pg_catalog.pg_largeobject_metadata l
    WHERE pg_catalog.pg_has_role(l.lomowner, 'USAGE') AND l.lomowner IS DISTINCT FROM (SELECT who.oid FROM who)
)";

/// What the auditor cannot read, with the statement that changes it.
const UNREAD: &str = r"
SELECT 'schemas' AS sort, pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, $1) AS statement
FROM schemas n
WHERE pg_catalog.pg_has_role(n.nspowner, 'USAGE')
  AND NOT coalesce(pg_catalog.has_schema_privilege((SELECT who.oid FROM who), n.oid, 'USAGE'), false)
UNION ALL
SELECT c.sort, pg_catalog.format('GRANT SELECT ON %s TO %I', c.name, $1)
FROM relations c
WHERE NOT coalesce(pg_catalog.has_table_privilege((SELECT who.oid FROM who), c.oid, 'SELECT'), false)
UNION ALL
SELECT 'large objects', pg_catalog.format('GRANT SELECT ON %s TO %I', l.name, $1)
FROM large l
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.aclexplode(l.lomacl) a
    WHERE a.privilege_type = 'SELECT' AND a.grantee IN (0, (SELECT who.oid FROM who)))
UNION ALL
SELECT 'default privileges', pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT %s ON %s TO %I',
    m.rolname, k.privilege, k.objects, $1)
FROM makers m CROSS JOIN (VALUES ('r', 'SELECT', 'TABLES'), ('S', 'SELECT', 'SEQUENCES'),
    ('n', 'USAGE', 'SCHEMAS'), ('L', 'SELECT', 'LARGE OBJECTS')) AS k (sort, privilege, objects)
WHERE (k.sort <> 'L' OR pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 180000)
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) a
    WHERE d.defaclrole = m.oid AND d.defaclnamespace = 0 AND d.defaclobjtype::pg_catalog.text = k.sort
      AND a.grantee = (SELECT who.oid FROM who) AND a.privilege_type = k.privilege)";

/// What lets the auditor write, by its own rights or PUBLIC's, with the statement that changes it. Functions that run
/// with their owner's rights count. PUBLIC's rights mean nothing to anybody else here: only the tenant's own roles can
/// connect, and they are granted the same by name.
const WRITABLE: &str = r"
, rights AS (
    SELECT 'schemas' AS sort, pg_catalog.format('SCHEMA %I', n.nspname) AS name, n.nspowner AS owner,
        a.grantor, a.grantee, a.privilege_type AS privilege
    FROM schemas n, pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
    WHERE a.privilege_type <> 'USAGE' AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
    UNION ALL
    SELECT c.sort, c.name, c.relowner, a.grantor, a.grantee, a.privilege_type
    FROM relations c, pg_catalog.aclexplode(c.relacl) a
    WHERE a.privilege_type <> 'SELECT'
    UNION ALL
    SELECT 'columns', c.name, c.relowner, a.grantor, a.grantee,
        pg_catalog.format('%s (%I)', a.privilege_type, t.attname)
    FROM relations c JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped,
        pg_catalog.aclexplode(t.attacl) a
    WHERE a.privilege_type <> 'SELECT'
    UNION ALL
    SELECT 'functions', 'ROUTINE ' || p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proowner,
        a.grantor, a.grantee, a.privilege_type
    FROM pg_catalog.pg_proc p JOIN schemas n ON n.oid = p.pronamespace,
        pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
    WHERE p.prosecdef AND pg_catalog.pg_has_role(p.proowner, 'USAGE')
    UNION ALL
    SELECT 'large objects', l.name, l.lomowner, a.grantor, a.grantee, a.privilege_type
    FROM large l, pg_catalog.aclexplode(l.lomacl) a
    WHERE a.privilege_type <> 'SELECT'
)
SELECT r.sort, pg_catalog.format('SET LOCAL ROLE %I; REVOKE %s ON %s FROM %s CASCADE',
        pg_catalog.pg_get_userbyid(r.grantor), r.privilege, r.name,
        CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.format('%I', $1) END)
    || CASE r.grantee WHEN 0 THEN pg_catalog.format('; SET LOCAL ROLE %I; GRANT %s ON %s TO %s',
        pg_catalog.pg_get_userbyid(r.owner), r.privilege, r.name,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%I', m.rolname), ', ') FROM makers m)) ELSE '' END
    AS statement
FROM rights r
WHERE r.grantee IN (0, (SELECT who.oid FROM who)) AND pg_catalog.pg_has_role(r.grantor, 'SET')";

/// Looks for each auditor that is wanted.
pub(super) async fn look(
    server: &Server,
    effects: &Effects,
    desired: &Desired,
) -> Result<Inside, Problem> {
    let database = desired.database.as_str();
    let session = server.session_in(effects, &desired.database).await?;
    let makers = desired.object_owners();
    let makers: Vec<&str> = makers.iter().map(Ident::as_str).collect();
    let answer = effects
        .call(sites::LOOK_INSIDE, database, || async {
            let mut rows = Vec::new();
            for auditor in &desired.auditors {
                let login = auditor.login.as_str();
                for todo in [UNREAD, WRITABLE] {
                    let sql = counted(todo);
                    rows.push(session.query(&sql, &[&login, &makers]).await?);
                }
            }
            Ok(rows)
        })
        .await;
    let asked = Asked::To(format!("be looked at inside database {database}"));
    let answers = session.settle(answer, &asked)?;
    let mut inside = Inside::default();
    for (auditor, answers) in desired.auditors.iter().zip(answers.chunks(2)) {
        let login = || auditor.login.as_str().to_owned();
        if let [unread, writable] = answers {
            inside.unread.insert(login(), sorts(server, unread)?);
            inside.writable.insert(login(), sorts(server, writable)?);
        }
    }
    Ok(inside)
}

fn counted(todo: &str) -> String {
    format!("SELECT t.sort, pg_catalog.count(*) FROM ({OBJECTS} {todo}) t GROUP BY t.sort")
}

fn sorts(server: &Server, rows: &[Row]) -> Result<Sorts, Problem> {
    let row = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter()
        .map(row)
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| broken_answer(server.name(), &error.to_string()))
}

/// Carries out one of the two steps that are made of what is found inside.
pub(super) async fn put_right(
    server: &Server,
    effects: &Effects,
    step: &Step,
) -> Result<(), Problem> {
    let (todo, database, login, makers) = match step {
        Step::LetRead {
            database,
            login,
            owners,
        } => (UNREAD, database, login, owners),
        Step::TakeWrites {
            database,
            login,
            owners,
        } => (WRITABLE, database, login, owners),
        _ => return Ok(()),
    };
    let asked = Asked::To(step.to_string());
    let session = server.session_in(effects, database).await?;
    let makers: Vec<&str> = makers.iter().map(Ident::as_str).collect();
    let sql = format!("SELECT t.statement FROM ({OBJECTS} {todo}) t");
    let answer = effects
        .call(sites::LOOK_INSIDE, database.as_str(), || async {
            session.query(&sql, &[&login.as_str(), &makers]).await
        })
        .await;
    let rows = match answer {
        Ok(rows) => rows,
        Err(failure) => return session.settle(Err(failure), &asked),
    };
    let statements: Vec<String> = (rows.iter())
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(|error| broken_answer(server.name(), &error.to_string()))?;
    for some in statements.chunks(AT_ONCE) {
        let sql = format!("BEGIN; {}; COMMIT", some.join("; "));
        let answer = effects
            .call(sites::GRANT_INSIDE, login.as_str(), || {
                session.batch_execute(&sql)
            })
            .await;
        if let Err(failure) = answer {
            return Err(session.abandon(&failure, &asked));
        }
    }
    session.settle(Ok(()), &asked)
}
