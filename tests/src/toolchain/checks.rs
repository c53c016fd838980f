//! What this machine must have, said in one sentence each, with the remedy.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The oldest Go that the pinned modules build with.
const OLDEST_GO: (u32, u32) = (1, 26);

/// What a first build of all parts fills, with Go's own caches.
const ROOM_BYTES: u64 = 14 << 30;

/// Refuses a `go` that is absent or too old.
pub(super) fn go(program: &Path) -> Result<()> {
    let remedy = go_remedy();
    // Asked where no go.mod is: there a newer toolchain would be loaded only for the question.
    let answer = Command::new(program)
        .args(["env", "GOVERSION"])
        .current_dir("/")
        .stdin(Stdio::null())
        .output();
    let output = match answer {
        Ok(output) if output.status.success() => output,
        Ok(output) => bail!(
            "`go env GOVERSION` fails ({}): {remedy}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("Go is not installed, or not on PATH: {remedy}")
        }
        Err(error) => return Err(error).context(format!("run `go`: {remedy}")),
    };
    new_enough(String::from_utf8_lossy(&output.stdout).trim())
}

fn go_remedy() -> String {
    let (major, minor) = OLDEST_GO;
    format!(
        "install Go {major}.{minor} or newer (https://go.dev/dl), put it on PATH, and run again"
    )
}

fn new_enough(said: &str) -> Result<()> {
    match version(said) {
        Some(found) if found >= OLDEST_GO => Ok(()),
        _ => bail!("Go is too old ({said}): {}", go_remedy()),
    }
}

/// The version in `go1.26.8` or `go1.27rc1`.
fn version(said: &str) -> Option<(u32, u32)> {
    let (major, rest) = said.strip_prefix("go")?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Refuses a machine without a C compiler: Rust links with it.
pub(crate) fn c_compiler(program: &str) -> Result<()> {
    runs(program, "--version").with_context(|| {
        format!(
            "there is no C compiler (`{program}`), and Rust links with it: install one (Debian: `apt-get install \
             gcc libc6-dev`) and run again"
        )
    })
}

/// Refuses a machine without util-linux's `setpriv`.
pub(super) fn setpriv() -> Result<()> {
    runs("setpriv", "--version").context(
        "there is no `setpriv`, which lets no process outlive this one: install util-linux (Debian: `apt-get install \
         util-linux`) and run again",
    )
}

fn runs(program: &str, argument: &str) -> Result<()> {
    let status = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("`{program} {argument}` fails ({status})");
    }
    Ok(())
}

/// Refuses to begin a build that the disk has no room for.
pub(super) fn room(dir: &Path, share: f64) -> Result<()> {
    let Some(existing) = dir.ancestors().find(|dir| dir.exists()) else {
        return Ok(());
    };
    let free = fs4::available_space(existing)
        .with_context(|| format!("ask how much room {} has", existing.display()))?;
    #[allow(clippy::cast_precision_loss)]
    let (free, needed) = (gib(free as f64), gib(ROOM_BYTES as f64 * share));
    if free < needed {
        bail!(
            "the disk has too little room for the build: {free:.1} GiB are free at {}, and {needed:.1} GiB are needed; \
             free some (`go clean -cache` helps), or set XDG_CACHE_HOME and GOCACHE to another disk, and run again",
            existing.display()
        );
    }
    Ok(())
}

fn gib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 30)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn missing_go_is_said_with_the_remedy() {
        let error = go(Path::new("/nowhere/go")).unwrap_err().to_string();
        assert!(error.starts_with("Go is not installed"), "{error}");
        assert!(error.contains("install Go 1.26 or newer"), "{error}");
    }

    #[test]
    fn too_old_a_go_is_said_with_the_remedy() {
        let error = new_enough("go1.22.3").unwrap_err().to_string();
        assert!(error.starts_with("Go is too old (go1.22.3)"), "{error}");
    }

    #[test]
    fn versions_are_read() {
        for (said, expected) in [
            ("go1.26.8", Some((1, 26))),
            ("go1.27rc1", Some((1, 27))),
            ("go2.0", Some((2, 0))),
            ("devel", None),
        ] {
            assert_eq!(version(said), expected, "{said}");
        }
    }

    #[test]
    fn a_missing_compiler_is_said_with_the_remedy() {
        let error = c_compiler("/nowhere/cc").unwrap_err().to_string();
        assert!(error.contains("install one"), "{error}");
    }

    #[test]
    fn a_full_disk_is_said_beforehand() {
        let error = room(Path::new("/"), 1e9).unwrap_err().to_string();
        assert!(error.starts_with("the disk has too little room"), "{error}");
        assert!(room(Path::new("/"), 0.0).is_ok());
    }
}
