//! Which server takes a new tenant. Pure.

use crate::plan::Problem;
use eoffice_crds::{Reason, ServerCapacity};

/// A server of the class's pool, as the last look found it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the DatabaseServer.
    pub name: String,
    /// Its identity, or why it cannot be used now.
    pub standing: Result<String, Problem>,
    /// How much it may hold.
    pub capacity: ServerCapacity,
    /// Databases on it or promised.
    pub databases: i64,
    /// Connections promised on it.
    pub connections: i64,
    /// Whether it already holds a database under this tenant's mark.
    pub holds_tenant: bool,
}

impl Candidate {
    fn has_room(&self, connections: i32) -> bool {
        let promised = i64::from(self.capacity.connections) * i64::from(self.capacity.overcommit);
        self.databases < i64::from(self.capacity.databases)
            && self.connections + i64::from(connections) <= promised
    }

    /// Share of the capacity that is taken, in thousandths.
    fn load(&self) -> i64 {
        self.databases * 1000 / i64::from(self.capacity.databases).max(1)
    }
}

/// Chooses the server that already holds the tenant's database, else the emptiest one with room.
///
/// As long as a server cannot be asked, it could be the one that holds the data, so the tenant waits.
pub fn choose(candidates: &[Candidate], connections: i32) -> Result<(String, String), Problem> {
    if candidates.is_empty() {
        return Err(Problem::new(
            Reason::NoServerMatches,
            "no DatabaseServer matches the class's database.serverSelector; have the platform team add or label one",
        ));
    }
    let chosen = |candidate: &Candidate| {
        let identity = candidate.standing.clone()?;
        Ok((candidate.name.clone(), identity))
    };
    let mut holders = candidates.iter().filter(|candidate| candidate.holds_tenant);
    match (holders.next(), holders.next()) {
        (Some(holder), None) => return chosen(holder),
        (Some(first), Some(second)) => {
            return Err(Problem::new(
                Reason::ForeignObject,
                format!(
                    "servers {} and {} both hold a database under this tenant's mark; an admin has to remove the mark from the one that is not the tenant's",
                    first.name, second.name
                ),
            ));
        }
        (None, _) => {}
    }
    if let Some((name, problem)) = candidates
        .iter()
        .find_map(|candidate| Some((&candidate.name, candidate.standing.as_ref().err()?)))
    {
        return Err(Problem::new(
            Reason::Queued,
            format!(
                "waits for DatabaseServer {name}, which must first be asked whether it holds this tenant's data: {problem}"
            ),
        ));
    }
    candidates
        .iter()
        .filter(|candidate| candidate.has_room(connections))
        .min_by_key(|candidate| (candidate.load(), candidate.name.clone()))
        .map_or_else(
            || {
                Err(Problem::new(
                    Reason::Queued,
                    "every DatabaseServer of the class is full; the tenant is made as soon as one is added or has room",
                ))
            },
            chosen,
        )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn candidate(name: &str, databases: i64) -> Candidate {
        Candidate {
            name: name.into(),
            standing: Ok(format!("id-{name}")),
            capacity: ServerCapacity {
                databases: 10,
                connections: 10,
                overcommit: 2,
            },
            databases,
            connections: 0,
            holds_tenant: false,
        }
    }

    fn down(mut candidate: Candidate) -> Candidate {
        candidate.standing = Err(Problem::new(Reason::Unreachable, "no answer"));
        candidate
    }

    fn holding(mut candidate: Candidate) -> Candidate {
        candidate.holds_tenant = true;
        candidate
    }

    fn busy(mut candidate: Candidate) -> Candidate {
        candidate.connections = 15;
        candidate
    }

    #[test]
    fn the_right_server_or_the_right_reason() {
        let (a, b) = (|n| candidate("a", n), |n| candidate("b", n));
        let cases = [
            ("the emptier one", vec![a(5), b(4)], Ok("b")),
            ("the first of two alike", vec![a(5), b(5)], Ok("a")),
            (
                "the one that holds the data, even if full",
                vec![holding(a(10)), b(0)],
                Ok("a"),
            ),
            (
                "the holder, even if another is down",
                vec![holding(a(1)), down(b(0))],
                Ok("a"),
            ),
            (
                "a server that cannot be asked",
                vec![a(0), down(b(0))],
                Err(Reason::Queued),
            ),
            (
                "a holder that is down",
                vec![a(0), down(holding(b(1)))],
                Err(Reason::Unreachable),
            ),
            (
                "two holders",
                vec![holding(a(1)), holding(b(1))],
                Err(Reason::ForeignObject),
            ),
            ("a full pool", vec![a(10), b(10)], Err(Reason::Queued)),
            (
                "too many connections promised",
                vec![busy(a(0))],
                Err(Reason::Queued),
            ),
            ("no server", vec![], Err(Reason::NoServerMatches)),
        ];
        for (case, candidates, expected) in cases {
            let result = choose(&candidates, 10);
            let short = result
                .as_ref()
                .map(|(name, _)| name.as_str())
                .map_err(|p| p.reason);
            assert_eq!(short, expected, "{case}");
        }
    }
}
