//! What people change or delete by hand comes back, whatever it is and wherever it is; what lost its mark is left alone
//! and told of; and the trouble of one tenant does not touch another.

#[path = "drift/bucket.rs"]
mod bucket;
#[path = "drift/kubernetes.rs"]
mod kubernetes;
#[path = "drift/postgres.rs"]
mod postgres;
#[path = "drift/storage.rs"]
mod storage;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use eoffice_crds::{ConditionType, EOfficeTenant, Reason, tenant_namespace};
use eoffice_tests::e2e::core::{class, unchanged, versions};
use eoffice_tests::e2e::security::{Platform, condition, tenant};
use eoffice_tests::{OperatorOptions, Options, proof};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::json;

/// Its objects in Kubernetes are changed.
const EDITED: &str = "town-edited-3021";
/// Its database and roles are changed.
const ALTERED: &str = "town-altered-3021";
/// Its bucket, with locked records, and its user are changed.
const LOCKED: &str = "town-locked-3021";
/// Its bucket without locks is changed.
const PLAIN: &str = "tao-plain-3021";
/// Nobody does anything to it.
const CALM: &str = "town-calm-3021";

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::unwrap_used)]
async fn what_is_changed_by_hand_comes_back() {
    let options = Options {
        servers: vec!["pg-a".into()],
        ..Options::default()
    };
    let platform = Platform::start(options, OperatorOptions::default())
        .await
        .unwrap();
    prepare(&platform).await.unwrap();
    let calm = Calm::of(&platform).await.unwrap();
    platform
        .all(vec![
            (
                "each object in a tenant's namespace comes back",
                kubernetes::comes_back(&platform).boxed(),
            ),
            (
                "each right, limit, setting and password in PostgreSQL comes back",
                postgres::comes_back(&platform).boxed(),
            ),
            (
                "each rule, policy, tag and key in the store comes back",
                storage::comes_back(&platform).boxed(),
            ),
        ])
        .await
        .unwrap();
    platform
        .all(vec![
            (
                "a database without its mark is left alone until it has it again",
                postgres::without_its_mark(&platform).boxed(),
            ),
            (
                "a bucket without its mark is left alone until it has it again",
                storage::without_its_mark(&platform).boxed(),
            ),
        ])
        .await
        .unwrap();
    let lost = [
        (
            "a database that is gone is never replaced by an empty one",
            postgres::gone(&platform).boxed(),
        ),
        (
            "nothing of it has touched a tenant to whom nothing was done",
            calm.is_untouched(&platform).boxed(),
        ),
    ];
    for scenario in lost {
        platform.all(vec![scenario]).await.unwrap();
    }
}

async fn prepare(platform: &Platform) -> Result<()> {
    class(platform, "plain", |spec| {
        spec["storage"]["retention"] = serde_json::Value::Null;
        spec["storage"]["versioning"] = json!(true);
    })
    .await?;
    let all = [EDITED, ALTERED, LOCKED, PLAIN, CALM];
    let objects = all.map(|name| {
        let mut object = tenant(name);
        if name == PLAIN {
            object["spec"]["className"] = json!("plain");
        }
        if name == LOCKED {
            object["spec"]["agency"]["codes"] = json!([{"scheme": "dla", "value": "4302191"}]);
        }
        object
    });
    platform.apply(&objects).await?;
    try_join_all(all.iter().map(|name| platform.ready(name))).await?;
    Ok(())
}

/// Everything of the tenant to whom nothing is done.
struct Calm {
    objects: BTreeMap<String, String>,
    database: String,
    storage: bucket::Portrait,
}

impl Calm {
    async fn of(platform: &Platform) -> Result<Self> {
        let mut objects = versions(platform).await?;
        let namespace = tenant_namespace(CALM);
        objects.retain(|key, _| {
            !key.starts_with("Event ")
                && (key.contains(&format!(" {namespace}/")) || key.ends_with(&format!("/{CALM}")))
        });
        Ok(Self {
            objects,
            database: postgres::Place::of(platform, CALM).await?.look().await?,
            storage: bucket::Place::of(platform, CALM).await?.look().await?,
        })
    }

    async fn is_untouched(&self, platform: &Platform) -> Result<()> {
        let now = Self::of(platform).await?;
        unchanged(&self.objects, &now.objects)?;
        ensure!(self.database == now.database, "{}", now.database);
        ensure!(self.storage == now.storage, "{:?}", now.storage);
        proof::prove(&platform.sandbox, CALM).await
    }
}

/// Whether a plane says that only a person can help, and Ready and Stalled say so too.
fn stuck(tenant: &EOfficeTenant, plane: ConditionType, reason: Reason) -> bool {
    let is = |kind, status: &str, reason: Reason| {
        condition(tenant, kind)
            .is_some_and(|it| it.status == status && it.reason == reason.as_str())
    };
    is(plane, "False", reason)
        && is(ConditionType::Ready, "False", reason)
        && is(ConditionType::Stalled, "True", reason)
}
