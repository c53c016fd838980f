//! A tenant's life on a server.

use crate::bed::{Bed, Tenant, canary, code, door, installation};
use eoffice_crds::RecordState;
use eoffice_operator::postgres::{Access, Counts, audit, closed, converge, plan, remove, verify};
use eoffice_operator::proof::Proof;
use secrecy::ExposeSecret;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_proved_closed_opened_and_removed() {
    let bed = Bed::prepared().await;
    let mut tenant = bed.tenant("town-pak-chong-3021").await;
    let login = bed.login(&tenant);

    let made = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    assert_eq!(made.done.len(), 10, "{:?}", made.done);
    tenant.record.database.oid = Some(made.observed.database.unwrap().oid.into());
    tenant.record.storage.bucket_identity = Some("b1".into());
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    assert_eq!(verify(&bed.effects, &login, &canary()).await, Proof::Passed);
    assert!(matches!(
        closed(&bed.effects, &login).await,
        Proof::Failed(_)
    ));

    // Steady: neither a look at one nor at all finds anything to change.
    let (effects, counter) = door(None);
    let seen = audit(&bed.server, &effects).await.unwrap();
    let steps = plan(&tenant.open(), &seen.observed(&tenant.open())).unwrap();
    assert_eq!(steps, []);
    converge(&bed.server, &effects, &tenant.open(), &())
        .await
        .unwrap();
    assert_eq!(counter.changes(), 0);
    let taken = Counts {
        live: 1,
        retained: 0,
        connections: 5,
    };
    assert_eq!(seen.counts(&installation()), taken);

    // What the tenant makes is its role's, so that its other login can take over.
    let database = tenant.record.database.name.clone();
    let session = bed.enter(&tenant, &database).await.unwrap();
    session
        .batch_execute("CREATE TABLE letters (text text); INSERT INTO letters VALUES ('kept')")
        .await
        .unwrap();
    let owner = session
        .query_one(
            "SELECT tableowner::text FROM pg_tables WHERE tablename = 'letters'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(owner.get::<_, String>(0), tenant.record.database.role);

    // Closed: sessions end, the login is refused, the data stays.
    converge(
        &bed.server,
        &bed.effects,
        &tenant.desired(Access::Closed),
        &(),
    )
    .await
    .unwrap();
    assert!(session.simple_query("SELECT 1").await.is_err());
    assert_eq!(
        code(&bed.enter(&tenant, &database).await.unwrap_err()),
        "28000"
    );
    assert_eq!(closed(&bed.effects, &login).await, Proof::Passed);
    assert!(matches!(
        verify(&bed.effects, &login, &canary()).await,
        Proof::Failed(_)
    ));

    // Retained, found again by its mark, and open again for a tenant of another UID.
    tenant.record.state = RecordState::Retained;
    converge(
        &bed.server,
        &bed.effects,
        &tenant.desired(Access::Closed),
        &(),
    )
    .await
    .unwrap();
    let seen = audit(&bed.server, &bed.effects).await.unwrap();
    assert_eq!(seen.counts(&installation()).retained, 1);
    let ours = installation();
    let found: Vec<_> = seen.marked(&ours).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.fingerprint, tenant.record.fingerprint);
    assert_eq!(found[0].1.twin.as_deref(), Some("b1"));
    tenant.record.state = RecordState::Live;
    tenant.record.tenant.uid = "uid-2".into();
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let session = bed.enter(&tenant, &database).await.unwrap();
    let kept = session
        .query_one("SELECT text FROM letters", &[])
        .await
        .unwrap();
    assert_eq!(kept.get::<_, String>(0), "kept");

    // Removed, with a session in it, and nothing is left.
    remove(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let seen = audit(&bed.server, &bed.effects).await.unwrap();
    assert_eq!(seen.marked(&installation()).count(), 0);
    assert!(seen.role(&tenant.record.database.role).is_none());
    assert!(seen.role(&tenant.record.database.login).is_none());

    // Neither the tenant's password nor the operator's is in a log that has every statement.
    let log = std::fs::read_to_string(bed.postgres.part.log()).unwrap();
    assert!(log.contains("CREATE DATABASE"), "statements are logged");
    assert!(!log.contains(tenant.credential.password().expose_secret()));
    assert!(!log.contains(bed.postgres.operator_password()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_says_what_it_cannot_know() {
    let bed = Bed::prepared().await;
    let tenant = Tenant::new("somebody");
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let login = bed.login(&tenant);

    // Refused for another reason than want of rights: no pass.
    let proof = verify(&bed.effects, &login, "eo_no_such_database").await;
    assert!(
        matches!(&proof, Proof::Inconclusive(why) if why.contains("3D000")),
        "{proof:?}"
    );
    // Let in where it must not be: a failure.
    bed.sql(&format!("GRANT CONNECT ON DATABASE {} TO PUBLIC", canary()))
        .await;
    let proof = verify(&bed.effects, &login, &canary()).await;
    assert!(
        matches!(&proof, Proof::Failed(why) if why.contains("was let in")),
        "{proof:?}"
    );
    // Unreachable: nothing is known.
    bed.postgres.part.stop().await;
    let proof = verify(&bed.effects, &login, &canary()).await;
    assert!(matches!(proof, Proof::Inconclusive(_)), "{proof:?}");
}
