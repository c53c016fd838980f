//! `cargo demo` as a person runs it: the real program, from its command line to its exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A place of its own for a demo, so that one of the user's is left alone.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn demo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command.args(args).env("EOFFICE_DEMO_DIR", self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(self.demo(args).output().unwrap())
    }

    /// What the owner of the demo tells the others, once it tells `key`.
    fn state(&self, owner: &mut Child, key: &str) -> serde_json::Value {
        eventually("the demo tells what runs", || {
            assert_eq!(owner.try_wait().unwrap(), None, "it has ended");
            let text = fs::read_to_string(self.0.path().join("state.json")).ok()?;
            let state: serde_json::Value = serde_json::from_str(&text).ok()?;
            (state[key].as_array().is_none_or(|all| !all.is_empty())).then_some(state)
        })
    }
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The command lines of all processes that name `root`, or have their working folder in it.
fn processes_in(root: &Path) -> Vec<String> {
    let root = root.display().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let process = entry.ok()?.path();
            let command = fs::read_to_string(process.join("cmdline")).ok()?;
            let folder = fs::read_link(process.join("cwd")).unwrap_or_default();
            let within = command.contains(&root) || folder.starts_with(&root);
            within.then(|| command.replace('\0', " "))
        })
        .collect()
}

/// The folder of all that the demo of this state has on disk.
fn home(state: &serde_json::Value) -> PathBuf {
    let exports = state["exports"].as_array().unwrap();
    let logs = exports.iter().find(|it| it[0] == "EOFFICE_LOG_DIR");
    let logs = PathBuf::from(logs.unwrap()[1].as_str().unwrap());
    logs.parent().unwrap().to_owned()
}

#[test]
fn without_a_demo_nothing_runs_and_nothing_is_ended() {
    let place = Place::new();
    for command in ["status", "down"] {
        let said = place.run(&[command]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_eq!(said.out, "No demo runs: `cargo demo` starts one.\n");
    }
    let said = place.run(&["env"]);
    assert_eq!(said.code, Some(1));
    assert_eq!(said.out, "");
    assert_eq!(
        said.err,
        "error: no demo runs: start one with `cargo demo --detach`\n"
    );
}

#[test]
fn a_wrong_command_line_is_refused_and_leads_to_the_help() {
    let place = Place::new();
    for args in [&["up"][..], &["--once", "--detach"], &["--ingress-port=x"]] {
        let said = place.run(args);
        assert_eq!(said.code, Some(2), "{args:?}");
        assert!(said.err.contains("'--help'"), "{}", said.err);
    }
}

#[test]
fn without_go_it_says_what_to_install() {
    let place = Place::new();
    let programs = place.0.path().join("bin");
    fs::create_dir(&programs).unwrap();
    for program in ["sh", "setpriv", "cc"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        symlink(found.trim(), programs.join(program)).unwrap();
    }
    let said = place
        .demo(&["--once"])
        .env("PATH", &programs)
        .env("XDG_CACHE_HOME", place.0.path().join("cache"))
        .env_remove("KUBEBUILDER_ASSETS")
        .output()
        .unwrap();
    let said = Said::of(said);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("To be built once, from source: etcd"),
        "{}",
        said.err
    );
    let last = said.err.lines().last().unwrap();
    assert_eq!(
        last,
        "error: Go is not installed, or not on PATH: install Go 1.26 or newer (https://go.dev/dl), put it on PATH, \
         and run again"
    );
}

/// The main job, from the first process to the last. A second demo is refused meanwhile.
#[test]
fn once_makes_and_proves_twenty_tenants_and_leaves_nothing_behind() {
    let place = Place::new();
    let began = Instant::now();
    let mut demo = place
        .demo(&["--once"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    place.state(&mut demo, "owner");
    let second = place.run(&["--once"]);
    assert_eq!(second.code, Some(1));
    assert!(
        second
            .err
            .starts_with("error: a demo runs already (process "),
        "{}",
        second.err
    );

    let state = place.state(&mut demo, "exports");
    let home = home(&state);
    assert!(processes_in(&home).len() >= 8);
    let said = Said::of(demo.wait_with_output().unwrap());
    println!("{}\n{}\nafter {:?}", said.err, said.out, began.elapsed());
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("20 databases used over TLS"));
    assert_eq!(processes_in(&home), Vec::<String>::new());
    assert!(!home.exists());
}

/// Detached it outlives its command; its exports lead to it; `down` ends all of it.
#[test]
fn detached_it_stays_until_it_is_taken_down() {
    let place = Place::new();
    let said = place.run(&["--detach"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("cargo demo down"), "{}", said.out);

    let said = place.run(&["status"]);
    assert!(said.out.contains("all was proved by use"), "{}", said.out);
    assert!(
        said.out.contains("20 of 20 tenants are Ready"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("HAS ENDED"), "{}", said.out);

    let exports = place.run(&["env"]).out;
    let said = Command::new("sh")
        .args(["-c", &format!("{exports}\nkubectl get eot -A -o name && kill -0 $EOFFICE_OPERATOR_PID && echo $EOFFICE_LOG_DIR")])
        .output()
        .unwrap();
    let said = Said::of(said);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.lines().count(), 21);
    let home = Path::new(said.out.lines().last().unwrap())
        .parent()
        .unwrap();
    assert!(processes_in(home).len() >= 8);

    let said = place.run(&["down"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(processes_in(home), Vec::<String>::new());
    assert!(!home.exists());
    assert_eq!(
        place.run(&["down"]).out,
        "No demo runs: `cargo demo` starts one.\n"
    );
}

/// A command that is killed before the proof takes its keeper with it.
#[test]
fn a_detaching_command_that_is_killed_leaves_nothing_behind() {
    let place = Place::new();
    let mut command = place
        .demo(&["--detach"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let state = place.state(&mut command, "owner");
    let keeper = state["owner"]["pid"].as_i64().unwrap();
    let mut all = eventually("the keeper has started some parts", || {
        let parts = children(keeper);
        (parts.len() >= 4).then_some(parts)
    });
    all.push(keeper);
    command.kill().unwrap();
    command.wait().unwrap();
    eventually("the keeper and all its parts end", || {
        all.iter().all(|pid| parent(*pid).is_none()).then_some(())
    });
    assert!(!place.0.path().join("state.json").exists());
}

/// The parent of a process that has not ended.
fn parent(pid: i64) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let ended = fields.next()? == "Z";
    fields.next()?.parse().ok().filter(|_| !ended)
}

fn children(of: i64) -> Vec<i64> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| parent(*pid) == Some(of))
        .collect()
}
