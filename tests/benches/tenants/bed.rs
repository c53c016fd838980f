//! A fresh platform for each run, and the tenants that are asked for on it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eoffice_crds::EOfficeTenant;
use eoffice_tests::{Options, Progress, Sandbox};
use futures::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::agencies::NAMESPACE;

/// Tenants that are asked for at once.
const ASKED_AT_ONCE: usize = 16;

/// How long a run may take, for each tenant in it and besides.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(120));

/// A platform with the chart installed and the backends described. Where it is durable, every write reaches the disk.
pub async fn platform(durable: bool) -> Result<Sandbox> {
    let options = Options {
        durable,
        audit: true,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options, &Progress::silent()).await?;
    sandbox.install_chart(&json!({})).await?;
    sandbox.connect_backends().await?;
    Ok(sandbox)
}

/// How long to wait for this many tenants.
pub fn patience(tenants: usize) -> Duration {
    let (each, besides) = PATIENCE;
    besides + each * u32::try_from(tenants).unwrap_or(u32::MAX)
}

/// A tenant that was asked for.
pub struct Asked {
    /// Its resource, as the API server took it.
    pub tenant: EOfficeTenant,
    /// When it was asked for.
    pub at: Instant,
}

/// Asks for all of them.
pub async fn ask(sandbox: &Sandbox, tenants: &[EOfficeTenant]) -> Result<HashMap<String, Asked>> {
    let api: Api<EOfficeTenant> = Api::namespaced(sandbox.admin(), NAMESPACE);
    stream::iter(tenants)
        .map(|tenant| {
            let api = api.clone();
            async move {
                let at = Instant::now();
                let name = tenant.name_any();
                let tenant = api
                    .create(&PostParams::default(), tenant)
                    .await
                    .with_context(|| format!("ask for {name}"))?;
                anyhow::Ok((name, Asked { tenant, at }))
            }
        })
        .buffer_unordered(ASKED_AT_ONCE)
        .try_collect()
        .await
}
