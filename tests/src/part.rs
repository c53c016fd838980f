//! One running part of the platform, which a test can take down and bring back.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::BoxFuture;

use crate::ground::Ground;
use crate::process::{Process, Spec};

type Command = Box<dyn Fn() -> Spec + Send + Sync>;
type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A program that keeps its ports and its data from one start to the next.
pub struct Part {
    name: String,
    log: PathBuf,
    command: Command,
    probe: Probe,
    process: Mutex<Option<Arc<Process>>>,
}

/// A part that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// A part that has not ended by then is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

impl Part {
    /// `command` adds to the program what it is started with each time; `probe` succeeds once it serves.
    pub fn new<T, F>(
        ground: &Ground,
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        command: impl Fn(Spec) -> Spec + Send + Sync + 'static,
        probe: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (name, program) = (name.into(), program.into());
        let called = name.clone();
        Self {
            log: ground.home.logs().join(format!("{name}.log")),
            command: Box::new(move || command(Spec::new(called.clone(), program.clone()))),
            probe: Box::new(move || {
                let attempt = probe();
                Box::pin(async move { attempt.await.map(|_| ()) })
            }),
            process: Mutex::new(None),
            name,
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Arc<Process>>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Option<Arc<Process>> {
        self.process()
            .as_ref()
            .filter(|process| process.ended().is_none())
            .map(Arc::clone)
    }

    /// Starts it, unless it runs, and waits until it serves.
    pub async fn start(&self) -> Result<()> {
        self.launch()?;
        self.ready().await
    }

    /// Starts it, unless it runs, without waiting.
    pub fn launch(&self) -> Result<()> {
        let mut process = self.process();
        if process.as_ref().is_none_or(|it| it.ended().is_some()) {
            *process = Some(Arc::new((self.command)().spawn(&self.log)?));
        }
        Ok(())
    }

    /// Waits until it serves.
    pub async fn ready(&self) -> Result<()> {
        let process = self
            .process()
            .as_ref()
            .map(Arc::clone)
            .with_context(|| format!("{} has not been started", self.name))?;
        process.ready(READY_WITHIN, &self.probe).await
    }

    /// Ends it in order (SIGTERM).
    pub async fn stop(&self) {
        if let Some(process) = self.running() {
            process.stop(STOPPED_WITHIN).await;
        }
    }

    /// Ends it as a loss of power would (SIGKILL).
    pub async fn kill(&self) {
        if let Some(process) = self.running() {
            process.kill().await;
        }
    }

    /// Lets it hang (SIGSTOP): connections open, and nothing answers.
    pub fn pause(&self) {
        if let Some(process) = self.running() {
            process.pause();
        }
    }

    /// Lets it run on (SIGCONT).
    pub fn resume(&self) {
        if let Some(process) = self.running() {
            process.resume();
        }
    }

    /// Its name, as errors have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.running().map(|process| process.pid())
    }

    /// The file with all it has said.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
