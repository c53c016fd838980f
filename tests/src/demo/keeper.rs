//! A demo that outlives the command that started it: its owner is a keeper, this same program in a session of its own.
//!
//! Until all is proved the keeper holds on to the command by its standard input: where that ends, so does the keeper,
//! and nothing half-made stays behind. After the proof it lets go of input, output and terminal, which tells the
//! command that it may leave.

use std::fs::{File, OpenOptions};
use std::io::{Read, stdin};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::place::Place;
use super::{Common, End, Signals, guide, show};
use crate::progress::Progress;

/// Starts a keeper, and waits until it has proved all.
pub(super) async fn detach(place: &Place, common: &Common) -> Result<End> {
    place.must_be_free()?;
    let mut signals = Signals::new()?;
    let mut keeper = start(common)?;
    let lifeline = keeper.stdin.take();
    let mut words = keeper.stdout.take().context("the keeper has no output")?;
    let mut out = tokio::io::stdout();
    tokio::select! {
        // It ends when the keeper lets go of it, or has ended.
        copied = tokio::io::copy(&mut words, &mut out) => {
            copied.context("pass on what the keeper says")?;
        }
        () = signals.any() => {
            drop(lifeline);
            keeper.wait().await.context("wait for the keeper to end")?;
            eprintln!("Interrupted: all has ended.");
            return Ok(End::Interrupted);
        }
    }
    if place.running()?.is_some_and(|state| state.proved) {
        return Ok(End::Done);
    }
    drop(lifeline);
    let status = keeper.wait().await.context("wait for the keeper to end")?;
    // What went wrong it has said itself.
    bail!("the demo was not left running ({status})")
}

fn start(common: &Common) -> Result<Child> {
    let program = std::env::current_exe().context("find this program")?;
    let mut command = Command::new(program);
    command.arg("keeper");
    if let Some(port) = common.ingress_port {
        command.arg(format!("--ingress-port={port}"));
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the demo's keeper")
}

/// Leaves the terminal's session, so that its Ctrl-C and its end are for the command alone.
pub(super) fn leave_terminal() -> Result<()> {
    setsid().context("begin a session: the keeper is started by `cargo demo --detach` alone")?;
    Ok(())
}

/// Owns a demo until told to end.
pub(super) async fn keep(place: &Place, common: &Common) -> Result<End> {
    let mut claim = place.claim()?;
    let progress = Progress::auto();
    let mut signals = Signals::new()?;
    let show = tokio::select! {
        show = show::run(&mut claim, common.ingress_port, &progress) => show?,
        () = command_ended()? => return Ok(End::Interrupted),
        () = signals.any() => {
            progress.say("Told to end: ending everything.");
            return Ok(End::Interrupted);
        }
    };
    guide::print(&show.guide());
    guide::print("\nIt all runs until `cargo demo down`.\n");
    let_go(place)?;
    signals.any().await;
    drop(show);
    Ok(End::Done)
}

/// Resolves when the command that started this keeper has ended.
fn command_ended() -> Result<impl Future<Output = ()>> {
    let (tell, told) = oneshot::channel();
    // A thread of its own: a read of standard input cannot be given up, and must hold up nothing.
    std::thread::Builder::new()
        .name("lifeline".into())
        .spawn(move || {
            let _ = stdin().read_to_end(&mut Vec::new());
            let _ = tell.send(());
        })
        .context("start the thread that watches the command")?;
    Ok(async {
        let _ = told.await;
    })
}

fn let_go(place: &Place) -> Result<()> {
    let path = place.log();
    let log = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    let nowhere = File::options()
        .write(true)
        .open("/dev/null")
        .context("open /dev/null")?;
    dup2_stderr(&log).context("let go of the terminal")?;
    dup2_stdout(&nowhere).context("let go of the output")
}
