//! `kubectl eoffice`: how e-Office tenants stand, what would be done for them, and a person's decisions.
//!
//! A kubectl plugin. It speaks to the API server only, with its user's kubeconfig and rights.

mod accept;
mod approve;
mod auditors;
mod client;
mod completion;
mod consent;
mod console;
mod credentials;
mod doctor;
mod drift;
mod facts;
mod failure;
mod hold;
mod legal_hold;
mod lifecycle;
mod pause;
mod plan;
mod purge;
mod record;
mod restore;
mod retained;
mod retire;
mod rotate;
mod status;
mod table;
mod tenant;
mod verify;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use client::{Cluster, Connection};
use console::Console;
use failure::Result;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// How usage errors end: 2 says that something would change.
const USAGE: u8 = 64;

const EXIT_CODES: &str = "\
Exit codes:
  0   fine, or nothing would change
  1   it failed, or something is wrong
  2   something would change (plan)
  64  the command line is wrong

Colours are used on a terminal only, and not where NO_COLOR is set. Tables are
cut at 80 columns, or at COLUMNS where that is exported; -o json never is.";

/// How e-Office tenants stand, what would be done, and decisions about them
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-eoffice",
    bin_name = "kubectl eoffice",
    version,
    after_help = EXIT_CODES,
    disable_help_subcommand = true,
    next_line_help = true
)]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How a tenant stands, or those of a namespace, of a province or of all
    Status(status::Arguments),
    /// What would be done for a tenant, or for a file if applied
    Plan(plan::Arguments),
    /// What others changed of a tenant, who did, and what became of it
    Drift(drift::Arguments),
    /// Have a tenant's credentials tried now, and say what came of it
    Verify(verify::Arguments),
    /// Print a tenant's credentials for a shell to evaluate
    Credentials(credentials::Arguments),
    /// Stop changes to a tenant or to a class's tenants
    Pause(pause::PauseArguments),
    /// Let changes go on: of a tenant, a class or a held batch
    Resume(pause::ResumeArguments),
    /// Undo a batch that is held, and show how far that is
    Recover(hold::Arguments),
    /// Let an agency in, or all those of a province
    Approve(approve::Arguments),
    /// Give tenants new credentials
    Rotate(rotate::Arguments),
    /// Close a tenant for now; all its data stays
    Suspend(lifecycle::CloseArguments),
    /// Close a tenant for good; all its data stays
    Archive(lifecycle::CloseArguments),
    /// Open a tenant again that was suspended or archived
    Reopen(lifecycle::ReopenArguments),
    /// Let an auditor read an archived tenant until a day
    AuditAccess(auditors::Arguments),
    /// Delete a tenant; its data is kept
    Retire(retire::Arguments),
    /// What is kept of tenants that have left, and until when
    Retained(retained::Arguments),
    /// Make a tenant that has left again, or let another take over
    Restore(restore::Arguments),
    /// Forbid that anything of a tenant is destroyed
    LegalHold(legal_hold::Arguments),
    /// Order, or withdraw, that what a tenant left is destroyed
    Purge(purge::Arguments),
    /// Decide about changes of a class
    Class(ClassArguments),
    /// What of the platform is missing or wrong, each with its remedy
    Doctor(doctor::Arguments),
    /// Print a script that completes this command in a shell
    Completion(completion::Arguments),
}

#[derive(Args, Debug)]
struct ClassArguments {
    #[command(subcommand)]
    command: ClassCommand,
}

#[derive(Debug, Subcommand)]
enum ClassCommand {
    /// Let tenants take the changed values of their class
    Accept(accept::Arguments),
}

/// How an answer is written.
#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// Write JSON, for other programs
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
}

impl Output {
    const fn is_json(self) -> bool {
        matches!(self.output, Some(Format::Json))
    }
}

/// Whether, and how long, the operator's work is waited for.
#[derive(Args, Clone, Copy, Debug)]
struct Waiting {
    /// Wait until the operator has done it
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "5m", requires = "wait", value_parser = duration)]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
}

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well, or nothing would change.
    Fine,
    /// Something is wrong.
    Wrong,
    /// Something would change.
    WouldChange,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Wrong => 1,
            Outcome::WouldChange => 2,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if completion::is_asked_by_kubectl(&arguments) {
        return completion::answer(&mut Cli::command(), &arguments);
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to be told that the words about it could not be written.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => USAGE.into(),
            };
        }
    };
    let console = Console::detect();
    match run(cli, console).await {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            console.remark("error: ", &failure.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli, console: Console) -> Result<Outcome> {
    if let Command::Completion(arguments) = &cli.command {
        return completion::run(&mut Cli::command(), console, arguments);
    }
    let cluster = Cluster::connect(&cli.connection).await?;
    match &cli.command {
        Command::Status(arguments) => status::run(&cluster, console, arguments).await,
        Command::Plan(arguments) => plan::run(&cluster, console, arguments).await,
        Command::Drift(arguments) => drift::run(&cluster, console, arguments).await,
        Command::Verify(arguments) => verify::run(&cluster, console, arguments).await,
        Command::Credentials(arguments) => credentials::run(&cluster, console, arguments).await,
        Command::Pause(arguments) => pause::pause(&cluster, console, arguments).await,
        Command::Resume(arguments) => pause::resume(&cluster, console, arguments).await,
        Command::Recover(arguments) => hold::recover(&cluster, console, arguments).await,
        Command::Approve(arguments) => approve::run(&cluster, console, arguments).await,
        Command::Rotate(arguments) => rotate::run(&cluster, console, arguments).await,
        Command::Suspend(arguments) => lifecycle::suspend(&cluster, console, arguments).await,
        Command::Archive(arguments) => lifecycle::archive(&cluster, console, arguments).await,
        Command::Reopen(arguments) => lifecycle::reopen(&cluster, console, arguments).await,
        Command::AuditAccess(arguments) => auditors::run(&cluster, console, arguments).await,
        Command::Retire(arguments) => retire::run(&cluster, console, arguments).await,
        Command::Retained(arguments) => retained::run(&cluster, console, arguments).await,
        Command::Restore(arguments) => restore::run(&cluster, console, arguments).await,
        Command::LegalHold(arguments) => legal_hold::run(&cluster, console, arguments).await,
        Command::Purge(arguments) => purge::run(&cluster, console, arguments).await,
        Command::Class(ClassArguments {
            command: ClassCommand::Accept(arguments),
        }) => accept::run(&cluster, console, arguments).await,
        Command::Doctor(arguments) => doctor::run(&cluster, console, arguments).await,
        Command::Completion(_) => Ok(Outcome::Fine),
    }
}

/// A time as people read it, to the minute.
fn format_time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A duration such as `30s`, `5m` or `1h`.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let unit = |unit: &str, seconds: u64| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        (number > 0).then(|| Duration::from_secs(number.saturating_mul(seconds)))
    };
    unit("s", 1)
        .or_else(|| unit("m", 60))
        .or_else(|| unit("h", 3600))
        .ok_or_else(|| format!("{text:?} is no duration: write for example 30s, 5m or 1h"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_terminal_and_tells_the_exit_codes() {
        let mut command = Cli::command();
        command.build();
        let mut all = vec![command.clone()];
        let mut too_wide = std::collections::BTreeSet::new();
        while let Some(mut command) = all.pop() {
            for help in [command.render_help(), command.render_long_help()] {
                let help = help.to_string();
                let wide = help.lines().filter(|line| line.len() > table::WIDTH);
                too_wide.extend(wide.map(str::to_owned));
            }
            all.extend(command.get_subcommands().cloned());
        }
        assert!(too_wide.is_empty(), "{too_wide:#?}");
        assert!(
            command
                .render_help()
                .to_string()
                .contains("something would change (plan)")
        );
    }

    #[test]
    fn what_belongs_together_is_asked_together() {
        for bad in [
            "status a -A",
            "status --province 3",
            "status --operator eo",
            "plan",
            "plan -f x town",
            "plan -f x --class y",
            "credentials town",
            "class accept standard --rate 0/min",
            "class accept standard --max-failed 101%",
            "verify",
            "verify town --timeout 0s",
            "approve",
            "approve town --province 30",
            "approve town --withdraw",
            "approve --province 30",
            "approve --province 30 --mou M --withdraw",
            "rotate",
            "rotate town --timeout 5m",
            "audit-access town --until 2027-01-31",
            "audit-access town --name oag",
            "audit-access town --name oag --until soon",
            "purge town",
            "purge town --committee R --withdraw",
        ] {
            let words = ["kubectl-eoffice"].into_iter().chain(bad.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{bad}");
        }
        for good in [
            "status",
            "status town -o json",
            "status --operator eo-system/eo",
            "status --province 30 --context c",
            "plan town --class trial -n province-30",
            "plan -f - -o json",
            "credentials town --env",
            "pause class/standard",
            "resume batch-20261121.101502",
            "class accept standard --rate 10/min --max-failed 10% --tenant town",
            "approve town --mou MOU-1 -y",
            "approve --province 30 --withdraw",
            "rotate a b --now --wait --timeout 10s",
            "audit-access town",
            "audit-access town --name oag --until 2027-01-31",
            "audit-access town --name oag --remove",
            "retire town --yes --wait",
            "retained town -o json",
            "retained -n province-30 -o name",
            "restore a b --wait",
            "restore new --from eoffice-old",
            "legal-hold town --release",
            "purge town --committee NAT-1 --confirm town",
            "purge town --withdraw",
            "completion fish",
        ] {
            let words = ["kubectl-eoffice"].into_iter().chain(good.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{good}");
        }
    }
}
