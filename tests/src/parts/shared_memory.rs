//! What a killed PostgreSQL leaves in the kernel: a segment of shared memory, of which a machine has only some thousands.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Gives back the segments of the servers whose data is in a folder below `root`, where nobody uses them any more.
pub(crate) fn give_back(root: &Path) {
    let Ok(folders) = fs::read_dir(root) else {
        return;
    };
    let Ok(segments) = fs::read_to_string("/proc/sysvipc/shm") else {
        return;
    };
    for folder in folders.filter_map(|entry| Some(entry.ok()?.path())) {
        for data in ["data", "data.aside"] {
            let Ok(state) = fs::read_to_string(folder.join(data).join("postmaster.pid")) else {
                continue;
            };
            if let Some(id) = orphan(&state, &segments) {
                // Where it fails, a few bytes stay until the machine is started anew.
                let _ = Command::new("ipcrm").args(["-m", &id]).status();
            }
        }
    }
}

/// The id of the segment that a server's state file names, if it is still that one and nobody is attached to it.
fn orphan(state: &str, segments: &str) -> Option<String> {
    let (key, id) = state.lines().nth(6)?.trim().split_once(' ')?;
    let (key, id) = (key.trim(), id.trim());
    segments
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| {
            let [found_key, found_id, _, _, _, _, attached, ..] = fields.as_slice() else {
                return false;
            };
            (*found_key, *found_id, *attached) == (key, id, "0")
        })
        .then(|| id.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_segment_is_given_back_and_only_when_unused() {
        let state = "123\n/data\n1\n5432\n\n127.0.0.1\n  6335643    327680\nready   \n";
        let line = |key, id, attached| {
            format!("{key} {id} 600 56 1 2 {attached} 65534 65534 65534 65534 1 2 3 4096 0\n")
        };
        let head = "       key      shmid perms                  size  cpid  lpid nattch   uid\n";
        for (key, id, attached, expected) in [
            ("6335643", "327680", "0", Some("327680")),
            ("6335643", "327680", "7", None),
            ("6335644", "327680", "0", None),
            ("6335643", "327681", "0", None),
        ] {
            let segments = format!("{head}{}", line(key, id, attached));
            assert_eq!(orphan(state, &segments).as_deref(), expected);
        }
    }
}
