//! What every part stands on.

use anyhow::{Context, Result};
use std::path::PathBuf;

use crate::home::Home;
use crate::pki::Authority;
use crate::progress::Progress;
use crate::toolchain::Toolchain;

/// The programs, a folder for data and logs, and the authority of all TLS ends. To be dropped after the parts.
#[derive(Debug)]
pub struct Ground {
    /// Where the programs are.
    pub tools: &'static Toolchain,
    /// The folder of all data and logs.
    pub home: Home,
    /// The authority that signs the certificate of every TLS end.
    pub tls: Authority,
    /// The file of that authority's certificate.
    pub ca_file: PathBuf,
}

impl Ground {
    /// Makes sure of the programs, and makes a folder and an authority.
    pub async fn prepare(progress: &Progress) -> Result<Self> {
        let tools = Toolchain::ensure(progress).await?;
        let home = Home::make()?;
        let tls = Authority::new("e-Office sandbox CA")?;
        let ca_file = home.root().join("ca.crt");
        std::fs::write(&ca_file, tls.cert())
            .with_context(|| format!("write {}", ca_file.display()))?;
        Ok(Self {
            tools,
            home,
            tls,
            ca_file,
        })
    }
}
