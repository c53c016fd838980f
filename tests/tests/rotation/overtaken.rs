//! Two processes, one of which froze before it wrote a Secret; and a process that cannot do what a Secret would say.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use eoffice_crds::{DATABASE_SECRET, STORAGE_SECRET, tenant_namespace};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_operator::identity::BackendNames;
use eoffice_tests::OperatorOptions;
use eoffice_tests::e2e::security::{Platform, eventually};
use eoffice_tests::operator::INSTALLATION;
use eoffice_tests::proof::{self, Credentials};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};
use kube::runtime::{WatchStreamExt, watcher};

use crate::accidents::ends_well;
use crate::{ask, done, make};

/// Freezes its whole process before it writes a Secret, the lease that it holds included, until it is let go.
#[derive(Default)]
struct Freeze {
    secret: Mutex<Option<String>>,
    frozen: AtomicBool,
    thaws: Mutex<bool>,
    thawed: Condvar,
}

impl Freeze {
    fn set(&self, namespace: &str, secret: &str) {
        let object = format!("{namespace}/Secret/{secret}");
        *self.secret.lock().unwrap() = Some(object);
    }

    fn thaw(&self) {
        *self.thaws.lock().unwrap() = true;
        self.thawed.notify_all();
    }
}

impl Fault for Freeze {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        let here = site.verb == "apply" && self.secret.lock().unwrap().as_deref() == Some(object);
        if here && !self.frozen.swap(true, Ordering::SeqCst) {
            // It runs on one thread, which is this.
            let thaws = self.thaws.lock().unwrap();
            let wait = Duration::from_secs(120);
            let wait = self.thawed.wait_timeout_while(thaws, wait, |thaws| !*thaws);
            drop(wait.unwrap());
        }
        Verdict::Proceed
    }
}

/// What a Secret said at any time, value by value of this key.
async fn watch(secrets: Api<Secret>, name: &str, key: &str, seen: &Mutex<Vec<String>>) {
    let of = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = std::pin::pin!(watcher(secrets, of).applied_objects());
    while let Some(secret) = events.next().await {
        let data = secret.ok().and_then(|it| it.data).unwrap_or_default();
        let value = data
            .get(key)
            .map(|it| String::from_utf8_lossy(&it.0).into_owned());
        seen.lock().unwrap().extend(value);
    }
}

/// The first process makes a key and freezes before it is in the Secret; its lease runs out, and the second goes on.
/// What the first wakes up with is written by nobody.
pub async fn by_another(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-frozen-3021";
    let namespace = tenant_namespace(NAME);
    let first = OperatorOptions {
        identity: Some("first".into()),
        ..OperatorOptions::default()
    };
    let freeze = Arc::new(Freeze::default());
    let first = platform.resident(first).await?;
    first.start_under(Some(freeze.clone())).await?;
    make(platform, &[NAME]).await?;
    let admin = platform.sandbox.admin();
    let before = Credentials::read(&admin, NAME).await?;
    let secrets: Api<Secret> = platform.within(&namespace);
    let seen: Mutex<Vec<String>> = Mutex::default();
    // How often the first wrote the Secret, as its log tells.
    let writes = || {
        let said = first.said()?;
        let object = format!("{namespace}/Secret/{STORAGE_SECRET}");
        let wrote = |line: &&str| line.contains(&object) && line.contains(r#""outcome":"ok""#);
        let applied = |line: &&str| line.contains(r#""verb":"apply""#);
        anyhow::Ok(said.lines().filter(wrote).filter(applied).count())
    };
    let story = async {
        freeze.set(&namespace, STORAGE_SECRET);
        ask(platform, NAME, "once").await?;
        eventually("the first is frozen", || async {
            ensure!(freeze.frozen.load(Ordering::SeqCst));
            Ok(())
        })
        .await?;
        let made = keys(platform, NAME).await?;
        let written = writes()?;
        platform.operator.part.start().await?;
        done(platform, NAME, "once").await?;
        let after = Credentials::read(&admin, NAME).await?;
        freeze.thaw();
        eventually("the first gives up", || async {
            ensure!(first.ended());
            Ok(())
        })
        .await?;
        // It may have lost its life before it had an answer.
        let later = writes()?;
        ensure!(
            later == written,
            "the first wrote: {later} times, not {written}"
        );
        let now = Credentials::read(&admin, NAME).await?;
        ensure!(now.is(&after), "the Secret changed under the second");
        let seen: BTreeSet<String> = seen.lock().unwrap().iter().cloned().collect();
        let given = [
            before.storage.key.access.clone(),
            after.storage.key.access.clone(),
        ];
        ensure!(
            seen.iter().all(|key| given.contains(key)),
            "it had {seen:?}, not only {given:?}"
        );
        ensure!(
            made.iter().any(|key| !given.contains(key)),
            "the first had made no key: {made:?}"
        );
        ends_well(platform, NAME, std::slice::from_ref(&before)).await
    };
    tokio::select! {
        told = story => told,
        () = watch(secrets.clone(), STORAGE_SECRET, "AWS_ACCESS_KEY_ID", &seen) => {
            anyhow::bail!("the watch ended")
        }
    }
}

async fn keys(platform: &Platform, name: &str) -> Result<Vec<String>> {
    let user = BackendNames::first(&INSTALLATION.parse()?, name).user;
    let iam = platform.sandbox.object_store.iam_admin();
    let keys = iam.list_access_keys().user_name(&user).send().await?;
    let ids = keys.access_key_metadata().iter();
    Ok(ids
        .filter_map(|key| key.access_key_id().map(str::to_owned))
        .collect())
}

/// Refuses every change of a login's password, while it is set.
#[derive(Default)]
struct NoPassword {
    set: AtomicBool,
    refused: AtomicU32,
}

impl Fault for NoPassword {
    fn at(&self, site: &Site, _: &str) -> Verdict {
        if site.verb == "alter_role" && self.set.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Verdict::FailBefore;
        }
        Verdict::Proceed
    }
}

/// A Secret that a person deletes or edits is written again once what it will say works, and not before.
pub async fn by_its_server(platform: &Platform) -> Result<()> {
    const NAMES: [&str; 2] = ["town-absent-3021", "town-edited-3021"];
    let fault = Arc::new(NoPassword::default());
    let resident = platform.resident(OperatorOptions::default()).await?;
    resident.start_under(Some(fault.clone())).await?;
    make(platform, &NAMES).await?;
    fault.set.store(true, Ordering::SeqCst);
    let at = |name: &str| -> Api<Secret> { platform.within(&tenant_namespace(name)) };
    at(NAMES[0])
        .delete(DATABASE_SECRET, &DeleteParams::default())
        .await?;
    let edit = serde_json::json!({"stringData": {"password": "by-hand"}});
    platform.merge(at(NAMES[1]), DATABASE_SECRET, edit).await?;
    eventually("it was tried several times", || async {
        ensure!(fault.refused.load(Ordering::SeqCst) >= 6);
        Ok(())
    })
    .await?;
    ensure!(
        at(NAMES[0]).get_opt(DATABASE_SECRET).await?.is_none(),
        "it was written before it works"
    );
    let edited = at(NAMES[1])
        .get(DATABASE_SECRET)
        .await?
        .data
        .unwrap_or_default();
    ensure!(
        edited["password"].0 == b"by-hand",
        "it was written before it works"
    );
    fault.set.store(false, Ordering::SeqCst);
    for name in NAMES {
        eventually("the Secret works", || proof::prove(&platform.sandbox, name)).await?;
    }
    tokio::time::timeout(Duration::from_secs(20), resident.stop()).await??;
    Ok(())
}
