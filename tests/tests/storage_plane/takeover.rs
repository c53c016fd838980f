//! A tenant takes over the documents of another that has left: marks are rewritten, the user is made anew.

use super::ground::{AtCall, Tenant, World, door, put, versions};
use eoffice_crds::{Predecessor, Reason, RecordState};
use eoffice_operator::effect::Verdict;
use eoffice_operator::identity::fingerprint;
use eoffice_operator::objectstore::desired::Access;
use eoffice_operator::proof::Proof;

/// The record of a tenant of this name that takes over what stands behind another's.
fn heir(name: &str, left: &Tenant) -> Tenant {
    let mut heir = Tenant::new(name, true);
    heir.record.storage = left.record.storage.clone();
    heir.record.tenant.uid = "uid-2".into();
    heir
}

fn claim(heir: &mut Tenant, left: &Tenant) {
    heir.record.predecessor = Some(Predecessor {
        namespace: format!("eoffice-{}", left.record.tenant.name),
        fingerprint: left.record.fingerprint.clone(),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_ends_in_the_same_whatever_fails() {
    let world = World::start().await;
    let mut points = 0;
    for verdict in [Verdict::FailBefore, Verdict::FailAfter, Verdict::Twice] {
        let mut number = 0;
        loop {
            let mut left = Tenant::new(&format!("left-{verdict:?}-{number}"), true);
            left.settle(&world).await;
            let old = world.client(left.key());
            put(&old, left.bucket(), "document").await;
            left.access = Access::Closed;
            left.record.state = RecordState::Retained;
            left.settle(&world).await;
            let before = versions(&world, left.bucket()).await;
            let there = left.observe(&world).await;

            let name = format!("heir-{verdict:?}-{number}");
            let mut heir = heir(&name, &left);
            let problem = heir.pass(&world, &door()).await.unwrap_err();
            assert_eq!(problem.reason, Reason::ForeignObject, "without a claim");
            assert_eq!(left.observe(&world).await, there);
            claim(&mut heir, &left);
            let fault = AtCall::new(number, verdict);
            let effects = door().with_fault(fault.clone());
            drop(heir.pass(&world, &effects).await);
            heir.settle(&world).await;

            let seen = heir.observe(&world).await;
            let bucket = seen.bucket.unwrap();
            let mark = bucket.mark().unwrap();
            assert_eq!(mark.fingerprint, fingerprint(&name, "30"));
            assert_eq!(
                (mark.uid.as_str(), mark.state),
                ("uid-2", RecordState::Live)
            );
            assert_eq!(bucket.identity(), there.bucket.unwrap().identity());
            assert!(seen.user.unwrap().path.contains(&mark.fingerprint));
            let own = world.client(heir.key());
            let read = own.get_object().bucket(heir.bucket()).key("document");
            read.send().await.unwrap();
            assert!(
                old.list_objects_v2()
                    .bucket(heir.bucket())
                    .send()
                    .await
                    .is_err()
            );
            assert_eq!(versions(&world, heir.bucket()).await, before);
            assert_eq!(heir.verify(&world).await, Proof::Passed);
            // The other has nothing here any more.
            let problem = left.pass(&world, &door()).await.unwrap_err();
            assert_eq!(problem.reason, Reason::ForeignObject);
            if fault.seen() <= number {
                break;
            }
            number += 1;
        }
        assert!(number >= 15, "only {number} calls were met");
        points += number;
    }
    println!("{points} points passed");
}
