//! The two Secrets that the application reads, those of auditors, and what is kept in memory of them.

use super::canonical::{Fingerprint, canonical, fingerprint};
use super::desired::Wanted;
use super::path::Path;
use super::{Kind, ObjectKey, diff};
use crate::plan::Difference;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use data_encoding::HEXLOWER;
use eoffice_crds::{AUDIT_SECRET_PREFIX, DATABASE_SECRET, STORAGE_SECRET};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt;

/// On each Secret: a digest of its credentials, so that an edit is told from what was written.
const DIGEST_ANNOTATION: &str = "eoffice.gdcc.go.th/credentials-digest";

/// Keys of one Secret that are credentials or made from them: its name, its secret, what else.
struct Layout {
    name: &'static str,
    secret_type: &'static str,
    credential_keys: &'static [&'static str],
}

/// Place of the login or access key id among the credential keys.
const NAME: usize = 0;
/// Place of the password or secret access key among them.
const SECRET: usize = 1;

const DATABASE: Layout = Layout {
    name: DATABASE_SECRET,
    secret_type: "servicebinding.io/postgresql",
    credential_keys: &["username", "password", "scram-verifier", "uri"],
};

/// One auditor's; each has a name of its own.
const AUDIT: Layout = Layout {
    name: AUDIT_SECRET_PREFIX,
    secret_type: "Opaque",
    credential_keys: &[
        "username",
        "password",
        "scram-verifier",
        "uri",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ],
};

const STORAGE: Layout = Layout {
    name: STORAGE_SECRET,
    secret_type: "Opaque",
    credential_keys: &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
};

/// A database credential as its Secret holds it.
#[derive(Clone)]
pub struct DatabaseCredential {
    /// Login.
    pub username: String,
    /// Password.
    pub password: SecretString,
    /// The SCRAM verifier made of it, which is all that the server ever gets.
    pub verifier: Verifier,
}

impl DatabaseCredential {
    /// A credential that stands for any: what a Secret says beside its credentials is the same.
    pub fn blank() -> Self {
        Self::to_be_made("")
    }

    /// The credential of a login that has yet to be made.
    pub fn to_be_made(login: &str) -> Self {
        Self {
            username: login.to_owned(),
            password: String::new().into(),
            verifier: Verifier(String::new()),
        }
    }
}

impl StorageKey {
    /// A key that stands for any: what a Secret says beside its credentials is the same.
    pub fn blank() -> Self {
        Self {
            access_key_id: String::new(),
            secret_access_key: String::new().into(),
        }
    }
}

/// A SCRAM verifier. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(pub String);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

/// A storage key as its Secret holds it.
#[derive(Clone)]
pub struct StorageKey {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: SecretString,
}

/// Where the application finds its database.
pub struct DatabaseLocation<'a> {
    /// Host.
    pub host: &'a str,
    /// Port.
    pub port: i32,
    /// Name of the database.
    pub database: &'a str,
    /// CA of the server's certificate, PEM.
    pub ca: Option<&'a str>,
}

/// Where the application finds its documents.
pub struct StorageLocation<'a> {
    /// URL of S3.
    pub endpoint: &'a str,
    /// Region.
    pub region: &'a str,
    /// Bucket.
    pub bucket: &'a str,
    /// CA of the endpoint's certificate, PEM.
    pub ca: Option<&'a str>,
}

/// The `eoffice-database` Secret, in the keys of the Service Binding specification.
pub fn database(
    wanted: &Wanted,
    location: &DatabaseLocation<'_>,
    credential: &DatabaseCredential,
) -> Value {
    let mut data = of_database(location, credential);
    data.extend(location.ca.map(|ca| ("ca.crt", ca.to_owned())));
    secret(wanted, (&DATABASE, DATABASE.name), &data)
}

/// The `eoffice-storage` Secret, in the AWS tools' own words.
pub fn storage(wanted: &Wanted, location: &StorageLocation<'_>, key: &StorageKey) -> Value {
    let mut data = of_storage(location, key);
    data.extend(location.ca.map(|ca| ("ca.crt", ca.to_owned())));
    secret(wanted, (&STORAGE, STORAGE.name), &data)
}

/// The Secret of the auditor of this name, with both; without a key until there is one.
pub fn audit(
    wanted: &Wanted,
    auditor: &str,
    (database, credential): (&DatabaseLocation<'_>, &DatabaseCredential),
    (storage, key): (&StorageLocation<'_>, Option<&StorageKey>),
) -> Value {
    let mut data = of_database(database, credential);
    let blank = StorageKey::blank();
    data.extend(of_storage(storage, key.unwrap_or(&blank)));
    let mut authorities: Vec<&str> = [database.ca, storage.ca].into_iter().flatten().collect();
    authorities.dedup();
    if !authorities.is_empty() {
        data.push(("ca.crt", authorities.join("\n")));
    }
    let name = format!("{AUDIT_SECRET_PREFIX}{auditor}");
    secret(wanted, (&AUDIT, &name), &data)
}

fn of_database(
    location: &DatabaseLocation<'_>,
    credential: &DatabaseCredential,
) -> Vec<(&'static str, String)> {
    let DatabaseLocation {
        host,
        port,
        database,
        ..
    } = location;
    let password = credential.password.expose_secret();
    let username = &credential.username;
    vec![
        ("type", "postgresql".to_owned()),
        ("provider", "eoffice".to_owned()),
        ("host", (*host).to_owned()),
        ("port", port.to_string()),
        ("database", (*database).to_owned()),
        ("username", username.clone()),
        ("password", password.to_owned()),
        ("scram-verifier", credential.verifier.0.clone()),
        (
            "uri",
            format!(
                "postgresql://{username}:{password}@{host}:{port}/{database}?sslmode=verify-full"
            ),
        ),
    ]
}

fn of_storage(location: &StorageLocation<'_>, key: &StorageKey) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ACCESS_KEY_ID", key.access_key_id.clone()),
        (
            "AWS_SECRET_ACCESS_KEY",
            key.secret_access_key.expose_secret().to_owned(),
        ),
        ("AWS_REGION", location.region.to_owned()),
        ("AWS_ENDPOINT_URL", location.endpoint.to_owned()),
        ("BUCKET_NAME", location.bucket.to_owned()),
    ]
}

fn secret(wanted: &Wanted, (layout, name): (&Layout, &str), data: &[(&str, String)]) -> Value {
    let data: Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), BASE64.encode(value).into()))
        .collect();
    let digest = digest(layout, &data);
    let mut object = wanted.object(
        "v1",
        "Secret",
        name,
        json!({"type": layout.secret_type, "data": data}),
    );
    object["metadata"]["annotations"] = json!({ DIGEST_ANNOTATION: digest });
    object
}

/// Digest of the credentials. Passwords and keys are random and long: it cannot be guessed back.
fn digest(layout: &Layout, data: &Map<String, Value>) -> String {
    let mut sha = Sha256::new();
    for key in layout.credential_keys {
        let value = data.get(*key).and_then(Value::as_str).unwrap_or_default();
        sha.update(value.len().to_be_bytes());
        sha.update(value);
    }
    HEXLOWER.encode(&sha.finalize()[..16])
}

/// What the value of a credential that has yet to be made is called.
pub const TO_BE_MADE: &str = "(new)";

/// In what a live Secret differs from the desired one, key by key, each with who wrote what is
/// there; values are fingerprints. A Secret that is missing is one difference. Where the credential
/// has yet to be made (`to_be_made`, `blank`), every value that comes with it is `(new)`: it is not
/// known before, and so the same from one look to the next.
pub fn differences(desired: &Value, live: Option<&Value>) -> Vec<Difference> {
    let name = desired["metadata"]["name"].as_str().unwrap_or_default();
    let key = ObjectKey {
        kind: Kind::Secret,
        name: name.to_owned(),
    };
    let Some(live) = live else {
        return vec![Difference::create(key.to_string())];
    };
    let mut differences = diff::differences(&key, desired, live);
    for field in fields_to_be_made(desired) {
        if let Some(known) = differences.iter_mut().find(|it| it.field == field) {
            known.after = Some(TO_BE_MADE.into());
        }
    }
    differences
}

/// The fields of a desired Secret that come with a credential that has yet to be made.
fn fields_to_be_made(desired: &Value) -> Vec<String> {
    let Some(layout) = layout(desired) else {
        return Vec::new();
    };
    let value = |key: &str| desired["data"][key].as_str().unwrap_or_default();
    if !value(layout.credential_keys[SECRET]).is_empty() {
        return Vec::new();
    }
    let mut fields: Vec<_> = layout
        .credential_keys
        .iter()
        .enumerate()
        .filter(|(place, key)| *place != NAME || value(key).is_empty())
        .map(|(_, key)| Path::of(["data", key]).to_string())
        .collect();
    fields.push(Path::of(["metadata", "annotations", DIGEST_ANNOTATION]).to_string());
    fields
}

fn layout(object: &Value) -> Option<&'static Layout> {
    let name = object["metadata"]["name"].as_str()?;
    match name.starts_with(AUDIT_SECRET_PREFIX) {
        true => Some(&AUDIT),
        false => [&DATABASE, &STORAGE].into_iter().find(|it| it.name == name),
    }
}

/// What is kept in memory of a Secret of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretState {
    /// Fingerprint of all but the credentials.
    pub rest: Fingerprint,
    /// Login or access key id.
    pub username: String,
    /// Digest of the credentials, absent where it is not the one that was written with them.
    pub digest: Option<String>,
    /// Of the database Secret.
    pub verifier: Option<Verifier>,
}

/// Fingerprint of all of a Secret but its credentials.
fn rest(layout: &Layout, object: &Value) -> Fingerprint {
    let mut stripped = canonical(object.clone());
    if let Some(Value::Object(data)) = stripped.get_mut("data") {
        data.retain(|key, _| !layout.credential_keys.contains(&key.as_str()));
    }
    if let Some(Value::Object(annotations)) = stripped["metadata"].get_mut("annotations") {
        annotations.remove(DIGEST_ANNOTATION);
    }
    fingerprint(&stripped)
}

/// The state of a live or desired Secret; `None` for a Secret that is none of the two.
pub fn state(object: &Value) -> Option<SecretState> {
    let layout = layout(object)?;
    let empty = Map::new();
    let data = object["data"].as_object().unwrap_or(&empty);
    let computed = digest(layout, data);
    let written = &object["metadata"]["annotations"][DIGEST_ANNOTATION];
    Some(SecretState {
        rest: rest(layout, object),
        username: text(data, layout.credential_keys[NAME]).unwrap_or_default(),
        digest: (written == computed.as_str()).then_some(computed),
        verifier: text(data, "scram-verifier").map(Verifier),
    })
}

fn text(data: &Map<String, Value>, key: &str) -> Option<String> {
    let bytes = BASE64.decode(data.get(key)?.as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// The credential in a database Secret, unless somebody edited it.
pub fn database_credential(object: &Value) -> Option<DatabaseCredential> {
    state(object)?.digest?;
    let data = object["data"].as_object()?;
    Some(DatabaseCredential {
        username: text(data, "username")?,
        password: text(data, "password")?.into(),
        verifier: Verifier(text(data, "scram-verifier")?),
    })
}

/// The key in a storage Secret, unless somebody edited it.
pub fn storage_key(object: &Value) -> Option<StorageKey> {
    state(object)?.digest?;
    let data = object["data"].as_object()?;
    Some(StorageKey {
        access_key_id: text(data, "AWS_ACCESS_KEY_ID").filter(|key| !key.is_empty())?,
        secret_access_key: text(data, "AWS_SECRET_ACCESS_KEY")?.into(),
    })
}
