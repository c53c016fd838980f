//! A server is used only while it is the one we know, prepared, and ours.

use crate::bed::{Bed, Tenant, canary, claim, code, door};
use eoffice_crds::Reason;
use eoffice_operator::identity::Claim;
use eoffice_operator::postgres::{Server, ServerAddress, converge, visit};
use eoffice_tests::backends::bootstrap_sql;
use eoffice_tests::parts::postgres::SUPERUSER;
use eoffice_tests::pki::Authority;
use secrecy::SecretString;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_judged_before_anything_is_done() {
    let bed = Bed::bare().await;
    let reason = async |address: ServerAddress| {
        let server = Server::new(address).unwrap();
        let problem = visit(&server, &bed.effects, &claim()).await.unwrap_err();
        assert!(problem.message.contains("pg-a"), "{problem}");
        assert!(
            !problem.message.contains(bed.postgres.operator_password()),
            "{problem}"
        );
        problem.reason
    };
    let address = || bed.address();
    // Nothing is prepared: the role is not there.
    assert_eq!(reason(address()).await, Reason::CredentialsInvalid);
    let as_superuser = || ServerAddress {
        username: SUPERUSER.into(),
        password: SecretString::from(bed.postgres.password()),
        ..bed.address()
    };
    assert_eq!(reason(as_superuser()).await, Reason::Unsupported);

    // Running the bootstrap again does no harm.
    let sql = bootstrap_sql().unwrap();
    bed.postgres.bootstrap(&sql).await.unwrap();
    bed.postgres.bootstrap(&sql).await.unwrap();
    let facts = visit(&bed.server, &bed.effects, &claim()).await.unwrap();
    assert!(facts.version.starts_with("18."), "{facts:?}");
    let identifier = bed
        .ask("SELECT system_identifier::text FROM pg_control_system()")
        .await;
    assert_eq!(Some(facts.system_identifier), identifier);
    let (effects, counter) = door(None);
    visit(&bed.server, &effects, &claim()).await.unwrap();
    assert_eq!(counter.changes(), 0, "a steady server needs no change");

    // Each way in which it can go wrong.
    assert_eq!(reason(as_superuser()).await, Reason::Unsupported);
    let wrong_password = ServerAddress {
        password: SecretString::from("wrong"),
        ..address()
    };
    assert_eq!(reason(wrong_password).await, Reason::CredentialsInvalid);
    let other_ca = Authority::new("another").unwrap().cert();
    let wrong_ca = ServerAddress {
        ca_pem: Some(other_ca),
        ..address()
    };
    assert_eq!(reason(wrong_ca).await, Reason::CredentialsInvalid);
    let no_ca = ServerAddress {
        ca_pem: Some("no certificate".into()),
        ..address()
    };
    assert_eq!(
        Server::new(no_ca).unwrap_err().reason,
        Reason::CredentialsInvalid
    );
    for (breaking, mending) in [
        ("ALTER ROLE eoffice_operator NOCREATEDB", ""),
        ("GRANT CONNECT ON DATABASE postgres TO PUBLIC", ""),
        ("DROP SCHEMA eoffice CASCADE", ""),
        (
            "REVOKE CONNECT ON DATABASE postgres FROM eoffice_operator",
            "",
        ),
    ] {
        bed.sql(breaking).await;
        assert_eq!(reason(address()).await, Reason::Unsupported, "{breaking}");
        bed.sql(mending).await;
        bed.sql(&sql).await;
    }
    visit(&bed.server, &bed.effects, &claim()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_used_again() {
    let bed = Bed::prepared().await;
    bed.postgres.part.stop().await;
    let problem = visit(&bed.server, &bed.effects, &claim())
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::Unreachable, "{problem}");
    bed.postgres.part.start().await.unwrap();
    visit(&bed.server, &bed.effects, &claim()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_at_the_same_address_is_left_alone() {
    let bed = Bed::prepared().await;
    let facts = visit(&bed.server, &bed.effects, &claim()).await.unwrap();
    let pinned = Claim {
        pinned: Some(facts.system_identifier.clone()),
        ..claim()
    };
    bed.postgres.replace_with_another().await.unwrap();
    let sql = bootstrap_sql().unwrap();
    bed.postgres.bootstrap(&sql).await.unwrap();
    let (effects, counter) = door(None);
    let problem = visit(&bed.server, &effects, &pinned).await.unwrap_err();
    assert_eq!(problem.reason, Reason::IdentityChanged);
    assert_eq!(counter.changes(), 0);
    // The sentence says what an admin writes to accept it.
    let (_, accepted) = problem.message.split_once("accept-identity=").unwrap();
    let accepting = Claim {
        accept_identity: Some(accepted.into()),
        ..pinned.clone()
    };
    visit(&bed.server, &bed.effects, &accepting).await.unwrap();
    bed.postgres.bring_back().await.unwrap();
    assert_eq!(
        visit(&bed.server, &bed.effects, &pinned).await.unwrap(),
        facts
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_must_take_the_installation_over() {
    let bed = Bed::prepared().await;
    let other = Claim {
        cluster_uid: "other-cluster".into(),
        ..claim()
    };
    let (effects, counter) = door(None);
    let problem = visit(&bed.server, &effects, &other).await.unwrap_err();
    assert_eq!(problem.reason, Reason::HeldByOtherCluster);
    assert!(problem.message.contains("take-over-from=this-cluster"));
    assert_eq!(counter.changes(), 0);
    let taking = Claim {
        take_over_from: Some("this-cluster".into()),
        ..other
    };
    visit(&bed.server, &bed.effects, &taking).await.unwrap();
    let problem = visit(&bed.server, &bed.effects, &claim())
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::HeldByOtherCluster, "the old one");
    visit(&bed.server, &bed.effects, &taking).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clusters_that_claim_at_once_one_wins() {
    let bed = Bed::bare().await;
    bed.postgres
        .bootstrap(&bootstrap_sql().unwrap())
        .await
        .unwrap();
    let clusters: Vec<Claim> = (0..4)
        .map(|number| Claim {
            cluster_uid: format!("cluster-{number}"),
            ..claim()
        })
        .collect();
    let visits = clusters.iter().map(async |claim| {
        let server = Server::new(bed.address()).unwrap();
        let _ = visit(&server, &bed.effects, claim).await;
    });
    futures::future::join_all(visits).await;
    let mut holders = 0;
    for claim in &clusters {
        match visit(&bed.server, &bed.effects, claim).await {
            Ok(_) => holders += 1,
            Err(problem) => assert_eq!(problem.reason, Reason::HeldByOtherCluster, "{problem}"),
        }
    }
    assert_eq!(holders, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_comes_back_as_it_should_be() {
    let bed = Bed::prepared().await;
    let canary = canary();
    for change in [
        format!("GRANT CONNECT ON DATABASE {canary} TO PUBLIC"),
        format!("GRANT ALL ON DATABASE {canary} TO pg_monitor"),
        format!("ALTER DATABASE {canary} ALLOW_CONNECTIONS false"),
        format!("DROP DATABASE {canary}"),
    ] {
        bed.sql(&change).await;
        let (effects, counter) = door(None);
        visit(&bed.server, &effects, &claim()).await.unwrap();
        assert!(counter.changes() > 0, "{change}");
        visit(&bed.server, &effects, &claim()).await.unwrap();
    }
    bed.sql(&format!("COMMENT ON DATABASE {canary} IS NULL"))
        .await;
    let problem = visit(&bed.server, &bed.effects, &claim())
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::ForeignObject, "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_fingerprinted_only_for_its_operator_and_only_under_its_mark() {
    let bed = Bed::prepared().await;
    let tenant = Tenant::new("somebody");
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let (_, r, l) = tenant.names();
    let mark = tenant.open().mark.to_comment();
    // Each misses one thing: the mark, the operator's administration, the prefix, the want of a privilege.
    bed.sql(&format!(
        "SET ROLE eoffice_operator;
         CREATE ROLE eo_unmarked PASSWORD 'x'; CREATE ROLE unprefixed PASSWORD 'x'; RESET ROLE;
         CREATE ROLE eo_anothers PASSWORD 'x'; COMMENT ON ROLE eo_anothers IS '{mark}';
         COMMENT ON ROLE unprefixed IS '{mark}'; ALTER ROLE {r} CREATEDB PASSWORD 'x'"
    ))
    .await;
    let password = bed.postgres.operator_password();
    let operator = bed
        .postgres
        .connect_as("eoffice_operator", password, "postgres")
        .await
        .unwrap();
    let answers = async |among: &str| -> Vec<(String, String)> {
        let sql = format!(
            "SELECT role::pg_catalog.regrole::text, fingerprint FROM eoffice.password_fingerprints({among})"
        );
        let rows = operator.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let own = [(l.to_owned(), tenant.credential.fingerprint())];
    assert_eq!(answers("").await, own);
    assert_eq!(answers(&format!("'{{{l}, eo_anothers}}'")).await, own);
    assert_eq!(answers("'{eo_unmarked}'").await, []);
    // The superuser's own: he administers nothing of it.
    let count = "SELECT count(*)::text FROM eoffice.password_fingerprints()";
    assert_eq!(bed.ask(count).await.as_deref(), Some("0"));
    let error = operator
        .batch_execute(&format!(
            "SET ROLE {r}; SELECT * FROM eoffice.password_fingerprints()"
        ))
        .await
        .unwrap_err();
    assert_eq!(code(&error), "42501");
}
