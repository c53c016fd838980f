//! What a person reads once all is proved.

use std::io::Write;

use super::evidence::Evidence;
use crate::operator::Operator;
use crate::sandbox::Sandbox;

/// Prints to standard output. That nobody reads it any more ends no demo.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Variables for a shell: addresses and credentials of all that runs.
pub(super) fn exports(sandbox: &Sandbox, operator: &Operator) -> Vec<(String, String)> {
    let ground = sandbox.ground();
    let store = &sandbox.object_store;
    let folders: Vec<String> = ground
        .tools
        .folders()
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let urls: Vec<String> = sandbox
        .postgres
        .iter()
        .map(|server| server.url(sandbox.ca_file()))
        .collect();
    let pid = operator.part.pid().map(|pid| pid.to_string());
    [
        ("KUBECONFIG", sandbox.kubeconfig().display().to_string()),
        ("PATH", folders.join(":")),
        ("EOFFICE_CA_FILE", sandbox.ca_file().display().to_string()),
        ("EOFFICE_INGRESS", sandbox.traefik.address()),
        ("EOFFICE_PG_ADMIN_URLS", urls.join(",")),
        ("EOFFICE_S3_ENDPOINT", store.endpoint().to_owned()),
        ("EOFFICE_IAM_ENDPOINT", store.iam_endpoint().to_owned()),
        ("AWS_ACCESS_KEY_ID", store.key().access.clone()),
        ("AWS_SECRET_ACCESS_KEY", store.key().secret.clone()),
        ("EOFFICE_OPERATOR_PID", pid.unwrap_or_default()),
        ("EOFFICE_LOG_DIR", ground.home.logs().display().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// What was proved, and what to try next.
pub(super) fn text(sandbox: &Sandbox, evidence: &Evidence, host: &str, summary: &str) -> String {
    let tenant = host.split('.').next().unwrap_or_default();
    let port = sandbox.traefik.port();
    format!(
        "\n{evidence}\n{summary}\n\n\
         Try it, in another terminal:\n\
         \x20 eval \"$(cargo demo env)\"\n\
         \x20 kubectl get eot -A\n\
         \x20 kubectl describe eot {tenant} -n province-30\n\
         \x20 kubectl get all,ingress,certificate,secret -n eoffice-{tenant}\n\
         \x20 kubectl delete ingress --all -n eoffice-{tenant}      # and see it come back\n\
         \x20 curl --cacert \"$EOFFICE_CA_FILE\" --connect-to \"{host}:{port}:$EOFFICE_INGRESS\" https://{host}:{port}/\n\
         \x20   (for a browser: a line \"127.0.0.1 {host}\" in /etc/hosts, and that CA trusted)\n\
         \x20 tail -f \"$EOFFICE_LOG_DIR\"/operator.log\n"
    )
}
