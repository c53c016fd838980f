//! The one door to the outside: every call to Kubernetes, PostgreSQL, S3 or IAM passes here.
//!
//! It names the call site, bounds and times the call, counts it, writes the audit line for a
//! change, and lets a test decide what happens there.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt::{Debug, Display};
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The part of the outside that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs)]
pub enum Plane {
    Kubernetes,
    Postgres,
    S3,
    Iam,
    Ingress,
}

impl Plane {
    fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Postgres => "postgres",
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Ingress => "ingress",
        }
    }
}

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs)]
pub enum Access {
    Read,
    Write,
}

/// A place in the code from which the outside is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Where the call goes.
    pub plane: Plane,
    /// What it does there, in snake_case.
    pub verb: &'static str,
    /// Whether it changes anything.
    pub access: Access,
    /// After how long it is given up.
    pub timeout: Duration,
}

/// How long a call may take unless its site says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl Site {
    /// A call that only looks.
    pub const fn read(plane: Plane, verb: &'static str) -> Self {
        Self {
            plane,
            verb,
            access: Access::Read,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// A call that changes something.
    pub const fn write(plane: Plane, verb: &'static str) -> Self {
        Self {
            plane,
            verb,
            access: Access::Write,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The same site with another time limit.
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// The other side, or the way to it, failed.
    #[error("{0}")]
    Call(E),
    /// No answer in time. Whether it was carried out is unknown.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// A test made it fail.
    #[error("failed on purpose by a test")]
    Injected,
}

/// What a test makes happen at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing special.
    Proceed,
    /// Never comes back, and was not carried out: as if the process had died before it.
    HangBefore,
    /// Never comes back, although it was carried out: as if the process had died after it.
    HangAfter,
    /// Fails, and was not carried out.
    FailBefore,
    /// Fails although it was carried out: a lost reply.
    FailAfter,
    /// Is carried out twice, as a retry of a lost reply would; the second answer counts.
    Twice,
}

/// A test's hand at the door.
pub trait Fault: Send + Sync {
    /// Decides about one call.
    fn at(&self, site: &Site, object: &str) -> Verdict;

    /// A call that it lets hang afterwards has been carried out.
    fn carried_out(&self, _site: &Site, _object: &str) {}
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    plane: Plane,
    verb: &'static str,
    access: Access,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlaneLabels {
    plane: Plane,
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Effects {
    calls: Family<CallLabels, Counter>,
    seconds: Family<PlaneLabels, Histogram, fn() -> Histogram>,
    fault: Option<Arc<dyn Fault>>,
}

impl Effects {
    /// A door whose counts appear in this registry.
    pub fn new(registry: &mut Registry) -> Self {
        let calls = Family::default();
        registry.register(
            "eoffice_external_calls",
            "Calls to Kubernetes, PostgreSQL, S3 and IAM",
            calls.clone(),
        );
        let seconds =
            Family::<PlaneLabels, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        registry.register(
            "eoffice_external_call_seconds",
            "Time that calls to the outside took",
            seconds.clone(),
        );
        Self {
            calls,
            seconds,
            fault: None,
        }
    }

    /// The same door with a test's hand at it.
    pub fn with_fault(mut self, fault: Arc<dyn Fault>) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Makes one call. `object` names what it is about, never a secret. `operation` may be run
    /// again by a test, so it must build its request anew each time.
    pub async fn call<T, E, F, Fut>(
        &self,
        site: Site,
        object: &str,
        operation: F,
    ) -> Result<T, Failure<E>>
    where
        E: Display,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let started = Instant::now();
        let result = match &self.fault {
            None => bounded(site.timeout, &operation).await,
            Some(fault) => {
                let verdict = fault.at(&site, object);
                let carried_out = || fault.carried_out(&site, object);
                under(verdict, site.timeout, &operation, carried_out).await
            }
        };
        self.account(site, object, started.elapsed(), &result);
        result
    }

    fn account<T, E: Display>(
        &self,
        site: Site,
        object: &str,
        elapsed: Duration,
        result: &Result<T, Failure<E>>,
    ) {
        let outcome = if result.is_ok() { "ok" } else { "error" };
        self.calls
            .get_or_create(&CallLabels {
                plane: site.plane,
                verb: site.verb,
                access: site.access,
                outcome,
            })
            .inc();
        self.seconds
            .get_or_create(&PlaneLabels { plane: site.plane })
            .observe(elapsed.as_secs_f64());
        let plane = site.plane.name();
        let verb = site.verb;
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        match site.access {
            Access::Write => tracing::info!(target: "audit", plane, verb, object, outcome, ms),
            Access::Read => tracing::trace!(target: "effect", plane, verb, object, outcome, ms),
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0])
}

async fn bounded<T, E, F, Fut>(timeout: Duration, operation: &F) -> Result<T, Failure<E>>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    match tokio::time::timeout(timeout, operation()).await {
        Ok(result) => result.map_err(Failure::Call),
        Err(_) => Err(Failure::Timeout(timeout)),
    }
}

async fn under<T, E, F, Fut>(
    verdict: Verdict,
    timeout: Duration,
    operation: &F,
    carried_out: impl FnOnce(),
) -> Result<T, Failure<E>>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    match verdict {
        Verdict::Proceed => bounded(timeout, operation).await,
        Verdict::HangBefore => pending().await,
        Verdict::FailBefore => Err(Failure::Injected),
        Verdict::HangAfter => {
            drop(bounded(timeout, operation).await);
            carried_out();
            pending().await
        }
        Verdict::FailAfter => {
            drop(bounded(timeout, operation).await);
            Err(Failure::Injected)
        }
        Verdict::Twice => {
            drop(bounded(timeout, operation).await);
            bounded(timeout, operation).await
        }
    }
}
