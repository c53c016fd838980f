//! The table of drifts: what is done to what, what is told of it, and how it ends. It is data, in `table.yaml`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use eoffice_crds::{EOfficeTenant, Plane};
use serde::Deserialize;
use serde_json::Value;

const TABLE: &str = include_str!("table.yaml");

/// Who cannot be known.
const UNKNOWN: &str = "unknown";

/// One drift.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// Where.
    pub plane: Plane,
    /// What is told of; the object that is changed, where that is one of Kubernetes.
    pub object: String,
    /// What is done.
    pub does: Deed,
    /// What of the object is told of, each with who did it. Absent: the whole object, by nobody known.
    #[serde(default)]
    pub fields: Fields,
    /// What else is told of that follows from it.
    #[serde(default)]
    pub also: Vec<Also>,
    /// How it ends.
    #[serde(default)]
    pub ends: End,
    /// Whether it is one of those that are made to a tenant whose drift is only reported.
    #[serde(default)]
    pub reported: bool,
    /// The tenant with a bucket that locks nothing.
    #[serde(default)]
    pub unlocked: bool,
}

/// Fields of one object.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Fields {
    /// Nobody is known to have changed them.
    Unknown(Vec<String>),
    /// Each by a field manager.
    By(BTreeMap<String, String>),
}

impl Default for Fields {
    fn default() -> Self {
        Self::Unknown(vec![String::new()])
    }
}

/// Fields of another object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Also {
    object: String,
    #[serde(default)]
    fields: Fields,
}

/// What somebody does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// Merges this into the object.
    Merge(Value),
    /// Puts each value where the pointer leads.
    Set(BTreeMap<String, Value>),
    /// Deletes the object.
    Delete,
    /// Puts another's certificate, with its key, into the Secret.
    ForeignCertificate,
    /// A superuser runs it.
    Sql(String),
    /// The tenant runs it in its own database, as the login that it has.
    Tenant(String),
    /// The store's admin does it.
    Store(StoreDeed),
}

/// What an admin of the store does to the tenant's bucket or user.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoreDeed {
    /// Lets everybody read the bucket.
    Open,
    /// Locks for so many days.
    Lock(i32),
    /// Keeps old versions no more.
    SuspendVersioning,
    /// Gives a tag another value, or makes it.
    Tag(String, String),
    /// Takes a tag away.
    Untag(String),
    /// Gives the user a policy of this name that allows everything.
    Allow(String),
    /// Takes all policies from the user.
    DenyAll,
    /// Switches the user's key off.
    CloseKey,
    /// Makes another key.
    AddKey,
    /// Deletes the user's key.
    RemoveKey,
    /// Deletes the user.
    RemoveUser,
}

/// How a drift ends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// All is as it was.
    #[default]
    Same,
    /// There is another credential, which works, and the old one is good for nothing.
    Renewed,
    /// It is another, and works as before.
    Works,
    /// Nothing is done: the plane's condition has this reason, and its sentence, with these words in it, says what a
    /// person has to do, who does that.
    Mended(Vec<String>),
}

/// What is told of one drift.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub plane: Plane,
    pub object: String,
    pub field: String,
    pub actor: String,
    pub action: &'static str,
}

/// Every row.
pub fn table() -> Result<Vec<Row>> {
    let text: Value = serde_yaml::from_str(TABLE).context("table.yaml is no YAML")?;
    let rows = text.as_array().context("table.yaml is no list")?;
    rows.iter()
        .map(|row| serde_json::from_value(row.clone()).with_context(|| format!("read {row}")))
        .collect()
}

impl Row {
    /// The row in one line.
    pub fn name(&self) -> String {
        let does: String = format!("{:?}", self.does).chars().take(160).collect();
        format!("{}: {does}", self.object)
    }

    /// What should be told, with names put in for their places.
    pub fn told(&self, names: &Names, action: &'static str) -> Vec<Told> {
        let own = (&self.object, &self.fields);
        let others = self.also.iter().map(|also| (&also.object, &also.fields));
        let mut all: Vec<Told> = [own]
            .into_iter()
            .chain(others)
            .flat_map(|(object, fields)| fields.each().into_iter().map(move |it| (object, it)))
            .map(|(object, (field, actor))| Told {
                plane: self.plane,
                object: names.put_in(object),
                field: names.put_in(&field),
                actor,
                action,
            })
            .collect();
        all.sort();
        all
    }
}

impl Fields {
    fn each(&self) -> Vec<(String, String)> {
        match self {
            Self::Unknown(fields) => fields
                .iter()
                .map(|field| (field.clone(), UNKNOWN.to_owned()))
                .collect(),
            Self::By(fields) => fields.clone().into_iter().collect(),
        }
    }
}

/// Names that stand in the table as `{name}`.
#[derive(Clone, Debug, Default)]
pub struct Names(pub BTreeMap<&'static str, String>);

impl Names {
    /// The text with the names put in.
    pub fn put_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }
}

/// How often, and when last, each drift in the status was told.
pub type Tally = BTreeMap<Told, (i64, jiff::Timestamp)>;

/// The drift in a tenant's status.
pub fn tally(tenant: &EOfficeTenant) -> Tally {
    let drift = tenant.status.iter().flat_map(|status| &status.drift);
    drift
        .map(|drift| {
            let told = Told {
                plane: drift.plane,
                object: drift.object.clone(),
                field: drift.field.clone(),
                actor: drift.actor.clone(),
                action: drift.action.as_str(),
            };
            (told, (drift.count, drift.last_seen.0))
        })
        .collect()
}

/// What was told since.
pub fn news(before: &Tally, now: &Tally) -> Vec<Told> {
    now.iter()
        .filter(|(told, tally)| before.get(told) != Some(tally))
        .map(|(told, _)| told.clone())
        .collect()
}
