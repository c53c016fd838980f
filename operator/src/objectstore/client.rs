//! The way to one store: clients for S3 and IAM that trust its CA alone, and what can go wrong on it.

#[cfg(test)]
mod tests;
mod tls;

use super::credential::Key;
use crate::effect::{Effects, Failure, Plane, Site};
use crate::plan::Problem;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedCredentialsProvider,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use eoffice_crds::Reason;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Calls to one store at once.
const CONCURRENCY: usize = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// AWS serves IAM at one address for all its regions, and wants it signed for this one.
const AWS_IAM: &str = "https://iam.amazonaws.com";
const AWS_IAM_REGION: &str = "us-east-1";

/// Where a store is, and who the operator is there.
#[derive(Clone, Debug)]
pub struct StoreAddress {
    /// Name of the ObjectStore, for sentences.
    pub name: String,
    /// URL of S3.
    pub endpoint: String,
    /// URL of IAM.
    pub iam_endpoint: String,
    /// Region that requests are signed for.
    pub region: String,
    /// Whether buckets are addressed in the path.
    pub path_style: bool,
    /// The admin's access key id.
    pub access_key: String,
    /// The admin's secret.
    pub secret_key: SecretString,
    /// The only CAs trusted there, in PEM. Absent: the system's.
    pub ca_pem: Option<Vec<u8>>,
}

/// An admin's handle on one store. Cheap to clone; clones share connections and the limit on
/// calls at once.
#[derive(Clone)]
pub struct Store {
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) iam: aws_sdk_iam::Client,
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    endpoint: String,
    iam_endpoint: String,
    region: String,
    permits: Semaphore,
    /// Whether the store knows managed policies; it is asked until it says that it does not.
    attaches_policies: AtomicBool,
    /// Whether it was seen that the store takes tags with the creation of a bucket.
    takes_tags: AtomicBool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.shared.name).finish()
    }
}

impl Store {
    /// A handle on the store at this address. Nothing is called yet.
    pub fn new(address: &StoreAddress) -> Result<Self, Problem> {
        let http = tls::http_client(address)?;
        let secret = address.secret_key.expose_secret();
        let provider = credentials(&address.access_key, secret);
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .endpoint_url(&address.endpoint)
            .region(Region::new(address.region.clone()))
            .force_path_style(address.path_style)
            .credentials_provider(provider.clone())
            // A cache would keep an entry for each tenant whose key was ever tried.
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            // A bucket with a default retention refuses objects without one.
            .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
            // Not every store answers with the checksums that were asked for.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .http_client(http.clone())
            .build();
        let region = match address.iam_endpoint.trim_end_matches('/') {
            AWS_IAM => AWS_IAM_REGION.to_owned(),
            _ => address.region.clone(),
        };
        let iam = aws_sdk_iam::Config::builder()
            .behavior_version_latest()
            .endpoint_url(&address.iam_endpoint)
            .region(Region::new(region))
            .credentials_provider(provider)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .http_client(http)
            .build();
        Ok(Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            iam: aws_sdk_iam::Client::from_conf(iam),
            shared: Arc::new(Shared {
                name: address.name.clone(),
                endpoint: address.endpoint.clone(),
                iam_endpoint: address.iam_endpoint.clone(),
                region: address.region.clone(),
                permits: Semaphore::new(CONCURRENCY),
                attaches_policies: AtomicBool::new(true),
                takes_tags: AtomicBool::new(false),
            }),
        })
    }

    /// Name of the ObjectStore.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Region that requests are signed for.
    pub(super) fn region(&self) -> &str {
        &self.shared.region
    }

    /// S3 as a tenant with this key sees it, over the same connections.
    pub(super) fn as_tenant(&self, key: &Key) -> aws_sdk_s3::Client {
        let secret = key.secret_access_key.expose_secret();
        let config = self.s3.config().to_builder();
        let provider = credentials(&key.access_key_id, secret);
        aws_sdk_s3::Client::from_conf(config.credentials_provider(provider).build())
    }

    pub(super) fn takes_tags(&self) -> bool {
        self.shared.takes_tags.load(Ordering::Relaxed)
    }

    pub(super) fn remember_that_it_takes_tags(&self) {
        self.shared.takes_tags.store(true, Ordering::Relaxed);
    }

    pub(super) fn attaches_policies(&self) -> bool {
        self.shared.attaches_policies.load(Ordering::Relaxed)
    }

    pub(super) fn forget_attached_policies(&self) {
        self.shared
            .attaches_policies
            .store(false, Ordering::Relaxed);
    }

    /// Makes one call, with the answer of a refusal kept apart for who can make sense of it.
    pub(super) async fn call<T, E, F, Fut>(
        &self,
        effects: &Effects,
        site: Site,
        object: &str,
        operation: F,
    ) -> Result<T, Refusal>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, Response>>>,
    {
        // Waiting for a turn is no part of the call's time. The semaphore is never closed.
        let _permit = self.shared.permits.acquire().await.ok();
        // The SDK's futures are large and deep: on the heap they weigh nothing on who waits for them.
        let result = effects.call(site, object, || {
            let call = Box::pin(operation());
            async { call.await.map_err(|error| Answer::of(&error)) }
        });
        let result = result.await;
        let endpoint = match site.plane {
            Plane::Iam => &self.shared.iam_endpoint,
            _ => &self.shared.endpoint,
        };
        result.map_err(|failure| Refusal {
            store: self.shared.name.as_str().into(),
            endpoint: endpoint.as_str().into(),
            verb: site.verb,
            object: object.into(),
            answer: match failure {
                Failure::Call(answer) => answer,
                Failure::Timeout(after) => Answer::None(format!("no answer within {after:?}")),
                Failure::Injected => Answer::None("failed on purpose by a test".into()),
            },
        })
    }
}

/// What the store answered instead of doing it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// It refused, with this code.
    Code {
        status: u16,
        code: String,
        message: String,
    },
    /// It was not reached, or said nothing that could be understood.
    None(String),
}

impl Answer {
    fn of<E>(error: &SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.raw_response().map(|raw| raw.status().as_u16()) {
            Some(status) => Self::Code {
                status,
                code: error.code().unwrap_or("no code").to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
            },
            None => Self::None(causes(error)),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code {
                status,
                code,
                message,
            } => write!(f, "{code} ({status}) {message}"),
            Self::None(why) => f.write_str(why),
        }
    }
}

/// An error with all that caused it, without the repetitions that layers of libraries add.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

/// A call that was not carried out, or whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    store: Box<str>,
    /// The end of the store that was called.
    endpoint: Box<str>,
    verb: &'static str,
    object: Box<str>,
    answer: Answer,
}

/// Codes by which a store says that it does not know the admin's key.
const BAD_KEY: [&str; 5] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidClientTokenId",
    "IncompleteSignature",
    "AuthFailure",
];
/// Codes by which a store says that it cannot do something at all.
const UNKNOWN_CALL: [&str; 4] = [
    "NotImplemented",
    "InvalidAction",
    "MethodNotAllowed",
    "UnsupportedOperation",
];

impl Refusal {
    /// The store's code, if it answered.
    pub(super) fn code(&self) -> Option<&str> {
        match &self.answer {
            Answer::Code { code, .. } => Some(code),
            Answer::None(_) => None,
        }
    }

    /// Whether the store answered with one of these codes.
    pub(super) fn is(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }

    /// Whether the store cannot do it at all.
    pub(super) fn is_unknown_call(&self) -> bool {
        self.is(&UNKNOWN_CALL)
    }

    /// Whether the store does not know the key that was used.
    pub(super) fn is_bad_key(&self) -> bool {
        self.is(&BAD_KEY)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, verb, object) = (&self.store, self.verb, &self.object);
        write!(f, "{verb} of {object} in store {store}: {}", self.answer)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (store, object, verb) = (&refusal.store, &refusal.object, refusal.verb);
        match &refusal.answer {
            Answer::None(why) => Self::new(
                Reason::Unreachable,
                format!(
                    "store {store} cannot be reached at {}: {}; see whether it runs, the network lets the operator through and its certificate is of the ObjectStore's CA. It is tried again by itself",
                    refusal.endpoint,
                    why.trim_end_matches('.')
                ),
            ),
            answer @ Answer::Code { .. } if refusal.is_bad_key() => Self::new(
                Reason::CredentialsInvalid,
                format!(
                    "store {store} refuses the admin key: {answer}; put a valid AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY into the Secret that the ObjectStore's adminSecretRef names"
                ),
            ),
            answer @ Answer::Code { .. } if refusal.is_unknown_call() => Self::new(
                Reason::Unsupported,
                format!(
                    "store {store} cannot do {verb}: {answer}; use a store that can, or a class that does not ask for it"
                ),
            ),
            answer @ Answer::Code { .. } => Self::new(
                Reason::BackendError,
                format!(
                    "store {store} refused {verb} of {object}: {answer}; look at the store's own log and the admin key's rights. It is tried again by itself"
                ),
            ),
        }
    }
}

fn credentials(access_key: &str, secret: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(access_key, secret, None, None, "eoffice"))
}

/// Everything but connecting is bounded by the site of the call.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
}
