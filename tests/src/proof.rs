//! Proofs by use, from outside the operator: what a tenant's own Secrets open, and what they do not.
//!
//! Nothing here asks the operator. The credentials, addresses and authorities are those that an application finds in
//! its namespace, so a proof shows that an agency can work, and that its neighbours are closed to it.
//!
//! ```ignore
//! proof::prove(sandbox, "town-pak-chong-3021").await?;
//!
//! let mine = proof::Credentials::read(&sandbox.admin(), "town-pak-chong-3021").await?;
//! let neighbour = proof::Credentials::read(&sandbox.admin(), "town-sikhio-3020").await?;
//! proof::sql(&mine.database).await?;
//! proof::refused_at(&mine, &neighbour).await?;
//! ```

mod credentials;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_crds::{EOfficeTenant, tenant_namespace};
use kube::api::{Api, ListParams};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;

pub use credentials::{Credentials, Database, Storage};

use crate::sandbox::Sandbox;

/// No single proof takes longer.
const WITHIN: Duration = Duration::from_secs(60);

/// The ingress serves a change within that time.
const SERVED_WITHIN: Duration = Duration::from_secs(60);

/// The Service and port that the examples' classes name as the application's.
const SERVICE: (&str, u16) = ("eoffice", 8080);

/// The object that is written and read.
const PROBE: &str = "sandbox/proof";

/// Shows that `tenant` has a database, a bucket and HTTPS at every host it asked for, each used with what is in its
/// own Secrets. Puts what stands for the application behind its ingress first.
pub async fn prove(sandbox: &Sandbox, tenant: &str) -> Result<()> {
    let client = sandbox.admin();
    let object = find(&client, tenant).await?;
    publish(sandbox, tenant).await?;
    let credentials = Credentials::read(&client, tenant).await?;
    let web = async {
        for host in hosts(&object)? {
            served(sandbox, &host).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(sql(&credentials.database), s3(&credentials.storage), web)
        .with_context(|| format!("prove tenant {tenant}"))?;
    Ok(())
}

/// Logs in to the database over TLS; creates, writes, reads and drops a table.
pub async fn sql(database: &Database) -> Result<()> {
    within(&format!("use database {}", database.name), async {
        let client = database.connect().await?;
        client
            .batch_execute(
                "DROP TABLE IF EXISTS sandbox_proof; \
                 CREATE TABLE sandbox_proof (word text NOT NULL); \
                 INSERT INTO sandbox_proof VALUES ('kept')",
            )
            .await
            .context("create and fill a table")?;
        let row = client
            .query_one("SELECT word FROM sandbox_proof", &[])
            .await
            .context("read the table")?;
        ensure!(
            row.get::<_, &str>(0) == "kept",
            "another row came back than was written"
        );
        client
            .batch_execute("DROP TABLE sandbox_proof")
            .await
            .context("drop the table")
    })
    .await
}

/// Writes an object into the bucket over TLS, lists it and reads it back.
pub async fn s3(storage: &Storage) -> Result<()> {
    within(&format!("use bucket {}", storage.bucket), async {
        let client = storage.client()?;
        client
            .put_object()
            .bucket(&storage.bucket)
            .key(PROBE)
            .body(ByteStream::from_static(b"kept"))
            .send()
            .await
            .map_err(said)
            .context("write an object")?;
        let listed = client
            .list_objects_v2()
            .bucket(&storage.bucket)
            .prefix(PROBE)
            .send()
            .await
            .map_err(said)
            .context("list the objects")?;
        ensure!(
            listed.contents().iter().any(|it| it.key() == Some(PROBE)),
            "the object just written is not listed"
        );
        let object = client
            .get_object()
            .bucket(&storage.bucket)
            .key(PROBE)
            .send()
            .await
            .map_err(said)
            .context("read the object")?;
        let body = object.body.collect().await.context("read the object")?;
        ensure!(
            body.into_bytes().as_ref() == b"kept",
            "another object came back than was written"
        );
        Ok(())
    })
    .await
}

/// Asks `https://host/` through the ingress once, trusting the sandbox's authority alone, and returns what comes with
/// a status of success. The certificate must be valid for `host`.
pub async fn https(sandbox: &Sandbox, host: &str) -> Result<String> {
    let url = format!("https://{host}:{}/", sandbox.traefik.port());
    let answer = sandbox.https(host)?.get(&url).send().await;
    let answer = answer.and_then(reqwest::Response::error_for_status);
    let text = answer.with_context(|| format!("ask {url} through the ingress"))?;
    text.text().await.with_context(|| format!("read {url}"))
}

/// Waits until [`https`] answers for `host`, with the name that what stands for the application gives back.
pub async fn served(sandbox: &Sandbox, host: &str) -> Result<()> {
    let expected = host.split('.').next().unwrap_or_default();
    let deadline = Instant::now() + SERVED_WITHIN;
    loop {
        match https(sandbox, host).await {
            Ok(body) if body.trim() == expected => return Ok(()),
            Ok(body) => bail!(
                "{host} is answered by {:?}, another application",
                body.trim()
            ),
            Err(error) if Instant::now() >= deadline => return Err(error),
            // Another program takes up the change in its own time.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Shows that one tenant's credentials open neither the database nor the bucket of a neighbour, and that each is
/// refused for want of the right to it, not by accident.
pub async fn refused_at(mine: &Credentials, neighbour: &Credentials) -> Result<()> {
    tokio::try_join!(
        sql_refused_at(&mine.database, &neighbour.database),
        s3_refused_at(&mine.storage, &neighbour.storage)
    )
    .with_context(|| {
        format!(
            "have tenant {} refused at {}",
            mine.tenant, neighbour.tenant
        )
    })?;
    Ok(())
}

/// Shows that `mine` cannot log in to the database of `neighbour`: on its own server for want of the right to connect
/// (SQLSTATE 42501), on another because nobody of that name is known there (28P01).
pub async fn sql_refused_at(mine: &Database, neighbour: &Database) -> Result<()> {
    let same_server = (&mine.host, mine.port) == (&neighbour.host, neighbour.port);
    let expected = if same_server {
        SqlState::INSUFFICIENT_PRIVILEGE
    } else {
        SqlState::INVALID_PASSWORD
    };
    let what = format!("be refused at database {}", neighbour.name);
    within(&what, async {
        match mine.log_in_at(neighbour).await? {
            Ok(_) => bail!(
                "{} was let in to database {}",
                mine.username,
                neighbour.name
            ),
            Err(error) if error.code() == Some(&expected) => Ok(()),
            Err(error) => Err(error).with_context(|| {
                format!(
                    "{} was to be refused at database {} with SQLSTATE {}",
                    mine.username,
                    neighbour.name,
                    expected.code()
                )
            }),
        }
    })
    .await
}

/// Shows that the key of `mine` can neither list, read nor write in the bucket of `neighbour`: AccessDenied.
pub async fn s3_refused_at(mine: &Storage, neighbour: &Storage) -> Result<()> {
    let bucket = &neighbour.bucket;
    within(&format!("be refused at bucket {bucket}"), async {
        let client = mine.client()?;
        let list = client.list_objects_v2().bucket(bucket).send().await;
        denied("list", bucket, list)?;
        let get = client.get_object().bucket(bucket).key(PROBE).send().await;
        denied("read", bucket, get)?;
        let body = ByteStream::from_static(b"intruder");
        let put = client.put_object().bucket(bucket).key("sandbox/intruder");
        denied("write", bucket, put.body(body).send().await)
    })
    .await
}

/// Puts what stands for the application behind the Service that `tenant`'s ingress leads to.
pub async fn publish(sandbox: &Sandbox, tenant: &str) -> Result<()> {
    let (service, port) = SERVICE;
    sandbox
        .application
        .publish(&sandbox.admin(), &tenant_namespace(tenant), service, port)
        .await
        .with_context(|| format!("put an application behind the ingress of {tenant}"))
}

/// The EOfficeTenant called `name`, whatever its province.
pub async fn find(client: &kube::Client, name: &str) -> Result<EOfficeTenant> {
    let all: Api<EOfficeTenant> = Api::all(client.clone());
    let named = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = all.list(&named).await.context("look for a tenant")?;
    let first = found.items.into_iter().next();
    first.with_context(|| format!("there is no EOfficeTenant {name}"))
}

/// The default host, as the status tells it, and those that the tenant asks for.
pub fn hosts(tenant: &EOfficeTenant) -> Result<Vec<String>> {
    let url = tenant.status.as_ref().and_then(|it| it.url.as_deref());
    let url = url.context("the tenant's status has no url yet")?;
    let default = url.trim_start_matches("https://").trim_end_matches('/');
    let asked = tenant.spec.hosts.iter().cloned();
    Ok(std::iter::once(default.to_owned()).chain(asked).collect())
}

/// Holds where the store refused with AccessDenied, and with nothing else.
fn denied<T, E, R>(verb: &str, bucket: &str, result: Result<T, SdkError<E, R>>) -> Result<()>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match result {
        Ok(_) => bail!("a neighbour's key could {verb} in bucket {bucket}"),
        Err(error) if error.code() == Some("AccessDenied") => Ok(()),
        Err(error) => Err(said(error)).with_context(|| {
            format!(
                "a neighbour's key was to be refused to {verb} in bucket {bucket} with AccessDenied"
            )
        }),
    }
}

/// What a store said, without what was sent to it.
fn said<E, R>(error: SdkError<E, R>) -> anyhow::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), message) => {
            anyhow::anyhow!("the store says {code}: {}", message.unwrap_or_default())
        }
        _ => error.into(),
    }
}

async fn within<T>(what: &str, proof: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(WITHIN, proof).await {
        Ok(result) => result.with_context(|| what.to_owned()),
        Err(_) => bail!("{what}: no answer within {WITHIN:?}"),
    }
}
