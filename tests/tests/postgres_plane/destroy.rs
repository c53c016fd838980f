//! Everything of a tenant is destroyed, step by step, and nothing else is.

use crate::bed::{Bed, Tenant, at_last, awaited, canary, door};
use eoffice_crds::{DestructionOf, Reason, RecordState};
use eoffice_operator::effect::{Effects, Verdict};
use eoffice_operator::identity::Order;
use eoffice_operator::plan::{Change, Problem};
use eoffice_operator::postgres::{
    Access, Auditor, Credential, Desired, Server, Step, audit, auditor_login, converge, destroy,
    next_removal, size, verify,
};
use eoffice_operator::proof::Proof;
use eoffice_tests::permit::{Permitted, Withdrawn};
use serde_json::json;

/// A tenant that has left, with a table, and its whole record.
async fn left(bed: &Bed, name: &str) -> Tenant {
    let mut tenant = bed.tenant(name).await;
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    tenant.remember(bed).await;
    let session = bed
        .enter(&tenant, &tenant.record.database.name)
        .await
        .unwrap();
    session
        .batch_execute("CREATE TABLE letters (text text)")
        .await
        .unwrap();
    tenant.record.state = RecordState::Retained;
    converge(
        &bed.server,
        &bed.effects,
        &tenant.desired(Access::Closed),
        &(),
    )
    .await
    .unwrap();
    tenant
}

/// A process of the operator, with its own way to the server.
struct Operator(Server, Effects);

fn operator(bed: &Bed, effects: Effects) -> Operator {
    Operator(Server::new(bed.address()).unwrap(), effects)
}

fn fresh(bed: &Bed) -> Operator {
    operator(bed, door(None).0)
}

/// As whoever composes it does: one step, a look whether it may go on, the next.
async fn all(operator: &Operator, desired: &Desired) -> Result<Vec<DestructionOf>, Problem> {
    let mut destroyed = Vec::new();
    let Operator(server, effects) = operator;
    while let Some(Change { step, .. }) = next_removal(server, effects, desired).await? {
        destroyed.extend(destroy(server, effects, &step, &Permitted).await?);
    }
    Ok(destroyed)
}

/// The step that drops the database, at the moment at which it is next.
async fn drop_of(bed: &Bed, desired: &Desired) -> Step {
    loop {
        let next = next_removal(&bed.server, &bed.effects, desired)
            .await
            .unwrap();
        match next.unwrap().step {
            step @ Step::DropDatabase { .. } => return step,
            step => drop(
                destroy(&bed.server, &bed.effects, &step, &Permitted)
                    .await
                    .unwrap(),
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_sessions_auditors_and_remnants_and_leaves_the_neighbour() {
    let bed = Bed::prepared().await;
    let neighbour = bed.tenant("neighbour").await;
    converge(&bed.server, &bed.effects, &neighbour.open(), &())
        .await
        .unwrap();
    let before = audit(&bed.server, &bed.effects).await.unwrap();
    let neighbours = bed
        .enter(&neighbour, &neighbour.record.database.name)
        .await
        .unwrap();

    let mut tenant = left(&bed, "leaves").await;
    // An auditor that is not wanted any more, and whom nobody remembers.
    tenant.record.state = RecordState::Live;
    let login = auditor_login(&tenant.record, "national archives");
    let credential = Credential::new(login.as_str(), rand::random(), rand::random());
    let until = jiff::Timestamp::MAX;
    let auditor = Auditor::new(&login, credential.verifier(), until).unwrap();
    let audited = tenant.desired(Access::Closed).with_auditors(vec![auditor]);
    converge(&bed.server, &bed.effects, &audited, &())
        .await
        .unwrap();
    tenant.record.state = RecordState::Retained;
    converge(
        &bed.server,
        &bed.effects,
        &tenant.desired(Access::Closed),
        &(),
    )
    .await
    .unwrap();

    let name = tenant.record.database.name.clone();
    let gone = tenant.desired(Access::Closed);
    let bytes = size(&bed.server, &bed.effects, &gone).await.unwrap();
    assert!(bytes.is_some_and(|bytes| bytes > 1_000_000), "{bytes:?}");
    // Somebody of the operator's own role works in it.
    let operator = bed.postgres.connect_as(
        eoffice_tests::parts::postgres::OPERATOR,
        bed.postgres.operator_password(),
        &name,
    );
    let connected = operator.await.unwrap();
    // A superuser's session is nobody's to end: that is told, and nobody else comes in.
    let superuser = bed.postgres.connect(&name).await.unwrap();
    let problem = all(&fresh(&bed), &gone).await.unwrap_err();
    assert!(problem.message.contains("pg_stat_activity"), "{problem}");
    assert!(bed.postgres.connect(&name).await.is_err());
    drop(superuser);
    awaited(&bed, "usename = 'postgres' AND datname", &name, 0).await;
    let destroyed = all(&fresh(&bed), &gone).await.unwrap();
    assert!(connected.simple_query("SELECT 1").await.is_err());

    let database = &destroyed[0];
    assert_eq!(
        (database.kind.as_str(), &database.name),
        ("database", &name)
    );
    assert_eq!(
        database.identity,
        tenant.record.database.oid.map(|oid| oid.to_string())
    );
    assert_eq!(database.bytes, bytes);
    assert!(
        database
            .place
            .contains(&tenant.record.database.system_identifier),
        "{database:?}"
    );
    let roles: Vec<_> = destroyed[1..].iter().map(|it| it.name.as_str()).collect();
    let (_, role, first) = tenant.names();
    assert_eq!(roles, [first, role, login.as_str()]);

    let after = audit(&bed.server, &bed.effects).await.unwrap();
    assert_eq!(after.database(&name), None);
    let (d, r, l) = neighbour.names();
    assert_eq!(before.database(d), after.database(d));
    assert_eq!(before.role(r), after.role(r));
    assert_eq!(before.role(l).map(|l| l.oid), after.role(l).map(|l| l.oid));
    neighbours.simple_query("SELECT 1").await.unwrap();
    let proof = verify(&bed.effects, &bed.login(&neighbour), &canary()).await;
    assert_eq!(proof, Proof::Passed);
    // Nothing is left to be done, and nothing left to be told.
    assert_eq!(all(&fresh(&bed), &gone).await.unwrap(), []);
    assert_eq!(size(&bed.server, &bed.effects, &gone).await.unwrap(), None);
}

/// What somebody does to it between the plan and the drop, with how it is called, and what follows.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_at_the_last_moment_is_not_dropped() {
    let bed = Bed::prepared().await;
    let comment = |name: &str, from: &str, to: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE {name} IS %L', (SELECT replace(shobj_description(oid, 'pg_database'), '{from}', '{to}') FROM pg_database WHERE datname = '{name}')); END $$"
        )
    };
    type Deed = Box<dyn Fn(&Tenant) -> Vec<String>>;
    let name = |tenant: &Tenant| tenant.record.database.name.clone();
    let deeds: Vec<(&str, Reason, Deed)> = vec![
        (
            "no mark",
            Reason::ForeignObject,
            Box::new(move |t| vec![format!("COMMENT ON DATABASE {} IS NULL", name(t))]),
        ),
        (
            "another's",
            Reason::ForeignObject,
            Box::new(move |t| vec![comment(&name(t), &t.record.fingerprint, "forged")]),
        ),
        (
            "another installation's",
            Reason::ForeignObject,
            Box::new(move |t| vec![comment(&name(t), "plane-test", "other-test")]),
        ),
        (
            "it lives",
            Reason::ForeignObject,
            Box::new(move |t| vec![comment(&name(t), "retained", "live")]),
        ),
        (
            "another UID",
            Reason::ForeignObject,
            Box::new(move |t| vec![comment(&name(t), "uid-1", "uid-9")]),
        ),
        (
            "replaced",
            Reason::ForeignObject,
            Box::new(move |t| {
                let name = name(t);
                vec![
                    format!("ALTER DATABASE {name} RENAME TO kept_aside"),
                    format!("CREATE DATABASE {name} OWNER eoffice_operator"),
                    format!(
                        "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE {name} IS %L', (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'kept_aside')); END $$"
                    ),
                ]
            }),
        ),
    ];
    for (what, reason, deed) in deeds {
        let tenant = left(&bed, &format!("at the last moment {what}")).await;
        let gone = tenant.desired(Access::Closed);
        let step = drop_of(&bed, &gone).await;
        for sql in deed(&tenant) {
            bed.sql(&sql).await;
        }
        let (effects, counter) = door(None);
        let problem = destroy(&bed.server, &effects, &step, &Permitted)
            .await
            .unwrap_err();
        assert_eq!(
            (problem.reason, counter.changes()),
            (reason, 0),
            "{what}: {problem}"
        );
        // And it is not planned either.
        let stopped = all(&fresh(&bed), &gone).await.unwrap_err();
        let reasons = [Reason::ForeignObject, Reason::DataMissing];
        assert!(reasons.contains(&stopped.reason), "{what}: {stopped}");
        let stands = format!(
            "SELECT count(*)::text FROM pg_database WHERE datname = '{}'",
            tenant.record.database.name
        );
        assert_eq!(bed.ask(&stands).await.as_deref(), Some("1"), "{what}");
    }

    // Another server behind the same address; and a record that names another identity.
    let mut tenant = left(&bed, "elsewhere").await;
    tenant.record.database.system_identifier = "7000000000000000000".into();
    let step = drop_of(&bed, &tenant.desired(Access::Closed)).await;
    let problem = destroy(&bed.server, &bed.effects, &step, &Permitted)
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::IdentityChanged, "{problem}");
    tenant = left(&bed, "another identity").await;
    tenant.record.database.oid = tenant.record.database.oid.map(|oid| oid + 1);
    let problem = all(&fresh(&bed), &tenant.desired(Access::Closed))
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::DataMissing, "{problem}");
    let live = bed.tenant("lives").await;
    converge(&bed.server, &bed.effects, &live.open(), &())
        .await
        .unwrap();
    let mut edited = bed.tenant("lives").await;
    edited.record.state = RecordState::Retained;
    let step = drop_of(&bed, &edited.desired(Access::Closed)).await;
    let problem = destroy(&bed.server, &bed.effects, &step, &Permitted)
        .await
        .unwrap_err();
    assert!(problem.message.contains("has left"), "{problem}");
}

/// An order that was withdrawn stands in a record that was put back from a backup, and not in the mark.
#[tokio::test(flavor = "multi_thread")]
async fn only_on_the_order_that_the_mark_names_and_not_once_it_is_withdrawn() {
    let bed = Bed::prepared().await;
    let mut tenant = left(&bed, "ordered").await;
    let closed = tenant.desired(Access::Closed);
    tenant.record.state = RecordState::Purging;
    let accepted = json!({
        "committeeReference": "1", "approvedBy": "pim", "witness": "w1",
        "at": "2026-11-21T10:00:00Z", "notBefore": "2026-11-21T10:00:00Z",
    });
    tenant.record.purge_accepted = serde_json::from_value(accepted).unwrap();
    let ordered = tenant.desired(Access::Closed);
    for named in [None, Some("w2")] {
        let order = Order::Is(named.map(str::to_owned));
        let marked = closed.clone().with_order(order);
        converge(&bed.server, &bed.effects, &marked, &())
            .await
            .unwrap();
        let step = drop_of(&bed, &ordered).await;
        let problem = destroy(&bed.server, &bed.effects, &step, &Permitted).await;
        let problem = problem.unwrap_err();
        assert!(
            problem.message.contains("the order"),
            "{named:?}: {problem}"
        );
    }
    let marked = closed.clone().with_order(Order::Is(Some("w1".into())));
    converge(&bed.server, &bed.effects, &marked, &())
        .await
        .unwrap();
    // Brought to order again, the mark keeps what it names.
    converge(&bed.server, &bed.effects, &closed, &())
        .await
        .unwrap();
    let step = drop_of(&bed, &ordered).await;
    let problem = destroy(&bed.server, &bed.effects, &step, &Withdrawn).await;
    assert_eq!(problem.unwrap_err().reason, Reason::PurgeRefused);
    all(&fresh(&bed), &ordered).await.unwrap();
}

/// Whoever composes it dies at any change, and somebody else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_is_interrupted_anywhere_is_finished() {
    let bed = Bed::prepared().await;
    let mut points = 0;
    for verdict in [
        Verdict::HangBefore,
        Verdict::FailAfter,
        Verdict::HangAfter,
        Verdict::Twice,
    ] {
        let mut at = 0;
        loop {
            let tenant = left(&bed, &format!("purged {verdict:?} at {at}")).await;
            let gone = tenant.desired(Access::Closed);
            let (effects, counter) = door(Some((at, verdict)));
            let dying = operator(&bed, effects);
            drop(counter.until_death(all(&dying, &gone)).await);
            at_last(async || all(&fresh(&bed), &gone).await).await;
            let stem = format!("'{}%'", tenant.record.database.name);
            let left = format!(
                "SELECT ((SELECT count(*) FROM pg_database WHERE datname LIKE {stem}) \
                   + (SELECT count(*) FROM pg_roles WHERE rolname LIKE {stem}))::text"
            );
            assert_eq!(
                bed.ask(&left).await.as_deref(),
                Some("0"),
                "{verdict:?} at {at}"
            );
            if counter.changes() <= at {
                break;
            }
            at += 1;
            points += 1;
        }
    }
    println!("{points} points of a purge passed");
    assert!(points >= 4 * 4, "{points}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_that_was_interrupted_is_finished() {
    let bed = Bed::prepared().await;
    let tenant = left(&bed, "half").await;
    let gone = tenant.desired(Access::Closed);
    let name = &tenant.record.database.name;
    bed.sql(&format!(
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'"
    ))
    .await;
    // The composer's own closing finds nothing that is lost: it is the very one that is being destroyed.
    let destroyed = all(&fresh(&bed), &gone).await.unwrap();
    assert_eq!(destroyed.len(), 3, "{destroyed:?}");
    assert_eq!(destroyed[0].bytes, None);
    let seen = audit(&bed.server, &bed.effects).await.unwrap();
    assert!(seen.database(name).is_none());
}
