//! The operator's program: arguments and signals, nothing else.

use clap::Parser;
use eoffice_operator::settings::Settings;
use eoffice_operator::{controller, telemetry};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
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
