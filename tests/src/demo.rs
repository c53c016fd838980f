//! `cargo demo`: starts the real platform, has the operator make 20 real agencies of Korat, and proves by use that each
//! can work and that its neighbours are closed to it.
//!
//! A demo is owned by one process: this one, or with `--detach` a keeper that outlives it. All other processes die with
//! their owner, so nothing is ever left behind.

mod drift;
mod evidence;
mod guide;
mod keeper;
mod manage;
mod phases;
mod place;
mod show;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::progress::Progress;
use place::Place;

#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo demo",
    about = "Starts the whole platform on this machine, has 20 agencies of Korat made, and proves each by use.",
    after_help = "Without a command it stays until Ctrl-C, which ends all it has started.",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: Start,
    #[command(flatten)]
    common: Common,
}

/// How a demo is started.
#[derive(Args, Debug)]
struct Start {
    /// Stop everything after the proof; succeed only if all held
    #[arg(long, conflicts_with = "detach")]
    once: bool,
    /// Leave everything running once all is proved; `cargo demo down` ends it
    #[arg(long)]
    detach: bool,
}

/// What holds for whoever owns a demo.
#[derive(Args, Clone, Debug)]
struct Common {
    /// Serve the ingress on this port instead of a free one
    #[arg(long, value_name = "PORT")]
    ingress_port: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// End the demo that runs, and wait until every process of it is gone
    Down,
    /// Say what runs
    Status,
    /// Print shell exports for the demo that runs: eval "$(cargo demo env)"
    Env,
    /// Own a detached demo
    #[command(hide = true)]
    Keeper(Common),
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Interrupted,
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(End::Done) => ExitCode::SUCCESS,
        // As a shell tells of a program that Ctrl-C has ended.
        Ok(End::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<End> {
    let place = Place::of_project();
    if matches!(cli.command, Some(Command::Keeper(_))) {
        keeper::leave_terminal()?;
    }
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let end = runtime.block_on(async {
        match cli.command {
            Some(Command::Down) => manage::down(&place).await,
            Some(Command::Status) => manage::status(&place).await,
            Some(Command::Env) => manage::env(&place),
            Some(Command::Keeper(common)) => keeper::keep(&place, &common).await,
            None if cli.start.detach => keeper::detach(&place, &cli.common).await,
            None => here(&place, &cli.start, &cli.common).await,
        }
    });
    // A read of a terminal that nobody answers must not hold up the end.
    runtime.shutdown_background();
    end
}

/// A demo owned by this very process.
async fn here(place: &Place, start: &Start, common: &Common) -> Result<End> {
    let mut claim = place.claim()?;
    let progress = Progress::auto();
    let mut signals = Signals::new()?;
    let show = tokio::select! {
        show = show::run(&mut claim, common.ingress_port, &progress) => show?,
        () = signals.any() => {
            progress.say("Interrupted: ending everything.");
            return Ok(End::Interrupted);
        }
    };
    if start.once {
        show.stop(&progress);
        return Ok(End::Done);
    }
    guide::print(&show.guide());
    guide::print("\nIt all runs until Ctrl-C.\n");
    signals.any().await;
    show.stop(&progress);
    Ok(End::Done)
}

/// What asks this process to end.
struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    fn new() -> Result<Self> {
        let on = |kind| signal(kind).context("listen for signals");
        Ok(Self([
            on(SignalKind::interrupt())?,
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
        ]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        for (line, accepted) in [
            ("demo", true),
            ("demo --once", true),
            ("demo --detach --ingress-port 8443", true),
            ("demo down", true),
            ("demo status", true),
            ("demo env", true),
            ("demo --once --detach", false),
            ("demo --once down", false),
            ("demo --ingress-port 70000", false),
            ("demo up", false),
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), accepted, "{line}");
        }
    }
}
