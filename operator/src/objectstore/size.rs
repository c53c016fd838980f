//! How much is in a bucket.

use super::client::Store;
use super::sites;
use crate::effect::Effects;
use crate::plan::Problem;
use aws_sdk_s3::types::ObjectVersion;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// Pages of a thousand that are counted at most: more is a matter of hours, and told as such.
const PAGES: usize = 2_000;

/// How much is in a bucket, old versions included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of all versions.
    pub bytes: u64,
    /// Versions of objects, without the markers of deletions.
    pub objects: u64,
    /// When the newest of them was written.
    pub newest: Option<Timestamp>,
    /// Whether all were counted. If not there is more than this.
    pub whole: bool,
}

/// Counts what is in a bucket. One that is gone has nothing in it.
pub async fn size(store: &Store, effects: &Effects, bucket: &str) -> Result<Size, Problem> {
    let mut size = Size::default();
    let (mut key, mut version) = (None, None);
    for _ in 0..PAGES {
        let listed = store
            .call(effects, sites::LIST_VERSIONS, bucket, || {
                let request = store.s3.list_object_versions().bucket(bucket);
                let request = request.set_key_marker(key.clone());
                request.set_version_id_marker(version.clone()).send()
            })
            .await;
        let page = match listed {
            Err(refusal) if refusal.is(&["NoSuchBucket"]) => {
                return Ok(Size {
                    whole: true,
                    ..Size::default()
                });
            }
            listed => listed?,
        };
        // Some stores begin a page with the one that the page before ended with.
        let told =
            |it: &&ObjectVersion| version.is_some() && it.key == key && it.version_id == version;
        for version in page.versions().iter().filter(|it| !told(it)) {
            size.objects += 1;
            size.bytes += u64::try_from(version.size().unwrap_or(0)).unwrap_or(0);
            size.newest = size.newest.max(version.last_modified().and_then(time));
        }
        size.whole = page.is_truncated() != Some(true);
        if size.whole {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
    Ok(size)
}

/// A store's time, in whole seconds.
pub(super) fn time(date: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(date.secs()).ok()
}
