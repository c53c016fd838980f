//! All records as they are known, with what they hold: hosts, codes and places.
//!
//! A record holds something only while data may stand behind it. The name it keeps for good.

use eoffice_crds::{AgencyCode, TenantRecordSpec};
use std::collections::HashMap;
use std::hash::Hash;

/// How much of a server is promised by records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    /// Databases.
    pub databases: i64,
    /// Sum of connection limits.
    pub connections: i64,
}

/// Every tenant's record by the tenant's name, and who holds what.
#[derive(Debug, Default)]
pub struct Registry {
    records: HashMap<String, TenantRecordSpec>,
    hosts: HashMap<String, Vec<String>>,
    codes: HashMap<AgencyCode, Vec<String>>,
    servers: HashMap<String, Promised>,
    stores: HashMap<String, i64>,
    classes: HashMap<String, i64>,
}

impl Registry {
    /// The record of a tenant.
    pub fn get(&self, tenant: &str) -> Option<&TenantRecordSpec> {
        self.records.get(tenant)
    }

    /// Every record behind which data may stand.
    pub fn records(&self) -> impl Iterator<Item = &TenantRecordSpec> {
        let all = self.records.values();
        all.filter(|record| record.state.holds_data())
    }

    /// Who holds a host against this tenant.
    pub fn holder_of_host(&self, host: &str, tenant: &str) -> Option<&str> {
        self.holder(self.hosts.get(host)?, tenant)
    }

    /// Who holds an agency code against this tenant.
    pub fn holder_of_code(&self, code: &AgencyCode, tenant: &str) -> Option<&str> {
        self.holder(self.codes.get(code)?, tenant)
    }

    /// A tombstone holds nothing against the tenant that takes it over.
    fn holder<'a>(&self, holders: &'a [String], tenant: &str) -> Option<&'a str> {
        let yields = |holder: &String| {
            let successor = self.get(holder).and_then(|it| it.successor.as_ref());
            holder == tenant || successor.is_some_and(|it| it.name == tenant)
        };
        let mut others = holders.iter().filter(|holder| !yields(holder));
        others.next().map(String::as_str)
    }

    /// What the records promise of a server.
    pub fn promised(&self, server: &str) -> Promised {
        self.servers.get(server).copied().unwrap_or_default()
    }

    /// How many records are in a store.
    pub fn in_store(&self, store: &str) -> i64 {
        self.stores.get(store).copied().unwrap_or_default()
    }

    /// How many records are of a class.
    pub fn of_class(&self, class: &str) -> i64 {
        self.classes.get(class).copied().unwrap_or_default()
    }

    /// Takes in a tenant's record in place of the one known before, which it answers with.
    pub fn insert(&mut self, record: TenantRecordSpec) -> Option<TenantRecordSpec> {
        let name = record.tenant.name.clone();
        let before = self.remove(&name);
        if record.state.holds_data() {
            self.hold(&name, &record);
        }
        self.records.insert(name, record);
        before
    }

    /// Forgets a tenant's record.
    pub fn remove(&mut self, tenant: &str) -> Option<TenantRecordSpec> {
        let record = self.records.remove(tenant)?;
        if record.state.holds_data() {
            self.let_go(tenant, &record);
        }
        Some(record)
    }

    fn hold(&mut self, name: &str, record: &TenantRecordSpec) {
        for host in &record.hosts {
            join(&mut self.hosts, host, name);
        }
        for code in &record.tenant_spec.agency.codes {
            join(&mut self.codes, code, name);
        }
        self.count(record, 1);
    }

    fn let_go(&mut self, name: &str, record: &TenantRecordSpec) {
        for host in &record.hosts {
            leave(&mut self.hosts, host, name);
        }
        for code in &record.tenant_spec.agency.codes {
            leave(&mut self.codes, code, name);
        }
        self.count(record, -1);
    }

    fn count(&mut self, record: &TenantRecordSpec, by: i64) {
        let server = record.database.server.clone();
        let promised = self.servers.entry(server).or_default();
        promised.databases += by;
        promised.connections += by * i64::from(record.database.connection_limit);
        *self.stores.entry(record.storage.store.clone()).or_default() += by;
        *self.classes.entry(record.frozen.class.clone()).or_default() += by;
    }
}

fn join<K: Clone + Eq + Hash>(holders: &mut HashMap<K, Vec<String>>, key: &K, name: &str) {
    let holders = holders.entry(key.clone()).or_default();
    if !holders.iter().any(|holder| holder == name) {
        holders.push(name.to_owned());
    }
}

fn leave<K: Eq + Hash>(holders: &mut HashMap<K, Vec<String>>, key: &K, name: &str) {
    if let Some(left) = holders.get_mut(key) {
        left.retain(|holder| holder != name);
        if left.is_empty() {
            holders.remove(key);
        }
    }
}
