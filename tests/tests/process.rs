//! No child outlives its parent, however that ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eoffice_tests::process::Spec;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HELPER: &str = "EOFFICE_TEST_IS_HELPER";

/// Not a test: what the tests below start as a process of its own. It starts a program of each kind, says the ids of
/// all processes that came of it, and waits to be killed.
#[test]
fn helper() {
    if std::env::var_os(HELPER).is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let alone = Spec::new("alone", "sleep").arg("600").spawn(&log).unwrap();
    let other_user = Spec::new("other user", "sleep")
        .arg("600")
        .unprivileged()
        .spawn(&log)
        .unwrap();
    let (family, out, _err) = Spec::new("family", "sh")
        .args(["-c", "sleep 600 & echo $!; sleep 600 & echo $!; wait"])
        .family()
        .spawn_piped()
        .unwrap();
    for pid in [alone.pid(), other_user.pid(), family.pid()] {
        println!("pid {pid}");
    }
    for line in BufReader::new(out).lines().take(2) {
        println!("pid {}", line.unwrap());
    }
    println!("all started");
    std::thread::sleep(Duration::from_secs(600));
}

/// Starts the helper, and waits until all its processes run.
fn start_helper() -> (Child, Vec<i32>) {
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["helper", "--exact", "--nocapture"])
        .env(HELPER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pids = Vec::new();
    for line in BufReader::new(helper.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(pid) = line.strip_prefix("pid ") {
            pids.push(pid.parse().unwrap());
        }
        if line == "all started" {
            break;
        }
    }
    assert_eq!(pids.len(), 5);
    for pid in &pids {
        assert!(runs(*pid), "{pid} should run");
    }
    (helper, pids)
}

fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    // What has ended and was not yet reaped does not run.
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

fn assert_all_end(pids: &[i32]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Some(left) = pids.iter().find(|pid| runs(**pid)) {
        assert!(Instant::now() < deadline, "{left} outlives its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn all_end_with_a_killed_parent() {
    for signal in [Signal::SIGKILL, Signal::SIGINT, Signal::SIGTERM] {
        let (mut helper, pids) = start_helper();
        kill(Pid::from_raw(helper.id().cast_signed()), signal).unwrap();
        helper.wait().unwrap();
        assert_all_end(&pids);
    }
}

#[tokio::test]
async fn stopping_and_killing_end_a_process_and_what_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let start = || {
        Spec::new("parent", "sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .spawn(&log)
            .unwrap()
    };
    let started = || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines()
            .last()
            .and_then(|line| line.parse::<i32>().ok())
    };

    let process = start();
    process
        .ready(Duration::from_secs(5), || async {
            started()
                .map(drop)
                .ok_or_else(|| anyhow::anyhow!("not yet"))
        })
        .await
        .unwrap();
    let child = started().unwrap();
    assert!(runs(process.pid()) && runs(child));
    process.kill().await;
    assert_all_end(&[process.pid(), child]);

    let process = start();
    process.pause();
    let status = process.stop(Duration::from_secs(5)).await;
    assert!(!status.success());
    assert!(!runs(process.pid()));
    assert_eq!(process.ended(), Some(status));
}

#[tokio::test]
async fn an_early_end_is_said_with_the_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let process = Spec::new("etcd", "sh")
        .args([
            "-c",
            "echo 'listen tcp: bind: address already in use'; exit 3",
        ])
        .spawn(&dir.path().join("log"))
        .unwrap();
    let never = || async { Err(anyhow::anyhow!("not yet")) };
    let error = process.ready(Duration::from_secs(30), never).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("etcd ended at its start (exit status: 3)"),
        "{error}"
    );
    assert!(
        error.contains("run again, and another port is picked"),
        "{error}"
    );
}
