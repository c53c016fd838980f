//! Tries a tenant's own key: what it must be able to do, and what it must not.

use super::capabilities::CANARY_OBJECT;
use super::client::{Refusal, Store};
use super::credential::Key;
use super::sites;
use crate::effect::Effects;
use crate::proof::Proof;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

/// Written once and read ever after.
const PROBE: &str = ".eoffice/probe";
const PROBE_BODY: &[u8] = b"e-Office reads this to prove that storage works.\n";
/// Begun and aborted.
const UPLOAD: &str = ".eoffice/upload";
/// Never written: deleting a version of it shows the right to, and deletes nothing.
const NEVER: &str = ".eoffice/never";
const ACCESS_DENIED: &[&str] = &["AccessDenied"];

/// What a key is tried on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The tenant's bucket.
    pub bucket: &'a str,
    /// The canary bucket of the store, see [`canary_bucket`](super::store::canary_bucket).
    pub canary: &'a str,
    /// Whether the bucket keeps old versions.
    pub versioning: bool,
    /// Whether objects are locked.
    pub retention: bool,
}

/// Tries everything. Repeated, it leaves one small object and nothing that accumulates.
pub async fn verify(store: &Store, effects: &Effects, key: &Key, subject: &Subject<'_>) -> Proof {
    let trial = Trial {
        store,
        effects,
        s3: store.as_tenant(key),
        subject: *subject,
    };
    let (upload, objects, canary) = futures::join!(trial.upload(), trial.objects(), trial.canary());
    upload.and(objects).and(canary)
}

/// Tries that a key, whose tenant is closed, does nothing any more.
pub async fn verify_closed(store: &Store, effects: &Effects, key: &Key, bucket: &str) -> Proof {
    let s3 = store.as_tenant(key);
    let listed = store
        .call(effects, sites::TENANT_LIST_OBJECTS, bucket, || {
            s3.list_objects_v2().bucket(bucket).max_keys(1).send()
        })
        .await;
    match listed {
        Ok(_) => Proof::Failed(format!(
            "the key of a closed tenant still lists bucket {bucket} in store {}",
            store.name()
        )),
        Err(refusal) if refusal.is_bad_key() || refusal.is(ACCESS_DENIED) => Proof::Passed,
        Err(refusal) => Proof::Inconclusive(format!("a closed key was tried: {refusal}")),
    }
}

struct Trial<'a> {
    store: &'a Store,
    effects: &'a Effects,
    s3: Client,
    subject: Subject<'a>,
}

/// What a tenant may do: refused is a failure, no answer is inconclusive.
fn allowed<T>(result: Result<T, Refusal>) -> Result<T, Proof> {
    result.map_err(|refusal| {
        if refusal.is(ACCESS_DENIED) || refusal.is_bad_key() {
            Proof::Failed(format!("the tenant's own key was refused: {refusal}"))
        } else {
            Proof::Inconclusive(format!("the tenant's own key was tried: {refusal}"))
        }
    })
}

/// What a tenant may not do: only AccessDenied proves it.
fn denied<T>(what: &str, result: Result<T, Refusal>) -> Proof {
    match result {
        Ok(_) => Proof::Failed(format!("the tenant's key could {what}")),
        Err(refusal) if refusal.is(ACCESS_DENIED) => Proof::Passed,
        Err(refusal) => Proof::Inconclusive(format!(
            "that the tenant's key cannot {what} is not shown: {refusal}"
        )),
    }
}

fn settle(result: Result<Proof, Proof>) -> Proof {
    result.unwrap_or_else(|proof| proof)
}

impl Trial<'_> {
    /// A multipart upload is begun, gets a part, and is aborted.
    async fn upload(&self) -> Proof {
        settle(self.try_upload().await)
    }

    async fn try_upload(&self) -> Result<Proof, Proof> {
        let bucket = self.subject.bucket;
        let begun = self
            .store
            .call(self.effects, sites::TENANT_CREATE_UPLOAD, bucket, || {
                let request = self.s3.create_multipart_upload().bucket(bucket);
                request.key(UPLOAD).send()
            })
            .await;
        let id = allowed(begun)?.upload_id.unwrap_or_default();
        let part = self
            .store
            .call(self.effects, sites::TENANT_UPLOAD_PART, bucket, || {
                let request = self.s3.upload_part().bucket(bucket).key(UPLOAD);
                request
                    .upload_id(&id)
                    .part_number(1)
                    .body(ByteStream::from_static(PROBE_BODY))
                    .send()
            })
            .await;
        let part = allowed(part).map(drop);
        // This one, and what an earlier trial left when it was interrupted.
        let listed = self
            .store
            .call(self.effects, sites::TENANT_LIST_UPLOADS, bucket, || {
                let request = self.s3.list_multipart_uploads().bucket(bucket);
                request.prefix(UPLOAD).send()
            })
            .await;
        let listed = allowed(listed)?;
        let begun = listed.uploads().iter();
        let begun = begun.filter(|upload| upload.key() == Some(UPLOAD));
        for id in begun.filter_map(|upload| upload.upload_id()) {
            self.abort(id).await?;
        }
        part.map(|()| Proof::Passed)
    }

    async fn abort(&self, id: &str) -> Result<(), Proof> {
        let bucket = self.subject.bucket;
        let aborted = self
            .store
            .call(self.effects, sites::TENANT_ABORT_UPLOAD, bucket, || {
                let request = self.s3.abort_multipart_upload().bucket(bucket);
                request.key(UPLOAD).upload_id(id).send()
            })
            .await;
        match aborted {
            Err(refusal) if refusal.is(&["NoSuchUpload"]) => Ok(()),
            result => allowed(result).map(drop),
        }
    }

    /// The probe is there, or is written; it is read; under retention it cannot be destroyed.
    async fn objects(&self) -> Proof {
        settle(self.try_objects().await)
    }

    async fn try_objects(&self) -> Result<Proof, Proof> {
        let version = match self.find_probe().await? {
            Some(found) => found,
            None => self.write_probe().await?,
        };
        self.read_probe(&version).await?;
        match version {
            Version::Id(id) if self.subject.retention => self.locked(&id).await,
            Version::Plain if self.subject.retention => Ok(Proof::Failed(format!(
                "bucket {} should lock objects, and objects in it have no versions",
                self.subject.bucket
            ))),
            _ => Ok(Proof::Passed),
        }
    }

    /// The newest version of the probe, even if the application has hidden it with a marker:
    /// writing another each time would pile up.
    async fn find_probe(&self) -> Result<Option<Version>, Proof> {
        let bucket = self.subject.bucket;
        if !self.subject.versioning {
            let read = self
                .store
                .call(self.effects, sites::TENANT_GET_OBJECT, bucket, || {
                    self.s3.get_object().bucket(bucket).key(PROBE).send()
                })
                .await;
            return match read {
                Err(refusal) if refusal.is(&["NoSuchKey"]) => Ok(None),
                read => allowed(read).map(|_| Some(Version::Plain)),
            };
        }
        let listed = self
            .store
            .call(self.effects, sites::TENANT_LIST_VERSIONS, bucket, || {
                let request = self.s3.list_object_versions().bucket(bucket);
                request.prefix(PROBE).send()
            })
            .await;
        let listed = allowed(listed)?;
        let mut versions = listed.versions().iter();
        let found = versions.find(|version| version.key() == Some(PROBE));
        Ok(found.map(|version| Version::of(version.version_id())))
    }

    async fn write_probe(&self) -> Result<Version, Proof> {
        let bucket = self.subject.bucket;
        let written = self
            .store
            .call(self.effects, sites::TENANT_PUT_OBJECT, bucket, || {
                let request = self.s3.put_object().bucket(bucket).key(PROBE);
                request.body(ByteStream::from_static(PROBE_BODY)).send()
            })
            .await;
        Ok(Version::of(allowed(written)?.version_id()))
    }

    async fn read_probe(&self, version: &Version) -> Result<(), Proof> {
        let bucket = self.subject.bucket;
        let read = self
            .store
            .call(self.effects, sites::TENANT_GET_OBJECT, bucket, || {
                let request = self.s3.get_object().bucket(bucket).key(PROBE);
                request.set_version_id(version.id()).send()
            })
            .await;
        let body = allowed(read)?.body.collect().await.map_err(|why| {
            Proof::Inconclusive(format!(
                "reading {PROBE} of bucket {bucket} broke off: {why}"
            ))
        })?;
        if body.into_bytes() == PROBE_BODY {
            Ok(())
        } else {
            Err(Proof::Failed(format!(
                "{PROBE} in bucket {bucket} does not read as it was written; if the application wrote it, remove it there"
            )))
        }
    }

    /// A version that was never there can be deleted, so the right is granted; the probe's cannot,
    /// so it is the lock that holds it.
    async fn locked(&self, id: &str) -> Result<Proof, Proof> {
        let bucket = self.subject.bucket;
        match self.delete_version(NEVER, id).await {
            Err(refusal) if refusal.is(&["NoSuchVersion", "NoSuchKey", "InvalidArgument"]) => {}
            result => allowed(result)?,
        }
        let what = format!("delete a version in bucket {bucket} that is under retention");
        Ok(denied(&what, self.delete_version(PROBE, id).await))
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<(), Refusal> {
        let bucket = self.subject.bucket;
        self.store
            .call(self.effects, sites::TENANT_DELETE_VERSION, bucket, || {
                let request = self.s3.delete_object().bucket(bucket).key(key);
                request.version_id(id).send()
            })
            .await
            .map(drop)
    }

    /// The canary can be neither listed, read nor written.
    async fn canary(&self) -> Proof {
        let bucket = self.subject.canary;
        let listed = self
            .store
            .call(self.effects, sites::TENANT_LIST_OBJECTS, bucket, || {
                self.s3.list_objects_v2().bucket(bucket).max_keys(1).send()
            });
        let read = self
            .store
            .call(self.effects, sites::TENANT_GET_OBJECT, bucket, || {
                let request = self.s3.get_object().bucket(bucket);
                request.key(CANARY_OBJECT).send()
            });
        let written = self
            .store
            .call(self.effects, sites::TENANT_PUT_OBJECT, bucket, || {
                // The canary's own object: an intrusion adds no key to it.
                let request = self.s3.put_object().bucket(bucket).key(CANARY_OBJECT);
                request.body(ByteStream::from_static(PROBE_BODY)).send()
            });
        let (listed, read, written) = futures::join!(listed, read, written);
        denied(&format!("list bucket {bucket}"), listed)
            .and(denied(&format!("read bucket {bucket}"), read))
            .and(denied(&format!("write bucket {bucket}"), written))
    }
}

/// How the probe's content is addressed.
enum Version {
    /// In a bucket without versions.
    Plain,
    /// By its version.
    Id(String),
}

impl Version {
    fn of(id: Option<&str>) -> Self {
        match id {
            None | Some("" | "null") => Self::Plain,
            Some(id) => Self::Id(id.into()),
        }
    }

    fn id(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Id(id) => Some(id.clone()),
        }
    }
}
