//! A mass of deletions is held until a person decides, whatever becomes of the operator; then it is undone, and
//! nobody has noticed, or it is done. A few go through by themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "breaker/batch.rs"]
mod batch;
#[path = "breaker/clients.rs"]
mod clients;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clients::Client;
use eoffice_crds::HoldState::{Held, Recovered, Resumed, Watching};
use eoffice_crds::annotations::PAUSED;
use eoffice_crds::{
    ConditionType, Decision, EOfficeTenant, Impact, Phase, Reason, RecordState, TenantRecordSpec,
};
use eoffice_tests::e2e::core::Counts;
use eoffice_tests::e2e::faults::{korat, name_of, prove_all, record};
use eoffice_tests::e2e::security::{Platform, condition, eventually, holds, is, is_ready, tenant};
use eoffice_tests::proof::Credentials;
use eoffice_tests::{BreakerOptions, OperatorOptions, Options, apply};
use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

const LIMIT: u16 = 5;
/// Long enough for a mass of deletions to be seen before the first is done.
const DELAY: Duration = Duration::from_secs(9);
const FEW: [&str; 3] = ["tao-few-a-3021", "tao-few-b-3021", "tao-few-c-3021"];

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_of_deletions_waits_for_a_person() {
    let options = OperatorOptions {
        breaker: BreakerOptions {
            limit: LIMIT,
            delay: DELAY,
        },
        ..OperatorOptions::default()
    };
    let platform = Platform::start(Options::default(), options).await.unwrap();
    batch::appoint_deciders(&platform).await.unwrap();
    a_few_go_through(&platform).await.unwrap();
    let fleet = Fleet::made(&platform).await.unwrap();
    fleet.is_held_and_recovered().await.unwrap();
    fleet.is_held_and_resumed().await.unwrap();
}

/// Fewer than the limit: each is closed when its delay is over, and not before.
async fn a_few_go_through(platform: &Platform) -> Result<()> {
    platform.apply(&FEW.map(tenant)).await?;
    try_join_all(FEW.map(|name| platform.ready(name))).await?;
    let mut clients = Vec::new();
    for name in FEW {
        let credentials = Credentials::read(&platform.sandbox.admin(), name).await?;
        clients.push(Client::connect(credentials).await?);
    }
    for name in FEW {
        let delete = DeleteParams::default();
        platform.tenants().delete(name, &delete).await?;
    }
    let delayed = |it: &EOfficeTenant| {
        is(it, ConditionType::Ready, "Unknown", Reason::Delayed)
            && holds(it, ConditionType::Available)
    };
    try_join_all(FEW.map(|name| platform.until(name, "Closing with a delay", delayed))).await?;
    let seen = batch::until(platform, Watching, 3).await?;
    try_join_all(clients.iter().map(Client::works_on)).await?;
    all_left(platform, &FEW).await?;
    for (name, client) in FEW.iter().zip(&clients) {
        client.is_cut_off().await?;
        ensure!(record(&platform.sandbox, name).await?.state == RecordState::Retained);
    }
    let done = batch::until(platform, Watching, 0).await?;
    ensure!(
        done.name_any() == seen.name_any(),
        "they are counted no more"
    );
    let done = batch::status(&done).tenants;
    for entry in &done {
        let closed = entry.done_at.as_ref().context("it is not done")?;
        let waited = closed.0.duration_since(entry.seen_at.0);
        ensure!(
            waited.as_secs() >= DELAY.as_secs() as i64,
            "{} was closed after {waited:?}",
            entry.name
        );
    }
    Ok(())
}

async fn all_left(platform: &Platform, names: &[&str]) -> Result<()> {
    eventually("all of them leave", || async {
        let all = platform.tenants().list(&ListParams::default()).await?.items;
        let names = all
            .into_iter()
            .filter(|it| names.contains(&it.name_any().as_str()));
        let left: Vec<_> = names.map(|it| it.name_any()).collect();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(())
    })
    .await
}

/// The 20 agencies of Korat, each with a client that never rests.
struct Fleet<'a> {
    platform: &'a Platform,
    names: Vec<String>,
    clients: Vec<Client>,
}

impl<'a> Fleet<'a> {
    async fn made(platform: &'a Platform) -> Result<Self> {
        let tenants = korat()?;
        let names: Vec<String> = tenants.iter().map(name_of).collect();
        ensure!(names.len() == 20, "there are {} agencies", names.len());
        let admin = platform.sandbox.admin();
        apply::apply_together(&admin, &tenants).await?;
        try_join_all(names.iter().map(|name| platform.ready(name))).await?;
        let mut clients = Vec::new();
        for name in &names {
            let credentials = Credentials::read(&admin, name).await?;
            clients.push(Client::connect(credentials).await?);
        }
        Ok(Self {
            platform,
            names,
            clients,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    async fn uids(&self) -> Result<BTreeMap<String, String>> {
        let all = self.platform.tenants().list(&ListParams::default()).await?;
        let uids = all.items.into_iter();
        Ok(uids
            .map(|it| (it.name_any(), it.uid().unwrap_or_default()))
            .collect())
    }

    async fn records(&self) -> Result<Vec<TenantRecordSpec>> {
        let sandbox = &self.platform.sandbox;
        try_join_all(self.names.iter().map(|name| record(sandbox, name))).await
    }

    async fn is_held_and_recovered(&self) -> Result<()> {
        let platform = self.platform;
        let (uids, records) = (self.uids().await?, self.records().await?);
        self.are_deleted_by_a_pipeline().await?;
        let batch = batch::until(platform, Held, 20).await?;
        self.everything_is_as_it_was().await?;
        self.all_is_told(&batch.name_any()).await?;

        platform.operator.part.kill().await;
        platform.operator.part.start().await?;
        self.is_looked_at_again().await?;
        let still = batch::until(platform, Held, 20).await?;
        ensure!(still.name_any() == batch.name_any(), "it is another batch");
        let paused = &self.names[0];
        self.pause(paused, true).await?;
        self.everything_is_as_it_was().await?;

        batch::decide(platform, &batch, Decision::Recover).await?;
        // The operator dies in the middle of it.
        eventually("the first is made again", || async {
            let now = self.uids().await?;
            let again = now.iter().any(|(name, uid)| uids.get(name) != Some(uid));
            ensure!(again, "all are still the old ones");
            Ok(())
        })
        .await?;
        platform.operator.part.kill().await;
        platform.operator.part.start().await?;

        let another = |it: &EOfficeTenant| it.uid().as_ref() != uids.get(&it.name_any());
        let kept = |it: &EOfficeTenant| another(it) && it.annotations().contains_key(PAUSED);
        platform
            .until(paused, "another object, paused", kept)
            .await?;
        self.pause(paused, false).await?;
        let again = |it: &EOfficeTenant| {
            another(it) && is_ready(it) && it.metadata.deletion_timestamp.is_none()
        };
        try_join_all(
            self.names
                .iter()
                .map(|name| platform.until(name, "Ready again, and another object", again)),
        )
        .await?;
        let over = batch::until(platform, Recovered, 0).await?;
        ensure!(over.name_any() == batch.name_any());
        self.own_everything_as_before(&records).await?;
        self.everything_is_as_it_was().await
    }

    async fn pause(&self, name: &str, paused: bool) -> Result<()> {
        let value = paused.then_some("true");
        let patch = json!({"metadata": {"annotations": {PAUSED: value}}});
        let tenants = self.platform.tenants();
        self.platform.merge(tenants, name, patch).await.map(drop)
    }

    async fn is_held_and_resumed(&self) -> Result<()> {
        let platform = self.platform;
        self.are_deleted_by_a_pipeline().await?;
        let batch = batch::until(platform, Held, 20).await?;
        self.everything_is_as_it_was().await?;
        // Decided while no operator runs.
        platform.operator.part.kill().await;
        batch::decide(platform, &batch, Decision::Resume).await?;
        platform.operator.part.start().await?;

        all_left(platform, &self.names()).await?;
        for client in &self.clients {
            client.is_cut_off().await?;
        }
        for record in self.records().await? {
            ensure!(
                record.state == RecordState::Retained,
                "{}",
                record.tenant.name
            );
        }
        let over = batch::until(platform, Resumed, 0).await?;
        ensure!(over.name_any() == batch.name_any());
        let counts = Counts::of(&platform.operator).await?;
        ensure!(counts.sum("eoffice_held_tenants", &[]) == 0.0);
        ensure!(counts.sum("eoffice_breaker_open", &[]) == 0.0);
        Ok(())
    }

    /// As `kubectl delete eot --all` does, or a pipeline that prunes what is gone from Git.
    async fn are_deleted_by_a_pipeline(&self) -> Result<()> {
        let (how, which) = (DeleteParams::default(), ListParams::default());
        self.platform
            .tenants()
            .delete_collection(&how, &which)
            .await?;
        Ok(())
    }

    /// Each client works on, and each tenant passes the proof of use.
    async fn everything_is_as_it_was(&self) -> Result<()> {
        for outcome in join_all(self.clients.iter().map(Client::works_on)).await {
            outcome?;
        }
        prove_all(&self.platform.sandbox, &self.names()).await
    }

    /// In the conditions of each, by Events, by metrics, and on the batch itself.
    async fn all_is_told(&self, batch: &str) -> Result<()> {
        let platform = self.platform;
        let held = |it: &EOfficeTenant| {
            is(it, ConditionType::Ready, "Unknown", Reason::Held)
                && holds(it, ConditionType::Available)
                && it.status.as_ref().and_then(|status| status.phase) == Some(Phase::Closing)
                && condition(it, ConditionType::Ready).is_some_and(|it| it.message.contains(batch))
        };
        try_join_all(
            self.names
                .iter()
                .map(|name| platform.until(name, "Closing and Held", held)),
        )
        .await?;
        let counts = Counts::of(&platform.operator).await?;
        ensure!(counts.sum("eoffice_held_tenants", &[]) == 20.0);
        ensure!(counts.sum("eoffice_breaker_open", &[]) == 1.0);
        let hold = batch::all(platform).get(batch).await?;
        let status = batch::status(&hold);
        ensure!(
            status.limit == Some(LIMIT.into()),
            "the limit is {:?}",
            status.limit
        );
        ensure!(
            status
                .tenants
                .iter()
                .all(|entry| entry.impact == Impact::Delete)
        );
        let told = status.conditions.first().context("no condition")?;
        ensure!(told.type_ == "Held" && told.status == "True", "{told:?}");
        eventually("people are told", || async {
            let events: Api<Event> = Api::all(platform.sandbox.admin());
            let events = events.list(&ListParams::default()).await?.items;
            let of = |name: &str| {
                events.iter().any(|event| {
                    event.involved_object.name.as_deref() == Some(name)
                        && event.reason.as_deref() == Some("Held")
                })
            };
            ensure!(of(batch), "there is no Event about {batch}");
            for name in &self.names {
                ensure!(of(name), "there is no Event about {name}");
            }
            Ok(())
        })
        .await
    }

    /// The operator that has just started has looked at every tenant.
    async fn is_looked_at_again(&self) -> Result<()> {
        eventually("the operator looks at each", || async {
            let counts = Counts::of(&self.platform.operator).await?;
            let looks = counts.sum("eoffice_reconciles_total", &[]);
            ensure!(looks >= 20.0, "it looked {looks} times");
            Ok(())
        })
        .await
    }

    /// Records, marks and Secrets are those of before, but for the new object's UID.
    async fn own_everything_as_before(&self, before: &[TenantRecordSpec]) -> Result<()> {
        let uids = self.uids().await?;
        for (before, now) in before.iter().zip(self.records().await?) {
            let name = &now.tenant.name;
            ensure!(
                uids.get(name) == Some(&now.tenant.uid),
                "{name}: the UID is an old one"
            );
            ensure!(now.state == RecordState::Live && now.retained_at.is_none());
            ensure!(
                now.database == before.database
                    && now.storage == before.storage
                    && now.hosts == before.hosts
                    && now.tenant_spec == before.tenant_spec,
                "{name}: the record was\n{before:#?}\nand is\n{now:#?}"
            );
            let server = self.platform.sandbox.server(&now.database.server)?;
            let superuser = server.connect("postgres").await?;
            let mark = superuser
                .query_one(
                    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1",
                    &[&now.database.name],
                )
                .await?;
            let mark: &str = mark.get(0);
            ensure!(
                mark.contains(&now.tenant.uid),
                "the mark of {name} is {mark}"
            );
        }
        let admin = self.platform.sandbox.admin();
        for client in &self.clients {
            client.has_the_same_credentials(&admin).await?;
        }
        Ok(())
    }
}
