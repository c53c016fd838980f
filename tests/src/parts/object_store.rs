//! S3 and IAM, over TLS alone.

use std::fmt;

use anyhow::{Context, Result};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::ground::Ground;
use crate::net::free_port;
use crate::part::Part;
use crate::pki::IdentityFiles;
use crate::probe;
use crate::process::Spec;
use crate::random;

/// The region both answer for.
pub const REGION: &str = "us-east-1";

/// One object store: its S3 end and its IAM end.
pub struct ObjectStore {
    /// The S3 end. It waits for the IAM end at its start, and answers 500 while that is down.
    pub s3: Part,
    /// The IAM end.
    pub iam: Part,
    endpoint: String,
    iam_endpoint: String,
    key: Key,
    http: SharedHttpClient,
}

/// An access key with its secret.
#[derive(Clone)]
pub struct Key {
    /// The public half.
    pub access: String,
    /// The secret half.
    pub secret: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore")
            .field("endpoint", &self.endpoint)
            .field("iam_endpoint", &self.iam_endpoint)
            .finish_non_exhaustive()
    }
}

impl ObjectStore {
    /// Prepares one, to be started by [`ObjectStore::start`].
    pub fn new(ground: &Ground) -> Result<Self> {
        let Ground { tls, home, .. } = ground;
        let key = Key {
            access: random::access_key(),
            secret: random::password(),
        };
        let files = tls
            .server(&["127.0.0.1", "localhost"])?
            .write(&home.folder("object-store")?, "server")?;
        let (s3_port, iam_port) = (free_port()?, free_port()?);
        // An abstract socket: no length of path to exceed, and nothing left behind by a kill.
        let socket = format!("@eoffice-sandbox-iam-{iam_port}");
        let iam_data = home.folder("object-store/iam")?;
        let versions = home.folder("object-store/versions")?;
        let data = home.folder("object-store/data")?;
        let iam_args = [
            "iam".to_owned(),
            format!("--dir={}", iam_data.display()),
            format!("--private-ports={socket}"),
        ];
        let s3_args = [
            format!("--iam-standalone-endpoint={socket}"),
            "--iam-cache-disable".to_owned(),
            "posix".to_owned(),
            format!("--versioning-dir={}", versions.display()),
            data.display().to_string(),
        ];
        let part = |name: &str, port: u16, args: Vec<String>| -> Result<Part> {
            let common = common(&key, port, &files);
            let command = move |spec: Spec| common(spec).args(&args);
            let http = tls.http_client()?;
            let health = format!("https://127.0.0.1:{port}/healthz");
            let probe = probe::http(http, health);
            Ok(Part::new(
                ground,
                name,
                &ground.tools.versitygw,
                command,
                probe,
            ))
        };
        Ok(Self {
            s3: part("s3", s3_port, s3_args.into())?,
            iam: part("iam", iam_port, iam_args.into())?,
            endpoint: format!("https://127.0.0.1:{s3_port}"),
            iam_endpoint: format!("https://127.0.0.1:{iam_port}"),
            key,
            http: http_client(&tls.cert())?,
        })
    }

    /// Starts both and waits until they serve.
    pub async fn start(&self) -> Result<()> {
        self.iam.start().await?;
        self.s3.start().await
    }

    /// Ends both in order.
    pub async fn stop(&self) {
        self.s3.stop().await;
        self.iam.stop().await;
    }

    /// Where S3 is served.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where IAM is served.
    pub fn iam_endpoint(&self) -> &str {
        &self.iam_endpoint
    }

    /// The admin's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// An S3 client of the admin.
    pub fn admin(&self) -> aws_sdk_s3::Client {
        self.client(&self.key)
    }

    /// An S3 client of whoever has `key`, which tries once.
    pub fn client(&self, key: &Key) -> aws_sdk_s3::Client {
        s3_client_over(&self.http, &self.endpoint, REGION, key)
    }

    /// An IAM client of the admin, which tries once.
    pub fn iam_admin(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::from_conf(
            aws_sdk_iam::Config::builder()
                .behavior_version_latest()
                .endpoint_url(&self.iam_endpoint)
                .region(aws_sdk_iam::config::Region::new(REGION))
                .credentials_provider(aws_sdk_iam::config::Credentials::new(
                    &self.key.access,
                    &self.key.secret,
                    None,
                    None,
                    "sandbox",
                ))
                .retry_config(aws_sdk_iam::config::retry::RetryConfig::disabled())
                .http_client(self.http.clone())
                .build(),
        )
    }
}

/// An S3 client of whoever has `key`, which trusts the authority `ca` (PEM) alone and tries once.
pub fn s3_client(endpoint: &str, region: &str, key: &Key, ca: &str) -> Result<aws_sdk_s3::Client> {
    Ok(s3_client_over(&http_client(ca)?, endpoint, region, key))
}

fn s3_client_over(
    http: &SharedHttpClient,
    endpoint: &str,
    region: &str,
    key: &Key,
) -> aws_sdk_s3::Client {
    use aws_sdk_s3::config::{Credentials, Region, retry::RetryConfig};
    let credentials = Credentials::new(&key.access, &key.secret, None, None, "sandbox");
    aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .endpoint_url(endpoint)
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .http_client(http.clone())
            .build(),
    )
}

/// What both ends are started with; the keys by the environment, which other users cannot read.
fn common(key: &Key, port: u16, files: &IdentityFiles) -> impl Fn(Spec) -> Spec + use<> {
    let (key, files) = (key.clone(), files.clone());
    move |spec| {
        spec.env("ROOT_ACCESS_KEY_ID", &key.access)
            .env("ROOT_SECRET_ACCESS_KEY", &key.secret)
            .arg(format!("--port=127.0.0.1:{port}"))
            .arg(format!("--cert={}", files.cert.display()))
            .arg(format!("--key={}", files.key.display()))
            .arg(format!("--region={REGION}"))
            .args(["--health=/healthz", "--keep-alive", "--quiet"])
    }
}

fn http_client(ca: &str) -> Result<SharedHttpClient> {
    let trust = TrustStore::empty().with_pem_certificate(ca.as_bytes());
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .context("trust the sandbox's authority")?;
    Ok(Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}
