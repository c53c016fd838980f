//! Two logins alternate, and at no moment is there none that works.

use crate::bed::{Bed, Tenant, at_last, code, door};
use eoffice_operator::effect::Verdict;
use eoffice_operator::postgres::{Access, Credential, Desired, Server, audit, converge, desired};
use serde_json::json;

const VERDICTS: [Verdict; 4] = [
    Verdict::HangBefore,
    Verdict::FailAfter,
    Verdict::HangAfter,
    Verdict::Twice,
];

impl Tenant {
    /// Begins a rotation: the record names the other login, of which only its credential is known.
    fn rotate(&mut self) -> Credential {
        let before = self.credential.clone();
        let stem = &self.record.database.name;
        let suffix = if before.login.ends_with("_a") {
            "b"
        } else {
            "a"
        };
        let login = format!("{stem}_{suffix}");
        self.record.database.login.clone_from(&login);
        self.record.rotation = serde_json::from_value(json!({"underWay": {
            "cause": "Asked", "since": "2026-01-01T00:00:00Z", "deadline": "2026-01-08T00:00:00Z",
            "login": before.login
        }}))
        .unwrap();
        self.credential = Credential::new(login, rand::random(), rand::random());
        before
    }

    /// Takes the login before away.
    fn retire(&mut self) {
        let under_way = self.record.rotation.under_way.as_mut().unwrap();
        under_way.login_retired_at =
            Some(serde_json::from_value(json!("2026-01-02T00:00:00Z")).unwrap());
    }

    fn with(&self, credential: &Credential) -> Tenant {
        Tenant {
            record: self.record.clone(),
            credential: credential.clone(),
        }
    }
}

async fn works(bed: &Bed, tenant: &Tenant, credential: &Credential) {
    let name = &tenant.record.database.name;
    let session = bed.enter(&tenant.with(credential), name).await.unwrap();
    let sql = "CREATE TABLE IF NOT EXISTS letters (text text); INSERT INTO letters VALUES ('one')";
    session.batch_execute(sql).await.unwrap();
}

/// Whether an audit of the whole server sees it used.
async fn in_use(bed: &Bed, login: &str) -> bool {
    let seen = audit(&bed.server, &bed.effects).await.unwrap();
    seen.in_use().any(|role| role == login)
}

async fn settle(bed: &Bed, desired: &Desired) {
    let server = Server::new(bed.address()).unwrap();
    at_last(async || converge(&server, &bed.effects, desired, &()).await).await;
}

/// From a login that never was, and from one that was retired before.
#[tokio::test(flavor = "multi_thread")]
async fn dying_at_any_change_of_a_rotation_leaves_a_login_that_works() {
    let bed = Bed::prepared().await;
    let mut points = 0;
    for verdict in VERDICTS {
        let mut tenant = Tenant::new(&format!("rotated-{verdict:?}"));
        settle(&bed, &tenant.open()).await;
        tenant.remember(&bed).await;
        let mut at = 0;
        // Each point is passed in a rotation of its own; the logins alternate.
        loop {
            let before = tenant.rotate();
            let context = format!("{verdict:?} at {at}");
            let (effects, counter) = door(Some((at, verdict)));
            let dying = Server::new(bed.address()).unwrap();
            let wanted = tenant.open();
            let life = converge(&dying, &effects, &wanted, &());
            drop(counter.until_death(life).await);
            works(&bed, &tenant, &before).await;
            settle(&bed, &wanted).await;
            works(&bed, &tenant, &before).await;
            works(&bed, &tenant, &tenant.credential).await;
            let making = counter.changes();

            // Retired, by one that dies as well.
            tenant.retire();
            let (effects, counter) = door(Some((at, verdict)));
            let dying = Server::new(bed.address()).unwrap();
            let wanted = tenant.open();
            let life = converge(&dying, &effects, &wanted, &());
            drop(counter.until_death(life).await);
            works(&bed, &tenant, &tenant.credential).await;
            settle(&bed, &wanted).await;
            works(&bed, &tenant, &tenant.credential).await;
            let refused = bed
                .enter(&tenant.with(&before), &tenant.record.database.name)
                .await;
            assert_eq!(code(&refused.unwrap_err()), "28000", "{context}");
            if making <= at && counter.changes() <= at {
                break;
            }
            // One of the making, one of the retiring.
            points += 2;
            at += 1;
        }
    }
    println!("{points} points of a rotation passed");
    assert!(points >= VERDICTS.len() * 8, "{points}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_retiring_login_is_kept_and_its_password_is_its_own() {
    let bed = Bed::prepared().await;
    let mut tenant = Tenant::new("somebody");
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    tenant.remember(&bed).await;
    let name = tenant.record.database.name.clone();
    let long = bed.enter(&tenant, &name).await.unwrap();
    let before = tenant.rotate();
    let asked = tenant.open().asked();
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    long.simple_query("SELECT 1").await.unwrap();
    assert!(in_use(&bed, &before.login).await);
    assert!(!in_use(&bed, &tenant.credential.login).await);

    // Somebody changes the old one's limit and settings, and its password.
    let old = &before.login;
    bed.sql(&format!(
        "ALTER ROLE {old} CONNECTION LIMIT 77; ALTER ROLE {old} IN DATABASE {name} SET search_path = evil; \
         ALTER ROLE {old} PASSWORD 'another'"
    ))
    .await;
    let done = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap()
        .done;
    let fields: Vec<_> = done
        .iter()
        .map(|difference| difference.field.as_str())
        .collect();
    let setting = format!("setting search_path in {name}");
    assert_eq!(fields, ["connectionLimit", setting.as_str()]);

    // A person closed it: it is not opened again, and nothing is changed.
    bed.sql(&format!("ALTER ROLE {old} NOLOGIN")).await;
    let (effects, counter) = door(None);
    converge(&bed.server, &effects, &tenant.open(), &())
        .await
        .unwrap();
    assert_eq!(counter.changes(), 0);

    // Retired: its sessions end. What is asked for now is something else.
    tenant.retire();
    assert_ne!(tenant.open().asked(), asked);
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    assert!(long.simple_query("SELECT 1").await.is_err());
    assert!(!in_use(&bed, old).await);
    works(&bed, &tenant, &tenant.credential).await;

    // Suspended in the middle of the next one: neither is let in.
    let third = tenant.rotate();
    settle(&bed, &tenant.open()).await;
    settle(&bed, &tenant.desired(Access::Closed)).await;
    for credential in [&third, &tenant.credential] {
        let refused = bed.enter(&tenant.with(credential), &name).await;
        assert_eq!(code(&refused.unwrap_err()), "28000");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_over_bears_the_new_tenants_marks() {
    let bed = Bed::prepared().await;
    let (mut first, stranger) = (bed.tenant("merged").await, bed.tenant("merged").await);
    converge(&bed.server, &bed.effects, &first.open(), &())
        .await
        .unwrap();
    first.remember(&bed).await;
    first.record.state = eoffice_crds::RecordState::Retained;
    settle(&bed, &first.desired(Access::Closed)).await;

    // The successor's own fingerprint is another; without its predecessor it owns nothing here.
    let mut successor = first.with(&first.credential);
    successor.record.state = eoffice_crds::RecordState::Live;
    successor.record.fingerprint = "another".into();
    successor.record.tenant.uid = "uid-2".into();
    let (effects, counter) = door(None);
    assert!(
        converge(&bed.server, &effects, &successor.open(), &())
            .await
            .is_err()
    );
    assert_eq!(counter.changes(), 0);
    successor.record.predecessor = serde_json::from_value(json!({
        "namespace": "eoffice-merged", "fingerprint": stranger.record.fingerprint
    }))
    .unwrap();
    for verdict in [Verdict::FailAfter, Verdict::Proceed] {
        for at in 0..3 {
            let (effects, _) = door(Some((at, verdict)));
            let _ = converge(&bed.server, &effects, &successor.open(), &()).await;
        }
    }
    let seen = converge(&bed.server, &bed.effects, &successor.open(), &())
        .await
        .unwrap()
        .observed;
    let marks = seen.roles.values().map(|role| role.mark().unwrap());
    for mark in marks.chain(seen.database.as_ref().and_then(|database| database.mark())) {
        assert_eq!(
            (mark.fingerprint.as_str(), mark.uid.as_str()),
            ("another", "uid-2")
        );
    }
    works(&bed, &successor, &successor.credential).await;
    // And the one before can do nothing with it any more.
    let old = desired(
        &first.record,
        5,
        &first.credential.login,
        first.credential.verifier(),
        None,
        Access::Closed,
    );
    assert!(
        converge(&bed.server, &bed.effects, &old.unwrap(), &())
            .await
            .is_err()
    );
    works(&bed, &successor, &successor.credential).await;
}
