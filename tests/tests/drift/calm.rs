//! A tenant to whom nothing is done, while everything is done to others.

use std::collections::BTreeMap;

use anyhow::Result;
use eoffice_tests::e2e::core::{unchanged, versions};
use eoffice_tests::e2e::security::Platform;
use eoffice_tests::proof;

use crate::place::{Place, Whole};

/// How it was.
pub struct Calm<'a> {
    place: Place<'a>,
    versions: BTreeMap<String, String>,
    whole: Whole,
}

impl<'a> Calm<'a> {
    pub async fn of(platform: &'a Platform, tenant: &'a str) -> Result<Self> {
        let place = Place::of(platform, tenant).await?;
        Ok(Self {
            versions: own(&place).await?,
            whole: place.look().await?,
            place,
        })
    }

    pub async fn is_untouched(&self) -> Result<()> {
        unchanged(&self.versions, &own(&self.place).await?)?;
        self.whole.is(&self.place.look().await?)?;
        proof::prove(&self.place.platform.sandbox, self.place.tenant).await
    }
}

/// The versions of its objects, of the EOfficeTenant and its record too.
async fn own(place: &Place<'_>) -> Result<BTreeMap<String, String>> {
    let mut all = versions(place.platform).await?;
    let within = format!(" {}/", place.objects.namespace);
    let itself = [
        format!("/{}", place.tenant),
        format!("/{}", place.objects.namespace),
    ];
    all.retain(|key, _| {
        let its = key.contains(&within) || itself.iter().any(|end| key.ends_with(end));
        its && !key.starts_with("Event ")
    });
    Ok(all)
}
