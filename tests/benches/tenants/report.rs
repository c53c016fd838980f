//! The figures, as a table for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::Run;

/// Who makes the tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Operator,
    Bare,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Operator => "operator",
            Self::Bare => "bare client",
        })
    }
}

/// All runs of both.
pub struct Report {
    tenants: usize,
    operator: Vec<Run>,
    bare: Vec<Run>,
}

impl Report {
    /// A report on runs of this many tenants each.
    pub fn new(tenants: usize) -> Self {
        Self {
            tenants,
            operator: Vec::new(),
            bare: Vec::new(),
        }
    }

    /// Takes in a run.
    pub fn add(&mut self, way: Way, run: Run) {
        match way {
            Way::Operator => self.operator.push(run),
            Way::Bare => self.bare.push(run),
        }
    }

    /// Everything, for programs.
    pub fn json(&self) -> Value {
        let [operator, bare] = self.summaries();
        json!({
            "tenants": self.tenants,
            "operator": operator.json(),
            "bare": bare.json(),
            "throughputRatio": operator.throughput / bare.throughput,
            "apiWriteRatio": operator.api_writes() / bare.api_writes(),
        })
    }

    fn summaries(&self) -> [Summary; 2] {
        [&self.operator, &self.bare].map(|runs| Summary::of(runs, self.tenants))
    }
}

/// What several runs of one way come to; counts are for each tenant.
struct Summary {
    runs: usize,
    throughput: f64,
    p50: Duration,
    p99: Duration,
    calls: BTreeMap<String, f64>,
    writes: BTreeMap<String, f64>,
    cpu: f64,
    peak_rss: u64,
}

impl Summary {
    fn of(runs: &[Run], tenants: usize) -> Self {
        let made = (tenants * runs.len()) as f64;
        let wall: Duration = runs.iter().map(|run| run.wall).sum();
        let mut times: Vec<Duration> = runs.iter().flat_map(|run| run.times.clone()).collect();
        times.sort();
        Self {
            runs: runs.len(),
            throughput: made / wall.as_secs_f64(),
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            calls: each(runs.iter().map(|run| &run.calls), made),
            writes: each(runs.iter().map(|run| &run.writes), made),
            cpu: runs.iter().map(|run| run.cpu).sum::<f64>() / runs.len() as f64,
            peak_rss: runs.iter().map(|run| run.peak_rss).max().unwrap_or(0),
        }
    }

    fn api_writes(&self) -> f64 {
        self.writes.values().sum()
    }

    /// Calls by plane and access.
    fn planes(&self) -> BTreeMap<String, f64> {
        let mut planes = BTreeMap::new();
        for (key, count) in &self.calls {
            let plane = key
                .rsplit_once('/')
                .map_or(key.as_str(), |(plane, _)| plane);
            *planes.entry(plane.to_owned()).or_insert(0.0) += count;
        }
        planes
    }

    fn json(&self) -> Value {
        json!({
            "runs": self.runs,
            "tenantsPerSecond": self.throughput,
            "p50Seconds": self.p50.as_secs_f64(),
            "p99Seconds": self.p99.as_secs_f64(),
            "callsPerTenant": self.planes(),
            "callsPerTenantByVerb": self.calls,
            "apiWritesPerTenant": self.api_writes(),
            "apiWritesPerTenantByResource": self.writes,
            "cpuSeconds": self.cpu,
            "peakRssBytes": self.peak_rss,
        })
    }
}

/// The smallest value that `percent` of all do not exceed; zero where there are none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

fn each<'a>(
    counts: impl Iterator<Item = &'a BTreeMap<String, u64>>,
    tenants: f64,
) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (key, count) in counts.flatten() {
        *sums.entry(key.clone()).or_insert(0.0) += *count as f64 / tenants;
    }
    sums
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [operator, bare] = self.summaries();
        writeln!(
            f,
            "{:44} {:>12} {:>12} {:>7}",
            self.title(),
            "operator",
            "bare client",
            "ratio"
        )?;
        row(
            f,
            "tenants per second",
            operator.throughput,
            bare.throughput,
        )?;
        row(
            f,
            "p50 to Ready, s",
            operator.p50.as_secs_f64(),
            bare.p50.as_secs_f64(),
        )?;
        row(
            f,
            "p99 to Ready, s",
            operator.p99.as_secs_f64(),
            bare.p99.as_secs_f64(),
        )?;
        row(f, "CPU of the process, s", operator.cpu, bare.cpu)?;
        let mib = |summary: &Summary| summary.peak_rss as f64 / 1024.0 / 1024.0;
        row(
            f,
            "peak RSS of the process, MiB",
            mib(&operator),
            mib(&bare),
        )?;
        row(
            f,
            "API writes (audit log) a tenant",
            operator.api_writes(),
            bare.api_writes(),
        )?;
        rows(f, "calls", &operator.planes(), &bare.planes())?;
        rows(f, "API", &operator.writes, &bare.writes)
    }
}

impl Report {
    fn title(&self) -> String {
        format!(
            "{} tenants a run, {} runs each",
            self.tenants,
            self.operator.len()
        )
    }
}

fn rows(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    operator: &BTreeMap<String, f64>,
    bare: &BTreeMap<String, f64>,
) -> fmt::Result {
    let keys: std::collections::BTreeSet<_> = operator.keys().chain(bare.keys()).collect();
    for key in keys {
        let of = |counts: &BTreeMap<String, f64>| counts.get(key).copied().unwrap_or(0.0);
        row(f, &format!("  {what}: {key}"), of(operator), of(bare))?;
    }
    Ok(())
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, operator: f64, bare: f64) -> fmt::Result {
    write!(f, "{name:44} {operator:>12.2} {bare:>12.2}")?;
    if bare > 0.0 {
        write!(f, " {:>7.2}", operator / bare)?;
    }
    writeln!(f)
}
