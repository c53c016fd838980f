//! An auditor reads all that a tenant has, writes nothing, and gains nothing from what the tenant left there.

use crate::bed::{Bed, Tenant, awaited, canary, code, door};
use eoffice_operator::postgres::{
    Access, Auditor, Credential, Desired, audit, auditor_login, converge, plan, remove,
};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio_postgres::Client;

/// Somebody who is to audit a tenant.
pub struct Reader {
    credential: Credential,
    pub auditor: Auditor,
}

impl Reader {
    pub fn new(tenant: &Tenant, name: &str) -> Self {
        Self::until(tenant, name, Timestamp::MAX)
    }

    pub fn until(tenant: &Tenant, name: &str, until: Timestamp) -> Self {
        let login = auditor_login(&tenant.record, name);
        let credential = Credential::new(login.as_str(), rand::random(), rand::random());
        let auditor = Auditor::new(&login, credential.verifier(), until).unwrap();
        Self {
            credential,
            auditor,
        }
    }

    pub fn login(&self) -> &str {
        &self.credential.login
    }

    pub async fn enter(&self, bed: &Bed, database: &str) -> Result<Client, tokio_postgres::Error> {
        let password = self.credential.password().expose_secret();
        let session = bed
            .postgres
            .connect_as(self.login(), password, database)
            .await;
        session.map_err(|error| error.downcast().unwrap())
    }

    /// Waits until no more than so many of its sessions are left: one that was ended goes a moment later.
    pub async fn left(&self, bed: &Bed, sessions: usize) {
        awaited(bed, "usename", self.login(), sessions).await;
    }

    /// Able to write as far as its own settings go.
    pub async fn unbound(&self, bed: &Bed, database: &str) -> Client {
        let session = self.enter(bed, database).await.unwrap();
        let sql = "SET default_transaction_read_only = off; SET row_security = on";
        session.batch_execute(sql).await.unwrap();
        session
    }
}

pub fn archived(tenant: &Tenant, readers: &[&Reader]) -> Desired {
    let auditors = readers.iter().map(|reader| reader.auditor.clone());
    tenant
        .desired(Access::Closed)
        .with_auditors(auditors.collect())
}

pub async fn bring(bed: &Bed, desired: &Desired) -> Vec<String> {
    let converged = converge(&bed.server, &bed.effects, desired, &()).await;
    let differences = converged.unwrap().done;
    let told = differences
        .iter()
        .map(|d| format!("{} {}", d.object, d.field));
    told.collect()
}

async fn one(session: &Client, sql: &str) -> String {
    session.query_one(sql, &[]).await.unwrap().get(0)
}

async fn refused(session: &Client, sql: &str) -> String {
    match session.batch_execute(sql).await {
        Ok(()) => format!("{sql} was done"),
        Err(error) => code(&error).to_owned(),
    }
}

/// What a tenant with bad intentions leaves behind: names that break out of statements, functions in the place of
/// PostgreSQL's own, functions that run as their owner, and rights for everybody.
fn estate(role: &str) -> Vec<String> {
    let mine = format!("SET ROLE {role}");
    [
        "CREATE TABLE letters (id serial PRIMARY KEY, text text); INSERT INTO letters (text) VALUES ('kept')",
        "CREATE VIEW summary AS SELECT count(*) AS number FROM letters",
        "CREATE MATERIALIZED VIEW yearly AS SELECT text FROM letters",
        "CREATE TABLE trap (who text)",
        r#"CREATE SCHEMA "odd""; DROP TABLE letters; --""#,
        r#"CREATE TABLE "odd""; DROP TABLE letters; --"."x""; DROP TABLE public.letters; --" (one int)"#,
        "CREATE SCHEMA archive; CREATE TABLE archive.old (text text); INSERT INTO archive.old VALUES ('old')",
        "SELECT lo_from_bytea(424242, 'scan')",
        // For everybody.
        "CREATE TABLE open (text text); GRANT ALL ON open TO PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC",
        "CREATE TABLE columns (a text, b text); GRANT UPDATE (a), INSERT (b) ON columns TO PUBLIC",
        "GRANT ALL ON SEQUENCE letters_id_seq TO PUBLIC; GRANT ALL ON LARGE OBJECT 424242 TO PUBLIC",
        // As their owner.
        "CREATE FUNCTION add(line text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO public.letters (text) VALUES (line) $$",
        "CREATE PROCEDURE \"Odd Name\"(a int, OUT b int) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN b := 1; DELETE FROM public.letters; END $$",
        // In the place of PostgreSQL's own, and hidden in a view.
        "CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
            BEGIN INSERT INTO public.trap VALUES (session_user); EXCEPTION WHEN OTHERS THEN NULL; END;
            BEGIN EXECUTE 'ALTER ROLE ' || quote_ident(session_user) || ' PASSWORD ''known'''; EXCEPTION WHEN OTHERS THEN NULL; END;
            RETURN session_user; END $$",
        "CREATE FUNCTION format(text, text) RETURNS text LANGUAGE sql AS 'SELECT public.evil()'",
        "CREATE FUNCTION has_table_privilege(oid, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.evil() IS NULL'",
        "CREATE FUNCTION equal(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.evil() IS NULL'",
        "CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.equal)",
        "CREATE VIEW bait AS SELECT public.evil() AS who",
        "CREATE TABLE rows (text text); INSERT INTO rows VALUES ('hidden'); ALTER TABLE rows ENABLE ROW LEVEL SECURITY",
    ]
    .map(|sql| format!("{mine}; {sql}"))
    .into_iter()
    .chain(["SET ROLE NONE; CREATE TABLE logins_own (text text); INSERT INTO logins_own VALUES ('own')".to_owned()])
    .collect()
}

async fn tenant(bed: &Bed, name: &str) -> Tenant {
    let mut tenant = bed.tenant(name).await;
    bring(bed, &tenant.open()).await;
    tenant.remember(bed).await;
    let session = bed.enter(&tenant, tenant.names().0).await.unwrap();
    session
        .batch_execute(&format!(
            "SET ROLE NONE; GRANT ALL ON SCHEMA public TO {}",
            tenant.names().2
        ))
        .await
        .unwrap_or_default();
    session
        .batch_execute(&format!(
            "SET ROLE {0}; GRANT ALL ON SCHEMA public TO {1}",
            tenant.names().1,
            tenant.names().2
        ))
        .await
        .unwrap();
    for sql in estate(tenant.names().1) {
        session
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    tenant
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_reads_all_and_writes_nothing() {
    let bed = Bed::prepared().await;
    let (tenant, neighbour) = (
        tenant(&bed, "archived").await,
        bed.tenant("neighbour").await,
    );
    bring(&bed, &neighbour.open()).await;
    let (name, role, login) = tenant.names();
    let reader = Reader::new(&tenant, "national archives");
    let wanted = archived(&tenant, &[&reader]);
    let done = bring(&bed, &wanted).await;
    assert!(
        done.iter()
            .any(|it| it.ends_with(&format!("not readable in {name}"))),
        "{done:?}"
    );

    // Steady: a look at all of the server, and one inside the database, find nothing to do.
    let (effects, counter) = door(None);
    let seen = audit(&bed.server, &effects).await.unwrap();
    assert_eq!(plan(&wanted, &seen.observed(&wanted)).unwrap(), []);
    converge(&bed.server, &effects, &wanted, &()).await.unwrap();
    assert_eq!(counter.changes(), 0);
    let known = [name.to_owned(), role.to_owned(), login.to_owned()];
    assert!(known.iter().all(|name| !name.contains("national")));

    // The tenant is closed, and the auditor reads everything.
    assert_eq!(code(&bed.enter(&tenant, name).await.unwrap_err()), "28000");
    let session = reader.enter(&bed, name).await.unwrap();
    for (sql, expected) in [
        ("SELECT text FROM letters", "kept"),
        ("SELECT number::text FROM summary", "1"),
        ("SELECT text FROM yearly", "kept"),
        ("SELECT text FROM archive.old", "old"),
        ("SELECT text FROM logins_own", "own"),
        ("SELECT last_value::text FROM letters_id_seq", "1"),
        ("SELECT convert_from(lo_get(424242), 'UTF8')", "scan"),
        ("SHOW default_transaction_read_only", "on"),
    ] {
        assert_eq!(one(&session, sql).await, expected, "{sql}");
    }
    let unreadable = format!(
        "SELECT count(*)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
           AND NOT (has_table_privilege('{0}', c.oid, 'SELECT') AND has_schema_privilege('{0}', n.oid, 'USAGE'))",
        reader.login()
    );
    assert_eq!(one(&session, &unreadable).await, "0");
    // A part of a table is not passed off as the whole.
    assert_eq!(refused(&session, "SELECT * FROM rows").await, "42501");
    // No more than two at once.
    let second = reader.enter(&bed, name).await.unwrap();
    assert_eq!(code(&reader.enter(&bed, name).await.unwrap_err()), "53300");
    drop(second);
    reader.left(&bed, 1).await;

    // Whatever it says of itself, it changes nothing, becomes nobody else, and sees no password.
    drop(session);
    reader.left(&bed, 0).await;
    let session = reader.unbound(&bed, name).await;
    let attempts = [
        "INSERT INTO letters (text) VALUES ('forged')".to_owned(),
        "UPDATE letters SET text = 'forged'".into(),
        "DELETE FROM letters".into(),
        "TRUNCATE letters".into(),
        "DROP TABLE letters".into(),
        "INSERT INTO open VALUES ('forged')".into(),
        "UPDATE columns SET a = 'forged'".into(),
        "INSERT INTO columns (b) VALUES ('forged')".into(),
        "SELECT nextval('letters_id_seq')".into(),
        "SELECT setval('letters_id_seq', 900)".into(),
        "SELECT lo_put(424242, 0, 'forged')".into(),
        "SELECT lo_unlink(424242)".into(),
        "SELECT add('forged')".into(),
        "CALL \"Odd Name\"(1, NULL)".into(),
        "REFRESH MATERIALIZED VIEW yearly".into(),
        "CREATE TABLE mine (text text)".into(),
        "CREATE TABLE public.mine (text text)".into(),
        "CREATE TEMPORARY TABLE mine (text text)".into(),
        "CREATE SCHEMA mine".into(),
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'".into(),
        format!("SET ROLE {role}"),
        format!("SET ROLE {login}"),
        "SET ROLE eoffice_operator".into(),
        "SET ROLE pg_read_all_data".into(),
        "SELECT rolpassword FROM pg_authid".into(),
        format!("GRANT {role} TO {}", reader.login()),
        format!("ALTER ROLE {} CONNECTION LIMIT 50", reader.login()),
        format!("ALTER ROLE {} VALID UNTIL 'infinity'", reader.login()),
        format!("COMMENT ON ROLE {} IS 'forged'", reader.login()),
        "COPY letters TO PROGRAM 'true'".into(),
        "SELECT pg_read_file('pg_hba.conf')".into(),
    ];
    for attempt in &attempts {
        assert_eq!(refused(&session, attempt).await, "42501", "{attempt}");
    }
    // A right it may not pass on is granted with a warning, and without effect.
    let _ = session
        .batch_execute("GRANT SELECT ON letters TO PUBLIC")
        .await;
    assert_eq!(bring(&bed, &wanted).await, [""; 0]);
    for database in ["postgres", "template1", &canary(), neighbour.names().0] {
        // A session that was refused counts a moment longer.
        reader.left(&bed, 1).await;
        let error = reader.enter(&bed, database).await.unwrap_err();
        assert_eq!(code(&error), "42501", "{database}");
    }
    assert_eq!(
        one(&session, "SELECT string_agg(text, ',') FROM letters").await,
        "kept"
    );

    // The operator called nothing of the tenant's.
    let superuser = bed.postgres.connect(name).await.unwrap();
    assert_eq!(
        one(&superuser, "SELECT count(*)::text FROM public.trap").await,
        "0"
    );
    // A reader who looks at what is baited is protected by its own settings; undone by itself, it is put right again.
    drop(session);
    reader.left(&bed, 0).await;
    let careful = reader.enter(&bed, name).await.unwrap();
    let _ = careful.simple_query("SELECT * FROM bait").await;
    assert_eq!(bring(&bed, &wanted).await, [""; 0]);
    let careless = reader.unbound(&bed, name).await;
    careless.simple_query("SELECT * FROM bait").await.unwrap();
    careless
        .batch_execute(&format!(
            "ALTER ROLE {} SET default_transaction_read_only = off",
            reader.login()
        ))
        .await
        .unwrap();
    let object = format!("role {}", reader.login());
    assert_eq!(
        bring(&bed, &wanted).await,
        [
            format!("{object} password"),
            format!("{object} setting default_transaction_read_only")
        ]
    );
    assert_eq!(
        one(&superuser, "SELECT count(*)::text FROM public.trap").await,
        "0"
    );
    drop(careless);
    reader.left(&bed, 1).await;
    reader.enter(&bed, name).await.unwrap();

    // What is made later is read as well, by whomever it is made.
    for (maker, table) in [(role, "by_role"), (login, "by_login")] {
        superuser
            .batch_execute(&format!(
                "SET ROLE {maker}; CREATE TABLE public.{table} (text text); RESET ROLE"
            ))
            .await
            .unwrap();
        careful
            .simple_query(&format!("SELECT * FROM public.{table}"))
            .await
            .unwrap();
    }
    superuser
        .batch_execute(&format!(
            "SET ROLE {role}; CREATE SCHEMA later; CREATE TABLE later.one (text text); RESET ROLE"
        ))
        .await
        .unwrap();
    careful
        .simple_query("SELECT * FROM later.one")
        .await
        .unwrap();
    // And what was taken from it comes back.
    superuser
        .batch_execute(&format!(
            "REVOKE SELECT ON public.letters FROM {}; GRANT INSERT ON public.letters TO {0}",
            reader.login()
        ))
        .await
        .unwrap();
    let writing = format!("{object} writing in {name}");
    let reading = format!("{object} not readable in {name}");
    assert_eq!(bring(&bed, &wanted).await, [writing, reading]);
    careful.simple_query("SELECT * FROM letters").await.unwrap();

    // Its time is over: it is shut out, and the tenant, live again, can do all it could.
    bring(&bed, &tenant.open()).await;
    assert!(careful.simple_query("SELECT 1").await.is_err());
    assert_eq!(code(&reader.enter(&bed, name).await.unwrap_err()), "28000");
    let back = bed.enter(&tenant, name).await.unwrap();
    for sql in [
        "SELECT add('one more')",
        "INSERT INTO open VALUES ('one')",
        "SELECT nextval('letters_id_seq')",
        "SET ROLE NONE; SELECT public.add('one more'); INSERT INTO public.open VALUES ('two')",
    ] {
        back.batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    // Wanted again, with another password, beside a second one; and all of it goes with the tenant.
    let again = Reader::new(&tenant, "national archives");
    let other = Reader::new(&tenant, "court of audit");
    bring(&bed, &archived(&tenant, &[&again, &other])).await;
    assert_eq!(code(&reader.enter(&bed, name).await.unwrap_err()), "28P01");
    for reader in [&again, &other] {
        reader
            .enter(&bed, name)
            .await
            .unwrap()
            .simple_query("SELECT * FROM letters")
            .await
            .unwrap();
    }
    drop(superuser);
    awaited(&bed, "datname", name, 0).await;
    remove(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let stem = format!("SELECT count(*)::text FROM pg_roles WHERE rolname LIKE '{name}%'");
    assert_eq!(bed.ask(&stem).await.as_deref(), Some("0"));
}
