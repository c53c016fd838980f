//! Where nothing differs nothing is written or read in Kubernetes: not while the operator runs, and when it starts anew
//! it writes nothing, and reads no more than each kind's list.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant};
use eoffice_tests::e2e::core::{Counts, looked_again, unchanged, versions};
use eoffice_tests::e2e::security::{Platform, eventually, holds, told};
use eoffice_tests::helm::NAMESPACE;
use eoffice_tests::parts::audit::Request;
use kube::api::{Api, ListParams};

/// Words with which a statement begins that changes something.
const CHANGES: &[&str] = &[
    "ALTER", "COMMENT", "CREATE", "DELETE", "DO", "DROP", "GRANT", "INSERT", "MERGE", "REASSIGN",
    "REVOKE", "TRUNCATE", "UPDATE",
];

/// The provinces' namespaces and the tenants' are watched apart.
const LISTED_TWICE: &str = "namespaces";

/// Whether a request is the operator's. Its lease says only who works, and is left out.
pub fn by_operator(request: &Request) -> bool {
    request
        .user
        .starts_with(&format!("system:serviceaccount:{NAMESPACE}:"))
        && request.resource != "leases"
}

/// Waits until nothing differs anywhere but with those tenants, and then sees that nothing is written.
pub async fn nothing_is_written(platform: &Platform, open: &[&str]) -> Result<()> {
    let tenants = all_synced(platform, open).await?;
    looked_again(platform, 2, tenants).await?;
    let before = Seen::now(platform).await?;
    looked_again(platform, 3, tenants).await?;
    before.is_all(platform).await?;
    let read = reads(platform)?;
    ensure!(
        read.len() == before.reads,
        "read: {:?}",
        &read[before.reads..]
    );
    let (calls, now) = (
        &before.calls,
        Counts::of(&platform.operator).await?.changes(),
    );
    ensure!(
        *calls == now,
        "the operator says that it made changes: {calls:?} and then {now:?}"
    );
    Ok(())
}

/// Ends the operator and starts it anew, and sees that it writes nothing and reads each list once.
pub async fn nothing_is_written_after_a_restart(platform: &Platform, open: &[&str]) -> Result<()> {
    let tenants = all_synced(platform, open).await?;
    platform.operator.part.stop().await;
    let before = Seen::now_without_counts(platform).await?;
    platform.operator.part.start().await?;
    looked_again(platform, 3, tenants).await?;
    all_synced(platform, open).await?;
    before.is_all(platform).await?;
    let now = Counts::of(&platform.operator).await?.changes();
    ensure!(
        now.values().all(|count| *count == 0.0),
        "it says that it made changes: {now:?}"
    );

    let mut lists = BTreeMap::<String, usize>::new();
    let mut gets = Vec::new();
    for request in reads(platform)?.split_off(before.reads) {
        match request.verb.as_str() {
            "list" => *lists.entry(request.resource).or_default() += 1,
            _ => gets.push(format!(
                "{} {}/{}",
                request.resource, request.namespace, request.name
            )),
        }
    }
    println!("        {} lists, and single reads: {gets:?}", lists.len());
    let once = |(kind, times): (&String, &usize)| *times <= 1 + usize::from(kind == LISTED_TWICE);
    ensure!(lists.iter().all(once), "lists were read again: {lists:?}");
    ensure!(
        gets.iter().all(|read| expected(read)),
        "single objects were read: {gets:?}"
    );
    Ok(())
}

/// Single objects that no list of a tenant's things has: which cluster it is, and what leads to the backends.
fn expected(read: &str) -> bool {
    read == "namespaces kube-system/kube-system"
        || read.starts_with(&format!("secrets {NAMESPACE}/"))
}

async fn all_synced(platform: &Platform, open: &[&str]) -> Result<usize> {
    let all: Api<EOfficeTenant> = Api::all(platform.sandbox.admin());
    eventually("nothing differs", || async {
        let tenants = all.list(&ListParams::default()).await?.items;
        let is_open =
            |it: &&EOfficeTenant| open.contains(&it.metadata.name.as_deref().unwrap_or_default());
        for tenant in tenants.iter().filter(|it| !is_open(it)) {
            ensure!(holds(tenant, ConditionType::Synced), "{}", told(tenant));
            ensure!(holds(tenant, ConditionType::Ready), "{}", told(tenant));
        }
        Ok(tenants.len())
    })
    .await
}

/// What was written so far.
struct Seen {
    versions: BTreeMap<String, String>,
    writes: usize,
    reads: usize,
    statements: usize,
    calls: BTreeMap<String, f64>,
}

impl Seen {
    async fn now(platform: &Platform) -> Result<Self> {
        let calls = Counts::of(&platform.operator).await?.changes();
        Ok(Self {
            calls,
            ..Self::now_without_counts(platform).await?
        })
    }

    async fn now_without_counts(platform: &Platform) -> Result<Self> {
        let mut versions = versions(platform).await?;
        // They go by themselves after a time.
        versions.retain(|object, _| !object.starts_with("Event "));
        Ok(Self {
            versions,
            writes: writes(platform)?.len(),
            reads: reads(platform)?.len(),
            statements: statements(platform)?.len(),
            calls: BTreeMap::new(),
        })
    }

    /// Nothing more was written since.
    async fn is_all(&self, platform: &Platform) -> Result<()> {
        let writes = writes(platform)?;
        ensure!(
            writes.len() == self.writes,
            "written: {:?}",
            &writes[self.writes..]
        );
        let statements = statements(platform)?;
        ensure!(
            statements.len() == self.statements,
            "run: {:?}",
            &statements[self.statements..]
        );
        let now = Self::now_without_counts(platform).await?;
        unchanged(&self.versions, &now.versions)
    }
}

fn writes(platform: &Platform) -> Result<Vec<Request>> {
    let mut writes = platform.sandbox.control_plane.writes()?;
    writes.retain(by_operator);
    Ok(writes)
}

fn reads(platform: &Platform) -> Result<Vec<Request>> {
    let mut reads = platform.sandbox.control_plane.reads()?;
    reads.retain(by_operator);
    Ok(reads)
}

/// What the operator ran on the servers that changes something, as their logs have it.
fn statements(platform: &Platform) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for server in &platform.sandbox.postgres {
        let log = fs::read_to_string(server.part.log()).context("read the server's log")?;
        all.extend(changes(&log));
    }
    Ok(all)
}

fn changes(log: &str) -> Vec<String> {
    // A statement's further lines begin with a tab.
    let log = log.replace("\n\t", " ");
    let by_operator = log
        .lines()
        .filter(|line| line.contains("] eoffice_operator@"));
    let run = by_operator.filter_map(|line| {
        let run = line.split_once("statement: ").or_else(|| {
            let (_, run) = line.split_once(": execute ")?;
            run.split_once(": ")
        });
        Some(run?.1.trim().to_owned())
    });
    run.filter(|text| {
        let word = text.split_whitespace().next().unwrap_or_default();
        CHANGES.contains(&word.to_uppercase().as_str()) || text.contains("pg_terminate_backend")
    })
    .collect()
}

#[test]
fn a_log_tells_what_was_changed() {
    let log = "\
2026-11-21 [7] eoffice_operator@postgres LOG:  00000: execute s1: \n\tWITH sessions AS (\n\tSELECT 1)\n\
2026-11-21 [7] eoffice_operator@postgres LOG:  00000: statement: ALTER ROLE a NOLOGIN\n\
2026-11-21 [7] postgres@postgres LOG:  00000: statement: ALTER ROLE a LOGIN\n\
2026-11-21 [7] eoffice_operator@postgres LOG:  00000: execute <unnamed>: \n\tGRANT a TO b\n";
    assert_eq!(changes(log), ["ALTER ROLE a NOLOGIN", "GRANT a TO b"]);
}
