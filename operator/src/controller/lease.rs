//! Leader election: one holder of a Lease, every write of it guarded by its resourceVersion.
//!
//! A lease does not fence: whoever holds it must still ask [`Leadership::held`] right before a
//! destructive step.

use crate::effect::{Effects, Failure, Plane, Site};
use crate::kubernetes::apply::problem;
use crate::plan::Problem;
use crate::telemetry::Metrics;
use eoffice_crds::{Reason, annotations};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::watcher::watch_object;
use kube::{Client, Error, ResourceExt};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const READ: Site = Site::read(Plane::Kubernetes, "get_lease").within(Duration::from_secs(5));
const WRITE: Site = Site::write(Plane::Kubernetes, "write_lease").within(Duration::from_secs(5));
/// Pause after a failed call.
const RETRY: Duration = Duration::from_millis(500);

/// Which Lease, who asks for it, and for how long it is held without renewal.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who asks: the pod's name.
    pub identity: String,
    /// How long it is held without renewal.
    pub duration: Duration,
}

/// A claim to the lease.
pub struct Election {
    api: Api<Lease>,
    effects: Effects,
    settings: Settings,
    metrics: Metrics,
}

/// The lease while it is held.
pub struct Leadership {
    until: Mutex<Instant>,
    lost: AtomicBool,
}

impl Leadership {
    /// Whether the lease is certainly held at this moment.
    pub fn held(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.lost.load(Ordering::Relaxed) && Instant::now() < until
    }

    fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Election {
    /// A claim that nothing has been done for yet.
    pub fn new(client: Client, effects: Effects, settings: Settings, metrics: Metrics) -> Self {
        Self {
            metrics,
            api: Api::namespaced(client, &settings.namespace),
            effects,
            settings,
        }
    }

    /// Waits until the lease is ours. A holder that is gone is given up only after its duration
    /// has passed on our own clock without a renewal.
    pub async fn acquire(&self) -> Leadership {
        let mut seen: Option<(String, Instant)> = None;
        loop {
            let asked = Instant::now();
            let held = match self.try_acquire(&mut seen).await {
                Ok(held) => held,
                Err(problem) => {
                    tracing::warn!(%problem, "the lease could not be taken");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            match held {
                Claim::Ours => {
                    tracing::info!(identity = self.settings.identity, "this process leads");
                    return Leadership {
                        until: Mutex::new(asked + self.settings.duration),
                        lost: AtomicBool::new(false),
                    };
                }
                Claim::Theirs { expires, version } => self.await_change(expires, &version).await,
            }
        }
    }

    /// Renews the lease until told to stop, and then gives it back. Ends early if it is lost.
    pub async fn keep(&self, leadership: Arc<Leadership>, stop: CancellationToken) {
        let pause = self.settings.duration / 3;
        while leadership.held() {
            tokio::select! {
                () = stop.cancelled() => return self.release().await,
                () = tokio::time::sleep(pause) => {}
            }
            let asked = Instant::now();
            match self.renew().await {
                Ok(true) => leadership.extend(asked + self.settings.duration),
                Ok(false) => break,
                Err(problem) => tracing::warn!(%problem, "the lease could not be renewed"),
            }
        }
        leadership.lost.store(true, Ordering::Relaxed);
        tracing::error!("the lease is lost; this process stops so that the other can work");
    }

    async fn try_acquire(&self, seen: &mut Option<(String, Instant)>) -> Result<Claim, Problem> {
        let Some(lease) = self.read().await? else {
            return self.write(None).await.map(Claim::from_won);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let first_seen = match seen {
            Some((known, at)) if *known == version => *at,
            _ => seen.insert((version.clone(), Instant::now())).1,
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let seconds = spec.lease_duration_seconds.unwrap_or_default().max(0);
        let expires = first_seen + Duration::from_secs(seconds.unsigned_abs().into());
        if holder.is_empty() || holder == self.settings.identity || Instant::now() >= expires {
            return self.write(Some(lease)).await.map(Claim::from_won);
        }
        Ok(Claim::Theirs { expires, version })
    }

    /// Returns when the lease is not of this version any more, or its holder's time is over.
    async fn await_change(&self, expires: Instant, version: &str) {
        let changes = watch_object(self.api.clone(), &self.settings.name).filter(|lease| {
            let now = lease.as_ref().ok().and_then(Option::as_ref);
            let same =
                now.is_some_and(|lease| lease.resource_version().as_deref() == Some(version));
            futures::future::ready(!same)
        });
        let mut changes = pin!(changes);
        tokio::select! {
            () = tokio::time::sleep_until(expires.into()) => {}
            _ = changes.next() => {}
        }
    }

    async fn read(&self) -> Result<Option<Lease>, Problem> {
        let name = &self.settings.name;
        self.effects
            .call(READ, name, || self.api.get_opt(name))
            .await
            .map_err(|failure| problem("read lease", name, &failure))
    }

    async fn renew(&self) -> Result<bool, Problem> {
        let lease = self.read().await?;
        let ours = lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.holder_identity.clone())
            .is_some_and(|holder| holder == self.settings.identity);
        if !ours {
            return Ok(false);
        }
        self.write(lease).await
    }

    /// Writes the lease as ours over the version that was read. False if somebody was faster.
    async fn write(&self, over: Option<Lease>) -> Result<bool, Problem> {
        let before = over
            .as_ref()
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let now = Some(MicroTime(Timestamp::now()));
        let stays = before.holder_identity.as_deref() == Some(&self.settings.identity);
        let spec = LeaseSpec {
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: i32::try_from(self.settings.duration.as_secs()).ok(),
            acquire_time: if stays {
                before.acquire_time
            } else {
                now.clone()
            },
            lease_transitions: Some(
                before.lease_transitions.unwrap_or_default() + i32::from(!stays),
            ),
            renew_time: now,
            ..LeaseSpec::default()
        };
        self.put(over, spec).await
    }

    /// Gives the lease back, so that another can take it at once.
    async fn release(&self) {
        let Ok(Some(lease)) = self.read().await else {
            return;
        };
        let before = lease.spec.clone().unwrap_or_default();
        if before.holder_identity.as_deref() != Some(&self.settings.identity) {
            return;
        }
        let spec = LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            ..before
        };
        match self.put(Some(lease), spec).await {
            Ok(_) => tracing::info!("the lease is given back"),
            Err(problem) => tracing::warn!(%problem, "the lease could not be given back"),
        }
    }

    async fn put(&self, over: Option<Lease>, spec: LeaseSpec) -> Result<bool, Problem> {
        let name = &self.settings.name;
        let params = PostParams::default();
        // The lease is written anyway: with it, at no cost, goes what tells how fresh the audits are, and how long the
        // queue is.
        let audits = serde_json::to_string(&self.metrics.audits()).unwrap_or_default();
        let queue = serde_json::to_string(&self.metrics.queue_summary()).unwrap_or_default();
        let told = [(annotations::AUDITS, audits), (annotations::QUEUE, queue)];
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                annotations: Some(told.map(|(key, value)| (key.to_owned(), value)).into()),
                resource_version: over
                    .as_ref()
                    .and_then(|l| l.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
        };
        let result = if over.is_some() {
            self.effects
                .call(WRITE, name, || self.api.replace(name, &params, &lease))
                .await
        } else {
            self.effects
                .call(WRITE, name, || self.api.create(&params, &lease))
                .await
        };
        match result {
            Ok(_) => Ok(true),
            Err(Failure::Call(Error::Api(status))) if status.code == 409 => Ok(false),
            Err(failure) => Err(problem("write lease", name, &failure)),
        }
    }
}

enum Claim {
    Ours,
    Theirs { expires: Instant, version: String },
}

impl Claim {
    fn from_won(won: bool) -> Self {
        if won {
            Self::Ours
        } else {
            Self::Theirs {
                expires: Instant::now(),
                version: String::new(),
            }
        }
    }
}

/// What a destructive step is refused with when the lease is not held.
pub fn not_leading() -> Problem {
    Problem::new(
        Reason::Waiting,
        "this process no longer leads; the one that does goes on",
    )
}
