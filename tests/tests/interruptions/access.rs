//! Who gets in, and what is found: by the tenant's own credentials, and behind closed doors by an admin.

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_tests::e2e::security::{Platform, ask};
use eoffice_tests::proof::{Credentials, Database, Storage};
use tokio_postgres::error::SqlState;

/// The document's name in its bucket.
const DOCUMENT: &str = "letters/1";
const TEXT: &str = "kept";

/// Puts a document and a table where the application would.
pub async fn store_document(credentials: &Credentials) -> Result<()> {
    let session = credentials.database.connect().await?;
    session
        .batch_execute(&format!(
            "CREATE TABLE letters (word text); INSERT INTO letters VALUES ('{TEXT}')"
        ))
        .await?;
    let Storage { bucket, .. } = &credentials.storage;
    let put = credentials.storage.client()?.put_object().bucket(bucket);
    let put = put
        .key(DOCUMENT)
        .body(ByteStream::from_static(TEXT.as_bytes()));
    put.send().await?;
    Ok(())
}

/// Whoever has these credentials finds the document and the table.
pub async fn finds_document(credentials: &Credentials) -> Result<()> {
    let session = credentials.database.connect().await?;
    let row = session.query_one("SELECT word FROM letters", &[]).await?;
    ensure!(row.get::<_, &str>(0) == TEXT, "the table has another word");
    read(&credentials.storage.client()?, &credentials.storage.bucket).await
}

/// The document and the table are there, though nobody gets at them.
pub async fn document_is_kept(platform: &Platform, stem: &str) -> Result<()> {
    let database = format!("eo_{stem}");
    let session = platform.sandbox.postgres[0].connect(&database).await?;
    let word = ask(&session, "SELECT word FROM public.letters").await?;
    ensure!(word.as_deref() == Some(TEXT), "the table has {word:?}");
    let admin = platform.sandbox.object_store.admin();
    read(&admin, &format!("eo-{stem}-documents")).await
}

async fn read(s3: &aws_sdk_s3::Client, bucket: &str) -> Result<()> {
    let get = s3.get_object().bucket(bucket).key(DOCUMENT).send().await;
    let body = get.context("read the document")?.body.collect().await?;
    ensure!(body.into_bytes().as_ref() == TEXT.as_bytes());
    Ok(())
}

/// These credentials open nothing.
pub async fn is_refused(credentials: &Credentials) -> Result<()> {
    login_is_refused(&credentials.database).await?;
    key_is_refused(&credentials.storage).await
}

/// The server refuses the login: it may not log in, has another password, or is gone.
pub async fn login_is_refused(database: &Database) -> Result<()> {
    let error = database.log_in_at(database).await?.err();
    let code = error.as_ref().and_then(|it| it.code());
    let refused = [
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_PASSWORD,
    ];
    ensure!(
        code.is_some_and(|code| refused.contains(code)),
        "the login {} ends with {error:?}",
        database.username
    );
    Ok(())
}

/// The store refuses the key.
pub async fn key_is_refused(storage: &Storage) -> Result<()> {
    let list = storage.client()?.list_objects_v2().bucket(&storage.bucket);
    let status = match list.send().await {
        Ok(_) => None,
        Err(error) => error.raw_response().map(|answer| answer.status().as_u16()),
    };
    ensure!(
        status == Some(403),
        "the key {} is answered with {status:?}",
        storage.key.access
    );
    Ok(())
}
