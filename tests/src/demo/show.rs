//! The whole of it: platform, chart, operator, agencies, proof.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::drift;
use super::evidence::{self, Evidence};
use super::guide;
use super::phases::Phases;
use super::place::{Claim, PartState};
use super::table;
use crate::descendants::Running;
use crate::home::workspace;
use crate::operator::{self, Operator, OperatorOptions};
use crate::part::Part;
use crate::progress::{Progress, Task};
use crate::sandbox::{Options, Sandbox};
use crate::toolchain::Toolchain;
use crate::{apply, proof};

/// A demo that has been proved. Dropping it ends every process and removes all data.
#[derive(Debug)]
pub(super) struct Show {
    // The operator ends first, so that it does not see its world fall apart.
    _operator: Operator,
    sandbox: Sandbox,
    evidence: Evidence,
    phases: Phases,
    host: String,
}

impl Show {
    /// What was proved, and what a person can try next.
    pub(super) fn guide(&self) -> String {
        let summary = self.phases.summary();
        guide::text(&self.sandbox, &self.evidence, &self.host, &summary)
    }

    /// Ends everything, and says what was proved.
    pub(super) fn stop(mut self, progress: &Progress) {
        guide::print(&format!("{}\n", self.evidence));
        drop(self._operator);
        drop(self.sandbox);
        self.phases.end("stop");
        guide::print(&format!("{}\n", self.phases.summary()));
        progress.say("All has ended; nothing is left behind.");
    }
}

/// Starts everything and proves it; `claim` tells others how far it is.
pub(super) async fn run(
    claim: &mut Claim,
    ingress_port: Option<u16>,
    progress: &Progress,
) -> Result<Show> {
    let mut phases = Phases::begin();
    Toolchain::ensure(progress).await?;
    phases.end("programs");
    let options = Options {
        ingress_port,
        ..Options::default()
    };
    let (mut sandbox, ()) =
        tokio::try_join!(Sandbox::start(options, progress), build_operator(progress))?;
    phases.end("platform");
    match perform(claim, &sandbox, progress, &mut phases).await {
        Ok((operator, evidence, host)) => Ok(Show {
            _operator: operator,
            sandbox,
            evidence,
            phases,
            host,
        }),
        Err(error) => {
            sandbox.keep_files();
            let logs = sandbox.ground().home.logs();
            Err(anyhow!(
                "{error:#}\nThe logs are in {} until the next run.",
                logs.display()
            ))
        }
    }
}

async fn build_operator(progress: &Progress) -> Result<()> {
    let task = progress.task("operator");
    task.step("building");
    operator::binary().await?;
    task.done("built");
    Ok(())
}

async fn perform(
    claim: &mut Claim,
    sandbox: &Sandbox,
    progress: &Progress,
    phases: &mut Phases,
) -> Result<(Operator, Evidence, String)> {
    let task = progress.task("chart");
    task.step("installing it with Helm");
    sandbox.install_chart(&json!({})).await?;
    task.step("describing the platform: examples/platform");
    sandbox.connect_backends().await?;
    task.done("installed, and the platform described");
    phases.end("chart");

    let task = progress.task("operator");
    task.step("starting it with the token of the chart's ServiceAccount");
    let options = OperatorOptions {
        args: drift::LOOKS.iter().map(ToString::to_string).collect(),
        ..OperatorOptions::default()
    };
    let operator = sandbox.start_operator(options).await?;
    task.done("ready");
    let exports = guide::exports(sandbox, &operator);
    let running = parts(sandbox, &operator);
    claim.update(|state| {
        state.parts = running;
        state.exports = exports;
    })?;
    phases.end("operator");

    let agencies = read_agencies()?;
    let names: Vec<String> = agencies.iter().filter_map(name).collect();
    let rows: Vec<(String, Task)> = names
        .iter()
        .map(|name| (name.clone(), progress.task(name.clone())))
        .collect();
    apply::apply_together(&sandbox.admin(), &agencies)
        .await
        .context("apply examples/korat")?;
    let all = progress.task("tenants");
    table::watch(&sandbox.admin(), &operator, rows, &all).await?;
    all.done(format_args!("all {} are Ready", names.len()));
    phases.end("tenants");

    let mut evidence = evidence::gather(sandbox, &names, progress).await?;
    let last = names.last().context("examples/korat has no tenant")?;
    let last = proof::find(&sandbox.admin(), last).await?;
    let host = proof::hosts(&last)?.remove(0);
    claim.update(|state| state.proved = true)?;
    phases.end("proof");

    evidence.repairs = drift::make(sandbox, &last, progress).await?;
    phases.end("drift");
    Ok((operator, evidence, host))
}

/// The objects of examples/korat, in the order of their names.
fn read_agencies() -> Result<Vec<Value>> {
    let folder = workspace().join("examples/korat");
    let reading = || format!("read {}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(reading)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let mut agencies = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(reading)?;
        agencies.extend(apply::parse(&text).with_context(|| format!("read {}", file.display()))?);
    }
    Ok(agencies)
}

fn name(object: &Value) -> Option<String> {
    object["metadata"]["name"].as_str().map(str::to_owned)
}

/// Every program that runs.
fn parts(sandbox: &Sandbox, operator: &Operator) -> Vec<PartState> {
    let Sandbox {
        control_plane,
        object_store,
        ..
    } = sandbox;
    let fixed = [
        &control_plane.etcd.part,
        &control_plane.api_server,
        &control_plane.controller_manager,
        &sandbox.cert_manager.part,
        &sandbox.traefik.part,
        &object_store.iam,
        &object_store.s3,
        &operator.part,
    ];
    let servers = sandbox.postgres.iter().map(|server| &server.part);
    fixed.into_iter().chain(servers).filter_map(state).collect()
}

fn state(part: &Part) -> Option<PartState> {
    Some(PartState {
        name: part.name().to_owned(),
        process: Running::of(part.pid()?)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn twenty_agencies_are_read() {
        let agencies = read_agencies().unwrap();
        assert_eq!(agencies.iter().filter_map(name).count(), 20);
        assert!(agencies.iter().all(|it| it["kind"] == "EOfficeTenant"));
    }
}
