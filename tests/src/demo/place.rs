//! Where a demo says that it runs: a lock, held by its owner, and a file that tells what is there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::descendants::Running;
use crate::home::target;
use crate::pki::write_private;

/// Another folder than the project's, so that a test has a demo of its own.
const FOLDER_VARIABLE: &str = "EOFFICE_DEMO_DIR";

/// The folder with the lock and the file.
#[derive(Debug)]
pub(super) struct Place(PathBuf);

/// The right to run the one demo of a place; it ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct Claim {
    file: PathBuf,
    state: State,
    lock: File,
}

/// What a running demo is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct State {
    /// The process whose end ends all the others.
    pub owner: Running,
    /// All tenants are Ready, and have been proved by use.
    pub proved: bool,
    /// The programs that run.
    pub parts: Vec<PartState>,
    /// Variables for a shell. Passwords are among them.
    pub exports: Vec<(String, String)>,
}

/// One program of a running demo.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct PartState {
    pub name: String,
    pub process: Running,
}

impl State {
    /// The value of an exported variable.
    pub(super) fn export(&self, name: &str) -> Option<&str> {
        let mut exports = self.exports.iter();
        exports.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }
}

impl Place {
    /// Under the folder that cargo builds to.
    pub(super) fn of_project() -> Self {
        let named = std::env::var_os(FOLDER_VARIABLE).filter(|dir| !dir.is_empty());
        Self(named.map_or_else(|| target().join("demo"), PathBuf::from))
    }

    /// The log of a keeper.
    pub(super) fn log(&self) -> PathBuf {
        self.0.join("keeper.log")
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// Takes the place for a demo of this process; fails where another has it.
    pub(super) fn claim(&self) -> Result<Claim> {
        fs::create_dir_all(&self.0).with_context(|| format!("make {}", self.0.display()))?;
        let path = self.0.join("lock");
        let lock = File::create(&path).with_context(|| format!("open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => bail!(self.taken()),
            Err(fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        let claim = Claim {
            file: self.file(),
            state: State {
                owner: Running::this()?,
                proved: false,
                parts: Vec::new(),
                exports: Vec::new(),
            },
            lock,
        };
        claim.save()?;
        Ok(claim)
    }

    /// Fails where a demo runs.
    pub(super) fn must_be_free(&self) -> Result<()> {
        match self.running()? {
            Some(_) => bail!(self.taken()),
            None => Ok(()),
        }
    }

    fn taken(&self) -> String {
        let owner = match self.running() {
            Ok(Some(state)) => format!(" (process {})", state.owner.pid()),
            _ => String::new(),
        };
        format!(
            "a demo runs already{owner}: `cargo demo status` says what it is, and `cargo demo down` ends it"
        )
    }

    /// The demo that runs, if one does.
    pub(super) fn running(&self) -> Result<Option<State>> {
        let file = self.file();
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
        };
        // What is not ours to read was written by another version, whose owner is told by the lock alone.
        let state: Option<State> = serde_json::from_str(&text).ok();
        Ok(state.filter(|state| state.owner.lives()))
    }
}

impl Claim {
    /// Tells the others what is there now.
    pub(super) fn update(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        change(&mut self.state);
        self.save()
    }

    /// Written aside and moved into place, so that nobody reads half of it.
    fn save(&self) -> Result<()> {
        let new = self.file.with_extension("new");
        let text = serde_json::to_string_pretty(&self.state).context("write the demo's state")?;
        write_private(&new, &text)?;
        fs::rename(&new, &self.file).with_context(|| format!("write {}", self.file.display()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        forget(&self.file);
        // A child that is just being started still shares the lock until it runs its program.
        let _ = self.lock.unlock();
    }
}

fn forget(file: &Path) {
    let _ = fs::remove_file(file);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_demo_has_the_place_and_its_secrets_are_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place(dir.path().join("demo"));
        assert!(place.running().unwrap().is_none());
        place.must_be_free().unwrap();

        let mut claim = place.claim().unwrap();
        let secret = ("AWS_SECRET_ACCESS_KEY".to_owned(), "hidden".to_owned());
        claim.update(|state| state.exports.push(secret)).unwrap();
        let seen = place.running().unwrap().unwrap();
        assert_eq!(seen.export("AWS_SECRET_ACCESS_KEY"), Some("hidden"));
        assert_eq!(seen.owner.pid(), i32::try_from(std::process::id()).unwrap());
        let mode = fs::metadata(place.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let second = place.claim().unwrap_err().to_string();
        assert!(
            second.starts_with("a demo runs already (process "),
            "{second}"
        );
        assert!(place.must_be_free().is_err());

        drop(claim);
        assert!(place.running().unwrap().is_none());
        place.claim().unwrap();
    }

    #[test]
    fn what_a_killed_owner_wrote_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place(dir.path().to_owned());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let owner = Running::of(i32::try_from(child.id()).unwrap()).unwrap();
        let state = State {
            owner,
            proved: true,
            parts: Vec::new(),
            exports: Vec::new(),
        };
        fs::write(place.file(), serde_json::to_string(&state).unwrap()).unwrap();
        assert!(place.running().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(place.running().unwrap().is_none());
        place.claim().unwrap();
    }
}
