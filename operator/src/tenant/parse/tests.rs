use super::*;
use serde_json::{Value, json};

fn frozen(change: impl FnOnce(&mut Value)) -> FrozenClass {
    let mut frozen = json!({
        "class": "standard",
        "baseDomain": "eoffice.example",
        "store": "objects",
        "versioning": true,
        "retention": {"mode": "Governance", "days": 30},
        "allowDelete": false,
        "retain": {"days": 3650, "restore": "Automatic"},
    });
    change(&mut frozen);
    serde_json::from_value(frozen).unwrap()
}

#[test]
fn no_acceptance_has_data_moved_or_kept_for_less_long() {
    type Change = fn(&mut Value);
    let table: [(&str, Change, Option<&str>); 12] = [
        (
            "another domain",
            |it| it["baseDomain"] = json!("b.example"),
            None,
        ),
        (
            "another store",
            |it| it["store"] = json!("b"),
            Some("another store"),
        ),
        (
            "no versions",
            |it| it["versioning"] = json!(false),
            Some("old versions"),
        ),
        (
            "no lock",
            |it| it["retention"] = Value::Null,
            Some("weaker"),
        ),
        (
            "a shorter lock",
            |it| it["retention"]["days"] = json!(29),
            Some("weaker"),
        ),
        (
            "a longer lock",
            |it| it["retention"]["days"] = json!(31),
            None,
        ),
        (
            "a lock that nobody can pass",
            |it| it["retention"]["mode"] = json!("Compliance"),
            None,
        ),
        (
            "kept for a day",
            |it| it["retain"]["days"] = json!(1),
            Some("less long"),
        ),
        (
            "kept for longer",
            |it| it["retain"]["days"] = json!(7300),
            None,
        ),
        (
            "given back only when asked",
            |it| it["retain"]["restore"] = json!("Explicit"),
            None,
        ),
        (
            "may be deleted",
            |it| it["allowDelete"] = json!(true),
            Some("committee"),
        ),
        (
            "another class that keeps it as long",
            |it| it["class"] = json!("large"),
            None,
        ),
    ];
    let kept = frozen(|_| {});
    for (what, change, expected) in table {
        let why = forbidden(&kept, &frozen(change));
        assert_eq!(why.is_some(), expected.is_some(), "{what}: {why:?}");
        assert!(
            why.unwrap_or_default()
                .contains(expected.unwrap_or_default()),
            "{what}: {why:?}"
        );
    }
    // What is stricter than it was is taken.
    let trial = frozen(|it| {
        it["allowDelete"] = json!(true);
        it["retain"]["days"] = json!(1);
        it["retention"] = Value::Null;
    });
    assert_eq!(forbidden(&trial, &kept), None);
}
