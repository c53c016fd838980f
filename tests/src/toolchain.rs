//! The real programs the sandbox is made of: checked for, built where absent, and found again.

mod build;
mod cache;
mod checks;
mod parts;
mod postgres;

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::OnceCell;

pub(crate) use cache::reachable_by_others;
pub(crate) use checks::c_compiler;

use crate::progress::{Progress, human};
use cache::Cache;
use parts::GoPart;

/// Where each program is.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// etcd.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// The controller manager.
    pub kube_controller_manager: PathBuf,
    /// The command line client.
    pub kubectl: PathBuf,
    /// cert-manager's controllers.
    pub cert_manager: PathBuf,
    /// The folder of cert-manager's CRDs, one YAML file each.
    pub cert_manager_crds: PathBuf,
    /// The S3 and IAM server.
    pub versitygw: PathBuf,
    /// The ingress.
    pub traefik: PathBuf,
    /// Helm.
    pub helm: PathBuf,
    /// The folder of `initdb`, `pg_ctl` and `postgres`.
    pub postgres: PathBuf,
}

/// Programs of a control plane that the user has already, as Kubebuilder's tools name the place.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

static ENSURED: OnceCell<Toolchain> = OnceCell::const_new();

impl Toolchain {
    /// Checks this machine, builds what is missing (saying beforehand what that takes), and tells where all is.
    /// Within one process it is done once.
    pub async fn ensure(progress: &Progress) -> Result<&'static Self> {
        ENSURED.get_or_try_init(|| make(progress)).await
    }

    /// The folders of the programs a person may want on PATH: kubectl's and Helm's.
    pub fn folders(&self) -> Vec<&Path> {
        [&self.kubectl, &self.helm]
            .into_iter()
            .filter_map(|program| program.parent())
            .collect()
    }
}

/// What [`Toolchain::ensure`] would have to build, and how long that takes on 2 cores.
#[derive(Clone, Debug)]
pub struct Missing {
    /// The parts' names.
    pub parts: Vec<&'static str>,
    /// All of them, one after the other.
    pub estimate: Duration,
}

impl Missing {
    /// Looks into the caches.
    pub fn look() -> Result<Self> {
        let cache = Cache::of_user()?;
        let absent: Vec<GoPart> = wanted(assets()?.as_deref())
            .into_iter()
            .filter(|part| !place(&cache, part).exists())
            .collect();
        let mut missing = Self {
            parts: absent.iter().map(|part| part.name).collect(),
            estimate: absent.iter().map(|part| part.first_build).sum(),
        };
        if !Cache::for_everyone()?.place(&postgres::name()).exists() {
            missing.parts.push("postgresql");
            missing.estimate += Duration::from_secs(10);
        }
        Ok(missing)
    }
}

async fn make(progress: &Progress) -> Result<Toolchain> {
    checks::setpriv()?;
    let cache = Cache::of_user()?;
    let missing = Missing::look()?;
    if !missing.parts.is_empty() {
        announce(&cache, &missing, progress)?;
    }
    let assets = assets()?;
    // Loading needs the network and building the processor, so the one goes on beside the other.
    let postgres = async {
        let cache = Cache::for_everyone()?;
        postgres::ensure(&cache, progress).await
    };
    let go_parts = async {
        for part in wanted(assets.as_deref()) {
            build::ensure(&part, &cache, progress).await?;
        }
        anyhow::Ok(())
    };
    let (postgres, ()) = tokio::try_join!(postgres, go_parts)?;
    Ok(locate(&cache, assets.as_deref(), &postgres))
}

fn announce(cache: &Cache, missing: &Missing, progress: &Progress) -> Result<()> {
    progress.say(format_args!(
        "To be built once, from source: {}. On 2 cores that takes some {}, on more cores less; the result is kept in {}.",
        missing.parts.join(", "),
        human(missing.estimate),
        cache.dir().display()
    ));
    if missing.parts != ["postgresql"] {
        checks::go(Path::new("go"))?;
    }
    let all: Duration = wanted(None).iter().map(|part| part.first_build).sum();
    checks::room(
        cache.dir(),
        missing.estimate.as_secs_f64() / all.as_secs_f64(),
    )
}

fn wanted(assets: Option<&Path>) -> Vec<GoPart> {
    let control_plane = match assets {
        Some(_) => vec![parts::CONTROLLER_MANAGER_ONLY],
        None => vec![parts::ETCD, parts::KUBERNETES],
    };
    let others = [
        parts::VERSITYGW,
        parts::CERT_MANAGER,
        parts::TRAEFIK,
        parts::HELM,
    ];
    control_plane.into_iter().chain(others).collect()
}

fn place(cache: &Cache, part: &GoPart) -> PathBuf {
    cache.place(&format!("{}-{}", part.name, part.key()))
}

fn locate(cache: &Cache, assets: Option<&Path>, postgres: &Path) -> Toolchain {
    let built = |part: &GoPart, program: &str| place(cache, part).join("bin").join(program);
    let control_plane = |part: &GoPart, program: &str| match assets {
        Some(dir) => dir.join(program),
        None => built(part, program),
    };
    let controller_manager = match assets {
        Some(_) => parts::CONTROLLER_MANAGER_ONLY,
        None => parts::KUBERNETES,
    };
    Toolchain {
        etcd: control_plane(&parts::ETCD, "etcd"),
        kube_apiserver: control_plane(&parts::KUBERNETES, "kube-apiserver"),
        kubectl: control_plane(&parts::KUBERNETES, "kubectl"),
        kube_controller_manager: built(&controller_manager, "kube-controller-manager"),
        cert_manager: built(&parts::CERT_MANAGER, "cert-manager"),
        cert_manager_crds: place(cache, &parts::CERT_MANAGER).join("crds"),
        versitygw: built(&parts::VERSITYGW, "versitygw"),
        traefik: built(&parts::TRAEFIK, "traefik"),
        helm: built(&parts::HELM, "helm"),
        postgres: postgres.join("bin"),
    }
}

fn assets() -> Result<Option<PathBuf>> {
    let Some(dir) = env::var_os(ASSETS_VARIABLE).filter(|dir| !dir.is_empty()) else {
        return Ok(None);
    };
    let dir = Path::new(&dir)
        .canonicalize()
        .with_context(|| format!("{ASSETS_VARIABLE} names {}", dir.display()))?;
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        if !dir.join(program).exists() {
            bail!(
                "{ASSETS_VARIABLE} names {}, which has no {program}: unset it to have all built, or name a folder \
                 with etcd, kube-apiserver and kubectl",
                dir.display()
            );
        }
    }
    Ok(Some(dir))
}
