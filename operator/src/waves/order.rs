//! The fair order of those who wait.

use eoffice_crds::EOfficeTenant;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt;
use std::collections::{BTreeMap, VecDeque};

/// A new tenant, as the queue sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Namespace of the province.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Two-digit code of the province.
    pub province: String,
    /// The field manager that asked for it.
    pub creator: String,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Entry {
    /// What the queue sees of a tenant.
    pub fn of(tenant: &EOfficeTenant) -> Self {
        Self {
            namespace: tenant.namespace().unwrap_or_default(),
            name: tenant.name_any(),
            uid: tenant.uid().unwrap_or_default(),
            province: tenant.spec.agency.province.clone(),
            creator: creator(tenant.managed_fields()).to_owned(),
            created_at: tenant
                .creation_timestamp()
                .map_or(Timestamp::UNIX_EPOCH, |created| created.0),
        }
    }

    fn age(&self) -> (Timestamp, &str, &str) {
        (self.created_at, &self.namespace, &self.name)
    }
}

/// The field manager that has the spec longest: whoever edits it later has an entry of its own.
fn creator(managers: &[ManagedFieldsEntry]) -> &str {
    let asks = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref();
        entry.subresource.as_deref().unwrap_or_default().is_empty()
            && fields.is_some_and(|fields| fields.0.get("f:spec").is_some())
    };
    let since = |entry: &&ManagedFieldsEntry| entry.time.as_ref().map(|time| time.0);
    let oldest = managers.iter().filter(asks).min_by_key(since);
    oldest
        .and_then(|entry| entry.manager.as_deref())
        .unwrap_or("unknown")
}

/// Who had a turn, and how long ago compared with the others.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    taken: u64,
    provinces: BTreeMap<String, u64>,
    creators: BTreeMap<(String, String), u64>,
}

impl Turns {
    /// The turns of those who had theirs, the first of them first.
    pub fn after<'a>(begun: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut turns = Self::default();
        begun.into_iter().for_each(|entry| turns.take(entry));
        turns
    }

    fn take(&mut self, entry: &Entry) {
        self.taken += 1;
        self.provinces.insert(entry.province.clone(), self.taken);
        self.creators
            .insert((entry.province.clone(), entry.creator.clone()), self.taken);
    }

    fn of_province(&self, province: &str) -> u64 {
        self.provinces.get(province).copied().unwrap_or_default()
    }

    fn of_creator(&self, province: &str, creator: &str) -> u64 {
        let key = (province.to_owned(), creator.to_owned());
        self.creators.get(&key).copied().unwrap_or_default()
    }
}

type ByCreator = BTreeMap<String, VecDeque<Entry>>;

/// Puts those who wait in order: the province whose last turn is longest ago, in it the creator whose last turn is
/// longest ago, of that one's the oldest. Among those who are equal the oldest goes first.
pub fn order(mut waiting: Vec<Entry>, turns: &Turns) -> Vec<Entry> {
    waiting.sort_by(|a, b| a.age().cmp(&b.age()));
    let mut ordered = Vec::with_capacity(waiting.len());
    let mut left: BTreeMap<String, ByCreator> = BTreeMap::new();
    for entry in waiting {
        let creators = left.entry(entry.province.clone()).or_default();
        let line = creators.entry(entry.creator.clone()).or_default();
        line.push_back(entry);
    }
    let mut turns = turns.clone();
    while let Some(next) = next(&mut left, &turns) {
        turns.take(&next);
        ordered.push(next);
    }
    ordered
}

fn next(left: &mut BTreeMap<String, ByCreator>, turns: &Turns) -> Option<Entry> {
    let province = left
        .iter()
        .filter_map(|(province, creators)| Some((turns.of_province(province), oldest(creators)?)))
        .min_by(|(a, first), (b, second)| (a, first.age()).cmp(&(b, second.age())))
        .map(|(_, entry)| entry.province.clone())?;
    let creators = left.get_mut(&province)?;
    let creator = creators
        .iter()
        .filter_map(|(creator, line)| Some((turns.of_creator(&province, creator), line.front()?)))
        .min_by(|(a, first), (b, second)| (a, first.age()).cmp(&(b, second.age())))
        .map(|(_, entry)| entry.creator.clone())?;
    let line = creators.get_mut(&creator)?;
    let entry = line.pop_front();
    if line.is_empty() {
        creators.remove(&creator);
    }
    if creators.is_empty() {
        left.remove(&province);
    }
    entry
}

fn oldest(creators: &ByCreator) -> Option<&Entry> {
    let firsts = creators.values().filter_map(VecDeque::front);
    firsts.min_by(|a, b| a.age().cmp(&b.age()))
}
