//! When a key was last used.

use super::client::Store;
use super::sites;
use super::size::time;
use crate::effect::Effects;
use crate::plan::Problem;
use eoffice_crds::StoreCapabilities;
use jiff::Timestamp;

/// When a key was last used, as far as the store tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUsed {
    /// It never was, or there is no such key.
    Never,
    /// At this time.
    At(Timestamp),
    /// The store does not tell.
    NotTold,
}

/// Asks when a key was last used.
pub async fn last_used(
    store: &Store,
    effects: &Effects,
    capabilities: &StoreCapabilities,
    key: &str,
) -> Result<LastUsed, Problem> {
    if !capabilities.last_used {
        return Ok(LastUsed::NotTold);
    }
    let told = store
        .call(effects, sites::GET_KEY_LAST_USED, key, || {
            let request = store.iam.get_access_key_last_used();
            request.access_key_id(key).send()
        })
        .await;
    match told {
        Ok(told) => {
            let date = told
                .access_key_last_used
                .and_then(|use_| use_.last_used_date);
            let at = date.as_ref().and_then(time);
            Ok(at.map_or(LastUsed::Never, LastUsed::At))
        }
        Err(refusal) if refusal.is(&["NoSuchEntity"]) => Ok(LastUsed::Never),
        // What AWS says of a key that is not there; and an admin key may lack the right.
        Err(refusal) if refusal.is(&["AccessDenied"]) || refusal.is_unknown_call() => {
            Ok(LastUsed::NotTold)
        }
        Err(refusal) => Err(refusal.into()),
    }
}
