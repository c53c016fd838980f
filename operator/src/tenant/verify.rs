//! The proof by use: the tenant's own credentials, tried where they should work and where not.

use crate::controller::world::World;
use crate::ingress;
use crate::kubernetes::secrets::{database_credential, storage_key};
use crate::kubernetes::{Kind, ObjectKey};
use crate::plan::Problem;
use crate::proof::Proof;
use crate::tenant::pass::Pass;
use crate::tenant::{database, storage};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eoffice_crds::{DATABASE_SECRET, Reason, STORAGE_SECRET};
use serde_json::Value;

/// Tries everything once. The sentence says what was proved.
pub async fn prove(pass: &Pass<'_>) -> Result<String, Problem> {
    let (database, storage, ingress) =
        tokio::join!(of_database(pass), of_storage(pass), of_ingress(pass));
    let (ingress, answers) = ingress?;
    match database?.and(storage?).and(ingress) {
        Proof::Passed => Ok(format!(
            "its credentials work on database and bucket, and are refused elsewhere; every host's certificate is served; the application {}",
            if answers {
                "answers"
            } else {
                "does not answer yet"
            }
        )),
        Proof::Failed(why) => Err(Problem::new(Reason::ProofFailed, why)),
        Proof::Inconclusive(why) => Err(Problem::new(Reason::ProofInconclusive, why)),
    }
}

async fn secret(world: &World, namespace: &str, name: &str) -> Result<Value, Problem> {
    let key = ObjectKey {
        kind: Kind::Secret,
        name: name.to_owned(),
    };
    world
        .cluster
        .get(namespace, &key)
        .await?
        .ok_or_else(|| gone(name))
}

fn gone(name: &str) -> Problem {
    Problem::new(
        Reason::ProofInconclusive,
        format!("Secret {name} is not there or was edited; it is made again"),
    )
}

async fn of_database(pass: &Pass<'_>) -> Result<Proof, Problem> {
    let secret = secret(pass.world, &pass.wanted.namespace, DATABASE_SECRET).await?;
    let credential = database_credential(&secret).ok_or_else(|| gone(DATABASE_SECRET))?;
    database::prove(pass.world, &pass.record, credential).await
}

async fn of_storage(pass: &Pass<'_>) -> Result<Proof, Problem> {
    let secret = secret(pass.world, &pass.wanted.namespace, STORAGE_SECRET).await?;
    let key = storage_key(&secret).ok_or_else(|| gone(STORAGE_SECRET))?;
    storage::prove(pass.world, &pass.record, key).await
}

async fn of_ingress(pass: &Pass<'_>) -> Result<(Proof, bool), Problem> {
    let mut all = Proof::Passed;
    let mut answers = true;
    for host in &pass.wanted.hosts {
        let name = pass.wanted.tls_secret(host);
        let secret = secret(pass.world, &pass.wanted.namespace, &name).await?;
        let encoded = secret["data"]["ca.crt"].as_str().unwrap_or_default();
        let ca = STANDARD.decode(encoded).unwrap_or_default();
        let address = &pass.wanted.class.ingress.probe_address;
        let served = ingress::verify(&pass.world.effects, address, host, &ca).await;
        answers &= served.application;
        all = all.and(served.certificate);
    }
    Ok((all, answers))
}
