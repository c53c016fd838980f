//! The policies of a tenant's user and of its auditors': its own bucket, and nothing that could loosen what holds there.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Name of the one inline policy of a user.
pub(super) const NAME: &str = "bucket";

const ON_BUCKET: [&str; 6] = [
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
];

const ON_OBJECTS: [&str; 7] = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:GetObjectRetention",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
];

/// Granted where a lock holds versions anyway, so that a refused deletion proves the lock. Without
/// a lock, old versions are what is left after an error or an attack: they stay out of reach.
const UNDER_RETENTION: &str = "s3:DeleteObjectVersion";

/// The policy for this bucket.
pub(super) fn document(bucket: &str, retention: bool) -> Value {
    let mut on_objects = ON_OBJECTS.to_vec();
    if retention {
        on_objects.push(UNDER_RETENTION);
    }
    statements(bucket, &ON_BUCKET, &on_objects)
}

const AUDIT_ON_BUCKET: [&str; 5] = [
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketVersions",
];

const AUDIT_ON_OBJECTS: [&str; 3] = [
    "s3:GetObject",
    "s3:GetObjectRetention",
    "s3:GetObjectVersion",
];

/// An auditor's policy for this bucket: to read, old versions too, before that time. The store itself looks at the
/// clock: what ends by its time does so though nobody takes the key away.
pub(super) fn audit(bucket: &str, until: Timestamp) -> Value {
    let mut policy = statements(bucket, &AUDIT_ON_BUCKET, &AUDIT_ON_OBJECTS);
    let ends = json!({"DateLessThan": {"aws:CurrentTime": second(until)}});
    for statement in policy["Statement"].as_array_mut().into_iter().flatten() {
        statement["Condition"] = ends.clone();
    }
    policy
}

/// A time as every store reads it: in whole seconds, none later than asked.
pub(super) fn second(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second());
    whole.unwrap_or(time).to_string()
}

fn statements(bucket: &str, on_bucket: &[&str], on_objects: &[&str]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Bucket",
                "Effect": "Allow",
                "Action": on_bucket,
                "Resource": format!("arn:aws:s3:::{bucket}"),
            },
            {
                "Sid": "Objects",
                "Effect": "Allow",
                "Action": on_objects,
                "Resource": format!("arn:aws:s3:::{bucket}/*"),
            },
        ],
    })
}

/// Fingerprint of a document, the same for every order of its keys. 16 hexadecimal digits.
pub(super) fn fingerprint(document: &Value) -> String {
    let mut sorted = document.clone();
    sorted.sort_all_objects();
    let sha = Sha256::digest(sorted.to_string());
    HEXLOWER.encode(&sha[..8])
}

/// A policy as a store returns it: as it was written, or percent-encoded. None: it is no JSON.
pub(super) fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text)
        .ok()
        .or_else(|| serde_json::from_slice(&percent_decoded(text)?).ok())
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? * 16 + hex(bytes.next()?)?,
            other => other,
        });
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_however_a_store_writes_it() {
        let policy = document("eo-1-documents", true);
        let plain = serde_json::to_string_pretty(&policy).unwrap();
        let encoded: String = plain.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(parse(&plain), Some(policy.clone()));
        assert_eq!(parse(&encoded), Some(policy));
        for bad in ["", "%", "%7", "%zz", "not json", "%7b"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn nothing_that_loosens_a_guard_is_granted() {
        for retention in [false, true] {
            let policy = document("eo-1-documents", retention).to_string();
            for action in [
                "*\"]",
                "s3:*",
                "PutObjectRetention",
                "LegalHold",
                "Bypass",
                "PutBucket",
                "DeleteBucket",
                "Policy",
                "Tagging",
                "Acl",
                "ListAllMyBuckets",
                "iam:",
            ] {
                assert!(!policy.contains(action), "{action}");
            }
            assert_eq!(policy.contains("DeleteObjectVersion"), retention);
            assert_eq!(policy.matches("arn:aws:s3:::eo-1-documents").count(), 2);
        }
    }

    #[test]
    fn an_auditor_may_read_and_nothing_else() {
        let until = "2027-01-31T09:00:00.5Z".parse().unwrap();
        let policy = audit("eo-1-documents", until);
        for statement in policy["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                let action = action.as_str().unwrap();
                assert!(
                    action.starts_with("s3:Get") || action.starts_with("s3:ListBucket"),
                    "{action}"
                );
                assert!(!action.contains('*'), "{action}");
            }
            let ends = json!({"DateLessThan": {"aws:CurrentTime": "2027-01-31T09:00:00Z"}});
            assert_eq!(statement["Condition"], ends);
            let resource = statement["Resource"].as_str().unwrap();
            assert!(resource.starts_with("arn:aws:s3:::eo-1-documents"));
        }
    }
}
