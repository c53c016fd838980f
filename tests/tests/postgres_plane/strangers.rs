//! What is not ours is not touched, and what is lost is not made anew.

use crate::bed::{Bed, Tenant, door};
use eoffice_crds::Reason;
use eoffice_operator::postgres::{Access, converge, remove};

const STATE: &str = "SELECT (SELECT json_agg(d ORDER BY d.oid) FROM pg_database d)::text
    || (SELECT json_agg(r ORDER BY r.oid) FROM pg_authid r)::text
    || (SELECT json_agg(s ORDER BY s.objoid) FROM pg_shdescription s)::text";

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_object_under_the_expected_name_is_untouched() {
    let bed = Bed::prepared().await;
    let tenant = Tenant::new("somebody");
    let names = &tenant.record.database;
    let (d, r, l) = (&names.name, &names.role, &names.login);
    let strange = format!("COMMENT ON DATABASE {d} IS 'a person''s'");
    let cases = [
        (
            vec![format!("CREATE DATABASE {d}")],
            format!("DROP DATABASE {d}"),
        ),
        (
            vec![format!("CREATE DATABASE {d} OWNER eoffice_operator")],
            format!("DROP DATABASE {d}"),
        ),
        (
            vec![
                format!("CREATE DATABASE {d} OWNER eoffice_operator ALLOW_CONNECTIONS false"),
                strange,
            ],
            format!("DROP DATABASE {d}"),
        ),
        (vec![format!("CREATE ROLE {r}")], format!("DROP ROLE {r}")),
        (
            vec![format!("CREATE ROLE {l} LOGIN")],
            format!("DROP ROLE {l}"),
        ),
    ];
    for (make, undo) in cases {
        for sql in &make {
            bed.sql(sql).await;
        }
        let before = bed.ask(STATE).await;
        let (effects, counter) = door(None);
        for outcome in [
            converge(&bed.server, &effects, &tenant.open(), &()).await,
            converge(&bed.server, &effects, &tenant.desired(Access::Closed), &()).await,
            remove(&bed.server, &effects, &tenant.open(), &()).await,
        ] {
            let problem = outcome.unwrap_err();
            assert_eq!(problem.reason, Reason::ForeignObject, "{make:?}: {problem}");
        }
        assert_eq!(counter.changes(), 0, "{make:?}");
        assert_eq!(bed.ask(STATE).await, before, "{make:?}");
        bed.sql(&undo).await;
    }
    converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agencys_database_is_refused_and_untouched() {
    let bed = Bed::prepared().await;
    let first = Tenant::new("somebody");
    converge(&bed.server, &bed.effects, &first.open(), &())
        .await
        .unwrap();
    let mut second = Tenant::new("somebody");
    second.record.fingerprint = "of-another-province".into();
    let before = bed.ask(STATE).await;
    let problem = converge(&bed.server, &bed.effects, &second.open(), &())
        .await
        .unwrap_err();
    assert_eq!(problem.reason, Reason::ForeignObject);
    assert_eq!(bed.ask(STATE).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_or_replaced_data_is_never_made_anew() {
    let bed = Bed::prepared().await;
    let mut tenant = Tenant::new("somebody");
    let made = converge(&bed.server, &bed.effects, &tenant.open(), &())
        .await
        .unwrap();
    let oid = made.observed.database.unwrap().oid;
    let name = tenant.record.database.name.clone();
    let refused = async |tenant: &Tenant, bucket: Option<u32>| {
        let before = bed.ask(STATE).await;
        let wanted = tenant.beside(bucket);
        let problem = converge(&bed.server, &bed.effects, &wanted, &())
            .await
            .unwrap_err();
        assert_eq!(problem.reason, Reason::DataMissing, "{problem}");
        assert_eq!(bed.ask(STATE).await, before);
        problem.message
    };
    // The same name with another identity: renamed away, and another put in its place.
    tenant.record.database.oid = Some(i64::from(oid) + 1);
    assert!(refused(&tenant, None).await.contains("replaced"));
    tenant.record.database.oid = Some(oid.into());
    bed.sql(&format!("DROP DATABASE {name}")).await;
    assert!(refused(&tenant, None).await.contains("gone"));
    // Without the record's word, the bucket's mark still witnesses it.
    tenant.record.database.oid = None;
    assert!(refused(&tenant, Some(oid)).await.contains("bucket"));
}
