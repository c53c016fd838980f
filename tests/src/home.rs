//! The folder of one running sandbox, and the sweeping of those whose process has died.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::parts::shared_memory;
use crate::process::UNPRIVILEGED;
use crate::toolchain::reachable_by_others;

/// Keeps data and logs of every sandbox where set, for looking into a failure.
const KEEP_VARIABLE: &str = "EOFFICE_SANDBOX_KEEP";

/// The folder of a sandbox's data and logs, removed when dropped.
#[derive(Debug)]
pub struct Home {
    root: PathBuf,
    keep: bool,
    _lock: File,
}

impl Home {
    /// Makes one under the project's `target/`, or a temporary folder where the unprivileged user cannot reach that.
    pub fn make() -> Result<Self> {
        let all = all_homes();
        fs::create_dir_all(&all).with_context(|| format!("make {}", all.display()))?;
        // One at a time: a folder just made, and not yet locked, looks abandoned to another that sweeps.
        let _turn = take_turn(&all).with_context(|| format!("lock {}", all.display()))?;
        sweep(&all);
        let root = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(8)
            .tempdir_in(&all)
            .with_context(|| format!("make a folder in {}", all.display()))?
            .keep();
        let lock = lock(&root).with_context(|| format!("lock {}", root.display()))?;
        let home = Self {
            root,
            keep: std::env::var_os(KEEP_VARIABLE).is_some(),
            _lock: lock,
        };
        open_to_all(&home.root)?;
        fs::create_dir(home.logs()).context("make the folder of the logs")?;
        Ok(home)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the parts' logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Makes a folder within.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        Ok(dir)
    }

    /// Leaves the folder where it is at the end.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        shared_memory::give_back(&self.root);
        if !self.keep {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// The workspace this crate was built in.
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Where cargo builds to.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}

fn all_homes() -> PathBuf {
    let target = target();
    if nix::unistd::geteuid().is_root() && !reachable_by_others(&target) {
        std::env::temp_dir().join("eoffice-sandbox")
    } else {
        target.join("sandbox")
    }
}

const LOCK: &str = "lock";

fn lock(root: &Path) -> std::io::Result<File> {
    let file = File::create(root.join(LOCK))?;
    file.try_lock()?;
    Ok(file)
}

fn take_turn(all: &Path) -> std::io::Result<File> {
    let file = File::create(all.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Removes the folders of sandboxes that were killed: their locks are free, and no process of theirs lives on.
fn sweep(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else {
        return;
    };
    for root in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let abandoned = File::open(root.join(LOCK)).is_ok_and(|file| file.try_lock().is_ok());
        if abandoned {
            shared_memory::give_back(&root);
            let _ = fs::remove_dir_all(root);
        }
    }
}

fn open_to_all(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("open {} to all", dir.display()))
}

/// Hands `path` to the user that unprivileged programs run as; without root all are the same user.
pub(crate) fn give_to_unprivileged(path: &Path) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let user = nix::unistd::User::from_name(UNPRIVILEGED)
        .ok()
        .flatten()
        .with_context(|| format!("there is no user {UNPRIVILEGED} on this machine"))?;
    nix::unistd::chown(path, Some(user.uid), Some(user.gid))
        .with_context(|| format!("give {} to {UNPRIVILEGED}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_home_goes_with_its_owner_and_a_dead_ones_is_swept() {
        let home = Home::make().unwrap();
        let root = home.root().to_owned();
        let dead = root.parent().unwrap().join("of-a-killed-process");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();

        let other = Home::make().unwrap();
        assert!(root.exists(), "a living one is left alone");
        assert!(!dead.exists());
        drop((home, other));
        assert!(!root.exists());
    }
}
