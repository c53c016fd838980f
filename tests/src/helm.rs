//! Helm, which installs the operator's chart.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::ground::Ground;
use crate::home::workspace;
use crate::pki::write_private;
use crate::process::Spec;

/// The release's name.
pub const RELEASE: &str = "eoffice";
/// The namespace it is installed in.
pub const NAMESPACE: &str = "eoffice-system";

/// The folder of the operator's chart.
pub fn chart() -> std::path::PathBuf {
    workspace().join("charts/eoffice-operator")
}

/// Runs `helm` with `args`, apart from the user's own Helm, and returns what it prints.
pub async fn helm<A: AsRef<std::ffi::OsStr>>(
    ground: &Ground,
    args: impl IntoIterator<Item = A>,
) -> Result<String> {
    let own = ground.home.folder("helm")?;
    Spec::new("helm", &ground.tools.helm)
        .args(args)
        .env("HELM_CACHE_HOME", own.join("cache"))
        .env("HELM_CONFIG_HOME", own.join("config"))
        .env("HELM_DATA_HOME", own.join("data"))
        .output()
        .await
}

/// Installs the operator's chart, or brings what is installed to `values`.
pub async fn install(ground: &Ground, kubeconfig: &Path, values: &Value) -> Result<()> {
    let file = ground.home.folder("helm")?.join("values.json");
    write_private(&file, &values.to_string())?;
    let chart = chart();
    let flag = |name: &str, value: &Path| format!("--{name}={}", value.display());
    helm(
        ground,
        [
            "upgrade",
            "--install",
            "--create-namespace",
            &format!("--namespace={NAMESPACE}"),
            &flag("kubeconfig", kubeconfig),
            &flag("values", &file),
            RELEASE,
            &chart.display().to_string(),
        ],
    )
    .await
    .context("install the operator's chart")?;
    Ok(())
}
