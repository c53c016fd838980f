//! What a tenant's Secrets say, and the clients made of nothing else.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use eoffice_crds::{DATABASE_SECRET, STORAGE_SECRET, tenant_namespace};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::parts::object_store::{Key, s3_client};
use crate::pki;

/// What one tenant's application is given.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The tenant's name.
    pub tenant: String,
    /// Its database.
    pub database: Database,
    /// Its storage.
    pub storage: Storage,
}

/// The Secret `eoffice-database`.
#[derive(Clone)]
pub struct Database {
    /// Where the server listens.
    pub host: String,
    /// The port it listens at.
    pub port: u16,
    /// The database's name.
    pub name: String,
    /// The login's name.
    pub username: String,
    /// The login's password.
    pub password: String,
    /// The authority of the server's certificate, as PEM.
    pub ca: String,
}

/// The Secret `eoffice-storage`.
#[derive(Clone)]
pub struct Storage {
    /// Where S3 is served.
    pub endpoint: String,
    /// The region it answers for.
    pub region: String,
    /// The tenant's key.
    pub key: Key,
    /// The tenant's bucket.
    pub bucket: String,
    /// The authority of the store's certificate, as PEM.
    pub ca: String,
}

impl Credentials {
    /// Whether the others open the same with the same login and key.
    pub fn is(&self, other: &Self) -> bool {
        let own = |it: &Self| {
            let Database {
                username, password, ..
            } = &it.database;
            let Key { access, secret } = &it.storage.key;
            [username, password, access, secret].map(String::clone)
        };
        own(self) == own(other)
    }

    /// Reads both Secrets of `tenant`.
    pub async fn read(client: &kube::Client, tenant: &str) -> Result<Self> {
        let (database, storage) = tokio::try_join!(
            Database::read(client, tenant),
            Storage::read(client, tenant)
        )?;
        Ok(Self {
            tenant: tenant.to_owned(),
            database,
            storage,
        })
    }
}

impl Database {
    /// Reads the Secret of `tenant`.
    pub async fn read(client: &kube::Client, tenant: &str) -> Result<Self> {
        Self::read_from(client, tenant, DATABASE_SECRET).await
    }

    /// Reads another Secret in the namespace of `tenant` that has the same entries.
    pub async fn read_from(client: &kube::Client, tenant: &str, secret: &str) -> Result<Self> {
        Self::of(&Entries::read(client, tenant, secret).await?)
    }

    fn of(secret: &Entries) -> Result<Self> {
        Ok(Self {
            host: secret.text("host")?,
            port: secret.text("port")?.parse().context("the Secret's port")?,
            name: secret.text("database")?,
            username: secret.text("username")?,
            password: secret.text("password")?,
            ca: secret.text("ca.crt")?,
        })
    }

    /// Logs in over TLS; the server's certificate must fit the host and chain to the Secret's `ca.crt`.
    pub async fn connect(&self) -> Result<tokio_postgres::Client> {
        let client = self.log_in_at(self).await?;
        client.with_context(|| format!("log in to database {} as {}", self.name, self.username))
    }

    /// Logs in with these credentials at the database of `other`; the inner error is what the server says.
    pub async fn log_in_at(
        &self,
        other: &Self,
    ) -> Result<Result<tokio_postgres::Client, tokio_postgres::Error>> {
        self.log_in(&other.host, other.port, &other.name).await
    }

    /// Logs in with these credentials at any database of their own server; the inner error is what the server says.
    pub async fn log_in_to(
        &self,
        database: &str,
    ) -> Result<Result<tokio_postgres::Client, tokio_postgres::Error>> {
        self.log_in(&self.host, self.port, database).await
    }

    async fn log_in(
        &self,
        host: &str,
        port: u16,
        database: &str,
    ) -> Result<Result<tokio_postgres::Client, tokio_postgres::Error>> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(host)
            .port(port)
            .dbname(database)
            .user(&self.username)
            .password(&self.password)
            .ssl_mode(SslMode::Require);
        let tls = MakeRustlsConnect::new(pki::tls_client_of(&self.ca)?);
        Ok(config.connect(tls).await.map(|(client, connection)| {
            // It ends with the client; what goes wrong before, the client's next call says.
            tokio::spawn(connection);
            client
        }))
    }
}

impl Storage {
    /// Reads the Secret of `tenant`.
    pub async fn read(client: &kube::Client, tenant: &str) -> Result<Self> {
        Self::read_from(client, tenant, STORAGE_SECRET).await
    }

    /// Reads another Secret in the namespace of `tenant` that has the same entries.
    pub async fn read_from(client: &kube::Client, tenant: &str, secret: &str) -> Result<Self> {
        Self::of(&Entries::read(client, tenant, secret).await?)
    }

    fn of(secret: &Entries) -> Result<Self> {
        Ok(Self {
            endpoint: secret.text("AWS_ENDPOINT_URL")?,
            region: secret.text("AWS_REGION")?,
            key: Key {
                access: secret.text("AWS_ACCESS_KEY_ID")?,
                secret: secret.text("AWS_SECRET_ACCESS_KEY")?,
            },
            bucket: secret.text("BUCKET_NAME")?,
            ca: secret.text("ca.crt")?,
        })
    }

    /// An S3 client with these credentials, which trusts the Secret's `ca.crt` alone and tries once.
    pub fn client(&self) -> Result<aws_sdk_s3::Client> {
        s3_client(&self.endpoint, &self.region, &self.key, &self.ca)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("name", &self.name)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A Secret's entries, with where they are from.
struct Entries {
    place: String,
    data: BTreeMap<String, ByteString>,
}

impl Entries {
    async fn read(client: &kube::Client, tenant: &str, name: &str) -> Result<Self> {
        let namespace = tenant_namespace(tenant);
        let place = format!("Secret {namespace}/{name}");
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        let secret = secrets.get(name).await;
        let secret = secret.with_context(|| format!("read {place}"))?;
        let data = secret.data.unwrap_or_default();
        Ok(Self { place, data })
    }

    fn text(&self, key: &str) -> Result<String> {
        let bytes = self.data.get(key);
        let bytes = bytes.with_context(|| format!("{} has no {key}", self.place))?;
        String::from_utf8(bytes.0.clone())
            .with_context(|| format!("{key} of {} is no text", self.place))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn entries(pairs: &[(&str, &str)]) -> Entries {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        Entries {
            place: "Secret eoffice-x/y".into(),
            data: pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), bytes(value)))
                .collect(),
        }
    }

    #[test]
    fn a_missing_key_is_named_with_its_secret() {
        let error = Database::of(&entries(&[("host", "h")])).unwrap_err();
        assert_eq!(error.to_string(), "Secret eoffice-x/y has no port");
    }

    #[test]
    fn no_secret_value_is_shown() {
        let database = Database::of(&entries(&[
            ("host", "h"),
            ("port", "5432"),
            ("database", "d"),
            ("username", "u"),
            ("password", "hidden"),
            ("ca.crt", "c"),
        ]));
        let storage = Storage::of(&entries(&[
            ("AWS_ENDPOINT_URL", "e"),
            ("AWS_REGION", "r"),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("BUCKET_NAME", "b"),
            ("ca.crt", "c"),
        ]));
        let shown = format!("{:?} {:?}", database.unwrap(), storage.unwrap());
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
