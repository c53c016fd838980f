//! The operator dies, loses replies and repeats itself at every change, and gets to the same end.

use crate::auditors::{Reader, archived};
use crate::bed::{Bed, Tenant, at_last, canary, code, door};
use eoffice_operator::effect::Verdict;
use eoffice_operator::postgres::{Desired, Observed, Server, audit, converge, remove, verify};
use eoffice_operator::proof::Proof;

/// A lost reply leaves what a death after the change leaves, and what one before the next leaves.
const VERDICTS: [Verdict; 3] = [Verdict::FailAfter, Verdict::HangAfter, Verdict::Twice];

/// What a fresh operator finds and finishes.
async fn settle(bed: &Bed, desired: &Desired) -> Observed {
    let server = Server::new(bed.address()).unwrap();
    at_last(async || converge(&server, &bed.effects, desired, &()).await)
        .await
        .observed
}

/// The same for every tenant: names and identities left out.
fn alike(observed: &Observed, tenant: &Tenant) -> String {
    let stem = &tenant.record.database.name;
    let mut observed = observed.clone();
    observed.database.as_mut().unwrap().oid = 0;
    for role in observed.roles.values_mut() {
        role.oid = 0;
        role.fingerprint = None;
        role.comment = None;
    }
    observed.database.as_mut().unwrap().comment = None;
    format!("{observed:?}").replace(stem.as_str(), "eo")
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_at_any_change_of_the_making_leads_to_the_same_end() {
    let bed = Bed::prepared().await;
    let model = Tenant::new("model");
    let (effects, counter) = door(None);
    let made = converge(&bed.server, &effects, &model.open(), &())
        .await
        .unwrap();
    let expected = alike(&made.observed, &model);
    let changes = counter.changes();
    // One for each step, and one more for the verifier, which travels apart from its statement.
    assert_eq!(changes, 11);

    let mut tenants = 1;
    for verdict in VERDICTS {
        for at in 0..changes {
            let tenant = Tenant::new(&format!("{verdict:?}-{at}"));
            let (effects, counter) = door(Some((at, verdict)));
            let dying = Server::new(bed.address()).unwrap();
            let wanted = tenant.open();
            let life = converge(&dying, &effects, &wanted, &());
            let outcome = counter.until_death(life).await;
            if !matches!(verdict, Verdict::Twice) {
                assert!(!matches!(outcome, Some(Ok(_))), "{verdict:?} at {at}");
            }
            let observed = settle(&bed, &tenant.open()).await;
            assert_eq!(alike(&observed, &tenant), expected, "{verdict:?} at {at}");
            let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
            assert_eq!(proof, Proof::Passed, "{verdict:?} at {at}");
            tenants += 1;
        }
    }
    let databases = bed
        .ask("SELECT count(*)::text FROM pg_database WHERE datname LIKE 'eo\\_%'")
        .await;
    assert_eq!(
        databases,
        Some((tenants + 1).to_string()),
        "with the canary"
    );
    let roles = bed
        .ask("SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'eo\\_%'")
        .await;
    assert_eq!(roles, Some((tenants * 2).to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn dying_at_any_change_of_the_removal_leaves_nothing_in_the_end() {
    let bed = Bed::prepared().await;
    let mut at = 0;
    loop {
        let mut finished = false;
        for verdict in VERDICTS {
            let mut tenant = bed.tenant(&format!("{verdict:?}-{at}")).await;
            let made = converge(&bed.server, &bed.effects, &tenant.open(), &())
                .await
                .unwrap();
            tenant.record.database.oid = Some(made.observed.database.unwrap().oid.into());
            let (effects, counter) = door(Some((at, verdict)));
            let dying = Server::new(bed.address()).unwrap();
            let wanted = tenant.open();
            let life = remove(&dying, &effects, &wanted, &());
            drop(counter.until_death(life).await);
            finished = counter.changes() <= at;

            let last = async || remove(&bed.server, &bed.effects, &wanted, &()).await;
            let left = at_last(last).await.observed;
            assert_eq!(left.database, None, "{verdict:?} at {at}");
            assert!(left.roles.is_empty(), "{verdict:?} at {at}");
        }
        if finished {
            break;
        }
        at += 1;
    }
    assert_eq!(at, 6, "changes of a removal");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_drop_is_finished_only_by_a_drop() {
    let bed = Bed::prepared().await;
    let mut tenant = bed.tenant("half").await;
    let made = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    tenant.record.database.oid = Some(made.observed.database.unwrap().oid.into());
    let name = tenant.record.database.name.clone();
    bed.sql(&format!(
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'"
    ))
    .await;
    let problem = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap_err();
    assert!(problem.message.contains("interrupted"), "{problem}");
    remove(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let seen = audit(&bed.server, &bed.effects).await.unwrap();
    assert!(seen.database(&name).is_none());
}

/// One auditor after the other: each point lets one in, and shuts the one before out.
#[tokio::test(flavor = "multi_thread")]
async fn dying_at_any_change_for_an_auditor_lets_nobody_write_or_stay() {
    let bed = Bed::prepared().await;
    let mut tenant = bed.tenant("audited").await;
    settle(&bed, &tenant.open()).await;
    tenant.remember(&bed).await;
    let name = tenant.record.database.name.clone();
    let session = bed.enter(&tenant, &name).await.unwrap();
    let sql = "CREATE TABLE letters (text text); GRANT ALL ON letters TO PUBLIC; \
         INSERT INTO letters VALUES ('kept')";
    session.batch_execute(sql).await.unwrap();
    drop(session);
    let (mut before, mut points) = (None::<Reader>, 0);
    for verdict in [Verdict::HangBefore, VERDICTS[0], VERDICTS[1], VERDICTS[2]] {
        let mut at = 0;
        loop {
            let context = format!("{verdict:?} at {at}");
            let reader = Reader::new(&tenant, &context);
            // Rights for everybody, as they are when a tenant is archived.
            let grant = format!(
                "GRANT INSERT ON letters TO PUBLIC; SET ROLE {}",
                tenant.names().1
            );
            let superuser = bed.postgres.connect(&name).await.unwrap();
            superuser.batch_execute(&grant).await.unwrap();
            let wanted = archived(&tenant, &[&reader]);
            let (effects, counter) = door(Some((at, verdict)));
            let dying = Server::new(bed.address()).unwrap();
            let life = converge(&dying, &effects, &wanted, &());
            drop(counter.until_death(life).await);
            for round in ["dead", "settled"] {
                reader.left(&bed, 0).await;
                let entered = reader.enter(&bed, &name).await;
                assert!(round == "dead" || entered.is_ok(), "{context}");
                if entered.is_ok() {
                    drop(entered);
                    reader.left(&bed, 0).await;
                    let session = reader.unbound(&bed, &name).await;
                    let written = session.batch_execute("INSERT INTO letters VALUES ('forged')");
                    assert_eq!(
                        code(&written.await.unwrap_err()),
                        "42501",
                        "{context}, {round}"
                    );
                    let kept = session.query_one("SELECT text FROM letters", &[]).await;
                    assert_eq!(
                        kept.unwrap().get::<_, String>(0),
                        "kept",
                        "{context}, {round}"
                    );
                }
                settle(&bed, &wanted).await;
            }
            if let Some(before) = before.replace(reader) {
                let refused = before.enter(&bed, &name).await.unwrap_err();
                assert_eq!(code(&refused), "28000", "{context}");
            }
            if counter.changes() <= at {
                break;
            }
            at += 1;
            points += 1;
        }
    }
    println!("{points} points of letting auditors in and out passed");
    assert!(points >= 4 * 10, "{points}");
}
