//! A part of the platform goes down: a condition names it, all else goes on, and all heals by itself. Another server at
//! the same address is left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "outage/closed.rs"]
mod closed;
#[path = "outage/ground.rs"]
mod ground;

use anyhow::{Result, ensure};
use eoffice_crds::{ConditionType, DATABASE_SECRET, EOfficeTenant, Reason, tenant_namespace};
use eoffice_tests::backends::bootstrap_sql;
use eoffice_tests::e2e::faults::{Census, backend, catalog, prove_all, row, says_of_ready, stands};
use eoffice_tests::e2e::security::{Platform, Scenario, tenant, told};
use eoffice_tests::parts::postgres::OPERATOR;
use eoffice_tests::{OperatorOptions, Options, Part};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use ground::{
    heals, identity, is_asked_again, is_left_in_peace, kubernetes_goes_on, others_hold,
    postgres_goes_on, said_since, server_of, servers, storage_goes_on, stores,
};

use ConditionType::{
    CertificateReady, DatabaseReady, IngressReady, NamespaceReady, Ready, StorageReady,
};

/// Two tenants that stand before anything breaks, on a server each.
const FIRST: &str = "town-first-3021";
const SECOND: &str = "town-second-3021";
const STORE: &str = "objects";

/// Rows of the API page's table: phase, Ready, Available, Reconciling, Stalled.
const CUT_OFF: &str = "Degraded False False True False";
const ON_ITS_WAY: &str = "Provisioning Unknown False True False";
const WAITING: &str = "Queued Unknown False True False";
const STOPPED: &str = "Failed False False False True";

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_named_holds_up_nothing_else_and_heals_by_itself() {
    let options = Options {
        // What the operator asks of a server is read from that server's own log.
        log_statements: true,
        ..Options::default()
    };
    let platform = Platform::start(options, OperatorOptions::default());
    let platform = platform.await.unwrap();
    let bare = bare(&platform).await.unwrap();
    let healthy = two_tenants(&platform).await.unwrap();
    // One after the other: each breaks what the others stand on.
    for outage in outages(&platform) {
        if let Err(error) = platform.all(vec![outage]).await {
            let tenants = platform.tenants().list(&ListParams::default()).await;
            for tenant in tenants.unwrap() {
                println!("{}\n{}", tenant.name_any(), told(&tenant));
            }
            panic!("{error:#}");
        }
    }
    let now = Census::take(&platform.sandbox).await.unwrap();
    healthy.lives_on_in(&now).unwrap();
    let tenants = now.without(&bare);
    let named = tenants.is_what_records_name(&platform.sandbox).await;
    named.unwrap();
}

fn outages(platform: &Platform) -> Vec<Scenario<'_>> {
    vec![
        (
            "with PostgreSQL down the other planes go on",
            postgres_is_down(platform).boxed(),
        ),
        (
            "with the store down the other planes go on",
            store_is_down(platform).boxed(),
        ),
        (
            "with IAM down the other planes go on",
            iam_is_down(platform).boxed(),
        ),
        (
            "a suspended tenant stays closed with IAM down, and is told of once",
            closed::stays_closed(platform).boxed(),
        ),
        (
            "with cert-manager down the other planes go on",
            cert_manager_is_down(platform).boxed(),
        ),
        (
            "nothing is done to another PostgreSQL at the same address",
            another_postgres_answers(platform).boxed(),
        ),
    ]
}

/// The backends as the operator prepared them for itself, before the first tenant.
async fn bare(platform: &Platform) -> Result<Census> {
    for server in &platform.sandbox.postgres {
        let ready = ("True", Reason::AsExpected);
        backend(&servers(platform), server.name(), ready, &[]).await?;
    }
    backend(&stores(platform), STORE, ("True", Reason::AsExpected), &[]).await?;
    Census::take(&platform.sandbox).await
}

async fn two_tenants(platform: &Platform) -> Result<Census> {
    for name in [FIRST, SECOND] {
        platform.apply(&[tenant(name)]).await?;
        platform.ready(name).await?;
    }
    let [first, second] = [server_of(platform, FIRST), server_of(platform, SECOND)];
    ensure!(
        first.await?.name() != second.await?.name(),
        "two tenants are spread over two servers"
    );
    prove_all(&platform.sandbox, &[FIRST, SECOND]).await?;
    Census::take(&platform.sandbox).await
}

async fn postgres_is_down(platform: &Platform) -> Result<()> {
    let server = server_of(platform, FIRST).await?;
    let address = format!("{}:{}", server.host(), server.port());
    let words = [server.name(), address.as_str()];
    server.part.kill().await;

    let down = ("False", Reason::Unreachable);
    backend(&servers(platform), server.name(), down, &words).await?;
    let cause = (DatabaseReady, Reason::Unreachable);
    let first = stands(&platform.tenants(), FIRST, CUT_OFF, cause, &words).await?;
    says_of_ready(&first, &words)?;
    others_hold(
        &first,
        &[NamespaceReady, StorageReady, CertificateReady, IngressReady],
    )?;
    is_left_in_peace(platform, SECOND).await?;
    // It may be the one that holds data of that name: nobody knows before it can be asked.
    let late = "town-during-postgres-3021";
    platform.apply(&[tenant(late)]).await?;
    let queued = (Ready, Reason::Queued);
    stands(&platform.tenants(), late, WAITING, queued, &[server.name()]).await?;
    kubernetes_goes_on(platform, FIRST).await?;
    storage_goes_on(platform, FIRST).await?;

    server.part.start().await?;
    heals(platform, &[FIRST, SECOND, late]).await
}

async fn store_is_down(platform: &Platform) -> Result<()> {
    let store = &platform.sandbox.object_store;
    let late = "town-during-store-3021";
    without_a_store(platform, &store.s3, store.endpoint(), late).await
}

async fn iam_is_down(platform: &Platform) -> Result<()> {
    let store = &platform.sandbox.object_store;
    let late = "town-during-iam-3021";
    without_a_store(platform, &store.iam, store.iam_endpoint(), late).await
}

/// One end of the store goes down; the sentences name its address.
async fn without_a_store(
    platform: &Platform,
    end: &Part,
    endpoint: &str,
    late: &str,
) -> Result<()> {
    let words = [STORE, endpoint];
    end.kill().await;

    let down = ("False", Reason::Unreachable);
    backend(&stores(platform), STORE, down, &words).await?;
    for name in [FIRST, SECOND] {
        let cause = (StorageReady, Reason::Unreachable);
        let found = stands(&platform.tenants(), name, CUT_OFF, cause, &words).await?;
        says_of_ready(&found, &words)?;
        others_hold(
            &found,
            &[
                NamespaceReady,
                DatabaseReady,
                CertificateReady,
                IngressReady,
            ],
        )?;
    }
    platform.apply(&[tenant(late)]).await?;
    let waits = |it: &EOfficeTenant| {
        [ON_ITS_WAY, WAITING].contains(&row(it).as_str()) && says_of_ready(it, &[STORE]).is_ok()
    };
    platform
        .until(late, "one that waits for the store", waits)
        .await?;
    kubernetes_goes_on(platform, FIRST).await?;
    postgres_goes_on(platform, FIRST).await?;

    end.start().await?;
    heals(platform, &[FIRST, SECOND, late]).await
}

async fn cert_manager_is_down(platform: &Platform) -> Result<()> {
    platform.sandbox.cert_manager.part.kill().await;

    let late = "town-during-cert-manager-3021";
    platform.apply(&[tenant(late)]).await?;
    let cause = (CertificateReady, Reason::NotIssued);
    let words = ["certificate", "cert-manager", late];
    let found = stands(&platform.tenants(), late, ON_ITS_WAY, cause, &words).await?;
    says_of_ready(&found, &words)?;
    others_hold(
        &found,
        &[NamespaceReady, DatabaseReady, StorageReady, IngressReady],
    )?;
    for name in [FIRST, SECOND] {
        is_left_in_peace(platform, name).await?;
    }
    // Of the first tenant the same was put right three times by now: a fourth would be taken for a fight.
    kubernetes_goes_on(platform, SECOND).await?;
    postgres_goes_on(platform, SECOND).await?;
    storage_goes_on(platform, SECOND).await?;

    platform.sandbox.cert_manager.part.start().await?;
    heals(platform, &[FIRST, SECOND, late]).await
}

async fn another_postgres_answers(platform: &Platform) -> Result<()> {
    let server = server_of(platform, FIRST).await?;
    let old = identity(server).await?;
    server.replace_with_another().await?;
    // The operator is let in, as a DNS entry that leads to another installation's server would let it in.
    server.bootstrap(&bootstrap_sql()?).await?;
    let from = std::fs::metadata(server.part.log())?.len();
    let (new, untouched) = (identity(server).await?, catalog(server).await?);

    let words = [server.name(), old.as_str(), new.as_str()];
    let changed = Reason::IdentityChanged;
    backend(
        &servers(platform),
        server.name(),
        ("False", changed),
        &words,
    )
    .await?;
    let cause = (DatabaseReady, changed);
    let first = stands(&platform.tenants(), FIRST, STOPPED, cause, &words).await?;
    says_of_ready(&first, &words)?;
    others_hold(
        &first,
        &[NamespaceReady, StorageReady, CertificateReady, IngressReady],
    )?;
    is_left_in_peace(platform, SECOND).await?;
    let late = "town-during-another-3021";
    platform.apply(&[tenant(late)]).await?;
    let queued = (Ready, Reason::Queued);
    stands(&platform.tenants(), late, WAITING, queued, &[server.name()]).await?;
    // What asks for a new login must not be answered there, and an operator that starts anew knows the old one still.
    let secrets: Api<Secret> = platform.within(&tenant_namespace(FIRST));
    let secret = secrets.get(DATABASE_SECRET).await?;
    secrets
        .delete(DATABASE_SECRET, &DeleteParams::default())
        .await?;
    platform.operator.part.kill().await;
    platform.operator.part.start().await?;
    is_asked_again(server, 10).await?;
    stands(&platform.tenants(), FIRST, STOPPED, cause, &words).await?;
    ensure!(row(&platform.tenants().get(late).await?) == WAITING);

    let now = catalog(server).await?;
    ensure!(
        now == untouched,
        "the other server was\n{untouched:#?}\nand is\n{now:#?}"
    );
    for write in WRITES {
        let found = said_since(server.part.log(), from)?;
        let line = found.lines().find(|line| {
            line.contains(&format!("{OPERATOR}@")) && line.to_uppercase().contains(write)
        });
        ensure!(
            line.is_none(),
            "the operator asked the other server: {line:?}"
        );
    }

    server.bring_back().await?;
    heals(platform, &[FIRST, SECOND, late]).await?;
    let made_anew = secrets.get(DATABASE_SECRET).await?;
    ensure!(made_anew.uid() != secret.uid(), "its Secret came back");
    Ok(())
}

/// What a server is changed by, as its log has it.
const WRITES: [&str; 7] = [
    " CREATE ",
    " ALTER ",
    " DROP ",
    " COMMENT ON",
    " GRANT ",
    " REVOKE ",
    " INSERT ",
];
