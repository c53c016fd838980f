//! Writes a bucket's tags.

use crate::effect::Effects;
use crate::objectstore::client::Store;
use crate::objectstore::step::Tags;
use crate::objectstore::{observe, sites};
use crate::plan::Problem;
use aws_sdk_s3::types::{Tag, Tagging};
use aws_smithy_types::error::operation::BuildError;
use eoffice_crds::Reason;
use std::collections::BTreeSet;

/// Changes some tags of a bucket, and leaves the others as they are now.
pub(super) async fn change_tags(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    set: &Tags,
    remove: &BTreeSet<String>,
) -> Result<(), Problem> {
    if set.is_empty() && remove.is_empty() {
        return Ok(());
    }
    let Some(mut tags) = observe::tags(store, effects, bucket).await? else {
        return Err(Problem::new(
            Reason::BackendError,
            format!(
                "bucket {bucket} in store {} went away while it was worked on; it is looked at again by itself",
                store.name()
            ),
        ));
    };
    tags.retain(|key, _| !remove.contains(key));
    tags.extend(set.clone());
    put_tags(store, effects, bucket, &tags).await
}

/// Writes all tags of a bucket.
pub(in crate::objectstore) async fn put_tags(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    tags: &Tags,
) -> Result<(), Problem> {
    // AWS keeps tags of its own under this prefix, shows them and refuses them.
    let own = |key: &String| !key.starts_with("aws:");
    let tags: Tags = tags
        .iter()
        .filter(|(key, _)| own(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let tagging = Tagging::builder().set_tag_set(Some(tag_set(&tags)?));
    let tagging = tagging.build().map_err(incomplete)?;
    store
        .call(effects, sites::PUT_BUCKET_TAGGING, bucket, || {
            let request = store.s3.put_bucket_tagging().bucket(bucket);
            request.tagging(tagging.clone()).send()
        })
        .await?;
    Ok(())
}

pub(super) fn tag_set(tags: &Tags) -> Result<Vec<Tag>, Problem> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(incomplete)
}

fn incomplete(why: BuildError) -> Problem {
    Problem::new(
        Reason::BackendError,
        format!("a request to the store could not be built: {why}; report this as an error"),
    )
}
