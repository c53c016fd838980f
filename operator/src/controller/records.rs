//! The records as this process knows them: from the watch, and from decisions not yet seen there.

use crate::tenant::registry::Registry;
use crate::tenant::stages;
use eoffice_crds::{TenantRecord, TenantRecordSpec};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All records. Deciding and reserving happen under one lock, so that two tenants never get the
/// same host, code or last place on a server.
#[derive(Default)]
pub struct Records {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    registry: Registry,
    versions: HashMap<String, Version>,
}

/// How current an entry is.
#[derive(Clone, Copy)]
enum Version {
    /// As the API server has it.
    Stored(u64),
    /// Decided, and being written.
    Reserved,
}

impl Records {
    /// Looks at the records.
    pub fn with<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        look(&self.lock().registry)
    }

    /// Decides about a record and reserves what it holds, as one act.
    pub fn decide<T, E>(
        &self,
        decide: impl FnOnce(&Registry) -> Result<(TenantRecordSpec, T), E>,
    ) -> Result<(TenantRecordSpec, T), E> {
        let mut inner = self.lock();
        let (record, rest) = decide(&inner.registry)?;
        if inner.registry.get(&record.tenant.name) != Some(&record) {
            inner
                .versions
                .insert(record.tenant.name.clone(), Version::Reserved);
            inner.registry.insert(record.clone());
        }
        Ok((record, rest))
    }

    /// The write of a record came to its end: `stored` is what the API server has now, where known.
    pub fn settle(&self, tenant: &str, stored: Option<&TenantRecord>) {
        let mut inner = self.lock();
        match stored {
            Some(record) => inner.put(record),
            None => {
                inner.versions.remove(tenant);
                inner.registry.remove(tenant);
            }
        }
    }

    /// The watch saw a record. True if it says something new.
    pub fn saw(&self, record: &TenantRecord) -> bool {
        let mut inner = self.lock();
        let known = inner.versions.get(&record.spec.tenant.name).copied();
        match known {
            Some(Version::Reserved) => false,
            Some(Version::Stored(version)) if version >= version_of(record) => false,
            _ => {
                let changed = inner.registry.get(&record.spec.tenant.name) != Some(&record.spec);
                inner.put(record);
                changed
            }
        }
    }

    /// The watch saw a record go.
    pub fn gone(&self, record: &TenantRecord) {
        let mut inner = self.lock();
        let name = &record.spec.tenant.name;
        if !matches!(inner.versions.get(name), Some(Version::Reserved)) {
            inner.versions.remove(name);
            inner.registry.remove(name);
        }
    }

    // A panic while the lock is held cannot be followed by a half-made decision: decisions are
    // made before anything is changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, record: &TenantRecord) {
        let name = record.spec.tenant.name.clone();
        // People write it, not the operator: whatever way it comes to be known, it is told once.
        let held = self.registry.get(&name).map(|known| known.legal_hold);
        if held.is_some_and(|held| held != record.spec.legal_hold) {
            stages::tell_hold(record);
        }
        self.versions
            .insert(name, Version::Stored(version_of(record)));
        self.registry.insert(record.spec.clone());
    }
}

fn version_of(record: &TenantRecord) -> u64 {
    let version = record.metadata.resource_version.as_deref();
    version
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}
