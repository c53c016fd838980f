//! Destroys what is in a bucket, a page at a time.

use super::client::{Refusal, Store};
use super::sites;
use crate::effect::Effects;
use crate::plan::Problem;
use aws_sdk_s3::types::{Delete, MultipartUpload, ObjectIdentifier};
use aws_smithy_types::error::operation::BuildError;
use eoffice_crds::Reason;
use std::collections::HashSet;

/// One version of an object, or a marker of its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub key: String,
    pub version: Option<String>,
    /// Absent for a marker.
    pub bytes: Option<u64>,
}

/// An item that the store would not delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub item: Item,
    /// What the store said.
    pub answer: String,
}

/// Aborts every upload and deletes every version and marker, past Governance locks.
pub(super) async fn empty(store: &Store, effects: &Effects, bucket: &str) -> Result<(), Problem> {
    loop {
        let uploads = uploads(store, effects, bucket).await?;
        if abort(store, effects, bucket, &uploads).await? == 0 {
            break;
        }
    }
    loop {
        let items = page(store, effects, bucket).await?;
        if items.is_empty() {
            return Ok(());
        }
        if let Some(refused) = delete(store, effects, bucket, &items, true).await?.first() {
            return Err(refused.problem(store, bucket));
        }
    }
}

impl Refused {
    /// What it means where nothing more is known.
    pub(super) fn problem(&self, store: &Store, bucket: &str) -> Problem {
        Problem::new(
            Reason::BackendError,
            format!(
                "store {} refused to delete an object of bucket {bucket}: {}; look at the store's own log and the admin key's rights. It is tried again by itself",
                store.name(),
                self.answer
            ),
        )
    }
}

/// The first page of what is there. What was listed is deleted before more is listed, so the first is always the next.
pub(super) async fn page(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<Vec<Item>, Refusal> {
    let page = store
        .call(effects, sites::LIST_VERSIONS, bucket, || {
            store.s3.list_object_versions().bucket(bucket).send()
        })
        .await?;
    let versions = page.versions().iter().map(|version| {
        let bytes = u64::try_from(version.size().unwrap_or(0)).unwrap_or(0);
        (&version.key, &version.version_id, Some(bytes))
    });
    let markers = page.delete_markers().iter();
    let markers = markers.map(|marker| (&marker.key, &marker.version_id, None));
    let items = versions.chain(markers);
    let items = items.filter_map(|(key, version, bytes)| {
        Some(Item {
            key: key.clone()?,
            version: version.clone(),
            bytes,
        })
    });
    Ok(items.collect())
}

/// Deletes these, where it is said so past Governance locks. Answers with those that the store would not delete.
pub(super) async fn delete(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    items: &[Item],
    past_locks: bool,
) -> Result<Vec<Refused>, Problem> {
    let objects = items.iter().map(|item| {
        let object = ObjectIdentifier::builder().key(&item.key);
        object.set_version_id(item.version.clone()).build()
    });
    let objects = objects.collect::<Result<Vec<_>, _>>().map_err(incomplete)?;
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true);
    let delete = delete.build().map_err(incomplete)?;
    let answer = store
        .call(effects, sites::DELETE_OBJECTS, bucket, || {
            let request = store.s3.delete_objects().bucket(bucket);
            request
                .delete(delete.clone())
                .set_bypass_governance_retention(past_locks.then_some(true))
                .send()
        })
        .await?;
    let mut named = HashSet::new();
    let refused = answer.errors().iter().map(|error| {
        let (key, version) = (error.key().unwrap_or_default(), error.version_id());
        let same = |item: &&Item| {
            item.key == key && version.is_none_or(|it| item.version.as_deref() == Some(it))
        };
        let mut candidates = items.iter().filter(same);
        // A store that names no version means each of them in turn.
        let item = candidates.find(|item| named.insert((&item.key, &item.version)));
        Refused {
            item: item.cloned().unwrap_or(Item {
                key: key.to_owned(),
                version: version.map(Into::into),
                bytes: None,
            }),
            answer: format!(
                "{} {}",
                error.code().unwrap_or("no code"),
                error.message().unwrap_or_default()
            ),
        }
    });
    Ok(refused.collect())
}

/// The first page of begun uploads.
pub(super) async fn uploads(
    store: &Store,
    effects: &Effects,
    bucket: &str,
) -> Result<Vec<MultipartUpload>, Refusal> {
    let page = store
        .call(effects, sites::LIST_UPLOADS, bucket, || {
            store.s3.list_multipart_uploads().bucket(bucket).send()
        })
        .await?;
    Ok(page.uploads.unwrap_or_default())
}

/// Aborts these uploads. Answers with how many there were: some stores list what is gone.
pub(super) async fn abort(
    store: &Store,
    effects: &Effects,
    bucket: &str,
    uploads: &[MultipartUpload],
) -> Result<u64, Refusal> {
    let mut count = 0;
    for upload in uploads {
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
            Ok(_) => count += 1,
            Err(refusal) if refusal.is(&["NoSuchUpload"]) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(count)
}

fn incomplete(why: BuildError) -> Problem {
    Problem::new(
        Reason::BackendError,
        format!("a request to the store could not be built: {why}; report this as an error"),
    )
}
