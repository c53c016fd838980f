//! Whose an object on a server is, and whether it may be destroyed. Pure.

use crate::identity::Mark;
use eoffice_crds::RecordState;

/// The tenant that something must belong to. What its marks say is compared with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The tenant's mark.
    pub mark: Mark,
    /// Fingerprint of the record that the tenant took its data over from, where its marks are not rewritten yet.
    pub predecessor: Option<String>,
    /// The order on which its database may be destroyed; none where its tenant's own word is enough.
    pub order: Option<String>,
    /// The server that it is on (PostgreSQL's system_identifier).
    pub system_identifier: String,
}

impl Owner {
    /// Whether a mark is the tenant's: its own, whatever its UID, or that of the one it took its data over from.
    pub fn owns(&self, found: &Mark) -> bool {
        found.same_owner(&self.mark) || self.inherited(found)
    }

    /// Whether what bears this mark may be destroyed. Of a tenant that has left, the mark must say so too, and of the
    /// very tenant that left: a record that was edited cannot point at what lives.
    pub fn may_destroy(&self, found: &Mark) -> bool {
        let left = || found.state == RecordState::Retained;
        let same = || found.uid == self.mark.uid || self.inherited(found);
        self.owns(found) && (self.mark.state == RecordState::Live || (left() && same()))
    }

    fn inherited(&self, found: &Mark) -> bool {
        found.installation == self.mark.installation
            && self.predecessor.as_ref() == Some(&found.fingerprint)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            installation: "korat".into(),
            fingerprint: "f".into(),
            uid: "u1".into(),
            state: RecordState::Retained,
            twin: None,
            order: None,
        }
    }

    #[test]
    fn only_what_left_with_the_tenant_may_be_destroyed() {
        type Edit = fn(&mut Mark);
        // What the mark says, whether it is the tenant's, and whether it may be destroyed: once it has left, and while
        // it lives and its own policy says so.
        let cases: &[(Edit, [bool; 3])] = &[
            (|_| (), [true, true, true]),
            (|m| m.twin = Some("b".into()), [true, true, true]),
            (|m| m.state = RecordState::Live, [true, false, true]),
            (|m| m.uid = "u2".into(), [true, false, true]),
            (|m| m.fingerprint = "g".into(), [false; 3]),
            (|m| m.installation = "test".into(), [false; 3]),
            (
                |m| {
                    m.fingerprint = "before".into();
                    m.uid = "u0".into();
                },
                [true, true, true],
            ),
            (
                |m| {
                    m.fingerprint = "before".into();
                    m.installation = "test".into();
                },
                [false; 3],
            ),
        ];
        let left = Owner {
            order: None,
            mark: mark(),
            predecessor: Some("before".into()),
            system_identifier: "1".into(),
        };
        let mut lives = left.clone();
        lives.mark.state = RecordState::Live;
        for (number, (edit, expected)) in cases.iter().enumerate() {
            let mut found = mark();
            edit(&mut found);
            let answers = [
                left.owns(&found),
                left.may_destroy(&found),
                lives.may_destroy(&found),
            ];
            assert_eq!(answers, *expected, "case {number}");
        }
        let strict = Owner {
            predecessor: None,
            ..left
        };
        let mut found = mark();
        found.fingerprint = "before".into();
        assert!(!strict.owns(&found));
    }
}
