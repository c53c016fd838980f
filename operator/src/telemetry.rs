//! Logs, metrics and health.

use crate::settings::LogFormat;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use eoffice_crds::Phase;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Labels of the gauge of tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantLabels {
    /// Phase.
    pub phase: &'static str,
    /// Province code.
    pub province: String,
}

/// What the controller counts. No label grows with the number of tenants.
#[derive(Clone)]
pub struct Metrics {
    reconciles: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
    tenants: Family<TenantLabels, Gauge>,
}

impl Metrics {
    /// Metrics that appear in this registry.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            seconds: Histogram::new([0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0]),
            tenants: Family::default(),
        };
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
        metrics
    }

    /// Counts one look at a tenant.
    pub fn reconciled(&self, ready: bool, seconds: f64) {
        let outcome = if ready { "ready" } else { "not_ready" };
        self.reconciles
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
        self.seconds.observe(seconds);
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
    let mut text = String::new();
    match encode(&mut text, &health.registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    }
}
