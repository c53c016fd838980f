//! What the agencies work with: a letter in each database, and a document in each bucket.

use anyhow::{Context, Result, ensure};
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::proof::Credentials;
use futures::{StreamExt, TryStreamExt, stream};

const AT_ONCE: usize = 8;
const DOCUMENT: &str = "letter.pdf";

/// Each agency's data, with the credentials it was put there with.
pub struct Data(Vec<Credentials>);

impl Data {
    /// Has each of them write a letter and store a document, with its own credentials.
    pub async fn put_in(platform: &Platform, tenants: &[String]) -> Result<Self> {
        let admin = platform.sandbox.admin();
        let credentials: Vec<Credentials> = stream::iter(tenants)
            .map(|name| Credentials::read(&admin, name))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        stream::iter(&credentials)
            .map(put)
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(Self(credentials))
    }

    /// Counts them, with the very same credentials.
    pub async fn is_all_there(&self) -> Result<()> {
        let found: Vec<()> = stream::iter(&self.0)
            .map(is_there)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        println!(
            "{} letters and {} documents are there",
            found.len(),
            found.len()
        );
        Ok(())
    }
}

async fn put(mine: &Credentials) -> Result<()> {
    let session = mine.database.connect().await?;
    let letter = format!("CREATE TABLE letters AS SELECT '{}' AS of", mine.tenant);
    session.batch_execute(&letter).await?;
    let s3 = mine.storage.client()?;
    s3.put_object()
        .bucket(&mine.storage.bucket)
        .key(DOCUMENT)
        .body(mine.tenant.clone().into_bytes().into())
        .send()
        .await
        .with_context(|| format!("store a document of {}", mine.tenant))?;
    Ok(())
}

async fn is_there(mine: &Credentials) -> Result<()> {
    let session = mine.database.connect().await?;
    let rows = session.query("SELECT of FROM public.letters", &[]).await?;
    let letters: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    ensure!(
        letters == [mine.tenant.clone()],
        "{} has the letters {letters:?}",
        mine.tenant
    );
    let s3 = mine.storage.client()?;
    let got = s3
        .get_object()
        .bucket(&mine.storage.bucket)
        .key(DOCUMENT)
        .send()
        .await
        .with_context(|| format!("read the document of {}", mine.tenant))?;
    let text = got.body.collect().await?.into_bytes();
    ensure!(
        text == mine.tenant.as_bytes(),
        "{} has another document",
        mine.tenant
    );
    Ok(())
}
