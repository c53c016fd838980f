//! What a run is measured by.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eoffice_tests::{Sandbox, helm};

/// Of all Linux machines that this runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// What was done to make a number of tenants, and how long it took.
#[derive(Clone, Debug)]
pub struct Run {
    /// From the first request to the last tenant that was Ready.
    pub wall: Duration,
    /// For each tenant, from its creation to Ready.
    pub times: Vec<Duration>,
    /// Calls by plane and access, `Postgres/Write`, as counted where they are made.
    pub calls: BTreeMap<String, u64>,
    /// Writes by verb and resource, as the API server's audit log has them.
    pub writes: BTreeMap<String, u64>,
    /// Reads in the same way, watches apart.
    pub reads: BTreeMap<String, u64>,
    /// Processor time of the process that made them, in seconds.
    pub cpu: f64,
    /// The most memory that process ever had, in bytes.
    pub peak_rss: u64,
}

/// Counters of the outside at one moment; what happened is the difference of two.
pub struct Reading {
    at: Instant,
    calls: BTreeMap<String, u64>,
    writes: BTreeMap<String, u64>,
    reads: BTreeMap<String, u64>,
    cpu: f64,
}

impl Reading {
    /// Reads all counters: `metrics` of whoever works, and what `pid` used.
    pub fn take(sandbox: &Sandbox, metrics: &str, pid: u32) -> Result<Self> {
        let (writes, reads) = requests(sandbox)?;
        Ok(Self {
            at: Instant::now(),
            calls: calls(metrics),
            writes,
            reads,
            cpu: cpu_seconds(pid)?,
        })
    }

    /// Before the process whose work counts has begun.
    pub fn before_start(sandbox: &Sandbox) -> Result<Self> {
        let (writes, reads) = requests(sandbox)?;
        Ok(Self {
            at: Instant::now(),
            calls: BTreeMap::new(),
            writes,
            reads,
            cpu: 0.0,
        })
    }

    /// When it was taken.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// What happened until `after`, when tenants came to be Ready after `times`.
    pub fn until(&self, after: &Self, wall: Duration, times: Vec<Duration>, rss: u64) -> Run {
        Run {
            wall,
            times,
            calls: difference(&self.calls, &after.calls),
            writes: difference(&self.writes, &after.writes),
            reads: difference(&self.reads, &after.reads),
            cpu: after.cpu - self.cpu,
            peak_rss: rss,
        }
    }
}

fn difference(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    after
        .iter()
        .map(|(key, count)| (key.clone(), count - before.get(key).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The counter of external calls, summed over what is not of interest here.
pub fn calls(metrics: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in metrics.lines() {
        let Some(rest) = line.strip_prefix("eoffice_external_calls_total{") else {
            continue;
        };
        let Some((labels, count)) = rest.rsplit_once("} ") else {
            continue;
        };
        let label = |name: &str| {
            let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(key, _)| *key == name);
            found.map_or("", |(_, value)| value.trim_matches('"'))
        };
        let key = format!("{}/{}/{}", label("plane"), label("access"), label("verb"));
        *sums.entry(key).or_insert(0) += count.parse::<u64>().unwrap_or(0);
    }
    sums
}

/// Writes and reads by the operator's ServiceAccount, which the bare client uses as well.
fn requests(sandbox: &Sandbox) -> Result<(BTreeMap<String, u64>, BTreeMap<String, u64>)> {
    let accounts = format!("system:serviceaccount:{}:", helm::NAMESPACE);
    let (mut writes, mut reads) = (BTreeMap::new(), BTreeMap::new());
    for request in sandbox.control_plane.requests()? {
        if request.user.starts_with(&accounts) {
            let key = format!("{} {}", request.verb, request.resource);
            let sums = match request.is_write() {
                true => &mut writes,
                false => &mut reads,
            };
            *sums.entry(key).or_insert(0) += 1;
        }
    }
    Ok((writes, reads))
}

fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The program's name, in brackets, may hold spaces; user and system time are the 12th and 13th field after it.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS_A_SECOND)
}

/// The most memory that a process ever had, in bytes.
pub fn peak_rss(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("{path} has no VmHWM"))? * 1024)
}
