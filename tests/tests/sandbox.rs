//! The sandbox itself: everything starts, works together, comes back, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aws_sdk_s3::primitives::ByteStream;
use eoffice_tests::parts::object_store::ObjectStore;
use eoffice_tests::parts::postgres::Postgres;
use eoffice_tests::{Options, Progress, Sandbox};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use kube::runtime::wait::{await_condition, conditions};

const HOST: &str = "town-pak-chong-3021.eoffice.example";

const TENANT: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: tenant}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: tls, namespace: tenant}
spec:
  secretName: tls
  dnsNames: [town-pak-chong-3021.eoffice.example]
  issuerRef: {group: cert-manager.io, kind: ClusterIssuer, name: gov}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: eoffice, namespace: tenant}
spec:
  ingressClassName: traefik
  tls: [{hosts: [town-pak-chong-3021.eoffice.example], secretName: tls}]
  rules:
    - host: town-pak-chong-3021.eoffice.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: eoffice, port: {number: 8080}}}}
"#;

/// Awaits what other programs do in their own time.
async fn eventually<T, F: Future<Output = Result<T>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < deadline, "{what}: {error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_together_and_leaves_nothing_behind() {
    let began = Instant::now();
    let options = Options {
        audit: true,
        log_statements: true,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options, &Progress::lines()).await.unwrap();
    println!("all parts serve after {:?}", began.elapsed());

    tokio::join!(
        certificate_and_ingress(&sandbox).boxed(),
        sql(&sandbox).boxed(),
        objects(&sandbox.object_store).boxed(),
    );
    parts_go_down_and_come_back(&sandbox).await;
    writes_are_recorded(&sandbox);
    a_lost_cluster_is_an_empty_one(&sandbox).await;

    let root = sandbox.ground().home.root().to_owned();
    assert!(!processes_in(&root).is_empty());
    let segments = shared_memory(&root);
    assert!(segments.iter().all(|one| segment_exists(one)) && segments.len() == 2);
    let stopping = Instant::now();
    sandbox.stop();
    println!("all stopped within {:?}", stopping.elapsed());
    assert_eq!(processes_in(&root), Vec::<String>::new());
    assert!(!root.exists());
    assert!(!segments.iter().any(|one| segment_exists(one)));
}

/// Key and id of the shared memory of both PostgreSQL servers.
fn shared_memory(root: &Path) -> Vec<Vec<String>> {
    let of = |server: &str| {
        let state = std::fs::read_to_string(root.join(server).join("data/postmaster.pid"));
        let state = state.unwrap();
        let line = state.lines().nth(6).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    vec![of("pg-a"), of("pg-b")]
}

fn segment_exists(key_and_id: &[String]) -> bool {
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    segments.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[..2] == *key_and_id
    })
}

const HELPER: &str = "EOFFICE_TEST_IS_HELPER";

/// Not a test: what the next one starts as a process of its own, and kills.
#[tokio::test(flavor = "multi_thread")]
async fn helper() {
    if std::env::var_os(HELPER).is_some() {
        let sandbox = Sandbox::start(Options::default(), &Progress::silent()).await;
        let _running = sandbox.unwrap();
        std::future::pending::<()>().await;
    }
}

#[test]
fn killed_at_any_moment_it_leaves_no_process() {
    let target = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(eoffice_tests::home::workspace().join("target"))
        .unwrap();
    let mut seen = 0;
    for milliseconds in [50, 400, 1_500, 6_000] {
        let mut helper = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["helper", "--exact"])
            .env(HELPER, "1")
            .env("CARGO_TARGET_DIR", target.path())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        seen = processes_in(target.path()).len().max(seen);
        helper.kill().unwrap();
        helper.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Some(left) = processes_in(target.path()).first() {
            assert!(
                Instant::now() < deadline,
                "killed after {milliseconds} ms: {left}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    assert!(seen >= 5, "only {seen} processes ran when it was killed");
}

async fn certificate_and_ingress(sandbox: &Sandbox) {
    sandbox.apply(TENANT).await.unwrap();
    let application = &sandbox.application;
    application
        .publish(&sandbox.admin(), "tenant", "eoffice", 8080)
        .await
        .unwrap();
    // The client trusts the sandbox's authority alone: an answer means that the certificate is issued and served.
    let client = sandbox.https(HOST).unwrap();
    let url = format!("https://{HOST}:{}/", sandbox.traefik.port());
    let body = eventually("the ingress serves the tenant", || async {
        let answer = client.get(&url).send().await?.error_for_status()?;
        Ok(answer.text().await?)
    })
    .await;
    assert_eq!(body, "town-pak-chong-3021\n");
}

async fn identity(server: &Postgres) -> String {
    let client = server.connect("postgres").await.unwrap();
    let row = client
        .query_one("select system_identifier::text, ssl from pg_control_system(), pg_stat_ssl where pid = pg_backend_pid()", &[])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(1), "connections are encrypted");
    row.get(0)
}

async fn sql(sandbox: &Sandbox) {
    let [a, b] = sandbox.postgres.as_slice() else {
        panic!("two servers were asked for")
    };
    let first = identity(a).await;
    assert_ne!(first, identity(b).await);
    let wrong = a.connect_as("postgres", "wrong", "postgres").await;
    assert!(wrong.is_err());
    let log = std::fs::read_to_string(a.part.log()).unwrap();
    assert!(
        log.contains("select system_identifier"),
        "statements are logged"
    );
    assert!(!log.contains(a.password()));

    a.replace_with_another().await.unwrap();
    assert_ne!(identity(a).await, first);
    a.bring_back().await.unwrap();
    assert_eq!(identity(a).await, first);
}

async fn objects(store: &ObjectStore) {
    let s3 = store.admin();
    s3.create_bucket().bucket("documents").send().await.unwrap();
    let body = ByteStream::from_static(b"kept");
    s3.put_object()
        .bucket("documents")
        .key("one")
        .body(body)
        .send()
        .await
        .unwrap();
    let user = store
        .iam_admin()
        .create_user()
        .user_name("someone")
        .send()
        .await;
    assert_eq!(user.unwrap().user().unwrap().user_name(), "someone");
    read_object(store).await.unwrap();
}

async fn read_object(store: &ObjectStore) -> Result<()> {
    let object = store
        .admin()
        .get_object()
        .bucket("documents")
        .key("one")
        .send()
        .await?;
    if object.body.collect().await?.into_bytes().as_ref() != b"kept" {
        bail!("another object came");
    }
    Ok(())
}

async fn parts_go_down_and_come_back(sandbox: &Sandbox) {
    let server = &sandbox.postgres[0];
    let client = server.connect("postgres").await.unwrap();
    client
        .batch_execute("create table kept (it int)")
        .await
        .unwrap();
    server.part.kill().await;
    assert!(server.connect("postgres").await.is_err());
    server.part.start().await.unwrap();
    let client = server.connect("postgres").await.unwrap();
    client.batch_execute("select it from kept").await.unwrap();

    let store = &sandbox.object_store;
    store.s3.kill().await;
    assert!(read_object(store).await.is_err());
    store.s3.start().await.unwrap();
    read_object(store).await.unwrap();
    store.iam.stop().await;
    assert!(store.iam_admin().list_users().send().await.is_err());
    store.iam.start().await.unwrap();
    let users = store.iam_admin().list_users().send().await.unwrap();
    assert_eq!(users.users().len(), 1);

    let control_plane = &sandbox.control_plane;
    control_plane.api_server.kill().await;
    control_plane.etcd.part.kill().await;
    control_plane.start_api().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(sandbox.admin());
    let tenant = namespaces.get("tenant").await.unwrap();
    namespaces
        .delete("tenant", &DeleteParams::default())
        .await
        .unwrap();
    let gone = conditions::is_deleted(tenant.metadata.uid.as_deref().unwrap());
    let gone = await_condition(namespaces, "tenant", gone);
    let gone = tokio::time::timeout(Duration::from_secs(120), gone).await;
    gone.expect("a namespace finishes deleting").unwrap();
}

fn writes_are_recorded(sandbox: &Sandbox) {
    let writes = sandbox.control_plane.writes().unwrap();
    assert!(writes.iter().any(|write| {
        write.user == "admin"
            && (write.verb.as_str(), write.resource.as_str()) == ("delete", "namespaces")
            && write.name == "tenant"
            && write.code == 200
    }));
}

async fn a_lost_cluster_is_an_empty_one(sandbox: &Sandbox) {
    let namespaces: Api<Namespace> = Api::all(sandbox.admin());
    let uid = || async { namespaces.get("kube-system").await.unwrap().metadata.uid };
    let before = uid().await;
    sandbox.lose_cluster().await.unwrap();
    assert_ne!(uid().await, before);
    certificate_and_ingress(sandbox).await;
    read_object(&sandbox.object_store).await.unwrap();
}

/// The command lines of all processes that name a path below `root`, or have their working folder there.
fn processes_in(root: &Path) -> Vec<String> {
    let root = root.display().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let process = entry.ok()?.path();
            let command = std::fs::read_to_string(process.join("cmdline")).ok()?;
            let folder = std::fs::read_link(process.join("cwd")).unwrap_or_default();
            let within = command.contains(&root) || folder.starts_with(&root);
            within.then(|| command.replace('\0', " "))
        })
        .collect()
}
