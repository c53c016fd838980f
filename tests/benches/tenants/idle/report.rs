//! What the idle operator costs, as a table for people and as JSON, and whether that is too much.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::audits::Cost;
use super::{CLOSE_LOOK, FAST_ROTATION, PROOF, called};
use crate::measure::Run;

/// Of one core, in percent.
const CPU_LIMIT: f64 = 2.0;

/// How many bare queries an audit may cost.
const AUDIT_LIMIT: f64 = 3.0;

/// The rotation by default, in seconds.
const ROTATION: f64 = 3600.0;

/// All that was measured.
pub struct Report {
    /// How many there are.
    pub tenants: usize,
    /// From the start of an operator that finds nothing changed, until it came to rest.
    pub start: Run,
    /// At rest, without proofs.
    pub idle: Run,
    /// At rest, with a fast rotation of proofs.
    pub rotating: Run,
    /// Of each server.
    pub audits: Vec<Cost>,
}

/// What the rotation of proofs costs.
struct Rotation {
    proofs: u64,
    cpu_each: f64,
    percent_by_default: f64,
}

impl Report {
    /// What is more than may be; empty where all is well.
    pub fn limits_passed(&self) -> Vec<String> {
        let mut passed = Vec::new();
        let percent = percent(&self.idle);
        if percent >= CPU_LIMIT {
            passed.push(format!("{percent:.2} % of a core instead of {CPU_LIMIT}"));
        }
        for (when, requests) in [
            ("after a restart", written(&self.start)),
            ("at rest", written(&self.idle)),
            ("at rest", read(&self.idle)),
            ("while proofs are repeated", written(&self.rotating)),
        ] {
            if !requests.is_empty() {
                passed.push(format!("{when} the API server was asked for {requests:?}"));
            }
        }
        let slow = self.audits.iter().filter(|it| it.ratio > AUDIT_LIMIT);
        passed.extend(slow.map(|it| {
            format!(
                "an audit of {} is {:.2} of its queries instead of {AUDIT_LIMIT}",
                it.server, it.ratio
            )
        }));
        passed
    }

    /// Everything, for programs.
    pub fn json(&self) -> Value {
        let rotation = self.rotation();
        let audits: Vec<Value> = (self.audits.iter())
            .map(|it| {
                json!({
                    "server": it.server,
                    "tenants": it.tenants,
                    "querySeconds": it.query.as_secs_f64(),
                    "auditSeconds": it.audit.as_secs_f64(),
                    "ratio": it.ratio,
                    "ratioWithIdentity": it.whole_ratio,
                })
            })
            .collect();
        json!({
            "tenants": self.tenants,
            "limits": {"percentOfOneCore": CPU_LIMIT, "auditRatio": AUDIT_LIMIT, "apiRequests": 0},
            "restart": phase(&self.start),
            "idle": phase(&self.idle),
            "rotation": {
                "intervalSeconds": FAST_ROTATION.as_secs(),
                "proofs": rotation.proofs,
                "cpuSecondsPerProof": rotation.cpu_each,
                "percentOfOneCoreByDefault": rotation.percent_by_default,
                "window": phase(&self.rotating),
            },
            "audits": audits,
            "limitsPassed": self.limits_passed(),
        })
    }

    fn rotation(&self) -> Rotation {
        let proofs = called(&self.rotating.calls, PROOF);
        let idle = self.idle.cpu / self.idle.wall.as_secs_f64();
        let besides = idle * self.rotating.wall.as_secs_f64();
        let cpu_each = (self.rotating.cpu - besides) / proofs.max(1) as f64;
        Rotation {
            proofs,
            cpu_each,
            percent_by_default: 100.0 * cpu_each * self.tenants as f64 / ROTATION,
        }
    }
}

fn percent(run: &Run) -> f64 {
    100.0 * run.cpu / run.wall.as_secs_f64()
}

/// The lease apart.
fn written(run: &Run) -> BTreeMap<&str, u64> {
    but_leases(&run.writes)
}

/// The lease apart.
fn read(run: &Run) -> BTreeMap<&str, u64> {
    but_leases(&run.reads)
}

fn but_leases(requests: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let requests = requests.iter().filter(|(key, _)| !key.ends_with(" leases"));
    requests
        .map(|(key, count)| (key.as_str(), *count))
        .collect()
}

fn phase(run: &Run) -> Value {
    json!({
        "seconds": run.wall.as_secs_f64(),
        "cpuSeconds": run.cpu,
        "percentOfOneCore": percent(run),
        "peakRssBytes": run.peak_rss,
        "apiWrites": written(run),
        "apiReads": read(run),
        "calls": run.calls,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |requests: BTreeMap<&str, u64>| requests.values().sum::<u64>() as f64;
        let per_second =
            |run: &Run, what: &str| called(&run.calls, what) as f64 / run.wall.as_secs_f64();
        let rotation = self.rotation();
        let phases = [&self.start, &self.idle, &self.rotating];
        writeln!(
            f,
            "{:44} {:>10} {:>10} {:>10}",
            format!("{} tenants, nothing to do", self.tenants),
            "restart",
            "idle",
            "proofs"
        )?;
        let mut row = |name: &str, of: &dyn Fn(&Run) -> f64| {
            write!(f, "{name:44}")?;
            phases
                .iter()
                .try_for_each(|run| write!(f, " {:>10.2}", of(run)))?;
            writeln!(f)
        };
        row("time, s", &|run| run.wall.as_secs_f64())?;
        row("CPU time of the operator, s", &|run| run.cpu)?;
        row("CPU, % of one core", &percent)?;
        row("API writes (audit log), the lease apart", &|run| {
            sum(written(run))
        })?;
        row("API reads, lease and watches apart", &|run| sum(read(run)))?;
        row("close looks at a tenant's storage, a second", &|run| {
            per_second(run, CLOSE_LOOK)
        })?;
        row("proofs, a second", &|run| per_second(run, PROOF))?;
        row("peak RSS of the operator, MiB", &|run| {
            run.peak_rss as f64 / 1024.0 / 1024.0
        })?;
        let kinds = phases.iter().flat_map(|run| run.calls.keys());
        let kinds: std::collections::BTreeSet<&String> = kinds.collect();
        for kind in kinds {
            row(&format!("  calls: {kind}"), &|run| {
                called(&run.calls, kind) as f64
            })?;
        }
        writeln!(
            f,
            "CPU of a proof {:.1} ms; all of them hourly: {:.2} % of one core",
            rotation.cpu_each * 1000.0,
            rotation.percent_by_default
        )?;
        for it in &self.audits {
            writeln!(
                f,
                "audit of {} ({} tenants): {:.1} ms, bare query {:.1} ms, ratio {:.2}; with the questions who it is {:.2}",
                it.server,
                it.tenants,
                it.audit.as_secs_f64() * 1000.0,
                it.query.as_secs_f64() * 1000.0,
                it.ratio,
                it.whole_ratio
            )?;
        }
        Ok(())
    }
}
