//! Every field of every object of a tenant is looked after: whatever is changed, taken away or
//! added is found, and told of by its place.

use super::desired::{Child, Endpoint, Officers, Wanted, asked, certificates, front, guards};
use super::diff::differences;
use super::observe::{Objects, Seen};
use super::path::{Path, Segment};
use super::plan::plan;
use super::secrets::{
    self, DatabaseCredential, DatabaseLocation, StorageKey, StorageLocation, Verifier,
};
use super::{Kind, ObjectKey};
use serde_json::{Value, json};

/// What an open tenant with two hosts wants.
pub(super) fn wanted() -> Wanted {
    let class = json!({
        "baseDomain": "eoffice.example",
        "database": {"serverSelector": {"matchLabels": {"tier": "standard"}}, "connectionLimit": 20, "size": "10Gi"},
        "storage": {"storeName": "objects", "size": "50Gi", "versioning": true},
        "certificate": {"issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "gov"}},
        "ingress": {"className": "traefik",
            "controller": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}, "cidrs": ["192.0.2.0/24"]},
            "service": {"name": "eoffice", "port": 8080}, "probeAddress": "203.0.113.10:443"},
        "resources": {"requests.cpu": "2", "requests.memory": "4Gi", "pods": "20"},
    });
    let network = |cidr: &str, port| Endpoint {
        cidrs: vec![cidr.into()],
        port,
    };
    Wanted {
        tenant: "town-pak-chong-3021".into(),
        tenant_namespace: "province-30".into(),
        province: "30".into(),
        namespace: "eoffice-town-pak-chong-3021".into(),
        class: serde_json::from_value(class).unwrap(),
        hosts: vec![
            "town-pak-chong-3021.eoffice.example".into(),
            "eoffice.pakchong.go.th".into(),
        ],
        database_network: network("192.0.2.10/32", 5432),
        storage_network: network("192.0.2.20/32", 7070),
        open: true,
        officers: Some(Officers {
            group: "eoffice:province-30".into(),
            role: "eoffice-operator-officer-look".into(),
        }),
    }
}

fn database_secret(credential: &DatabaseCredential) -> Value {
    let location = DatabaseLocation {
        host: "db.example",
        port: 5432,
        database: "eo_3f9c",
        ca: Some("the CA"),
    };
    secrets::database(&wanted(), &location, credential)
}

fn storage_secret(key: &StorageKey) -> Value {
    let location = StorageLocation {
        endpoint: "https://objects.example",
        region: "gdcc",
        bucket: "eo-3f9c-documents",
        ca: Some("the CA"),
    };
    secrets::storage(&wanted(), &location, key)
}

fn credential() -> DatabaseCredential {
    DatabaseCredential {
        username: "eo_3f9c_a".into(),
        password: "correct".to_owned().into(),
        verifier: Verifier("SCRAM-SHA-256$4096:c2FsdA==$a:b".into()),
    }
}

fn storage_key() -> StorageKey {
    StorageKey {
        access_key_id: "AKIA1".into(),
        secret_access_key: "battery".to_owned().into(),
    }
}

fn children() -> Vec<Child> {
    let wanted = wanted();
    [guards(&wanted), certificates(&wanted), front(&wanted)].concat()
}

/// Every place in a value that holds a scalar, or a map or list without anything in it.
fn leaves(path: &Path, value: &Value, found: &mut Vec<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                leaves(&path.then(Segment::Field(name.clone())), value, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                leaves(&path.then(Segment::Index(index)), value, found);
            }
        }
        _ => found.push(path.clone()),
    }
}

/// Every map in a value.
fn maps(path: &Path, value: &Value, found: &mut Vec<Path>) {
    match value {
        Value::Object(fields) => {
            found.push(path.clone());
            for (name, value) in fields {
                maps(&path.then(Segment::Field(name.clone())), value, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                maps(&path.then(Segment::Index(index)), value, found);
            }
        }
        _ => {}
    }
}

fn at<'a>(mut value: &'a mut Value, segments: &[Segment]) -> &'a mut Value {
    for segment in segments {
        value = match segment {
            Segment::Field(name) => &mut value[name.as_str()],
            Segment::Index(index) => &mut value[*index],
            Segment::Named(_) => unreachable!("these are walked by place"),
        };
    }
    value
}

/// The place as it is told of: an item of a list is called by its name, if it has one.
fn written(object: &Value, path: &Path) -> String {
    let mut written = Path::default();
    for segment in &path.0 {
        let item = written.then(segment.clone());
        let name = item.look(object).and_then(|item| item["name"].as_str());
        written = match (segment, name) {
            (Segment::Index(_), Some(name)) => written.then(Segment::Named(name.into())),
            _ => item,
        };
    }
    written.to_string()
}

/// Every way to change one thing in an object, and the place where it is then told of.
fn edits(object: &Value) -> Vec<(String, Value)> {
    let mut edits = Vec::new();
    let mut places = Vec::new();
    leaves(&Path::default(), object, &mut places);
    // An object that has another name, namespace or kind is another object.
    let identity = ["apiVersion", "kind", "metadata.name", "metadata.namespace"];
    places.retain(|path| !identity.contains(&path.to_string().as_str()));
    for path in places {
        let (last, parents) = path.0.split_last().unwrap();
        let mut changed = object.clone();
        *at(&mut changed, &path.0) = "changed".into();
        edits.push((written(object, &path), changed));
        let mut removed = object.clone();
        match last {
            Segment::Field(name) => {
                let parent = at(&mut removed, parents).as_object_mut().unwrap();
                parent.remove(name);
            }
            Segment::Index(index) => {
                let parent = at(&mut removed, parents).as_array_mut().unwrap();
                parent.remove(*index);
            }
            Segment::Named(_) => unreachable!("these are walked by place"),
        }
        // What stood after it moves up: that is told of from this place on.
        let place = match last {
            // What has lost its name is called by its place.
            Segment::Field(name) if name == "name" => path.to_string(),
            _ => written(object, &path),
        };
        edits.push((place, removed));
    }
    let mut all = Vec::new();
    maps(&Path::default(), object, &mut all);
    all.push(Path::of(["metadata", "labels"]));
    all.push(Path::of(["metadata", "annotations"]));
    for path in all {
        // What else is in metadata is the API server's.
        if path.to_string() == "metadata" {
            continue;
        }
        let mut added = object.clone();
        at(&mut added, &path.0)["added"] = "by hand".into();
        let place = path.then(Segment::Field("added".into()));
        edits.push((written(object, &place), added));
    }
    let mut owned = object.clone();
    owned["metadata"]["ownerReferences"] = json!([{"name": "n", "uid": "u"}]);
    edits.push(("metadata.ownerReferences".into(), owned));
    edits
}

fn key_of(kind: Kind, object: &Value) -> ObjectKey {
    ObjectKey {
        kind,
        name: object["metadata"]["name"].as_str().unwrap().into(),
    }
}

/// The object as the API server has it.
fn live(mut object: Value) -> Value {
    object["metadata"]["uid"] = "u".into();
    object["metadata"]["managedFields"] = json!([{"manager": "eoffice-operator"}]);
    object
}

fn told(key: &ObjectKey, desired: &Value, edited: &Value, place: &str) {
    let found = differences(key, desired, &live(edited.clone()));
    let places: Vec<_> = found.iter().map(|it| it.field.as_str()).collect();
    let told = found.iter().any(|it| it.field.starts_with(place));
    assert!(told, "{key}: {place} is not among {places:?}");
    for difference in &found {
        assert_eq!(difference.object, key.to_string());
        assert_ne!(difference.before, difference.after, "{key} {place}");
    }
}

#[test]
fn every_field_of_every_object_is_looked_after() {
    let kinds = Kind::ALL;
    let (mut seen, mut count) = (std::collections::BTreeSet::new(), 0);
    for child in children() {
        seen.insert(child.key.kind);
        let steps = |object: &Value| {
            let object = live(object.clone());
            let observed = Objects::from([(child.key.clone(), Seen::of(child.key.kind, &object))]);
            plan(vec![child.clone()], &observed, &kinds, |_| None).len()
        };
        assert_eq!(steps(&child.body), 0, "{}", child.key);
        for (place, edited) in edits(&child.body) {
            assert_eq!(steps(&edited), 1, "{} {place}", child.key);
            told(&child.key, &child.body, &edited, &place);
            count += 1;
        }
    }
    let made = Kind::ALL.into_iter().filter(|kind| {
        // The Secrets are the backends'; the requests are cert-manager's.
        !matches!(kind, Kind::Secret | Kind::CertificateRequest)
    });
    assert!(made.eq(seen), "every kind is among them");
    assert!(count > 200, "{count}");
}

#[test]
fn every_field_of_the_secrets_is_looked_after() {
    for desired in [
        database_secret(&credential()),
        storage_secret(&storage_key()),
    ] {
        let key = key_of(Kind::Secret, &desired);
        let sound = secrets::state(&live(desired.clone())).unwrap();
        assert!(sound.digest.is_some());
        assert_eq!(
            secrets::differences(&desired, Some(&live(desired.clone()))),
            []
        );
        for (place, edited) in edits(&desired) {
            let state = secrets::state(&live(edited.clone())).unwrap();
            assert_ne!(state, sound, "{key} {place}");
            told(&key, &desired, &edited, &place);
        }
    }
}

#[test]
fn a_secret_whose_credential_has_yet_to_be_made() {
    let rows = |desired: &Value, live: Option<&Value>| -> Vec<(String, Option<String>)> {
        let found = secrets::differences(desired, live);
        found.into_iter().map(|it| (it.field, it.after)).collect()
    };
    let new = |field: &str| (field.to_owned(), Some("(new)".to_owned()));
    let mut edited = live(database_secret(&credential()));
    edited["data"]["password"] = "Y2hvc2Vu".into();
    let made = database_secret(&DatabaseCredential::to_be_made("eo_3f9c_a"));
    let digest = "metadata.annotations[eoffice.gdcc.go.th/credentials-digest]";
    let expected = ["data.password", "data.scram-verifier", "data.uri", digest];
    assert_eq!(rows(&made, Some(&edited)), expected.map(new));
    let made = storage_secret(&StorageKey::blank());
    let edited = live(storage_secret(&storage_key()));
    let expected = [
        "data.AWS_ACCESS_KEY_ID",
        "data.AWS_SECRET_ACCESS_KEY",
        digest,
    ];
    assert_eq!(rows(&made, Some(&edited)), expected.map(new));
    let missing = secrets::differences(&made, None);
    assert_eq!(
        missing,
        [crate::plan::Difference::create("Secret/eoffice-storage")]
    );
}

#[test]
fn what_is_asked_is_told_by_one_fingerprint() {
    let print = asked(&children());
    assert_eq!(print.len(), 16);
    let mut turned = children();
    turned.reverse();
    assert_eq!(asked(&turned), print);
    assert_ne!(asked(&children()[1..]), print);
    let mut more = wanted();
    more.class.resources.insert("pods".into(), "21".into());
    assert_ne!(asked(&guards(&more)), asked(&guards(&wanted())));
    assert_eq!(asked(&guards(&wanted())), asked(&guards(&wanted())));
}
