//! The API server's record of who wrote what, and of what the operator read.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: Metadata
    verbs: [get, list]
    userGroups: [\"system:serviceaccounts:eoffice-system\"]
  - level: None
";

/// Verbs that change nothing.
const READS: [&str; 2] = ["get", "list"];

/// More than any test writes, in megabytes: a log that is begun anew would lose what it had.
const LARGEST: u32 = 100_000;

/// One request, as the API server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The user's full name, such as `system:serviceaccount:eoffice-system:eoffice-operator`.
    pub user: String,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`; of the operator's requests also `get` and `list`.
    pub verb: String,
    /// The plural resource, with its subresource where there is one: `ingresses`, `eofficetenants/status`.
    pub resource: String,
    /// Empty for a cluster's own objects.
    pub namespace: String,
    /// Empty where the server gives the name.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

pub(super) fn write_policy(folder: &Path) -> Result<()> {
    fs::write(folder.join("audit-policy.yaml"), POLICY).context("write the audit policy")
}

impl Request {
    /// Whether it was to change something.
    pub fn is_write(&self) -> bool {
        !["get", "list"].contains(&self.verb.as_str())
    }
}

pub(super) fn flags(folder: &Path) -> [String; 3] {
    [
        format!("--audit-log-maxsize={LARGEST}"),
        format!("--audit-policy-file={}/audit-policy.yaml", folder.display()),
        format!("--audit-log-path={}/audit.log", folder.display()),
    ]
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl Request {
    /// Whether it changes nothing.
    pub fn reads(&self) -> bool {
        READS.contains(&self.verb.as_str())
    }
}

pub(super) fn read(folder: &Path) -> Result<Vec<Request>> {
    let path = folder.join("audit.log");
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "read {}; the sandbox must be started with auditing on",
            path.display()
        )
    })?;
    // The last line may be half written.
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str::<Event>(line).ok())
        .map(Request::from)
        .collect())
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let object = event.object_ref;
        let resource = if object.subresource.is_empty() {
            object.resource
        } else {
            format!("{}/{}", object.resource, object.subresource)
        };
        Self {
            user: event.user.username,
            verb: event.verb,
            resource,
            namespace: object.namespace,
            name: object.name,
            code: event.response_status.code,
        }
    }
}
