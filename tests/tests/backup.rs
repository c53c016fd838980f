//! The cluster is put back to an older backup of etcd, while the backends have gone on: nobody's data goes, everyone works,
//! and no order of then is carried out as if nothing had happened since.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "interruptions/access.rs"]
mod access;
#[path = "backup/bed.rs"]
mod bed;
#[path = "backup/lives.rs"]
mod lives;
#[path = "backup/orders.rs"]
mod orders;

use anyhow::Result;
use bed::Bed;
use futures::FutureExt;
use futures::future::BoxFuture;

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_of_the_cluster_costs_nobody_his_data() {
    let bed = Bed::start().await.unwrap();
    // Each puts the whole cluster back: one after the other.
    let scenarios: [(&str, BoxFuture<'_, Result<()>>); 2] = [
        (
            "everyone lives on, whatever became of him since",
            lives::go_on(&bed).boxed(),
        ),
        (
            "an order that ended since is not carried out before it has cooled anew",
            orders::cool_anew(&bed).boxed(),
        ),
    ];
    let mut failed = Vec::new();
    for (what, scenario) in scenarios {
        let began = std::time::Instant::now();
        let result = scenario.await;
        println!("{:5.1} s  {what}", began.elapsed().as_secs_f64());
        failed.extend(result.err().map(|error| format!("{what}: {error:#}")));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
