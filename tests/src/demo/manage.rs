//! Looking at a demo that runs, and ending it.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use eoffice_crds::EOfficeTenant;
use kube::api::{Api, ListParams};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep, timeout};

use super::place::{Place, State};
use super::table::is_ready;
use super::{End, guide};
use crate::descendants::Running;

/// An owner that has not ended everything by then is killed, and all ends with it.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// The API server answers within that time, or the tenants are not told.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

const NONE_RUNS: &str = "No demo runs: `cargo demo` starts one.\n";

/// Ends the demo, and waits until all its processes are gone.
pub(super) async fn down(place: &Place) -> Result<End> {
    let Some(state) = place.running()? else {
        guide::print(NONE_RUNS);
        return Ok(End::Done);
    };
    let mut all = state.owner.descendants();
    all.push(state.owner);
    state.owner.signal(Signal::SIGTERM);
    if !gone(&all, ENDED_WITHIN).await {
        state.owner.kill();
        if !gone(&all, ENDED_WITHIN).await {
            let left: Vec<i32> = all
                .iter()
                .filter(|it| it.lives())
                .map(|it| it.pid())
                .collect();
            bail!("these processes of the demo do not end, look at them with `ps`: {left:?}");
        }
    }
    guide::print(&format!(
        "The demo has ended, with all of its {} processes.\n",
        all.len()
    ));
    Ok(End::Done)
}

async fn gone(all: &[Running], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while all.iter().any(|it| it.lives()) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(50)).await;
    }
    true
}

/// Says what runs.
pub(super) async fn status(place: &Place) -> Result<End> {
    let Some(state) = place.running()? else {
        guide::print(NONE_RUNS);
        return Ok(End::Done);
    };
    let stage = if state.proved {
        "all was proved by use"
    } else {
        "it is being started"
    };
    let mut text = format!("A demo runs (process {}); {stage}.\n", state.owner.pid());
    for part in &state.parts {
        let (pid, now) = (part.process.pid(), part.process.lives());
        let now = if now { "runs" } else { "HAS ENDED" };
        let _ = writeln!(text, "  {:<28} {now} (process {pid})", part.name);
    }
    match timeout(ANSWERED_WITHIN, tenants(&state)).await {
        Ok(Ok(Some(tenants))) => text.push_str(&tenants),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => {
            let _ = writeln!(text, "The tenants cannot be read: {error:#}");
        }
        Err(_) => text.push_str("The API server does not answer.\n"),
    }
    guide::print(&text);
    Ok(End::Done)
}

async fn tenants(state: &State) -> Result<Option<String>> {
    let Some(path) = state.export("KUBECONFIG") else {
        return Ok(None);
    };
    let kubeconfig = kube::config::Kubeconfig::read_from(path)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    let all: Api<EOfficeTenant> = Api::all(kube::Client::try_from(config)?);
    let tenants = all.list(&ListParams::default()).await?.items;
    let ready = tenants.iter().filter(|it| is_ready(it)).count();
    let count = tenants.len();
    Ok(Some(format!("{ready} of {count} tenants are Ready.\n")))
}

/// Prints exports for a shell.
pub(super) fn env(place: &Place) -> Result<End> {
    let state = place.running()?;
    let state = state.context("no demo runs: start one with `cargo demo --detach`")?;
    if state.exports.is_empty() {
        bail!(
            "the demo is still being started: try again once `cargo demo status` says that all was proved"
        );
    }
    let lines: String = state
        .exports
        .iter()
        .map(|(key, value)| export(key, value))
        .collect();
    guide::print(&lines);
    Ok(End::Done)
}

/// One line for a shell. PATH is put before what the shell has already.
fn export(key: &str, value: &str) -> String {
    let quoted = format!("'{}'", value.replace('\'', r"'\''"));
    match key {
        "PATH" => format!("export PATH={quoted}:\"$PATH\"\n"),
        _ => format!("export {key}={quoted}\n"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn exports_survive_a_shell() {
        let lines = export("A", "it's $HOME; `x`") + &export("PATH", "/one two:/b");
        let said = std::process::Command::new("sh")
            .args([
                "-c",
                &format!("PATH=/c\n{lines}printf '%s|%s' \"$A\" \"$PATH\""),
            ])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(said.stdout).unwrap(),
            "it's $HOME; `x`|/one two:/b:/c"
        );
    }
}
