//! What people and networks do while credentials are renewed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eoffice_crds::{DATABASE_SECRET, EOfficeTenant, STORAGE_SECRET, tenant_namespace};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_operator::identity::BackendNames;
use eoffice_tests::Resident;
use eoffice_tests::e2e::security::{Platform, eventually, is_ready};
use eoffice_tests::operator::INSTALLATION;
use eoffice_tests::proof::{self, Credentials};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};

use crate::{ask, credentials, done, make};

/// Awaits that a rotation has begun to show: the Secrets have new credentials, and those before still work.
async fn amidst(platform: &Platform, name: &str, word: &str) -> Result<[Credentials; 2]> {
    let admin = platform.sandbox.admin();
    let before = Credentials::read(&admin, name).await?;
    ask(platform, name, word).await?;
    let after = eventually("both Secrets have new credentials", || async {
        let after = Credentials::read(&admin, name).await?;
        ensure!(after.database.username != before.database.username);
        ensure!(after.storage.key.access != before.storage.key.access);
        Ok(after)
    })
    .await?;
    Ok([before, after])
}

/// Those before open nothing, and those in the Secrets everything.
pub async fn ends_well(platform: &Platform, name: &str, old: &[Credentials]) -> Result<()> {
    eventually("the Secrets work", || proof::prove(&platform.sandbox, name)).await?;
    eventually("what was before is refused", || async {
        for old in old {
            let login = old.database.log_in_at(&old.database).await?;
            ensure!(login.is_err(), "{} still logs in", old.database.username);
            let list = old.storage.client()?.list_objects_v2();
            let list = list.bucket(&old.storage.bucket).send().await;
            ensure!(list.is_err(), "{} still lists", old.storage.key.access);
        }
        Ok(())
    })
    .await?;
    one_key_works(platform, name).await
}

/// The tenant's user has one key that is active: the one in the Secret.
async fn one_key_works(platform: &Platform, name: &str) -> Result<()> {
    let user = BackendNames::first(&INSTALLATION.parse()?, name).user;
    let iam = platform.sandbox.object_store.iam_admin();
    eventually("one key is active", || async {
        let given = Credentials::read(&platform.sandbox.admin(), name).await?;
        let keys = iam.list_access_keys().user_name(&user).send().await?;
        let active = keys.access_key_metadata().iter();
        let active = active.filter(|key| key.status().is_some_and(|it| it.as_str() == "Active"));
        let active: Vec<_> = active.filter_map(|key| key.access_key_id()).collect();
        ensure!(active == [given.storage.key.access.as_str()], "{active:?}");
        Ok(())
    })
    .await
}

pub async fn secret_deleted(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-deleted-3021";
    make(platform, &[NAME]).await?;
    let [before, after] = amidst(platform, NAME, "once").await?;
    let secrets: Api<Secret> = platform.within(&tenant_namespace(NAME));
    for name in [DATABASE_SECRET, STORAGE_SECRET] {
        secrets.delete(name, &DeleteParams::default()).await?;
    }
    let admin = platform.sandbox.admin();
    eventually("both are made again", || async {
        let again = Credentials::read(&admin, NAME).await?;
        ensure!(again.database.password != after.database.password);
        ensure!(again.storage.key.access != after.storage.key.access);
        Ok(())
    })
    .await?;
    done(platform, NAME, "once").await?;
    ends_well(platform, NAME, &[before, after]).await
}

pub async fn password_changed(platform: &Platform) -> Result<()> {
    const NAME: &str = "town-changed-3021";
    make(platform, &[NAME]).await?;
    let [before, after] = amidst(platform, NAME, "once").await?;
    let server = platform.sandbox.postgres[0].connect("postgres").await?;
    let login = &after.database.username;
    let change = format!("ALTER ROLE {login} PASSWORD 'somebody-elses'");
    server.batch_execute(&change).await?;
    let open = after.database.log_in_at(&after.database).await?;
    drop(open);
    eventually("the Secret works", || async {
        let given = Credentials::read(&platform.sandbox.admin(), NAME).await?;
        given.database.connect().await.map(drop)
    })
    .await?;
    done(platform, NAME, "once").await?;
    ends_well(platform, NAME, &[before]).await
}

/// The tenant whose reply is lost.
const LOST: &str = "town-lost-3021";

/// Loses, once it is set, the reply with the next key's secret.
#[derive(Default)]
pub struct LostReply {
    set: AtomicBool,
    lost: AtomicBool,
}

impl Fault for LostReply {
    fn at(&self, site: &Site, object: &str) -> Verdict {
        let user = INSTALLATION
            .parse()
            .map(|id| BackendNames::first(&id, LOST).user);
        let here = site.verb == "create_access_key" && user.is_ok_and(|user| user == object);
        if here && self.set.swap(false, Ordering::SeqCst) {
            self.lost.store(true, Ordering::SeqCst);
            return Verdict::FailAfter;
        }
        Verdict::Proceed
    }
}

pub async fn reply_lost(platform: &Platform, reply: &LostReply) -> Result<()> {
    make(platform, &[LOST]).await?;
    reply.set.store(true, Ordering::SeqCst);
    let [before, _] = amidst(platform, LOST, "once").await?;
    ensure!(reply.lost.load(Ordering::SeqCst), "no reply was lost");
    done(platform, LOST, "once").await?;
    ends_well(platform, LOST, &[before]).await
}

const OLD: [&str; 2] = ["town-old-a-3021", "town-old-b-3021"];
const AGE: Duration = Duration::from_secs(2160 * 3600);

/// Alone: it puts the operator's clock forward.
pub async fn grown_old(platform: &Platform, resident: &Resident) -> Result<()> {
    make(platform, &OLD).await?;
    let admin = platform.sandbox.admin();
    let mut due = Vec::new();
    let mut before = Vec::new();
    for name in OLD {
        let told = credentials(&platform.tenants().get(name).await?);
        let at = told.due_at.context("it is not told when they are due")?.0;
        let left = at.duration_since(resident.time.now());
        let left = Duration::try_from(left).context("they are due already")?;
        ensure!(left <= AGE && left > AGE.mul_f64(0.7), "due in {left:?}");
        due.push(at);
        before.push(Credentials::read(&admin, name).await?);
    }
    ensure!(due[0] != due[1], "both are due at {due:?}");

    // Just after the first is due, and before the second.
    let first = usize::from(due[1] < due[0]);
    let between = due[first].duration_since(resident.time.now());
    let between = Duration::try_from(between)? + Duration::from_secs(60);
    resident.stop().await?;
    resident.time.advance(between)?;
    resident.start().await?;
    renewed(platform, OLD[first], &before[first]).await?;
    let other = Credentials::read(&admin, OLD[1 - first]).await?;
    ensure!(other.is(&before[1 - first]), "the other was renewed, too");

    // Long after the second was due, which nobody saw: it is renewed at another time of its own, as it is told.
    resident.stop().await?;
    resident.time.advance(AGE.mul_f64(0.26))?;
    resident.start().await?;
    let (name, now) = (OLD[1 - first], resident.time.now());
    let postponed = |it: &EOfficeTenant| credentials(it).due_at.is_some_and(|due| due.0 > now);
    let told = credentials(
        &platform
            .until(name, "given another time", postponed)
            .await?,
    );
    let left = told.due_at.context("it is not told")?.0.duration_since(now);
    let left = Duration::try_from(left)?;
    ensure!(left <= AGE / 4, "due in {left:?}");
    let other = Credentials::read(&admin, name).await?;
    ensure!(other.is(&before[1 - first]), "it was renewed at once");
    resident.stop().await?;
    resident.time.advance(left + Duration::from_secs(60))?;
    resident.start().await?;
    renewed(platform, name, &before[1 - first]).await
}

async fn renewed(platform: &Platform, name: &str, before: &Credentials) -> Result<()> {
    let issued = before.clone();
    eventually("its credentials are renewed", || async {
        let now = Credentials::read(&platform.sandbox.admin(), name).await?;
        ensure!(now.database.username != issued.database.username);
        Ok(())
    })
    .await?;
    let rests = |it: &EOfficeTenant| is_ready(it) && credentials(it).rotation.is_none();
    platform.until(name, "at rest", rests).await?;
    ends_well(platform, name, &[issued]).await
}
