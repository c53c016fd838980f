//! Credentials, and their being tried.

use eoffice_crds::{EOfficeTenant, annotations};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::bed::{Bed, condition};

const TENANT: &str = "hosp-maharat-3001";
const OWN: &str = "eoffice-hosp-maharat-3001";
/// With all that a shell could make something of.
const PASSWORD: &str = "p4's $(id) `id` \"w\" \\ รหัส";

pub async fn all(bed: &Bed) {
    let status = json!({
        "namespace": OWN, "phase": "Active",
        "database": {"server": "pg-a", "name": "eo_1", "secretRef": {"name": "eoffice-database"}},
        "storage": {"store": "objects", "bucket": "eo-1-documents", "secretRef": {"name": "eoffice-storage"}},
    });
    bed.tenant("province-30", TENANT, status).await;
    let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": OWN}, "stringData": data});
    bed.apply(&[
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN}}),
        secret(
            "eoffice-database",
            json!({"type": "postgresql", "host": "pg-a.example", "port": "5432", "database": "eo_1",
                   "username": "eo_1_a", "password": PASSWORD, "uri": "postgresql://", "ca.crt": "CA of the servers\n"}),
        ),
        secret(
            "eoffice-storage",
            json!({"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cr3t/+=", "AWS_REGION": "us-east-1",
                   "AWS_ENDPOINT_URL": "https://s3.example", "BUCKET_NAME": "eo-1-documents",
                   "ca.crt": "CA of the servers\n"}),
        ),
    ])
    .await;
    credentials(bed).await;
    verify(bed).await;
}

async fn credentials(bed: &Bed) {
    let admin = bed.control_plane.admin_kubeconfig();
    // The shell reads back what was written, whatever is in it.
    let script = format!(
        "eval \"$(kubectl eoffice credentials {TENANT} --env --ca-file $HOME/ca.crt)\"; \
         printf '%s\\n' \"$PGHOST:$PGPORT/$PGDATABASE $PGUSER $PGSSLMODE\" \"$PGPASSWORD\" \"$AWS_ACCESS_KEY_ID\" \
         \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_REGION $AWS_ENDPOINT_URL $BUCKET_NAME\"; cat \"$PGSSLROOTCERT\" \
         \"$AWS_CA_BUNDLE\""
    );
    let read = bed.shell(admin, &script).await.out;
    assert_eq!(
        read,
        format!(
            "pg-a.example:5432/eo_1 eo_1_a verify-full\n{PASSWORD}\nAKIA1\ns3cr3t/+=\n\
             us-east-1 https://s3.example eo-1-documents\nCA of the servers\nCA of the servers\n"
        )
    );
    let without = bed.run(&format!("credentials {TENANT}")).await;
    assert_eq!(
        (without.code, without.out.as_str()),
        (64, ""),
        "{without:#?}"
    );
    // Who may not read the Secrets learns which right is missing, and nothing else.
    let viewer = bed.person("viewer", "view", "province-30").await;
    let ran = bed
        .run_as(
            &viewer,
            &format!("credentials {TENANT} --env -n province-30"),
        )
        .await;
    assert_eq!(ran.out, "", "{ran:#?}");
    let told = ran.refused();
    assert!(told.contains("cannot get resource \"secrets\""), "{told}");
    assert!(
        told.contains(&format!(
            "a Role in namespace {OWN} that allows get on secrets named eoffice-database"
        )),
        "{told}"
    );
    for words in [
        format!("status {TENANT}"),
        format!("status {TENANT} -o json"),
        format!("drift {TENANT}"),
    ] {
        let ran = bed.run(&words).await;
        assert!(
            !ran.out.contains("s3cr3t") && !ran.err.contains("s3cr3t"),
            "{ran:#?}"
        );
    }
}

async fn verify(bed: &Bed) {
    let told = bed
        .run(&format!("verify {TENANT} --timeout 1s"))
        .await
        .refused();
    assert!(
        told.contains("wait for tenant province-30/hosp-maharat-3001 to be verified: nothing came"),
        "{told}"
    );
    for (verified, reason, message, code) in [
        (
            "True",
            "AsExpected",
            "database, bucket and hosts were used",
            0,
        ),
        (
            "False",
            "ProofFailed",
            "the database refuses the password in the Secret",
            1,
        ),
    ] {
        let _operator = bed
            .operator(move |tenant: &EOfficeTenant| {
                let asked = tenant
                    .annotations()
                    .get(annotations::RECONCILE_REQUESTED_AT)?;
                let handled = tenant.status.as_ref()?.last_handled_reconcile_at.as_ref();
                (tenant.name_any() == TENANT && handled != Some(asked)).then(|| {
                    json!({
                        "lastHandledReconcileAt": asked,
                        "conditions": [
                            condition("Verified", verified, reason, message),
                            condition("Ready", "True", "AsExpected", "as asked"),
                        ],
                    })
                })
            })
            .await;
        let text = bed.run(&format!("verify {TENANT}")).await.gave(code);
        assert!(
            text.contains(&format!("Verified {verified} ({reason})\n  {message}\n")),
            "{text}"
        );
        assert!(text.contains("Ready True (AsExpected)"), "{text}");
    }
}
