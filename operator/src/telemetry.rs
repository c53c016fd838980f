//! Logs, metrics and health.

use crate::plan::Difference;
use crate::settings::LogFormat;
use crate::waves::{Report, Summary};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use eoffice_crds::{DriftAction, Phase, Plane};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error: text on a terminal, JSON elsewhere.
pub fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,tokio_postgres=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    if text {
        builder.init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackendLabels {
    backend: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    plane: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProvinceLabels {
    province: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WaitingLabels {
    namespace: String,
    tenant: String,
}

/// The queue of new tenants. What is told of one tenant is told only as long as it waits.
#[derive(Clone, Default)]
struct QueueMetrics {
    report: Arc<Mutex<Report>>,
    waiting: Family<ProvinceLabels, Gauge>,
    places: Family<WaitingLabels, Gauge>,
    expected: Family<WaitingLabels, Gauge<f64, AtomicU64>>,
    last: Gauge<f64, AtomicU64>,
    making: Gauge,
    failing: Gauge,
    stopped: Gauge,
}

impl QueueMetrics {
    fn register(&self, registry: &mut Registry) {
        let of = |what: &str| format!("eoffice_queue_{what}");
        let waiting = self.waiting.clone();
        registry.register(of("waiting"), "New tenants that wait, by province", waiting);
        let places = self.places.clone();
        registry.register(of("place"), "Place of each that waits, from 1", places);
        let expected = self.expected.clone();
        let help = "Time until the turn of each that waits, at the pace of late";
        registry.register(of("expected_seconds"), help, expected);
        let help =
            "Time until nobody waits any more, at the pace of late; -1 where none can be told";
        registry.register(of("empty_seconds"), help, self.last.clone());
        let making = self.making.clone();
        registry.register("eoffice_wave_making", "New tenants in the making", making);
        let help = "New tenants that fail, of those that settled last";
        registry.register("eoffice_wave_failing", help, self.failing.clone());
        let help = "1 while no new tenant is begun, as too many fail";
        registry.register("eoffice_wave_stopped", help, self.stopped.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let report = self.lock().clone();
        let summary = report.summary;
        self.waiting.clear();
        self.places.clear();
        self.expected.clear();
        for (index, entry) in report.waiting.into_iter().enumerate() {
            let (place, province) = (index + 1, entry.province);
            let province = ProvinceLabels { province };
            self.waiting.get_or_create(&province).inc();
            let labels = WaitingLabels {
                namespace: entry.namespace,
                tenant: entry.name,
            };
            self.places.get_or_create(&labels).set(whole(place));
            if let Some(expected) = summary.expected(place) {
                let expected = expected.as_secs_f64();
                self.expected.get_or_create(&labels).set(expected);
            }
        }
        let last = match summary.waiting {
            0 => Some(Duration::ZERO),
            waiting => summary.expected(waiting),
        };
        self.last.set(last.map_or(-1.0, |last| last.as_secs_f64()));
        self.making.set(whole(summary.making));
        self.failing.set(whole(summary.failing));
        self.stopped.set(summary.stopped.into());
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Labels of the gauge of tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantLabels {
    /// Phase.
    pub phase: &'static str,
    /// Province code.
    pub province: String,
}

/// What the controller counts. No label grows with the number of tenants, but for those that wait in the queue.
#[derive(Clone)]
pub struct Metrics {
    reconciles: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
    tenants: Family<TenantLabels, Gauge>,
    drift: Family<DriftLabels, Counter>,
    repair: Histogram,
    audits: Arc<Mutex<BTreeMap<String, Timestamp>>>,
    audit_age: Family<BackendLabels, Gauge<f64, AtomicU64>>,
    held_batches: Gauge,
    held_tenants: Gauge,
    queue: QueueMetrics,
}

impl Metrics {
    /// Metrics that appear in this registry.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            seconds: Histogram::new([0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0]),
            tenants: Family::default(),
            drift: Family::default(),
            audits: Arc::default(),
            audit_age: Family::default(),
            repair: Histogram::new([0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 1800.0]),
            held_batches: Gauge::default(),
            held_tenants: Gauge::default(),
            queue: QueueMetrics::default(),
        };
        metrics.queue.register(registry);
        registry.register(
            "eoffice_reconciles",
            "Looks at a tenant",
            metrics.reconciles.clone(),
        );
        registry.register(
            "eoffice_reconcile_seconds",
            "Time that looks at a tenant took",
            metrics.seconds.clone(),
        );
        registry.register(
            "eoffice_tenants",
            "Tenants by phase and province",
            metrics.tenants.clone(),
        );
        registry.register(
            "eoffice_drift",
            "Differences that somebody else made, by plane and by what became of them",
            metrics.drift.clone(),
        );
        registry.register(
            "eoffice_drift_repair_seconds",
            "Time from a change, where it is known, to its repair",
            metrics.repair.clone(),
        );
        registry.register(
            "eoffice_audit_age_seconds",
            "Time since everything on a server or in a store was looked at",
            metrics.audit_age.clone(),
        );
        registry.register(
            "eoffice_breaker_open",
            "Batches of closings, deletions and moves that wait for a person",
            metrics.held_batches.clone(),
        );
        registry.register(
            "eoffice_held_tenants",
            "Tenants in batches that wait for a person",
            metrics.held_tenants.clone(),
        );
        metrics
    }

    /// Everything on a server or in a store was looked at, so long ago.
    pub fn audited(&self, backend: &str, ago: Duration) {
        let ago = SignedDuration::try_from(ago).unwrap_or_default();
        if let Ok(at) = Timestamp::now().checked_sub(ago) {
            self.lock_audits().insert(backend.to_owned(), at);
        }
    }

    /// A server or store is gone.
    pub fn no_audits_of(&self, backend: &str) {
        self.lock_audits().remove(backend);
    }

    /// When everything on each server and in each store was looked at last.
    pub fn audits(&self) -> BTreeMap<String, Timestamp> {
        self.lock_audits().clone()
    }

    fn lock_audits(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.audits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age_audits(&self) {
        self.audit_age.clear();
        for (backend, at) in self.audits() {
            let age = Timestamp::now().duration_since(at).as_secs_f64();
            self.audit_age
                .get_or_create(&BackendLabels { backend })
                .set(age);
        }
    }

    /// Counts a difference that somebody else made.
    pub fn drifted(&self, plane: Plane, action: DriftAction) {
        let (plane, action) = (plane.as_str(), action.as_str());
        self.drift
            .get_or_create(&DriftLabels { plane, action })
            .inc();
    }

    /// Counts the time to a repair, where it is known when the difference was made.
    pub fn repaired(&self, difference: &Difference) {
        let at = difference.actor.as_ref().and_then(|actor| actor.at);
        if let Some(at) = at {
            let took = Timestamp::now().duration_since(at);
            self.repair.observe(took.as_secs_f64().max(0.0));
        }
    }

    /// Counts one look at a tenant.
    pub fn reconciled(&self, ready: bool, seconds: f64) {
        let outcome = if ready { "ready" } else { "not_ready" };
        self.reconciles
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
        self.seconds.observe(seconds);
    }

    /// Says how many batches, and tenants in them, wait for a person.
    pub fn breaker(&self, batches: usize, tenants: usize) {
        for (gauge, number) in [(&self.held_batches, batches), (&self.held_tenants, tenants)] {
            gauge.set(whole(number));
        }
    }

    /// Says who waits for a turn, and how the newest wave stands.
    pub fn queue(&self, report: Report) {
        *self.queue.lock() = report;
    }

    /// The queue in numbers.
    pub fn queue_summary(&self) -> Summary {
        self.queue.lock().summary
    }

    fn count_tenants(&self, tenants: impl Iterator<Item = (Option<Phase>, String)>) {
        self.tenants.clear();
        for (phase, province) in tenants {
            let phase = phase.map_or("Unknown", Phase::as_str);
            self.tenants
                .get_or_create(&TenantLabels { phase, province })
                .inc();
        }
    }
}

/// Every tenant's phase and province, for the gauge.
pub type Census = Arc<dyn Fn() -> Vec<(Option<Phase>, String)> + Send + Sync>;

/// What the web server answers from.
#[derive(Clone)]
pub struct Health {
    registry: Arc<Registry>,
    metrics: Metrics,
    ready: Arc<AtomicBool>,
    census: Census,
}

impl Health {
    /// Answers from this registry; not ready yet.
    pub fn new(registry: Registry, metrics: Metrics, census: Census) -> Self {
        Self {
            registry: Arc::new(registry),
            metrics,
            ready: Arc::default(),
            census,
        }
    }

    /// From now on the process can do its work, be it leading or waiting to.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

/// Serves /healthz, /readyz and /metrics until told to stop.
pub async fn serve(
    bind: SocketAddr,
    health: Health,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    let listener = TcpListener::bind(bind).await?;
    tracing::info!(address = %listener.local_addr()?, "serving health and metrics");
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

async fn readyz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the first lists are not complete",
        )
    }
}

async fn metrics(State(health): State<Health>) -> (StatusCode, String) {
    health.metrics.count_tenants((health.census)().into_iter());
    health.metrics.age_audits();
    health.metrics.queue.tell();
    let mut text = String::new();
    match encode(&mut text, &health.registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    }
}
