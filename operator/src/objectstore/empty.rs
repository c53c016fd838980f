//! Destroys all that is in a bucket.

use super::client::Store;
use super::sites;
use crate::effect::Effects;
use crate::plan::Problem;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::error::operation::BuildError;
use eoffice_crds::Reason;

/// Aborts every upload and deletes every version and marker, past Governance locks.
pub(super) async fn empty(store: &Store, effects: &Effects, bucket: &str) -> Result<(), Problem> {
    abort_uploads(store, effects, bucket).await?;
    // What was listed is deleted before more is listed, so the first page is always the next.
    loop {
        let page = store
            .call(effects, sites::LIST_VERSIONS, bucket, || {
                store.s3.list_object_versions().bucket(bucket).send()
            })
            .await?;
        let versions = page.versions().iter().map(|v| (&v.key, &v.version_id));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|m| (&m.key, &m.version_id));
        let objects = versions
            .chain(markers)
            .filter_map(|(key, version)| Some((key.as_ref()?, version)))
            .map(|(key, version)| {
                let object = ObjectIdentifier::builder().key(key);
                object.set_version_id(version.clone()).build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(incomplete)?;
        if objects.is_empty() {
            return Ok(());
        }
        delete(store, effects, bucket, objects).await?;
    }
}

async fn delete(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    objects: Vec<ObjectIdentifier>,
) -> Result<(), Problem> {
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true);
    let delete = delete.build().map_err(incomplete)?;
    let answer = store
        .call(effects, sites::DELETE_OBJECTS, bucket, || {
            let request = store.s3.delete_objects().bucket(bucket);
            request
                .delete(delete.clone())
                .bypass_governance_retention(true)
                .send()
        })
        .await?;
    match answer.errors().first() {
        None => Ok(()),
        Some(error) => Err(Problem::new(
            Reason::BackendError,
            format!(
                "store {} refused to delete an object of bucket {bucket}: {} {}; a lock in Compliance mode has to end by itself first. It is tried again by itself",
                store.name(),
                error.code().unwrap_or("no code"),
                error.message().unwrap_or_default()
            ),
        )),
    }
}

async fn abort_uploads(store: &Store, effects: &Effects, bucket: &str) -> Result<(), Problem> {
    loop {
        let page = store
            .call(effects, sites::LIST_UPLOADS, bucket, || {
                store.s3.list_multipart_uploads().bucket(bucket).send()
            })
            .await?;
        if page.uploads().is_empty() {
            return Ok(());
        }
        for upload in page.uploads() {
            let aborted = store
                .call(effects, sites::ABORT_UPLOAD, bucket, || {
                    let request = store.s3.abort_multipart_upload().bucket(bucket);
                    request
                        .set_key(upload.key.clone())
                        .set_upload_id(upload.upload_id.clone())
                        .send()
                })
                .await;
            match aborted {
                Err(refusal) if !refusal.is(&["NoSuchUpload"]) => return Err(refusal.into()),
                _ => {}
            }
        }
    }
}

fn incomplete(why: BuildError) -> Problem {
    Problem::new(
        Reason::BackendError,
        format!("a request to the store could not be built: {why}; report this as an error"),
    )
}
