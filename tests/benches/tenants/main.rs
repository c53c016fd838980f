//! How fast the operator makes tenants, beside a bare client that sends the same requests.
//!
//! `cargo bench -p eoffice-tests -- --tenants 100 --rounds 1`
//!
//! Each run has a platform of its own, fresh and durable: etcd and PostgreSQL wait for the disk. Two rounds run as
//! operator, bare client, bare client, operator, so that a machine that becomes slower or faster favours neither.
//!
//! `cargo bench -p eoffice-tests -- --idle` shows instead what an operator costs that has nothing to do, and fails
//! where that is more than is allowed.
#![allow(missing_docs)]

mod agencies;
mod bare;
mod bed;
mod governed;
mod idle;
mod measure;
mod report;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use eoffice_crds::EOfficeTenant;
use serde_json::Value;

use crate::report::{Report, Way};

#[derive(Parser)]
#[command(
    about = "Makes synthetic tenants, by the operator and by a bare client, and compares them"
)]
struct Arguments {
    /// Tenants in each run: 100, or 1000 with --idle.
    #[arg(long)]
    tenants: Option<usize>,
    /// Runs of each of the two.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Measure an operator that has nothing to do, beside the bare queries it makes.
    #[arg(long, conflicts_with = "rounds")]
    idle: bool,
    /// For how many seconds at least it is watched.
    #[arg(long, default_value_t = 120, requires = "idle")]
    window: u64,
    /// Where to write the figures as JSON, besides standard output.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let usual = if arguments.idle { 1000 } else { 100 };
    let count = arguments.tenants.unwrap_or(usual);
    ensure!((1..=9999).contains(&count), "--tenants takes 1 to 9999");
    let tenants = agencies::agencies(count)?;
    eoffice_tests::operator::binary().await?;
    if arguments.idle {
        let report = idle::run(&tenants, Duration::from_secs(arguments.window)).await?;
        tell(&report, &report.json(), arguments.json.as_deref())?;
        let passed = report.limits_passed();
        ensure!(passed.is_empty(), "too much: {}", passed.join("; "));
        return Ok(());
    }
    let report = compare(&tenants, arguments.rounds).await?;
    tell(&report, &report.json(), arguments.json.as_deref())
}

async fn compare(tenants: &[EOfficeTenant], rounds: usize) -> Result<Report> {
    let mut report = Report::new(tenants.len());
    for round in 0..rounds {
        let order = if round % 2 == 0 {
            [Way::Operator, Way::Bare]
        } else {
            [Way::Bare, Way::Operator]
        };
        for way in order {
            eprintln!("round {}: {} tenants, {way}", round + 1, tenants.len());
            let run = match way {
                Way::Operator => governed::run(tenants).await?,
                Way::Bare => bare::run(tenants).await?,
            };
            eprintln!("  all Ready after {:.1} s", run.wall.as_secs_f64());
            report.add(way, run);
        }
    }
    Ok(report)
}

/// The figures on standard output, and as JSON where that is asked for as well.
fn tell(report: &impl Display, json: &Value, path: Option<&Path>) -> Result<()> {
    println!("{report}");
    let json = serde_json::to_string_pretty(json)?;
    println!("{json}");
    if let Some(path) = path {
        std::fs::write(path, json)?;
    }
    Ok(())
}
