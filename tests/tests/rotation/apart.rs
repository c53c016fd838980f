//! An emergency is answered as far as it can be: what is down, hangs or is held for another reason holds up nothing else.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eoffice_crds::{
    ConditionType, DATABASE_SECRET, EOfficeTenant, Reason, STORAGE_SECRET, TenantClass,
    annotations, tenant_namespace,
};
use eoffice_tests::e2e::core::class;
use eoffice_tests::e2e::security::{Platform, eventually, holds, is, is_ready, tenant};
use eoffice_tests::proof::{Credentials, Database, Storage};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::json;

use crate::accidents::ends_well;
use crate::fire::workload;
use crate::{ask, credentials, make};

/// What an emergency is promised to take at most.
const PROMISED: Duration = Duration::from_secs(5);

async fn ask_now(platform: &Platform, name: &str, word: &str) -> Result<Instant> {
    let asked = Instant::now();
    let asks = json!({"metadata": {"annotations": {annotations::ROTATE_NOW_REQUESTED_AT: word}}});
    platform.merge(platform.tenants(), name, asks).await?;
    Ok(asked)
}

/// The login opens nothing any more, and the Secret has another that works.
async fn login_is_cut(platform: &Platform, name: &str, before: &Database) -> Result<()> {
    eventually("the login is cut off", || async {
        ensure!(before.log_in_at(before).await?.is_err(), "it still logs in");
        let now = Database::read(&platform.sandbox.admin(), name).await?;
        now.connect().await.map(drop)
    })
    .await
}

/// The same of the key.
async fn key_is_cut(platform: &Platform, name: &str, before: &Storage) -> Result<()> {
    let lists = async |storage: &Storage| {
        let list = storage.client()?.list_objects_v2();
        let list = list.bucket(&storage.bucket).send().await;
        anyhow::Ok(list.is_ok())
    };
    eventually("the key is cut off", || async {
        ensure!(!lists(before).await?, "it still lists");
        let now = Storage::read(&platform.sandbox.admin(), name).await?;
        ensure!(lists(&now).await?, "what the Secret says does not list");
        Ok(())
    })
    .await
}

/// Both are cut off within the promised time, one of them by itself.
async fn in_time(what: &str, asked: Instant, cut: impl Future<Output = Result<()>>) -> Result<()> {
    cut.await.with_context(|| what.to_owned())?;
    let took = asked.elapsed();
    println!("{what}: cut off after {:.2} s", took.as_secs_f32());
    ensure!(took < PROMISED, "{what}: it took {took:?}");
    Ok(())
}

/// Awaits that the emergency is over, with nothing left of what was before.
async fn over(platform: &Platform, name: &str, word: &str, before: &[Credentials]) -> Result<()> {
    let over = |it: &EOfficeTenant| {
        let told = credentials(it);
        let handled = told.last_handled_rotate_now_at.as_deref() == Some(word);
        is_ready(it) && handled && told.rotation.is_none()
    };
    platform.until(name, "renewed", over).await?;
    ends_well(platform, name, before).await
}

/// The login does not wait for a store that is down, whether it was renewed before or has just been.
pub async fn store_down(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-no-store-3021";
    make(platform, &[NAME]).await?;
    platform.apply(&[workload(NAME, "asks", "true")]).await?;
    let admin = platform.sandbox.admin();
    let first = Credentials::read(&admin, NAME).await?;
    platform.sandbox.object_store.stop().await;
    let asked = ask_now(platform, NAME, "once").await?;
    in_time(
        "login, the store being down",
        asked,
        login_is_cut(platform, NAME, &first.database),
    )
    .await?;
    let workloads: Api<Deployment> = platform.within(&tenant_namespace(NAME));
    eventually("what asks for it is restarted already", || async {
        ensure!(workloads.get("asks").await?.metadata.generation > Some(1));
        Ok(())
    })
    .await?;
    // The one that is in the Secret since then leaks, too, though the first emergency is not over.
    let second = Database::read(&admin, NAME).await?;
    let asked = ask_now(platform, NAME, "twice").await?;
    in_time(
        "its successor, the store being down",
        asked,
        login_is_cut(platform, NAME, &second),
    )
    .await?;
    platform.sandbox.object_store.start().await?;
    let second = Credentials {
        database: second,
        ..first.clone()
    };
    over(platform, NAME, "twice", &[first, second]).await
}

/// Nor for one that hangs.
pub async fn store_hangs(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-slow-store-3021";
    make(platform, &[NAME]).await?;
    let before = Credentials::read(&platform.sandbox.admin(), NAME).await?;
    let store = &platform.sandbox.object_store;
    let both = [&store.s3, &store.iam];
    both.iter().for_each(|part| part.pause());
    let asked = ask_now(platform, NAME, "once").await?;
    let cut = in_time(
        "login, the store hanging",
        asked,
        login_is_cut(platform, NAME, &before.database),
    )
    .await;
    both.iter().for_each(|part| part.resume());
    cut?;
    over(platform, NAME, "once", &[before]).await
}

/// The key does not wait for a server that is down.
pub async fn server_down(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-no-server-3021";
    make(platform, &[NAME]).await?;
    let before = Credentials::read(&platform.sandbox.admin(), NAME).await?;
    let server = &platform.sandbox.postgres[0].part;
    server.stop().await;
    let asked = ask_now(platform, NAME, "once").await?;
    in_time(
        "key, the server being down",
        asked,
        key_is_cut(platform, NAME, &before.storage),
    )
    .await?;
    server.start().await?;
    over(platform, NAME, "once", &[before]).await
}

/// A calm rotation that began before the server was lost: its key had come, and leaks.
pub async fn server_lost_amidst(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-lost-server-3021";
    make(platform, &[NAME]).await?;
    let admin = platform.sandbox.admin();
    let first = Credentials::read(&admin, NAME).await?;
    let server = &platform.sandbox.postgres[0].part;
    server.stop().await;
    ask(platform, NAME, "calmly").await?;
    let second = eventually("a new key has come", || async {
        let now = Storage::read(&admin, NAME).await?;
        ensure!(now.key.access != first.storage.key.access);
        Ok(now)
    })
    .await?;
    let asked = ask_now(platform, NAME, "once").await?;
    in_time(
        "the key that had come, the server being down",
        asked,
        async {
            key_is_cut(platform, NAME, &first.storage).await?;
            key_is_cut(platform, NAME, &second).await
        },
    )
    .await?;
    server.start().await?;
    let second = Credentials {
        storage: second,
        ..first.clone()
    };
    over(platform, NAME, "once", &[first, second]).await
}

/// A batch of others holds what this tenant asks for besides, and a class's change waits for its time.
pub async fn held_and_delayed(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-held-3021";
    const BESIDE: &str = "town-beside-3021";
    const OWN: &str = "held";
    class(platform, OWN, |spec| {
        spec["rotation"] = json!({"maxAge": "2160h", "grace": "1s", "deadline": "60s"});
    })
    .await?;
    for name in [BESIDE, NAME] {
        let mut held = tenant(name);
        held["spec"]["className"] = json!(OWN);
        platform.apply(&[held]).await?;
    }
    platform.ready(BESIDE).await?;
    platform.ready(NAME).await?;
    let before = Credentials::read(&platform.sandbox.admin(), NAME).await?;
    let closes = json!({"spec": {"lifecycle": "Suspended"}});
    // One goes through by itself; with the second they are too many.
    let tenants = || platform.tenants();
    platform.merge(tenants(), BESIDE, closes.clone()).await?;
    let closed = |it: &EOfficeTenant| is(it, ConditionType::Ready, "True", Reason::Suspended);
    platform.until(BESIDE, "suspended", closed).await?;
    platform.merge(tenants(), NAME, closes).await?;
    let is_held = |it: &EOfficeTenant| holds(it, ConditionType::Held);
    platform.until(NAME, "held", is_held).await?;
    let classes: Api<TenantClass> = platform.cluster();
    let limit = json!({"spec": {"database": {"connectionLimit": 7}}});
    platform.merge(classes, OWN, limit).await?;
    let asked = ask_now(platform, NAME, "once").await?;
    in_time("both, the tenant being held", asked, async {
        login_is_cut(platform, NAME, &before.database).await?;
        key_is_cut(platform, NAME, &before.storage).await
    })
    .await?;
    let stays = |it: &EOfficeTenant| {
        let told = credentials(it);
        told.rotation.is_none()
            && holds(it, ConditionType::Held)
            && holds(it, ConditionType::Available)
    };
    platform
        .until(NAME, "held, open and renewed", stays)
        .await?;
    Ok(())
}

/// What a person deletes in a Secret waits for its batch, but not in an emergency.
pub async fn secrets_gone(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-gone-3021";
    make(platform, &[NAME]).await?;
    let before = Credentials::read(&platform.sandbox.admin(), NAME).await?;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = platform.within(&tenant_namespace(NAME));
    for secret in [DATABASE_SECRET, STORAGE_SECRET] {
        secrets.delete(secret, &Default::default()).await?;
    }
    let is_held = |it: &EOfficeTenant| holds(it, ConditionType::Held);
    platform.until(NAME, "held", is_held).await?;
    let asked = ask_now(platform, NAME, "once").await?;
    in_time("both, the Secrets being gone", asked, async {
        login_is_cut(platform, NAME, &before.database).await?;
        key_is_cut(platform, NAME, &before.storage).await
    })
    .await
}
