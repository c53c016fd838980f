//! An auditor's time ends at the server itself, whether or not the operator is there.

use crate::auditors::{Reader, archived, bring};
use crate::bed::{Bed, Tenant, code};
use eoffice_operator::postgres::{Server, converge};
use jiff::{SignedDuration, Timestamp};

fn hours(from_now: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(from_now)
}

async fn archive(bed: &Bed) -> Tenant {
    let mut tenant = bed.tenant("archived").await;
    bring(bed, &tenant.open()).await;
    tenant.remember(bed).await;
    tenant
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditors_time_ends_without_the_operator() {
    let bed = Bed::prepared().await;
    let tenant = archive(&bed).await;
    let name = tenant.names().0;
    // Made with a time that is over, as if nobody had been there to close the login.
    let mut reader = Reader::until(&tenant, "national archives", hours(-1));
    let login = reader.login().to_owned();
    bring(&bed, &archived(&tenant, &[&reader])).await;
    assert_eq!(code(&reader.enter(&bed, name).await.unwrap_err()), "28P01");
    let open = format!("SELECT rolcanlogin::text FROM pg_roles WHERE rolname = '{login}'");
    assert_eq!(bed.ask(&open).await.as_deref(), Some("true"));

    // A longer time, a shorter one, and what somebody else makes of it.
    let object = format!("role {login} validUntil");
    reader.auditor.until = Reader::until(&tenant, "national archives", hours(24))
        .auditor
        .until;
    let wanted = archived(&tenant, &[&reader]);
    assert_eq!(bring(&bed, &wanted).await, [object.as_str()]);
    reader.enter(&bed, name).await.unwrap();
    for drifted in ["infinity", "-infinity", "2020-01-01", "0100-01-01 BC"] {
        bed.sql(&format!("ALTER ROLE {login} VALID UNTIL '{drifted}'"))
            .await;
        assert_eq!(
            bring(&bed, &wanted).await,
            [object.as_str()],
            "drifted to {drifted}"
        );
        assert_eq!(bring(&bed, &wanted).await, [""; 0]);
        reader.enter(&bed, name).await.unwrap();
    }

    // Whatever zone the server writes its times in.
    bed.sql("ALTER ROLE eoffice_operator SET timezone = 'Asia/Bangkok'")
        .await;
    let anew = Server::new(bed.address()).unwrap();
    let converged = converge(&anew, &bed.effects, &wanted, &()).await;
    assert_eq!(converged.unwrap().done, []);
    // The tenant's own login has no end.
    let (_, role, own) = tenant.names();
    let ends = format!(
        "SELECT count(*)::text FROM pg_roles WHERE rolname IN ('{role}', '{own}') AND rolvaliduntil <> 'infinity'"
    );
    assert_eq!(bed.ask(&ends).await.as_deref(), Some("0"));
    reader.auditor.until = Reader::until(&tenant, "national archives", hours(-1))
        .auditor
        .until;
    bring(&bed, &archived(&tenant, &[&reader])).await;
    assert_eq!(code(&reader.enter(&bed, name).await.unwrap_err()), "28P01");
}
