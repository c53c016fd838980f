//! The operator in a test's own process lives, dies and is born again as the program does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eoffice_crds::RECORD_NAME;
use eoffice_crds::{TenantRecord, tenant_namespace};
use eoffice_operator::effect::{Fault, Site, Verdict};
use eoffice_tests::e2e::security::{Platform, eventually, tenant};
use eoffice_tests::{OperatorOptions, Options, proof};
use kube::api::Api;
use kube::api::DeleteParams;

const NAME: &str = "town-resident-3021";

/// Loses its process before a database is made.
#[derive(Default)]
struct NoDatabase(AtomicBool);

impl Fault for NoDatabase {
    fn at(&self, site: &Site, _: &str) -> Verdict {
        if site.verb == "create_database" {
            self.0.store(true, Ordering::SeqCst);
            return Verdict::HangBefore;
        }
        Verdict::Proceed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_dies_with_all_its_work_and_goes_on_in_another_life_and_another_year() {
    let platform = Platform::prepare(Options::default(), OperatorOptions::default())
        .await
        .unwrap();
    let resident = platform.resident(OperatorOptions::default()).await.unwrap();

    let fault = Arc::new(NoDatabase::default());
    resident.start_under(Some(fault.clone())).await.unwrap();
    platform.apply(&[tenant(NAME)]).await.unwrap();
    eventually("a database is to be made", || async {
        anyhow::ensure!(fault.0.load(Ordering::SeqCst));
        Ok(())
    })
    .await
    .unwrap();
    resident.kill().await.unwrap();
    assert!(resident.metrics().await.is_err(), "it still answers");

    let began = std::time::Instant::now();
    resident.start().await.unwrap();
    println!("ready {:?} after its start", began.elapsed());
    platform.ready(NAME).await.unwrap();
    println!("tenant ready {:?} after its start", began.elapsed());
    proof::prove(&platform.sandbox, NAME).await.unwrap();

    // It writes its own time.
    let year = Duration::from_secs(366 * 24 * 3600);
    resident.time.advance(year).unwrap();
    platform
        .tenants()
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    let records: Api<TenantRecord> = platform.within(&tenant_namespace(NAME));
    let retained = eventually("it is retained", || async {
        let record = records.get(RECORD_NAME).await?;
        let at = record.spec.retained_at;
        at.ok_or_else(|| anyhow::anyhow!("it is {:?}", record.spec.state))
    })
    .await
    .unwrap();
    let ahead = jiff::Timestamp::now() + Duration::from_secs(365 * 24 * 3600);
    assert!(retained.0 > ahead, "it was retained at {retained:?}");

    let began = std::time::Instant::now();
    resident.stop().await.unwrap();
    println!("stopped in {:?}", began.elapsed());
}
