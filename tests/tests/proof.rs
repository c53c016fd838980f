//! The proofs themselves: they hold for tenants made as they should be, and fail as soon as one thing is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use eoffice_tests::parts::object_store::{Key, ObjectStore, REGION};
use eoffice_tests::parts::postgres::{Postgres, PostgresOptions};
use eoffice_tests::proof::{self, Credentials, Database, Storage};
use eoffice_tests::{Ground, Progress};
use serde_json::json;

/// What the operator would have made for `name`, by hand.
async fn tenant(
    ground: &Ground,
    server: &Postgres,
    store: &ObjectStore,
    name: &str,
) -> Credentials {
    let superuser = server.connect("postgres").await.unwrap();
    for statement in [
        format!("CREATE ROLE {name} LOGIN PASSWORD 'secret-of-{name}'"),
        format!("CREATE DATABASE {name} OWNER {name}"),
        format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
    ] {
        superuser.batch_execute(&statement).await.unwrap();
    }
    store
        .admin()
        .create_bucket()
        .bucket(name)
        .send()
        .await
        .unwrap();
    let iam = store.iam_admin();
    iam.create_user().user_name(name).send().await.unwrap();
    allow(store, name, name).await;
    let key = iam
        .create_access_key()
        .user_name(name)
        .send()
        .await
        .unwrap();
    let key = key.access_key().unwrap();
    Credentials {
        tenant: name.to_owned(),
        database: Database {
            host: server.host().to_owned(),
            port: server.port(),
            name: name.to_owned(),
            username: name.to_owned(),
            password: format!("secret-of-{name}"),
            ca: ground.tls.cert(),
        },
        storage: Storage {
            endpoint: store.endpoint().to_owned(),
            region: REGION.to_owned(),
            key: Key {
                access: key.access_key_id().to_owned(),
                secret: key.secret_access_key().to_owned(),
            },
            bucket: name.to_owned(),
            ca: ground.tls.cert(),
        },
    }
}

async fn allow(store: &ObjectStore, user: &str, bucket: &str) {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
            "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        }],
    });
    let put = store.iam_admin().put_user_policy().user_name(user);
    let put = put.policy_name(bucket).policy_document(policy.to_string());
    put.send().await.unwrap();
}

fn why(result: anyhow::Result<()>) -> String {
    format!(
        "{:#}",
        result.expect_err("the proof holds though it must not")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_hold_where_they_should_and_nowhere_else() {
    let ground = Ground::prepare(&Progress::lines()).await.unwrap();
    let (store, a, b) = (
        ObjectStore::new(&ground).unwrap(),
        Postgres::new(&ground, "pg-a", PostgresOptions::default())
            .await
            .unwrap(),
        Postgres::new(&ground, "pg-b", PostgresOptions::default())
            .await
            .unwrap(),
    );
    tokio::try_join!(store.start(), a.part.start(), b.part.start()).unwrap();
    let first = tenant(&ground, &a, &store, "first").await;
    let second = tenant(&ground, &a, &store, "second").await;
    let elsewhere = tenant(&ground, &b, &store, "elsewhere").await;

    for one in [&first, &second, &elsewhere] {
        proof::sql(&one.database).await.unwrap();
        proof::s3(&one.storage).await.unwrap();
        // Again: a proof leaves nothing that hinders the next.
        proof::sql(&one.database).await.unwrap();
    }
    proof::refused_at(&first, &second).await.unwrap();
    proof::refused_at(&first, &elsewhere).await.unwrap();

    // A wrong password is a refusal, but not for want of the right to the database.
    let mut wrong = first.clone();
    wrong.database.password = "another".into();
    let said = why(proof::sql_refused_at(&wrong.database, &second.database).await);
    assert!(said.contains("with SQLSTATE 42501"), "{said}");
    assert!(why(proof::sql(&wrong.database).await).contains("password authentication failed"));
    // An unknown key likewise.
    wrong.storage.key.access = "UNKNOWN".into();
    let said = why(proof::s3_refused_at(&wrong.storage, &second.storage).await);
    assert!(said.contains("with AccessDenied"), "{said}");
    // A certificate of another authority.
    let mut strange = second.clone();
    let other = eoffice_tests::pki::Authority::new("another").unwrap();
    strange.database.ca = other.cert();
    strange.storage.ca = other.cert();
    why(proof::sql(&strange.database).await);
    why(proof::s3(&strange.storage).await);

    // Open doors are found.
    let superuser = a.connect("postgres").await.unwrap();
    let open = "GRANT CONNECT ON DATABASE second TO PUBLIC";
    superuser.batch_execute(open).await.unwrap();
    let said = why(proof::refused_at(&first, &second).await);
    assert!(
        said.contains("first was let in to database second"),
        "{said}"
    );
    allow(&store, "first", "second").await;
    let said = why(proof::s3_refused_at(&first.storage, &second.storage).await);
    assert!(said.contains("could list in bucket second"), "{said}");
}
