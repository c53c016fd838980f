//! How much is in a bucket.

use super::client::{Refusal, Store};
use super::sites;
use crate::effect::Effects;
use crate::plan::Problem;
use aws_sdk_s3::types::ObjectVersion;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// How much is in a bucket, old versions included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of all versions.
    pub bytes: u64,
    /// Versions of objects, without the markers of deletions.
    pub objects: u64,
    /// When the newest of them was written.
    pub newest: Option<Timestamp>,
}

/// Counts what is in a bucket. One that is gone has nothing in it. A large one takes long: a thousand versions a call.
pub async fn size(store: &Store, effects: &Effects, bucket: &str) -> Result<Size, Problem> {
    let mut size = Size::default();
    let mut pages = Pages::default();
    while let Some(page) = pages.next(store, effects, bucket).await? {
        for version in page {
            size.objects += 1;
            size.bytes += u64::try_from(version.size().unwrap_or(0)).unwrap_or(0);
            size.newest = size.newest.max(version.last_modified().and_then(time));
        }
    }
    Ok(size)
}

/// All versions of objects in a bucket, a page at a time.
#[derive(Debug, Default)]
pub(super) struct Pages {
    key: Option<String>,
    version: Option<String>,
    over: bool,
}

impl Pages {
    /// The next page; none after the last one, or where there is no bucket.
    pub(super) async fn next(
        &mut self,
        store: &Store,
        effects: &Effects,
        bucket: &str,
    ) -> Result<Option<Vec<ObjectVersion>>, Refusal> {
        if self.over {
            return Ok(None);
        }
        let listed = store
            .call(effects, sites::LIST_VERSIONS, bucket, || {
                let request = store.s3.list_object_versions().bucket(bucket);
                let request = request.set_key_marker(self.key.clone());
                request.set_version_id_marker(self.version.clone()).send()
            })
            .await;
        let page = match listed {
            Err(refusal) if refusal.is(&["NoSuchBucket"]) => return Ok(None),
            listed => listed?,
        };
        // Some stores begin a page with the one that the page before ended with.
        let told = |it: &ObjectVersion| {
            self.version.is_some() && it.key == self.key && it.version_id == self.version
        };
        let found = page.versions().iter().filter(|it| !told(it));
        let found = found.cloned().collect();
        self.over = page.is_truncated() != Some(true);
        (self.key, self.version) = (page.next_key_marker, page.next_version_id_marker);
        Ok(Some(found))
    }
}

/// A store's time, in whole seconds.
pub(super) fn time(date: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(date.secs()).ok()
}
