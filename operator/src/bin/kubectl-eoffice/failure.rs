//! What went wrong, in a sentence for a person at three in the morning.

use kube::Error;
use kube::core::Status;
use kube::runtime::watcher;
use std::fmt;

/// What came of a call, or why nothing did.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure it is, for whoever can go on all the same.
    pub kind: Kind,
    text: String,
}

/// What sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The right to do it is missing.
    Forbidden,
    /// The object, or its whole kind, is not there.
    NotFound,
    /// Somebody else changed the object meanwhile.
    Conflict,
    /// The API server cannot be reached, or is not well: the same call may succeed later.
    Passing,
    /// Anything else.
    Final,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Failure {
    /// A failure that trying again does not mend.
    pub fn new(text: impl Into<String>) -> Self {
        Self::of(Kind::Final, text)
    }

    /// A failure of this kind.
    pub fn of(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Why `doing` failed, as a call to the API server says it.
    pub fn from_call(doing: &str, error: &Error) -> Self {
        match error {
            Error::Api(status) => Self::from_answer(doing, status),
            // What could not be read is left out: it may be a Secret.
            Error::SerdeError(_) => Self::new(format!(
                "{doing}: the API server's answer is not of this version's form; use the plugin and the \
                 definitions (CRDs) of one version, and see `kubectl eoffice doctor`"
            )),
            Error::Auth(error) => Self::new(format!(
                "{doing}: the credentials of your kubeconfig cannot be used: {error}"
            )),
            other => Self::of(
                Kind::Passing,
                format!("{doing}: the API server cannot be reached: {}", root(other)),
            ),
        }
    }

    /// Why `doing` failed, as a watch says it.
    pub fn from_watch(doing: &str, error: &watcher::Error) -> Self {
        use watcher::Error as Watch;
        match error {
            Watch::InitialListFailed(error)
            | Watch::WatchStartFailed(error)
            | Watch::WatchFailed(error) => Self::from_call(doing, error),
            Watch::WatchError(status) => Self::from_answer(doing, status),
            Watch::NoResourceVersion => Self::of(
                Kind::Passing,
                format!("{doing}: the API server's answer has no resourceVersion"),
            ),
        }
    }

    fn from_answer(doing: &str, status: &Status) -> Self {
        let said = status.message.trim();
        match status.code {
            401 => Self::new(format!(
                "{doing}: the API server does not know you: log in again, or choose another --context"
            )),
            403 => Self::of(
                Kind::Forbidden,
                format!("{doing}: you lack the right: {said}"),
            ),
            // Without a message in its own form the whole path is unknown to the API server.
            404 if status.details.is_none() => Self::of(
                Kind::NotFound,
                format!(
                    "{doing}: the API server does not serve this kind: the definitions (CRDs) of the chart are \
                     missing or old; see `kubectl eoffice doctor`"
                ),
            ),
            404 => Self::of(Kind::NotFound, format!("{doing}: {said}")),
            409 => Self::of(Kind::Conflict, format!("{doing}: refused: {said}")),
            408 | 410 | 429 | 500..=599 => Self::of(
                Kind::Passing,
                format!("{doing}: the API server says: {said}"),
            ),
            _ => Self::new(format!("{doing}: refused: {said}")),
        }
    }
}

/// The innermost cause, which alone says what happened.
fn root(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use kube::core::response::StatusDetails;

    fn answer(code: u16, message: &str, details: bool) -> Failure {
        let status = Status {
            code,
            message: message.into(),
            details: details.then(|| serde_json::from_str::<StatusDetails>("{}").unwrap()),
            ..Status::default()
        };
        Failure::from_call("read tenant x", &Error::Api(Box::new(status)))
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let cases = [
            (
                answer(403, "User \"kai\" cannot get x", true),
                Kind::Forbidden,
                "cannot get x",
            ),
            (
                answer(404, "x not found", true),
                Kind::NotFound,
                "x not found",
            ),
            (
                answer(404, "404 page not found", false),
                Kind::NotFound,
                "doctor",
            ),
            (
                answer(401, "Unauthorized", false),
                Kind::Final,
                "log in again",
            ),
            (
                answer(503, "etcd is away", false),
                Kind::Passing,
                "etcd is away",
            ),
            (
                answer(422, "spec.hosts: bad", true),
                Kind::Final,
                "spec.hosts: bad",
            ),
        ];
        for (failure, kind, words) in cases {
            assert_eq!(failure.kind, kind, "{failure}");
            let text = failure.to_string();
            assert!(
                text.starts_with("read tenant x: ") && text.contains(words),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_repeated() {
        let error = serde_json::from_str::<u8>("\"s3cret\"").unwrap_err();
        let failure = Failure::from_call("read a Secret", &Error::SerdeError(error));
        assert!(!failure.to_string().contains("s3cret"), "{failure}");
    }
}
