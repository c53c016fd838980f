//! All records as they are known, with what they hold: hosts, codes and places.

use eoffice_crds::{AgencyCode, TenantRecordSpec};
use std::collections::HashMap;

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
    hosts: HashMap<String, String>,
    codes: HashMap<AgencyCode, String>,
    servers: HashMap<String, Promised>,
    stores: HashMap<String, i64>,
    classes: HashMap<String, i64>,
}

impl Registry {
    /// The record of a tenant.
    pub fn get(&self, tenant: &str) -> Option<&TenantRecordSpec> {
        self.records.get(tenant)
    }

    /// Every record.
    pub fn records(&self) -> impl Iterator<Item = &TenantRecordSpec> {
        self.records.values()
    }

    /// Who holds a host.
    pub fn holder_of_host(&self, host: &str) -> Option<&str> {
        self.hosts.get(host).map(String::as_str)
    }

    /// Who holds an agency code.
    pub fn holder_of_code(&self, code: &AgencyCode) -> Option<&str> {
        self.codes.get(code).map(String::as_str)
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
        for host in &record.hosts {
            self.hosts.entry(host.clone()).or_insert(name.clone());
        }
        for code in &record.tenant_spec.agency.codes {
            self.codes.entry(code.clone()).or_insert(name.clone());
        }
        let promised = self
            .servers
            .entry(record.database.server.clone())
            .or_default();
        promised.databases += 1;
        promised.connections += connections(&record);
        *self.stores.entry(record.storage.store.clone()).or_default() += 1;
        *self.classes.entry(record.frozen.class.clone()).or_default() += 1;
        self.records.insert(name, record);
        before
    }

    /// Forgets a tenant's record.
    pub fn remove(&mut self, tenant: &str) -> Option<TenantRecordSpec> {
        let record = self.records.remove(tenant)?;
        for host in &record.hosts {
            if self.holder_of_host(host) == Some(tenant) {
                self.hosts.remove(host);
            }
        }
        for code in &record.tenant_spec.agency.codes {
            if self.holder_of_code(code) == Some(tenant) {
                self.codes.remove(code);
            }
        }
        if let Some(promised) = self.servers.get_mut(&record.database.server) {
            promised.databases -= 1;
            promised.connections -= connections(&record);
        }
        for (counts, key) in [
            (&mut self.stores, &record.storage.store),
            (&mut self.classes, &record.frozen.class),
        ] {
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
            }
        }
        Some(record)
    }
}

fn connections(record: &TenantRecordSpec) -> i64 {
    i64::from(record.database.connection_limit)
}
