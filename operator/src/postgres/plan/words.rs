//! How a difference is put: the same from one pass to the next, and without secrets.

use crate::plan::Difference;
use crate::postgres::ident::Ident;
use crate::postgres::inside::Sorts;
use crate::postgres::observe::{Grant, Membership, Role};

/// How much is shown of a text that somebody else wrote, in characters.
const SHOWN: usize = 200;

/// What is shown where a secret may be.
const HIDDEN: &str = "(not shown)";

pub(super) fn database(name: &Ident) -> String {
    format!("database {}", name.as_str())
}

pub(super) fn role(name: &str) -> String {
    format!("role {name}")
}

/// A field that is another than it should be.
pub(super) fn update(
    object: String,
    field: impl Into<String>,
    before: Option<String>,
    after: Option<String>,
) -> Difference {
    Difference {
        before,
        after,
        ..Difference::update(object, field)
    }
}

/// A field of which both values are known.
pub(super) fn set(
    object: String,
    field: impl Into<String>,
    before: impl ToString,
    after: impl ToString,
) -> Difference {
    Difference::update(object, field)
        .before(before)
        .after(after)
}

/// `CONNECT, TEMPORARY`; absent for none.
pub(super) fn rights<'a>(grants: impl Iterator<Item = &'a Grant>) -> Option<String> {
    let mut rights: Vec<&str> = grants.map(|grant| grant.privilege.as_str()).collect();
    rights.sort_unstable();
    rights.dedup();
    (!rights.is_empty()).then(|| rights.join(", "))
}

/// As a member's membership should be.
pub(super) const MEMBER: &str = "inherit, set";

pub(super) fn membership(membership: &Membership) -> &'static str {
    match (membership.admin, membership.full) {
        (false, true) => MEMBER,
        (false, false) => "without inherit or set",
        (true, true) => "admin, inherit, set",
        (true, false) => "admin, without inherit or set",
    }
}

/// A membership that should not be, seen from the tenant's role.
pub(super) fn left(of: &Role, extra: &Membership) -> Difference {
    let field = match extra.member == of.name {
        true => format!("member of {}", extra.role),
        false => format!("member {}", extra.member),
    };
    Difference::update(role(&of.name), field).before(membership(extra))
}

/// How many there are of each, such as `2 schemas, 5 tables`; absent for none.
pub(super) fn sorts(sorts: &Sorts) -> Option<String> {
    let counted = sorts
        .iter()
        .map(|(sort, number)| format!("{number} {sort}"));
    let counted: Vec<String> = counted.collect();
    (!counted.is_empty()).then(|| counted.join(", "))
}

/// The names of some `name=value`: `search_path, work_mem`.
pub(super) fn setting_names<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = values.into_iter().map(|value| name(value).0).collect();
    names.sort_unstable();
    names.dedup();
    text(&names.join(", "))
}

/// Some `name=value` in one line. A name with a dot is the application's own, and anything may be in it.
pub(super) fn setting_values<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut shown: Vec<String> = values
        .into_iter()
        .map(|setting| match name(setting) {
            (name, _) if name.contains('.') => format!("{name}={HIDDEN}"),
            (name, value) => format!("{name}={value}"),
        })
        .collect();
    shown.sort_unstable();
    (!shown.is_empty()).then(|| text(&shown.join(", ")))
}

fn name(setting: &str) -> (&str, &str) {
    setting.split_once('=').unwrap_or((setting, ""))
}

/// The beginning of a text that somebody else wrote.
pub(super) fn text(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The beginning of a fingerprint.
pub(super) fn fingerprint(whole: &str) -> String {
    whole.chars().take(16).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_without_what_may_be_secret() {
        let values = ["work_mem=1GB", "app.token=s3cr3t", "search_path=a=b"];
        assert_eq!(setting_names(values), "app.token, search_path, work_mem");
        assert_eq!(
            setting_values(values).unwrap(),
            "app.token=(not shown), search_path=a=b, work_mem=1GB"
        );
        assert_eq!(setting_values([]), None);
    }
}
