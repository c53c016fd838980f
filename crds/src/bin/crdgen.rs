//! Writes the CustomResourceDefinitions into the chart; `--check` fails where they are stale.

use eoffice_crds::crds;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    match run(check) {
        Ok(stale) if stale.is_empty() => ExitCode::SUCCESS,
        Ok(stale) => {
            eprintln!("stale: {}; run `cargo crdgen` and commit", stale.join(", "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("crdgen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Brings every file up to date, or with `check` only names those that are not.
fn run(check: bool) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/eoffice-operator/templates/crds");
    let mut stale = Vec::new();
    std::fs::create_dir_all(&folder)?;
    for crd in crds() {
        let file = format!("{}.yaml", crd.spec.names.plural);
        let path = folder.join(&file);
        let written = serde_yaml::to_string(&crd)?;
        if std::fs::read_to_string(&path).is_ok_and(|on_disk| on_disk == written) {
            continue;
        }
        if check {
            stale.push(file);
        } else {
            std::fs::write(&path, written)?;
        }
    }
    Ok(stale)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    #[test]
    fn what_is_in_the_chart_is_up_to_date() {
        let stale = super::run(true).unwrap();
        assert!(stale.is_empty(), "{stale:?}: run `cargo crdgen` and commit");
    }
}
