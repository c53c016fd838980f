//! A database is really dropped, restored and given up, and a person's word decides.

use crate::bed::{Bed, Tenant, canary, code};
use eoffice_crds::Reason;
use eoffice_operator::plan::Problem;
use eoffice_operator::postgres::{Access, Observed, closed, converge, loss, observe, verify};
use eoffice_operator::proof::Proof;

/// A tenant with a letter in its database, and its identity in the record.
async fn tenant(bed: &Bed) -> Tenant {
    let mut tenant = bed.tenant("somebody").await;
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    tenant.remember(bed).await;
    let session = bed.enter(&tenant, tenant.names().0).await.unwrap();
    session
        .batch_execute("CREATE TABLE letters (text text); INSERT INTO letters VALUES ('kept')")
        .await
        .unwrap();
    tenant
}

async fn look(bed: &Bed, tenant: &Tenant) -> Observed {
    observe(&bed.server, &bed.effects, &tenant.open())
        .await
        .unwrap()
}

async fn oid(bed: &Bed, tenant: &Tenant) -> u32 {
    look(bed, tenant).await.database.unwrap().oid
}

async fn refused(bed: &Bed, tenant: &Tenant) -> Problem {
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap_err()
}

/// What a person says of the loss, as `tenant/` writes it into the record.
async fn accept(bed: &Bed, tenant: &mut Tenant, restored: bool) {
    let seen = look(bed, tenant).await;
    let lost = loss(&tenant.open(), &seen).unwrap();
    let problem = refused(bed, tenant).await;
    assert_eq!(problem.reason, Reason::DataMissing, "{problem}");
    let said = match &lost.found {
        Some(found) if restored => format!("accept-restored: {}/{found}", lost.name),
        _ => format!("accept-data-loss: {}/{}", lost.name, lost.lost),
    };
    assert!(problem.message.contains(&said), "{problem}");
    let database = &mut tenant.record.database;
    database.superseded.push(lost.lost.parse().unwrap());
    database.oid = lost.found.map(|found| found.parse().unwrap());
}

async fn proved(bed: &Bed, tenant: &Tenant) {
    let proof = verify(&bed.effects, &bed.login(tenant), &canary()).await;
    assert_eq!(proof, Proof::Passed);
    let audit = eoffice_operator::postgres::audit(&bed.server, &bed.effects).await;
    let again = converge(&bed.server, &bed.effects, &tenant.open(), &()).await;
    assert_eq!(again.unwrap().done, []);
    let mark = audit.unwrap().database(tenant.names().0).unwrap().mark();
    assert_eq!(mark, Some(tenant.open().mark));
}

async fn letters(bed: &Bed, tenant: &Tenant) -> Result<String, tokio_postgres::Error> {
    let session = bed.enter(tenant, tenant.names().0).await?;
    let row = session.query_one("SELECT text FROM letters", &[]).await?;
    Ok(row.get(0))
}

/// As `createdb` and `pg_restore` bring it back: a copy of everything in it, and nothing of what is kept about it
/// outside. With `mark`, as `pg_restore --create` does, which restores the comment as well.
async fn restore(bed: &Bed, tenant: &Tenant, owner: &str, mark: bool) {
    let d = tenant.names().0;
    let comment = tenant.open().mark.to_comment();
    bed.sql(&format!(
        "CREATE DATABASE restored TEMPLATE {d} OWNER {owner}"
    ))
    .await;
    bed.sql(&format!("DROP DATABASE {d} WITH (FORCE)")).await;
    bed.sql(&format!("ALTER DATABASE restored RENAME TO {d}"))
        .await;
    if mark {
        bed.sql(&format!("COMMENT ON DATABASE {d} IS '{comment}'"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_is_taken_up_when_a_person_says_so() {
    for mark in [false, true] {
        let bed = Bed::prepared().await;
        let mut tenant = tenant(&bed).await;
        let before = oid(&bed, &tenant).await;
        restore(&bed, &tenant, "eoffice_operator", mark).await;
        let restored = oid(&bed, &tenant).await;
        assert_ne!(before, restored);
        accept(&bed, &mut tenant, true).await;
        // The bucket's mark still names the lost one.
        let desired = tenant.beside(Some(before));
        let taken = converge(&bed.server, &bed.effects, &desired, &())
            .await
            .unwrap();
        let fields: Vec<_> = taken.done.iter().map(|d| d.field.as_str()).collect();
        let acl = format!("acl.{}", tenant.names().1);
        let acts = format!("setting role in {}", tenant.names().0);
        let all = ["mark", "acl.PUBLIC", &acl, &acts];
        assert_eq!(fields, all[usize::from(mark)..]);
        assert_eq!(taken.observed.database.unwrap().oid, restored);
        proved(&bed, &tenant).await;
        assert_eq!(letters(&bed, &tenant).await.unwrap(), "kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_restored_must_be_handed_over_first() {
    let bed = Bed::prepared().await;
    let mut tenant = tenant(&bed).await;
    restore(&bed, &tenant, "postgres", false).await;
    accept(&bed, &mut tenant, true).await;
    let problem = refused(&bed, &tenant).await;
    assert_eq!(problem.reason, Reason::Drifted, "{problem}");
    let (_, remedy) = problem.message.split_once(" run ").unwrap();
    bed.sql(remedy.trim_end_matches(" there")).await;
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    proved(&bed, &tenant).await;
    assert_eq!(letters(&bed, &tenant).await.unwrap(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_made_anew() {
    let bed = Bed::prepared().await;
    let mut tenant = tenant(&bed).await;
    let name = tenant.names().0.to_owned();
    for interrupted in [false, true] {
        let before = oid(&bed, &tenant).await;
        let drop = match interrupted {
            false => format!("DROP DATABASE {name} WITH (FORCE)"),
            true => {
                format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'")
            }
        };
        bed.sql(&drop).await;
        accept(&bed, &mut tenant, false).await;
        let desired = tenant.beside(Some(before));
        let made = converge(&bed.server, &bed.effects, &desired, &())
            .await
            .unwrap();
        let dropped = made.done[0].destructive && made.done[0].object == format!("database {name}");
        assert_eq!(dropped, interrupted, "{:?}", made.done);
        tenant.remember(&bed).await;
        assert_ne!(tenant.record.database.oid, Some(before.into()));
        proved(&bed, &tenant).await;
        assert!(letters(&bed, &tenant).await.is_err(), "it is empty");
    }
    // An acceptance of last time says nothing about the next loss.
    bed.sql(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    assert_eq!(refused(&bed, &tenant).await.reason, Reason::DataMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_to_what_was_replaced_ends_and_the_loss_is_told() {
    let bed = Bed::prepared().await;
    let tenant = tenant(&bed).await;
    restore(&bed, &tenant, "eoffice_operator", true).await;
    let (name, _, login) = tenant.names();
    // It came back open to everybody.
    let session = bed.enter(&tenant, name).await.unwrap();
    let close = async || {
        let desired = tenant.desired(Access::Closed);
        converge(&bed.server, &bed.effects, &desired, &()).await
    };
    let before = look(&bed, &tenant).await.database;
    for _ in 0..2 {
        let problem = close().await.unwrap_err();
        assert_eq!(problem.reason, Reason::DataMissing, "{problem}");
        let seen = look(&bed, &tenant).await;
        let role = &seen.roles[login];
        assert_eq!((role.login, role.sessions), (false, 0));
        assert_eq!(seen.database, before, "the database itself is left");
    }
    assert!(session.simple_query("SELECT 1").await.is_err());
    let refused = bed.enter(&tenant, name).await.unwrap_err();
    assert_eq!(code(&refused), "28000");
    assert_eq!(
        closed(&bed.effects, &bed.login(&tenant)).await,
        Proof::Passed
    );
}
