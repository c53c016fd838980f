//! How fast the operator makes tenants, beside a bare client that sends the same requests.
//!
//! `cargo bench -p eoffice-tests -- --tenants 100 --rounds 1`
//!
//! Each run has a platform of its own, fresh and durable: etcd and PostgreSQL wait for the disk. Two rounds run as
//! operator, bare client, bare client, operator, so that a machine that becomes slower or faster favours neither.
#![allow(missing_docs)]

mod agencies;
mod bare;
mod bed;
mod governed;
mod measure;
mod report;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::report::{Report, Way};

#[derive(Parser)]
#[command(
    about = "Makes synthetic tenants, by the operator and by a bare client, and compares them"
)]
struct Arguments {
    /// Tenants in each run.
    #[arg(long, default_value_t = 100)]
    tenants: usize,
    /// Runs of each of the two.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
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
    ensure!(
        (1..=9999).contains(&arguments.tenants),
        "--tenants takes 1 to 9999"
    );
    let tenants = agencies::agencies(arguments.tenants)?;
    eoffice_tests::operator::binary().await?;
    let mut report = Report::new(arguments.tenants);
    for round in 0..arguments.rounds {
        let order = if round % 2 == 0 {
            [Way::Operator, Way::Bare]
        } else {
            [Way::Bare, Way::Operator]
        };
        for way in order {
            eprintln!("round {}: {} tenants, {way}", round + 1, tenants.len());
            let run = match way {
                Way::Operator => governed::run(&tenants).await?,
                Way::Bare => bare::run(&tenants).await?,
            };
            eprintln!("  all Ready after {:.1} s", run.wall.as_secs_f64());
            report.add(way, run);
        }
    }
    println!("{report}");
    let json = serde_json::to_string_pretty(&report.json())?;
    println!("{json}");
    if let Some(path) = arguments.json {
        std::fs::write(path, json)?;
    }
    Ok(())
}
