//! Synthetic agencies in the proportions of Korat's 343.

use eoffice_crds::EOfficeTenant;
use serde_json::json;

use anyhow::{Context, Result};

/// The province of all of them, and of the namespace that `examples/platform` makes for it.
pub const NAMESPACE: &str = "province-30";

/// Korat's agencies: prefix of the name, kind, how many of 343, users and signing certificates of each.
const KORAT: [(&str, &str, usize, i64, i64); 6] = [
    ("pao", "ProvincialAdministrativeOrganization", 1, 600, 40),
    ("city", "CityMunicipality", 1, 900, 60),
    ("town", "TownMunicipality", 4, 160, 12),
    ("sm", "SubdistrictMunicipality", 85, 50, 5),
    ("tao", "TambonAdministrativeOrganization", 243, 32, 4),
    ("off", "ProvincialOffice", 9, 117, 25),
];

/// `count` agencies, each kind with its share.
pub fn agencies(count: usize) -> Result<Vec<EOfficeTenant>> {
    let kinds = KORAT.iter().zip(shares(count));
    let kinds = kinds.flat_map(|(kind, share)| std::iter::repeat_n(kind, share));
    kinds
        .enumerate()
        .map(|(index, (prefix, kind, _, users, certificates))| {
            let number = index + 1;
            serde_json::from_value(json!({
                "apiVersion": "eoffice.gdcc.go.th/v1alpha1",
                "kind": "EOfficeTenant",
                "metadata": {"name": format!("{prefix}-bench-{number:04}"), "namespace": NAMESPACE},
                "spec": {
                    "agency": {
                        "nameTh": format!("หน่วยงานทดสอบที่ {number}"),
                        "kind": kind,
                        "province": "30",
                        "codes": [{"scheme": "dla", "value": format!("630{number:04}")}],
                    },
                    "className": "standard",
                    "users": users,
                    "signingCertificates": certificates,
                },
            }))
            .context("a synthetic agency")
        })
        .collect()
}

/// How many of each kind there are among `count`: shares are rounded down, and those that lost most get the rest.
fn shares(count: usize) -> [usize; 6] {
    let all: usize = KORAT.iter().map(|kind| kind.2).sum();
    let mut shares = KORAT.map(|kind| kind.2 * count / all);
    let mut order: [usize; 6] = std::array::from_fn(|index| index);
    order.sort_by_key(|index| std::cmp::Reverse(KORAT[*index].2 * count % all));
    let missing = count - shares.iter().sum::<usize>();
    for index in order.into_iter().take(missing) {
        shares[index] += 1;
    }
    shares
}
