//! The operator, as a process beside the cluster: no pod runs in the sandbox.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::ground::Ground;
use crate::helm::NAMESPACE;
use crate::home::workspace;
use crate::net::free_port;
use crate::part::Part;
use crate::probe;
use crate::process::Spec;
use crate::toolchain::c_compiler;

/// The id of the installation that the sandbox's operators stand for.
pub const INSTALLATION: &str = "sandbox";

/// What the chart lets officers of a province do in its tenants' namespaces.
pub const OFFICER_ROLE: &str = "eoffice-operator-officer-look";

/// The lease that the chart lets the operator hold.
const LEASE: &str = "eoffice-operator";

static BUILT: OnceCell<PathBuf> = OnceCell::const_new();

/// Builds the operator, once in a process, and tells where it is. It is built as this very program was: with
/// optimisations or without.
pub async fn binary() -> Result<&'static Path> {
    BUILT.get_or_try_init(build).await.map(PathBuf::as_path)
}

async fn build() -> Result<PathBuf> {
    c_compiler("cc")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let messages = Spec::new("cargo build of the operator", cargo)
        // All of the workspace, as this very program was: a build of the one package alone would have other features
        // in its dependencies, and compile them all again.
        .args(["build", "--workspace", "--bin=eoffice-operator"])
        .args([
            &format!("--profile={profile}"),
            "--message-format=json-render-diagnostics",
        ])
        .dir(workspace())
        .inherit_env()
        .unset(set_by_cargo())
        .family()
        .output()
        .await?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "eoffice-operator")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo built the operator but did not say where it is")
}

/// What cargo told this program of the package it is in. Passed on, it would have build scripts that look at such
/// variables run again, and most of the dependencies be compiled anew.
fn set_by_cargo() -> Vec<OsString> {
    const NAMES: &[&str] = &[
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    const PREFIXES: &[&str] = &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    env::vars_os()
        .map(|(key, _)| key)
        .filter(|key| {
            key.to_str().is_some_and(|key| {
                NAMES.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
            })
        })
        .collect()
}

/// When the operator holds a mass of deletions and the like.
#[derive(Clone, Debug)]
pub struct BreakerOptions {
    /// With more tenants than this within ten minutes, all are held.
    pub limit: u16,
    /// How long each waits, so that the others are seen.
    pub delay: Duration,
}

impl Default for BreakerOptions {
    /// In a hurry, and never too many: for tests of anything else.
    fn default() -> Self {
        Self {
            limit: 1000,
            delay: Duration::from_millis(200),
        }
    }
}

/// How an operator is started.
#[derive(Clone, Debug, Default)]
pub struct OperatorOptions {
    /// More arguments, such as `--postgres-interval=1s`.
    pub args: Vec<String>,
    /// Its breaker.
    pub breaker: BreakerOptions,
    /// Variables of its environment, such as `RUST_LOG`.
    pub env: Vec<(String, String)>,
    /// Another identity than its own, to run several at once.
    pub identity: Option<String>,
}

/// What an operator of the sandbox is started with.
pub(crate) fn arguments(bind: &str, identity: &str, options: &OperatorOptions) -> Vec<OsString> {
    let own = [
        format!("--installation-id={INSTALLATION}"),
        format!("--bind={bind}"),
        format!("--lease-namespace={NAMESPACE}"),
        format!("--lease-name={LEASE}"),
        format!("--identity={identity}"),
        format!("--officer-role={OFFICER_ROLE}"),
        format!("--breaker-limit={}", options.breaker.limit),
        format!("--breaker-delay={}ms", options.breaker.delay.as_millis()),
        // Tests of anything else ask for many that fail.
        "--wave-failed-percent=100".to_owned(),
    ];
    let all = own.iter().chain(&options.args);
    all.map(OsString::from).collect()
}

/// The metrics of the operator at `url`.
pub(crate) async fn metrics(http: &reqwest::Client, url: &str) -> Result<String> {
    let url = format!("{url}/metrics");
    let answer = http.get(&url).send().await.context("ask for metrics")?;
    if !answer.status().is_success() {
        bail!("{url} answers {}", answer.status());
    }
    answer.text().await.context("read the metrics")
}

/// An operator, running or not; it keeps its address from one start to the next.
#[derive(Debug)]
pub struct Operator {
    /// The process; it is ready once `/readyz` says so.
    pub part: Part,
    url: String,
    http: reqwest::Client,
}

impl Operator {
    /// Prepares one that uses `kubeconfig`, to be started by [`Part::start`]; builds the program first.
    pub async fn new(ground: &Ground, kubeconfig: &Path, options: OperatorOptions) -> Result<Self> {
        let program = binary().await?;
        let bind = format!("127.0.0.1:{}", free_port()?);
        let identity = options.identity.clone();
        let identity = identity.unwrap_or_else(|| "operator".into());
        let args = arguments(&bind, &identity, &options);
        let (env, kubeconfig) = (options.env, kubeconfig.to_owned());
        let command = move |spec: Spec| {
            env.iter()
                .fold(spec, |spec, (key, value)| spec.env(key, value))
                .env("KUBECONFIG", &kubeconfig)
                .args(&args)
        };
        let url = format!("http://{bind}");
        let http = ground.tls.http_client()?;
        let (asking, ready) = (http.clone(), format!("{url}/readyz"));
        let probe = probe::http(asking, ready);
        Ok(Self {
            part: Part::new(ground, identity, program, command, probe),
            url,
            http,
        })
    }

    /// Its metrics, as Prometheus would read them.
    pub async fn metrics(&self) -> Result<String> {
        metrics(&self.http, &self.url).await
    }

    /// Where it serves its health and metrics.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All it has said so far.
    pub fn said(&self) -> Result<String> {
        std::fs::read_to_string(self.part.log()).context("read the operator's log")
    }
}
