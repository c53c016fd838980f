#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn refusal(answer: Answer) -> Problem {
    Problem::from(Refusal {
        endpoint: "https://s3.example".into(),
        store: "objects".into(),
        verb: "create_bucket",
        object: "eo-1".into(),
        answer,
    })
}

#[test]
fn each_kind_of_refusal_has_its_reason() {
    let code = |status, code: &str| Answer::Code {
        status,
        code: code.into(),
        message: "as it says".into(),
    };
    for (answer, reason) in [
        (Answer::None("refused".into()), Reason::Unreachable),
        (
            code(403, "SignatureDoesNotMatch"),
            Reason::CredentialsInvalid,
        ),
        (code(501, "NotImplemented"), Reason::Unsupported),
        (code(403, "AccessDenied"), Reason::BackendError),
        (code(500, "InternalError"), Reason::BackendError),
    ] {
        let problem = refusal(answer);
        assert_eq!(problem.reason, reason);
        assert!(problem.message.contains("objects"), "{problem}");
    }
}

#[test]
fn a_ca_that_cannot_be_read_is_a_problem_and_no_panic() {
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        let address = StoreAddress {
            name: "objects".into(),
            endpoint: "https://127.0.0.1:1".into(),
            iam_endpoint: "https://127.0.0.1:2".into(),
            region: "us-east-1".into(),
            path_style: true,
            access_key: "admin".into(),
            secret_key: "very secret".into(),
            ca_pem: Some(pem.into()),
        };
        let problem = Store::new(&address).unwrap_err();
        assert_eq!(problem.reason, Reason::CredentialsInvalid, "{pem:?}");
        assert!(!format!("{address:?}").contains("very secret"));
    }
}
