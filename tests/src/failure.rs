//! What a program's last words mean, and what a person can do about it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What a log says, and the remedy.
const REMEDIES: &[(&str, &str)] = &[
    (
        "address already in use",
        "Another program has taken the port it was given: run again, and another port is picked",
    ),
    (
        "no space left on device",
        "The disk is full: free some room (`go clean -cache` gives back gigabytes) and run again",
    ),
    (
        "too many open files",
        "The limit on open files is too low: raise it with `ulimit -n 65536` and run again",
    ),
    (
        "dial tcp: lookup",
        "The Go module proxy cannot be reached: check the network, and GOPROXY where one is needed, and run again",
    ),
];

/// The remedy for the first known trouble in `text`.
pub(crate) fn remedy(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    REMEDIES
        .iter()
        .find(|(sign, _)| text.contains(sign))
        .map(|(_, remedy)| *remedy)
}

const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 12;

/// The last lines of a log as a paragraph, or nothing where it cannot be read.
pub(crate) fn last_lines(log: &Path) -> String {
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match tail() {
        Ok(text) => format!(
            "\nThe last lines of {}:\n{}",
            log.display(),
            last(&text, TAIL_LINES)
        ),
        Err(_) => String::new(),
    }
}

/// The last `count` lines of `text`.
pub(crate) fn last(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn known_troubles_come_with_a_remedy() {
        for (said, expected) in [
            (
                "listen tcp 127.0.0.1:2379: bind: address already in use",
                "port",
            ),
            (
                "FATAL: could not write: No space left on device",
                "disk is full",
            ),
            ("dial tcp: lookup proxy.golang.org: no such host", "GOPROXY"),
        ] {
            assert!(
                remedy(said).is_some_and(|remedy| remedy.contains(expected)),
                "{said}"
            );
        }
        assert_eq!(remedy("all is well"), None);
    }

    #[test]
    fn only_the_end_of_a_log_is_shown() {
        assert_eq!(last("a\nb\n\nc\n", 2), "b\nc");
        assert_eq!(last("a\n", 5), "a");
    }
}
