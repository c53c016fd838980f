//! etcd, the memory of the control plane.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

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

/// All that etcd knew at one time. Dropping it removes the copy.
#[derive(Debug)]
pub struct Backup(TempDir);

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
        fs::remove_dir_all(&self.data).context("remove etcd's data")
    }

    /// Copies all it knows; it does not serve for that moment.
    pub async fn backup(&self) -> Result<Backup> {
        self.part.stop().await;
        let beside = self.data.parent().context("etcd's data has no folder")?;
        let backup = TempDir::with_prefix_in("etcd-backup-", beside)?;
        copy(&self.data, backup.path()).context("copy etcd's data")?;
        self.part.start().await?;
        Ok(Backup(backup))
    }

    /// Has it know what it knew then, and nothing since; it must not run.
    pub fn put_back(&self, backup: &Backup) -> Result<()> {
        self.forget()?;
        fs::create_dir(&self.data).context("make a folder for etcd's data")?;
        copy(backup.0.path(), &self.data).context("put etcd's data back")
    }
}

/// Copies what is in a folder into another that is there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let (entry, copied) = entry.map(|it| (it.path(), to.join(it.file_name())))?;
        if entry.is_dir() {
            fs::create_dir(&copied)?;
            copy(&entry, &copied)?;
        } else {
            fs::copy(&entry, &copied)?;
        }
    }
    Ok(())
}
