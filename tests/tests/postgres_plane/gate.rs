//! A gate decides about each change; and what is in no record is told of.

use crate::bed::{Bed, Tenant, canary, door, installation};
use eoffice_crds::{Reason, RecordState};
use eoffice_operator::plan::{Difference, Gate};
use eoffice_operator::postgres::{Access, audit, converge, recorded_names, remove, survey, verify};
use eoffice_operator::proof::Proof;
use std::sync::Mutex;

/// Lets by what the rule allows, and keeps what was made.
struct Guard<F> {
    rule: F,
    made: Mutex<Vec<Difference>>,
}

impl<F: Fn(&Difference) -> bool + Send + Sync> Gate for Guard<F> {
    fn allows(&self, differences: &[Difference]) -> bool {
        differences.iter().all(&self.rule)
    }

    fn made(&self, differences: &[Difference]) {
        self.made.lock().unwrap().extend_from_slice(differences);
    }
}

fn guard<F: Fn(&Difference) -> bool + Send + Sync>(rule: F) -> Guard<F> {
    Guard {
        rule,
        made: Mutex::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_stays_and_the_rest_is_made() {
    let bed = Bed::prepared().await;
    let mut tenant = Tenant::new("somebody");
    let all = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    tenant.remember(&bed).await;
    let (d, r, l) = tenant.names();
    bed.sql(&format!(
        "ALTER ROLE {l} CONNECTION LIMIT 77; GRANT CONNECT ON DATABASE {d} TO PUBLIC; ALTER ROLE {r} LOGIN"
    ))
    .await;

    let closed = guard(|_| false);
    let (effects, counter) = door(None);
    let left = converge(&bed.server, &effects, &tenant.open(), &closed)
        .await
        .unwrap();
    assert_eq!((left.done, counter.changes()), (vec![], 0));

    let limit = guard(|d| d.field != "connectionLimit");
    let left = converge(&bed.server, &bed.effects, &tenant.open(), &limit)
        .await
        .unwrap();
    let fields: Vec<_> = left.done.iter().map(|d| d.field.as_str()).collect();
    assert_eq!(fields, ["login", "sessions", "acl.PUBLIC"]);
    assert_eq!(*limit.made.lock().unwrap(), left.done);
    let found = survey(&bed.server, &bed.effects, &tenant.open())
        .await
        .unwrap();
    assert_eq!(found.changes.len(), 1, "{:?}", found.changes);

    // What only a superuser can put right is said although something is held.
    bed.sql(&format!("GRANT pg_read_all_data TO {r}")).await;
    let problem = converge(&bed.server, &bed.effects, &tenant.open(), &limit)
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::Drifted);
    bed.sql(&format!("REVOKE pg_read_all_data FROM {r}")).await;

    // Held open: neither closed nor removed.
    let held = guard(|d| !d.destructive);
    for outcome in [
        converge(
            &bed.server,
            &bed.effects,
            &tenant.desired(Access::Closed),
            &held,
        )
        .await,
        remove(&bed.server, &bed.effects, &tenant.open(), &held).await,
    ] {
        outcome.unwrap();
        let proof = verify(&bed.effects, &bed.login(&tenant), &canary()).await;
        assert_eq!(proof, Proof::Passed);
    }

    // Whatever one change of a making is refused, nothing fails, and the rest is made later.
    for left_out in 0..all.done.len() {
        let one = Tenant::new(&format!("held-{left_out}"));
        let wanted = one.open();
        let planned = survey(&bed.server, &bed.effects, &wanted).await.unwrap();
        let kept = &planned.changes[left_out].differences;
        let gate = guard(|d| !kept.contains(d));
        let context = format!("without {kept:?}");
        let some = converge(&bed.server, &bed.effects, &wanted, &gate).await;
        let some = some.unwrap_or_else(|problem| panic!("{context}: {problem}"));
        assert!(some.done.len() < all.done.len(), "{context}");
        let rest = converge(&bed.server, &bed.effects, &wanted, &()).await;
        let rest = rest.unwrap_or_else(|problem| panic!("{context}: {problem}"));
        assert!(
            rest.done.len() + some.done.len() >= all.done.len(),
            "{context}"
        );
        let proof = verify(&bed.effects, &bed.login(&one), &canary()).await;
        assert_eq!(proof, Proof::Passed, "{context}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_no_record_is_told_of() {
    let bed = Bed::prepared().await;
    let (known, forgotten) = (Tenant::new("known"), Tenant::new("forgotten"));
    let mut left = Tenant::new("left");
    for one in [&known, &forgotten, &left] {
        converge(&bed.server, &bed.effects, &one.open(), &())
            .await
            .unwrap();
    }
    left.record.state = RecordState::Retained;
    converge(
        &bed.server,
        &bed.effects,
        &left.desired(Access::Closed),
        &(),
    )
    .await
    .unwrap();
    let strange = "CREATE DATABASE eo_strange; CREATE ROLE eo_strange; \
         COMMENT ON ROLE eo_strange IS 'a person''s'";
    for sql in strange.split(';') {
        bed.sql(sql).await;
    }
    let seen = audit(&bed.server, &bed.effects).await.unwrap();
    let names = recorded_names(&known.record);
    let orphans = seen.orphans(&installation(), |name| names.iter().any(|n| n == name));
    let (d, r, l) = forgotten.names();
    let expected = [
        format!("database {d}"),
        format!("role {l}"),
        format!("role {r}"),
    ];
    assert_eq!(orphans, expected);
    assert_eq!(seen.counts(&installation()).retained, 1);
    assert_eq!(seen.counts(&installation()).live, 2);
    assert!(
        seen.orphans(&"other".parse().unwrap(), |_| false)
            .is_empty()
    );
}
