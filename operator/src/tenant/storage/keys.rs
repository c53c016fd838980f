//! The tenant's keys, as a rotation sees them.

use super::backend;
use super::secret::secret_key;
use crate::kubernetes::secrets;
use crate::objectstore::last_use::{LastUsed, last_used};
use crate::plan::Problem;
use crate::tenant::pass::Pass;
use eoffice_crds::TenantRecordSpec;

/// The key that is being replaced.
pub(super) fn retiring(record: &TenantRecordSpec) -> Option<&String> {
    let under_way = record.rotation.under_way.as_ref()?;
    let goes_on = under_way.key_retired_at.is_none();
    under_way.key.as_ref().filter(|_| goes_on)
}

/// The access key id in the tenant's Secret, as the API server has it now. The store is not asked.
pub async fn key_in_use(pass: &Pass<'_>) -> Result<Option<String>, Problem> {
    let namespace = &pass.wanted.namespace;
    let live = pass.world.cluster.get(namespace, &secret_key()).await?;
    let key = live.as_ref().and_then(secrets::storage_key);
    Ok(key.map(|key| key.access_key_id))
}

/// What the store tells of the use of a key of the tenant.
pub async fn last_use(pass: &Pass<'_>, key: &str) -> Result<LastUsed, Problem> {
    let backend = backend(pass.world, &pass.record)?;
    let (store, facts) = backend.usable()?;
    last_used(store, &pass.world.effects, &facts.capabilities, key).await
}
