//! Where built parts are kept: `<cache>/eoffice-sandbox/<part>-<key>`, outside any clone, shared by all of them.

use std::env;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::progress::Task;

/// The folder of all built parts.
#[derive(Clone, Debug)]
pub(super) struct Cache(PathBuf);

impl Cache {
    /// The user's cache folder, as the XDG base directories have it.
    pub fn of_user() -> Result<Self> {
        let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => PathBuf::from(dir),
            None => env::home_dir()
                .context("set HOME or XDG_CACHE_HOME: built programs are kept below it")?
                .join(".cache"),
        };
        Ok(Self(base.join("eoffice-sandbox")))
    }

    /// For programs that another user must reach: root's home is closed to others, /var/cache is not.
    pub fn for_everyone() -> Result<Self> {
        let own = Self::of_user()?;
        if !nix::unistd::geteuid().is_root() || reachable_by_others(&own.0) {
            return Ok(own);
        }
        Ok(Self(PathBuf::from("/var/cache/eoffice-sandbox")))
    }

    #[cfg(test)]
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Where `name` is, or is to be.
    pub fn place(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes `name` alone among all processes: the place of a finished build, or an empty folder to build in.
    pub async fn claim(&self, name: &str, task: &Task) -> Result<Claim> {
        let make = |dir: &Path| {
            fs::create_dir_all(dir).with_context(|| {
                format!(
                    "make the cache folder {}; XDG_CACHE_HOME can name another place",
                    dir.display()
                )
            })
        };
        make(&self.0)?;
        let path = self.0.join(format!("{name}.lock"));
        let lock = File::create(&path).with_context(|| format!("open {}", path.display()))?;
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        task.step("waiting for another run that is building it");
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("lock {}", path.display()));
                }
            }
        }
        let place = self.place(name);
        if place.exists() {
            return Ok(Claim::Done);
        }
        let building = self.0.join(format!("{name}.building"));
        if building.exists() {
            // What an interrupted build left; the lock says that nobody is at it.
            fs::remove_dir_all(&building)
                .with_context(|| format!("remove the unfinished {}", building.display()))?;
        }
        make(&building)?;
        Ok(Claim::Build(Building {
            dir: building,
            place,
            _lock: lock,
        }))
    }
}

/// What a claim finds.
pub(super) enum Claim {
    Done,
    Build(Building),
}

/// A folder to build in, held by this process alone until it is dropped.
pub(super) struct Building {
    dir: PathBuf,
    place: PathBuf,
    _lock: File,
}

impl Building {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves the whole `result`, a folder within, into its place, and removes the rest.
    pub fn finish(self, result: &Path) -> Result<()> {
        fs::rename(result, &self.place)
            .with_context(|| format!("move the built part to {}", self.place.display()))?;
        // The part is in place; what remains is swept by the next build where this fails.
        let _ = fs::remove_dir_all(&self.dir);
        Ok(())
    }
}

/// Whether any user can enter `path`, as far as it exists.
pub(crate) fn reachable_by_others(path: &Path) -> bool {
    path.ancestors()
        .filter_map(|dir| fs::metadata(dir).ok())
        .all(|dir| dir.permissions().mode() & 0o001 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::progress::Progress;

    #[tokio::test]
    async fn an_unfinished_build_is_begun_anew_and_a_finished_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let task = Progress::silent().task("part");

        let Claim::Build(cut_off) = cache.claim("part-1", &task).await.unwrap() else {
            panic!("nothing is built yet")
        };
        fs::write(cut_off.dir().join("half"), "").unwrap();
        drop(cut_off);

        let Claim::Build(building) = cache.claim("part-1", &task).await.unwrap() else {
            panic!("an unfinished build does not count")
        };
        assert!(!building.dir().join("half").exists());
        let out = building.dir().join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("program"), "").unwrap();
        building.finish(&out).unwrap();

        assert!(matches!(
            cache.claim("part-1", &task).await.unwrap(),
            Claim::Done
        ));
        assert!(cache.place("part-1").join("program").exists());
    }

    #[tokio::test]
    async fn two_runs_do_not_build_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let task = Progress::silent().task("part");
        let first = cache.claim("part-1", &task).await.unwrap();
        let second = cache.claim("part-1", &task);
        tokio::pin!(second);
        let waits = tokio::time::timeout(Duration::from_millis(500), &mut second).await;
        assert!(waits.is_err());
        drop(first);
        assert!(matches!(second.await.unwrap(), Claim::Build(_)));
    }
}
