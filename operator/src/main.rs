//! The operator's program: arguments and signals, nothing else.

use clap::Parser;
use eoffice_operator::settings::Settings;
use eoffice_operator::{controller, telemetry};
use std::process::ExitCode;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Bytes. A look at a tenant awaits much in depth, and more so in a build that is not optimized.
const STACK: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let settings = Settings::parse();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(run(settings))),
        Err(error) => {
            eprintln!("the operator cannot start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> ExitCode {
    telemetry::log(settings.log_format);
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        match signal(kind) {
            Ok(mut signals) => {
                let stop = stop.clone();
                tokio::spawn(async move {
                    signals.recv().await;
                    tracing::info!("told to stop; the work in hand is finished first");
                    stop.cancel();
                });
            }
            Err(error) => {
                tracing::error!(%error, "signals cannot be received");
                return ExitCode::FAILURE;
            }
        }
    }
    match controller::run(settings, stop.clone()).await {
        Ok(()) if stop.is_cancelled() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(%error, "the operator stops");
            ExitCode::FAILURE
        }
    }
}
