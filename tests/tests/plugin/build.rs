//! The plugin, built.

use std::path::PathBuf;

use eoffice_tests::home::workspace;
use eoffice_tests::process::Spec;
use serde_json::Value;

/// Builds the plugin as this very program was built, and tells where it is.
pub async fn plugin() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Passed on, what cargo told this program of its own package would have dependencies compiled anew.
    const PREFIXES: [&str; 4] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    let own = std::env::vars_os().map(|(key, _)| key).filter(|key| {
        let key = key.to_string_lossy();
        ["CARGO", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&key.as_ref())
            || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
    });
    let messages = Spec::new("cargo build of the plugin", cargo)
        .args(["build", "--workspace", "--bin=kubectl-eoffice"])
        .arg("--message-format=json-render-diagnostics")
        .dir(workspace())
        .inherit_env()
        .unset(own)
        .family()
        .output()
        .await
        .unwrap();
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "kubectl-eoffice")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.expect("cargo built the plugin but did not say where it is")
}
