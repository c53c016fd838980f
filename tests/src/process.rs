//! Child processes that never outlive this one, however it ends.
//!
//! `setpriv --pdeathsig` has the kernel kill the child when the *thread* that started it ends, so all are started
//! from one thread that never does. A look at `$PPID` right after closes the moment before that promise holds.

mod spawner;
mod spec;

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub use spec::{Spec, UNPRIVILEGED};

use crate::descendants::{self, Running};
use crate::failure;

/// A running child process; dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    family: bool,
    stop_signal: Signal,
    log: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    waiter: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    child: Child,
    reaped: bool,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    fn of(spec: Spec, child: Child, log: Option<PathBuf>) -> Result<Self> {
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a process id out of range")?);
        let (tell, ended) = watch::channel(None);
        let state = Arc::new(Mutex::new(State {
            child,
            reaped: false,
        }));
        let shared = Arc::clone(&state);
        let waiter = thread::Builder::new()
            .name(format!("wait-{}", spec.name))
            .spawn(move || {
                // The end is awaited without reaping: until reaped the id is ours, and a signal cannot hit a stranger.
                let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
                while waitid(Id::Pid(pid), flags) == Err(nix::errno::Errno::EINTR) {}
                let mut state = lock(&shared);
                let status = state.child.wait().unwrap_or_default();
                state.reaped = true;
                tell.send_replace(Some(status));
            })
            .context("start the thread that waits for a process")?;
        Ok(Self {
            name: spec.name,
            pid,
            family: spec.family,
            stop_signal: spec.stop_signal,
            log,
            state,
            ended,
            waiter: Some(waiter),
        })
    }

    /// The name given in its [`Spec`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The file its output goes to.
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Its exit status, once it has ended.
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            Err(_) => ExitStatus::default(),
        }
    }

    /// Sends `signal`; a process that has ended gets none.
    pub fn signal(&self, signal: Signal) {
        let state = lock(&self.state);
        if !state.reaped {
            let target = if self.family && signal == Signal::SIGKILL {
                Pid::from_raw(-self.pid.as_raw())
            } else {
                self.pid
            };
            let _ = kill(target, signal);
        }
    }

    /// Halts it (SIGSTOP), so that it hangs instead of answering.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it run on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to end, and kills it when `patience` is over.
    pub async fn stop(&self, patience: Duration) -> ExitStatus {
        self.signal(self.stop_signal);
        self.resume();
        match timeout(patience, self.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Kills it (SIGKILL) with all that it has started, as a loss of power would.
    pub async fn kill(&self) -> ExitStatus {
        let started = self.kill_now();
        let status = self.wait().await;
        // What it started may hold on to memory and files for a moment, and a next start would trip over that.
        while started.iter().any(|one| one.lives()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        status
    }

    fn kill_now(&self) -> Vec<Running> {
        // Halted first, so that it starts no more while those that are there are counted.
        self.pause();
        let reaped = lock(&self.state).reaped;
        let started = if reaped {
            Vec::new()
        } else {
            descendants::of(self.pid)
        };
        self.signal(Signal::SIGKILL);
        for one in &started {
            one.kill();
        }
        started
    }

    /// Waits until `probe` succeeds; fails where the process ends before, or `patience` is over.
    pub async fn ready<F>(&self, patience: Duration, mut probe: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let deadline = Instant::now() + patience;
        loop {
            let attempt = tokio::select! {
                status = self.wait() => return Err(self.early_end(status)),
                attempt = timeout(patience, probe()) => attempt,
            };
            match attempt {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if Instant::now() >= deadline => {
                    return Err(error.context(format!(
                        "{} was not ready within {patience:?}{}",
                        self.name,
                        self.last_lines()
                    )));
                }
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(_) => bail!(
                    "{} did not answer within {patience:?}{}",
                    self.name,
                    self.last_lines()
                ),
            }
        }
    }

    fn early_end(&self, status: ExitStatus) -> anyhow::Error {
        let lines = self.last_lines();
        let remedy = failure::remedy(&lines)
            .map(|remedy| format!("{remedy}. "))
            .unwrap_or_default();
        anyhow::anyhow!(
            "{} ended at its start ({status}). {remedy}{lines}",
            self.name
        )
    }

    /// The end of its log, as a paragraph for an error.
    pub fn last_lines(&self) -> String {
        self.log
            .as_deref()
            .map(failure::last_lines)
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let started = match self.ended() {
            None => self.kill_now(),
            Some(_) => Vec::new(),
        };
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
        while started.iter().any(|one| one.lives()) {
            thread::sleep(Duration::from_millis(2));
        }
    }
}
