//! Suspended while the agency is at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_crds::Phase;
use eoffice_tests::e2e::security::{Platform, eventually, tenant};
use eoffice_tests::proof::{self, Credentials};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

const NAME: &str = "town-busy-3021";
const CLIENTS: usize = 8;
const OFFICER: &str = "officer-somchai";

/// What the clients did together.
#[derive(Default)]
struct Work {
    over: AtomicBool,
    /// Letters of which the server said that it has them.
    letters: AtomicU64,
    /// Documents of which the store said that it has them.
    documents: AtomicU64,
}

pub async fn under_load(platform: &Platform) -> Result<()> {
    platform.apply(&[tenant(NAME)]).await?;
    platform.ready(NAME).await?;
    let own = Credentials::read(&platform.sandbox.admin(), NAME).await?;
    let table = "CREATE TABLE letters (word text)";
    own.database.connect().await?.batch_execute(table).await?;

    let work = Arc::new(Work::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(works(own.clone(), number, Arc::clone(&work))))
        .collect();
    eventually("the agency is at work", || async {
        ensure!(work.letters.load(Ordering::SeqCst) > 100);
        ensure!(work.documents.load(Ordering::SeqCst) > 20);
        Ok(())
    })
    .await?;

    lifecycle(platform, "Suspended").await?;
    platform
        .until(NAME, "Suspended", |it| {
            it.status.as_ref().and_then(|status| status.phase) == Some(Phase::Suspended)
        })
        .await?;
    let done = || {
        (
            work.letters.load(Ordering::SeqCst),
            work.documents.load(Ordering::SeqCst),
        )
    };
    // A client that was answered just before counts it a moment later.
    let mut at_rest = done();
    eventually("what was answered before is counted", || {
        let before = at_rest;
        at_rest = done();
        async move {
            sleep(Duration::from_millis(200)).await;
            ensure!(done() == before, "work goes on in a suspended tenant");
            Ok(())
        }
    })
    .await?;
    // The clients go on trying: each of them is refused from now on.
    for _ in 0..20 {
        let login = own.database.log_in_at(&own.database).await?;
        ensure!(login.is_err(), "a login succeeds in a suspended tenant");
    }
    ensure!(done() == at_rest, "work goes on in a suspended tenant");
    work.over.store(true, Ordering::SeqCst);
    join_all(clients).await;

    lifecycle(platform, "Active").await?;
    platform.ready(NAME).await?;
    let session = own.database.connect().await?;
    let row = session
        .query_one("SELECT count(*) FROM letters", &[])
        .await?;
    let letters = u64::try_from(row.get::<_, i64>(0))?;
    ensure!(
        letters >= at_rest.0,
        "{letters} of {} letters are there",
        at_rest.0
    );
    let documents = documents(&own).await?;
    ensure!(
        documents >= at_rest.1,
        "{documents} of {} documents are there",
        at_rest.1
    );
    println!("suspended under load: {letters} letters, {documents} documents, none lost");
    proof::prove(&platform.sandbox, NAME).await?;
    eventually("people are told who asked", || async {
        let events: Api<Event> = Api::all(platform.sandbox.admin());
        let about = ListParams::default().fields(&format!("involvedObject.name={NAME}"));
        let told = events.list(&about).await?;
        for reason in ["Suspended", "Reopened"] {
            let named = told.iter().any(|event| {
                let message = event.message.as_deref().unwrap_or_default();
                event.reason.as_deref() == Some(reason) && message.contains(OFFICER)
            });
            ensure!(named, "no Event {reason} names {OFFICER}");
        }
        Ok(())
    })
    .await
    .context("after it was suspended and opened")
}

/// Writes letters and documents until it is over; what is refused is tried anew.
async fn works(own: Credentials, number: usize, work: Arc<Work>) {
    let mut session = None;
    let mut count = 0;
    while !work.over.load(Ordering::SeqCst) {
        count += 1;
        if session.is_none() {
            session = own.database.connect().await.ok();
        }
        if let Some(client) = &session {
            match client
                .execute("INSERT INTO letters VALUES ('kept')", &[])
                .await
            {
                Ok(_) => drop(work.letters.fetch_add(1, Ordering::SeqCst)),
                Err(_) => session = None,
            }
        }
        if let Ok(client) = own.storage.client() {
            let put = client.put_object().bucket(&own.storage.bucket);
            let put = put
                .key(format!("{number}/{count}"))
                .body(b"kept".to_vec().into());
            if put.send().await.is_ok() {
                work.documents.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

async fn documents(own: &Credentials) -> Result<u64> {
    let client = own.storage.client()?;
    let mut pages = client
        .list_objects_v2()
        .bucket(&own.storage.bucket)
        .into_paginator()
        .send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += u64::try_from(page?.contents().len())?;
    }
    Ok(count)
}

async fn lifecycle(platform: &Platform, lifecycle: &str) -> Result<()> {
    let params = PatchParams {
        field_manager: Some(OFFICER.into()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": {"lifecycle": lifecycle}}));
    platform.tenants().patch(NAME, &params, &patch).await?;
    Ok(())
}
