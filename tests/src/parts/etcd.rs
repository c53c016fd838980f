//! etcd, the memory of the control plane.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::ground::Ground;
use crate::net::free_port;
use crate::part::Part;
use crate::probe;
use crate::process::Spec;

/// etcd, with its data folder.
#[derive(Debug)]
pub struct Etcd {
    /// The process.
    pub part: Part,
    url: String,
    data: PathBuf,
}

impl Etcd {
    /// Prepares one on free ports; `durable` has every write reach the disk.
    pub fn new(ground: &Ground, durable: bool) -> Result<Self> {
        let client = format!("http://127.0.0.1:{}", free_port()?);
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let data = ground.home.root().join("etcd");
        let health = format!("{client}/readyz");
        let http = ground.tls.http_client()?;
        let (url, dir) = (client.clone(), data.clone());
        let command = move |spec: Spec| {
            let spec = spec
                .arg(format!("--data-dir={}", dir.display()))
                .arg(format!("--listen-client-urls={client}"))
                .arg(format!("--advertise-client-urls={client}"))
                .arg(format!("--listen-peer-urls={peer}"))
                .arg(format!("--initial-advertise-peer-urls={peer}"))
                .arg(format!("--initial-cluster=default={peer}"))
                .arg("--log-level=warn");
            if durable {
                spec
            } else {
                spec.arg("--unsafe-no-fsync")
            }
        };
        let probe = probe::http(http, health);
        Ok(Self {
            part: Part::new(ground, "etcd", &ground.tools.etcd, command, probe),
            url,
            data,
        })
    }

    /// Where it serves its clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Loses all it knows; it must not run.
    pub fn forget(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.data).context("remove etcd's data")
    }
}
