//! A tenant's bucket and user, changed by the store's admin.

use anyhow::{Context, Result, ensure};
use eoffice_crds::{ConditionType, Reason};
use eoffice_tests::e2e::core::looked_again;
use eoffice_tests::e2e::security::{Platform, eventually, says};
use eoffice_tests::proof::{self, Storage};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::bucket::Place;
use crate::{EDITED, LOCKED, PLAIN, stuck};

type Row<'a> = (&'static str, BoxFuture<'a, Result<()>>);

pub async fn comes_back(platform: &Platform) -> Result<()> {
    let (locked, plain) = (
        Place::of(platform, LOCKED).await?,
        Place::of(platform, PLAIN).await?,
    );
    let undone: Vec<(&Place<'_>, Row<'_>)> = vec![
        (
            &locked,
            ("a policy opens the bucket", locked.open_to_all().boxed()),
        ),
        (
            &locked,
            ("the lock is shortened", locked.lock_for(1).boxed()),
        ),
        (
            &locked,
            (
                "a tag of the mark is changed",
                locked.change_tag("eoffice-uid", "another").boxed(),
            ),
        ),
        (
            &locked,
            (
                "the bucket is called retained",
                locked.change_tag("eoffice-state", "retained").boxed(),
            ),
        ),
        (
            &locked,
            (
                "a code is changed",
                locked.change_tag("eoffice-code-dla", "4302199").boxed(),
            ),
        ),
        (
            &locked,
            (
                "a code is removed",
                locked.remove_tag("eoffice-code-dla").boxed(),
            ),
        ),
        (
            &locked,
            (
                "the user's policy is widened",
                locked.put_policy("bucket").boxed(),
            ),
        ),
        (
            &locked,
            (
                "the user gets a second policy",
                locked.put_policy("more").boxed(),
            ),
        ),
        (
            &locked,
            (
                "the user loses its policy",
                locked.remove_policies().boxed(),
            ),
        ),
        (
            &locked,
            ("the key is switched off", locked.close_key().boxed()),
        ),
        (&locked, ("there is another key", locked.add_key().boxed())),
        (
            &plain,
            (
                "versioning is suspended",
                plain.suspend_versioning().boxed(),
            ),
        ),
        (
            &plain,
            ("a policy opens the bucket", plain.open_to_all().boxed()),
        ),
    ];
    for (place, (what, damage)) in undone {
        place.undone(damage).await.context(what)?;
    }
    let replaced: Vec<Row<'_>> = vec![
        ("the key is deleted", plain.remove_key().boxed()),
        ("the user is deleted", plain.remove_user().boxed()),
    ];
    for (what, damage) in replaced {
        plain.replaced(damage).await.context(what)?;
    }
    for tenant in [LOCKED, PLAIN] {
        platform.ready(tenant).await?;
        let storage = Storage::read(&platform.sandbox.admin(), tenant).await?;
        proof::s3(&storage).await?;
    }
    Ok(())
}

/// Without the mark nothing is done, not even what would be done otherwise; another tenant is still cared for.
pub async fn without_its_mark(platform: &Platform) -> Result<()> {
    let place = Place::of(platform, LOCKED).await?;
    let sound = place.look().await?;
    let tags = place.tags().await?;
    for (key, reason) in [
        ("eoffice-fingerprint", Reason::ForeignObject),
        ("eoffice-identity", Reason::DataMissing),
    ] {
        place.change_tag(key, "another").await?;
        let left = |it: &_| stuck(it, ConditionType::StorageReady, reason);
        let told = platform
            .until(LOCKED, "told of the lost mark", left)
            .await?;
        says(
            &told,
            ConditionType::StorageReady,
            &[&place.bucket, "objects"],
        )?;
        place.put_policy("more").await?;
        let changed = place.look().await?;
        looked_again(platform, 3, 5).await?;
        let now = place.look().await?;
        ensure!(now == changed, "it was\n{changed:?}\nand is\n{now:?}");
        let neighbour = Place::of(platform, EDITED).await?;
        neighbour.undone(neighbour.close_key().boxed()).await?;

        place.put_tags(&tags).await?;
        eventually("all is as it was", || async {
            let now = place.look().await?;
            ensure!(now == sound, "it was\n{sound:?}\nand is\n{now:?}");
            Ok(())
        })
        .await?;
        platform.ready(LOCKED).await?;
    }
    Ok(())
}
