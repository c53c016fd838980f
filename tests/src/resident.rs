//! The operator inside the test's own process: its clock can be set, and it can die at any call to the outside.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use eoffice_operator::clock::Clock;
use eoffice_operator::controller::{Surroundings, run_in};
use eoffice_operator::effect::Fault;
use eoffice_operator::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::operator::{OperatorOptions, arguments, metrics};
use crate::{Sandbox, net};

/// As its threads are in the program: a look at a tenant is one deep future.
const STACK: usize = 16 << 20;

/// One that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// What is left on threads of its own when it dies: looking up names.
const LEFT_WITHIN: Duration = Duration::from_secs(5);

/// A clock that runs as the system's does, and that a test puts forward. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Time(Arc<Mutex<SignedDuration>>);

impl Time {
    /// Puts it forward; an operator that runs takes the new time at its next look.
    pub fn advance(&self, by: Duration) -> Result<()> {
        let by = SignedDuration::try_from(by).context("a time too long")?;
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *ahead = ahead.checked_add(by).context("a time too far ahead")?;
        Ok(())
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::of(move || time.now())
    }
}

/// An operator in this process, alive or not. It keeps its address, its name and its log from one life to the next.
///
/// It has the rights of the chart and the chart's one lease. Each life takes the lease at once, since the one before
/// had the same name: that one is certainly dead, for it ended with its whole runtime.
pub struct Resident {
    /// Its clock.
    pub time: Time,
    kubeconfig: PathBuf,
    settings: Settings,
    url: String,
    http: reqwest::Client,
    log: PathBuf,
    life: Mutex<Option<Life>>,
}

/// A thread with a runtime, and nothing of the operator outside of it.
struct Life {
    /// To end in order.
    stop: CancellationToken,
    /// To be dropped with all that is in hand.
    kill: CancellationToken,
    thread: JoinHandle<Result<()>>,
}

impl Resident {
    /// Prepares one, to be started; the environment in `options` is not its own, and not heeded.
    pub async fn new(sandbox: &Sandbox, options: OperatorOptions) -> Result<Self> {
        let bind = format!("127.0.0.1:{}", net::free_port()?);
        let identity = options.identity.clone();
        let identity = identity.unwrap_or_else(|| "resident".into());
        let program = OsString::from("eoffice-operator");
        let args = std::iter::once(program).chain(arguments(&bind, &identity, &options));
        Ok(Self {
            time: Time::default(),
            kubeconfig: sandbox.operator_kubeconfig().await?,
            settings: Settings::try_parse_from(args).context("the operator's arguments")?,
            url: format!("http://{bind}"),
            http: sandbox.ground().tls.http_client()?,
            log: sandbox.ground().home.logs().join(format!("{identity}.log")),
            life: Mutex::new(None),
        })
    }

    /// Starts it, with nothing that befalls it.
    pub async fn start(&self) -> Result<()> {
        self.start_under(None).await
    }

    /// Starts it with a test's hand at its door to the outside, and waits until it is ready.
    pub async fn start_under(&self, fault: Option<Arc<dyn Fault>>) -> Result<()> {
        self.launch(fault).await?;
        let deadline = Instant::now() + READY_WITHIN;
        let ready = format!("{}/readyz", self.url);
        loop {
            let answer = self.http.get(&ready).send().await;
            match answer.and_then(reqwest::Response::error_for_status) {
                Ok(_) => return Ok(()),
                Err(_) if self.ended() => return Err(self.last_words().await),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("the operator is not ready in time");
                }
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// The same without waiting.
    pub async fn launch(&self, fault: Option<Arc<dyn Fault>>) -> Result<()> {
        ensure!(self.life().is_none(), "it is alive already");
        let known = Kubeconfig::read_from(&self.kubeconfig)?;
        let usual = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(known, &usual).await?;
        let surroundings = Surroundings {
            config: Some(config),
            fault,
            clock: self.time.clock(),
        };
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let (settings, log) = (self.settings.clone(), dispatch(&self.log)?);
        let (stopped, killed) = (stop.clone(), kill.clone());
        let thread = std::thread::Builder::new()
            .name("operator".into())
            .stack_size(STACK)
            .spawn(move || {
                let _log = tracing::dispatcher::set_default(&log);
                let runtime = Builder::new_current_thread().enable_all().build()?;
                let ended = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = killed.cancelled() => Ok(()),
                        ended = run_in(surroundings, settings, stopped) => ended,
                    }
                });
                // All its tasks go with it, wherever they are.
                runtime.shutdown_timeout(LEFT_WITHIN);
                ended.context("the operator ended")
            })?;
        *self.life() = Some(Life { stop, kill, thread });
        Ok(())
    }

    /// Ends it in order, as SIGTERM does.
    pub async fn stop(&self) -> Result<()> {
        self.end(|life| life.stop.cancel()).await
    }

    /// Ends it as SIGKILL does: nothing of it goes on once this returns, and nothing is given back.
    pub async fn kill(&self) -> Result<()> {
        self.end(|life| life.kill.cancel()).await
    }

    async fn end(&self, how: impl FnOnce(&Life)) -> Result<()> {
        let Some(life) = self.life().take() else {
            return Ok(());
        };
        how(&life);
        let joined = tokio::task::spawn_blocking(move || life.thread.join()).await?;
        joined.map_err(|_| anyhow!("the operator panicked; see {}", self.log.display()))?
    }

    /// Whether it has ended by itself.
    pub fn ended(&self) -> bool {
        let life = self.life();
        life.as_ref().is_some_and(|life| life.thread.is_finished())
    }

    async fn last_words(&self) -> anyhow::Error {
        match self.kill().await {
            Ok(()) => anyhow!("the operator ended; see {}", self.log.display()),
            Err(error) => error,
        }
    }

    /// Its metrics, as Prometheus would read them.
    pub async fn metrics(&self) -> Result<String> {
        metrics(&self.http, &self.url).await
    }

    /// Where it serves its health and metrics.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file with all that it said in all its lives.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// All it has said so far.
    pub fn said(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).context("read the operator's log")
    }

    fn life(&self) -> MutexGuard<'_, Option<Life>> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        if let Some(life) = self.life().take() {
            life.kill.cancel();
            drop(life.thread.join());
        }
    }
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let alive = self.life().is_some();
        f.debug_struct("Resident")
            .field("url", &self.url)
            .field("alive", &alive)
            .finish_non_exhaustive()
    }
}

/// What the program logs, added to a file instead.
fn dispatch(log: &Path) -> Result<Dispatch> {
    let file: Result<File, _> = OpenOptions::new().create(true).append(true).open(log);
    let file = file.with_context(|| format!("open {}", log.display()))?;
    let filter = EnvFilter::try_new("info,tokio_postgres=warn").context("a filter of the log")?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Mutex::new(file))
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    let subscriber = Registry::default().with(filter).with(lines).with(InHand);
    Ok(Dispatch::new(subscriber))
}

/// The tenant whose look makes the call that a [`Fault`] decides about: the one that the span around it names. None
/// where it is made for all of them, as the looks at backends are.
pub fn tenant_in_hand() -> Option<String> {
    tracing::dispatcher::get_default(|log| {
        let spans = log.downcast_ref::<Registry>()?;
        let inner = spans.span(log.current_span().id()?)?;
        inner
            .scope()
            .find_map(|span| Some(span.extensions().get::<Tenant>()?.0.clone()))
    })
}

/// Remembers which tenant a span is about.
struct InHand;

struct Tenant(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for InHand {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, all: Context<'_, S>) {
        let mut named = Named(None);
        span.record(&mut named);
        if let (Some(tenant), Some(span)) = (named.0, all.span(id)) {
            span.extensions_mut().insert(Tenant(tenant));
        }
    }
}

/// Takes the field `tenant` out of a span's fields.
struct Named(Option<String>);

impl Visit for Named {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "tenant" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, format!("{value:?}").trim_matches('"'));
    }
}
