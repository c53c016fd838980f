//! What is to be started, and how.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt;

use super::{Process, spawner};

/// Ends at once where this process has died in between; otherwise becomes the program.
const ALONE: &str = r#"[ "$PPID" = "$0" ] || exit 125; exec "$@""#;
/// Stays as the head of a process group, and ends it whole when told to end.
const FAMILY: &str = r#"[ "$PPID" = "$0" ] || exit 125; trap 'kill -KILL 0' TERM; "$@" & wait $!"#;

/// The user that programs run as which refuse to be root (PostgreSQL does).
pub const UNPRIVILEGED: &str = "nobody";

/// `nobody`'s group has two names among the distributions; its number is one.
const UNPRIVILEGED_GROUP: &str = "65534";

/// A program with its arguments, to be started.
#[derive(Debug)]
pub struct Spec {
    pub(super) name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    dir: Option<PathBuf>,
    inherit_env: bool,
    unprivileged: bool,
    pub(super) family: bool,
    pub(super) stop_signal: Signal,
}

impl Spec {
    /// `name` is what errors call the process. Of the environment it sees PATH and HOME only, unless told otherwise:
    /// etcd, Traefik and others take settings from variables a user may have set for something else.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            unset: Vec::new(),
            dir: None,
            inherit_env: false,
            unprivileged: false,
            family: false,
            stop_signal: Signal::SIGTERM,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the process's environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Passes on the whole environment of this process.
    #[must_use]
    pub fn inherit_env(mut self) -> Self {
        self.inherit_env = true;
        self
    }

    /// Leaves out variables that [`Spec::inherit_env`] would pass on.
    #[must_use]
    pub fn unset<K: AsRef<OsStr>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.unset
            .extend(keys.into_iter().map(|key| key.as_ref().to_owned()));
        self
    }

    /// Where this process is root, runs the program as [`UNPRIVILEGED`] instead.
    #[must_use]
    pub fn unprivileged(mut self) -> Self {
        self.unprivileged = nix::unistd::geteuid().is_root();
        self
    }

    /// For a program that starts others (a compiler's driver): they all end with it.
    #[must_use]
    pub fn family(mut self) -> Self {
        self.family = true;
        self
    }

    /// The signal that asks the program to end, where it is not SIGTERM.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig");
        command.arg(if self.family { "TERM" } else { "KILL" });
        if self.unprivileged {
            command.args(["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED_GROUP]);
            command.arg("--clear-groups");
        }
        command
            .args(["--", "sh", "-c", if self.family { FAMILY } else { ALONE }])
            .arg(std::process::id().to_string())
            .arg(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            // Not in the terminal's foreground group: Ctrl-C is for this process, which then stops the others in order.
            .process_group(0);
        if !self.inherit_env {
            command.env_clear();
            for key in ["PATH", "HOME"] {
                if let Some(value) = std::env::var_os(key) {
                    command.env(key, value);
                }
            }
        }
        for key in &self.unset {
            command.env_remove(key);
        }
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Starts the program, its output appended to the file `log`.
    pub fn spawn(self, log: &Path) -> Result<Process> {
        let mut command = self.command();
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}, the log of {}", log.display(), self.name))?;
        let err = out.try_clone().context("share the log's handle")?;
        command.stdout(out).stderr(err);
        let child = self.start(command)?;
        Process::of(self, child, Some(log.to_owned()))
    }

    /// Starts the program with its output piped to this process, to be read at once.
    pub fn spawn_piped(self) -> Result<(Process, ChildStdout, ChildStderr)> {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.start(command)?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("{} was started without the pipes asked for", self.name);
        };
        let process = Process::of(self, child, None)?;
        Ok((process, out, err))
    }

    /// Runs the program to its end, and returns what it printed; fails with what it said where it fails.
    pub async fn output(self) -> Result<String> {
        let (process, stdout, stderr) = self.spawn_piped()?;
        let mut stdout = tokio::process::ChildStdout::from_std(stdout)?;
        let mut stderr = tokio::process::ChildStderr::from_std(stderr)?;
        let (mut printed, mut said) = (Vec::new(), Vec::new());
        tokio::try_join!(
            stdout.read_to_end(&mut printed),
            stderr.read_to_end(&mut said)
        )
        .with_context(|| format!("read what {} says", process.name))?;
        let status = process.wait().await;
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            bail!("{} failed ({status}): {}", process.name, said.trim());
        }
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    fn start(&self, command: Command) -> Result<Child> {
        spawner::spawn(command).with_context(|| {
            format!(
                "start {} ({}); it needs `setpriv` of util-linux on PATH",
                self.name,
                self.program.display()
            )
        })
    }
}
