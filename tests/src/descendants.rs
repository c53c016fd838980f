//! Processes as /proc tells them: one that runs, and those that it has started.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process, told from a later one with the same id by when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Running {
    pid: i32,
    began: u64,
}

struct Stat {
    ended: bool,
    parent: i32,
    began: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may itself hold spaces and parentheses.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Stat {
        // A zombie: it has given back all it held, and only waits to be looked at.
        ended: *fields.first()? == "Z",
        parent: fields.get(1)?.parse().ok()?,
        began: fields.get(19)?.parse().ok()?,
    })
}

/// Everything that `root` has started, and what those have started.
pub(crate) fn of(root: Pid) -> Vec<Running> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let all: Vec<(i32, Stat)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect();
    let mut found: Vec<Running> = Vec::new();
    let mut parents = vec![root.as_raw()];
    while let Some(parent) = parents.pop() {
        for (pid, stat) in all.iter().filter(|(_, stat)| stat.parent == parent) {
            found.push(Running {
                pid: *pid,
                began: stat.began,
            });
            parents.push(*pid);
        }
    }
    found
}

impl Running {
    /// The process with this id, if it has not ended.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid).filter(|stat| !stat.ended)?;
        Some(Self {
            pid,
            began: stat.began,
        })
    }

    /// This very process.
    pub(crate) fn this() -> Result<Self> {
        Self::of(Pid::this().as_raw()).context("read /proc/self/stat: /proc must be mounted")
    }

    /// Its id.
    pub(crate) fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it has not ended yet.
    pub(crate) fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends it `signal`, if it still is the same process.
    pub(crate) fn signal(self, signal: Signal) {
        if self.lives() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Kills it, if it still is the same process.
    pub(crate) fn kill(self) {
        self.signal(Signal::SIGKILL);
    }

    /// Everything that it has started, and what those have started.
    pub(crate) fn descendants(self) -> Vec<Self> {
        of(Pid::from_raw(self.pid))
    }
}
