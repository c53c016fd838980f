//! Who describes backends, and may read no Secret, has the operator send none to where he likes.

use std::fmt::Debug;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use eoffice_crds::{
    DATABASE_SECRET, DatabaseServer, ObjectStore, Reason, annotations, tenant_namespace,
};
use eoffice_tests::e2e::security::{Platform, ask, eventually};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SERVER: &str = "pg-b";
const STORE: &str = "objects";
const SYSTEM: &str = "eoffice-system";

/// Somebody's own machine, which notes whether anybody came.
struct Trap {
    port: u16,
    visited: Arc<AtomicBool>,
}

impl Trap {
    async fn set() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let visited = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&visited);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                seen.store(true, Ordering::Relaxed);
            }
        });
        Ok(Self { port, visited })
    }

    fn is_visited(&self) -> bool {
        self.visited.load(Ordering::Relaxed)
    }
}

/// Somebody with the role of the chart for who runs the platform.
async fn platform_admin(platform: &Platform) -> Result<Client> {
    let groups = ["eoffice:platform-admins", "system:authenticated"];
    let pim = platform.sandbox.person("pim", &groups).await?;
    let secrets: Api<Secret> = Api::namespaced(pim.clone(), SYSTEM);
    ensure!(secrets.get("pg-b-admin").await.is_err(), "pim reads it");
    Ok(pim)
}

async fn write<K>(api: &Api<K>, name: &str, spec: &Value) -> Result<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    let patch = Patch::Merge(json!({ "spec": spec }));
    api.patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// How a backend stands.
async fn ready<K>(api: &Api<K>, name: &str) -> Result<Condition>
where
    K: Clone + Serialize + DeserializeOwned + Debug,
{
    let object = serde_json::to_value(api.get(name).await?)?;
    let conditions = object["status"]["conditions"].clone();
    let conditions: Vec<Condition> = serde_json::from_value(conditions)?;
    let ready = conditions.into_iter().find(|it| it.type_ == "Ready");
    ready.context("no condition Ready")
}

/// Awaits that a backend says all of this of why it is not worked with, for this reason.
async fn refused<K>(api: &Api<K>, name: &str, reason: Reason, words: &[&str]) -> Result<()>
where
    K: Clone + Serialize + DeserializeOwned + Debug,
{
    eventually(&format!("{name} says {words:?}"), || async {
        let ready = ready(api, name).await?;
        let told = words.iter().all(|word| ready.message.contains(word));
        ensure!(ready.reason == reason.as_str() && told, "{ready:?}");
        Ok(())
    })
    .await
}

pub async fn credentials_go_nowhere_else(platform: &Platform, on_it: &str) -> Result<()> {
    let pim = platform_admin(platform).await?;
    let trap = Trap::set().await?;
    let theirs = platform.credentials(on_it).await?.database["port"].clone();
    let servers: Api<DatabaseServer> = Api::all(pim.clone());
    let before = servers.get(SERVER).await?.spec;
    let address = format!("127.0.0.1:{}", trap.port);
    let not_for = format!("are not for {address}");

    // The operator's own, elsewhere; and a tenant's, anywhere.
    let own = json!({"port": trap.port});
    let tenants = tenant_namespace(on_it);
    let named = json!({"port": trap.port, "adminSecretRef": {"namespace": tenants, "name": DATABASE_SECRET}});
    let place = format!("Secret {tenants}/{DATABASE_SECRET}");
    for (spec, secret) in [(own, "Secret eoffice-system/pg-b-admin"), (named, &place)] {
        write(&servers, SERVER, &spec).await?;
        let words = [secret, &not_for, annotations::SEND_ONLY_TO];
        refused(&servers, SERVER, Reason::CredentialsInvalid, &words).await?;
    }
    let stores: Api<ObjectStore> = Api::all(pim);
    let kept = stores.get(STORE).await?.spec;
    for field in ["endpoint", "iamEndpoint"] {
        let url = format!("https://{address}");
        write(&stores, STORE, &json!({field: url})).await?;
        let not_for = format!("are not for {url}");
        let words = ["Secret eoffice-system/objects-admin", &not_for];
        refused(&stores, STORE, Reason::CredentialsInvalid, &words).await?;
        let back = json!({"endpoint": kept.endpoint, "iamEndpoint": kept.iam_endpoint});
        write(&stores, STORE, &back).await?;
    }
    ensure!(!trap.is_visited(), "somebody came");
    let now = platform.credentials(on_it).await?.database["port"].clone();
    ensure!(now == theirs, "the tenant is sent to {now}");

    // Once who may write the Secret allows it, somebody comes: the trap is a real one.
    let secrets: Api<Secret> = platform.within(SYSTEM);
    let real = format!("{}:{}", before.host, before.port);
    let allow = |addresses: String| json!({"metadata": {"annotations": {annotations::SEND_ONLY_TO: addresses}}});
    let both = allow(format!("{real},{address}"));
    platform.merge(secrets.clone(), "pg-b-admin", both).await?;
    let moved = json!({"port": trap.port, "adminSecretRef": before.admin_secret_ref});
    write(&servers, SERVER, &moved).await?;
    eventually("it goes where it may", || async {
        ensure!(trap.is_visited(), "nobody came");
        Ok(())
    })
    .await?;
    write(&servers, SERVER, &serde_json::to_value(&before)?).await?;
    platform.merge(secrets, "pg-b-admin", allow(real)).await?;
    platform.ready(on_it).await?;
    Ok(())
}

/// A server that wants the password itself does not get it, although its certificate holds.
pub async fn no_password_is_told(platform: &Platform, on_it: &str) -> Result<()> {
    let server = platform.sandbox.server(SERVER)?;
    let superuser = server.connect("postgres").await?;
    let path = ask(&superuser, "show hba_file").await?.context("no file")?;
    let as_before = fs::read_to_string(&path)?;
    let again = "select pg_reload_conf(); select pg_terminate_backend(pid) from pg_stat_activity
        where usename = 'eoffice_operator'";
    let servers: Api<DatabaseServer> = platform.cluster();
    for method in ["password", "trust"] {
        let asks = format!("hostssl all eoffice_operator 127.0.0.1/32 {method}\n{as_before}");
        fs::write(&path, asks)?;
        superuser.batch_execute(again).await?;
        let words = ["a proof that is bound to the TLS channel", "scram-sha-256"];
        refused(&servers, SERVER, Reason::Unsupported, &words).await?;
        fs::write(&path, &as_before)?;
        superuser.batch_execute(again).await?;
        platform.ready(on_it).await?;
        eventually("the server is worked with again", || async {
            let ready = ready(&servers, SERVER).await?;
            ensure!(ready.status == "True", "{ready:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
