use super::*;

#[test]
fn an_auditor_s_access_ends_whatever_waits_unless_a_person_stops_all_changes() {
    let why = |reason| Some(Problem::new(reason, "why"));
    let rows = [
        (why(Reason::Paused), None, None, false),
        (why(Reason::Paused), why(Reason::Held), None, false),
        (None, why(Reason::Held), None, true),
        (None, why(Reason::Delayed), Some(DriftPolicy::Report), true),
        (None, None, Some(DriftPolicy::Report), false),
    ];
    for (paused, held, policy, ends) in rows {
        let obstacles = Obstacles {
            paused,
            held,
            policy,
        };
        let withheld = obstacles.withhold(Plane::Storage, Cause::Drift).unwrap();
        assert_eq!(keeps_no_access(&withheld), ends, "{withheld:?}");
    }
}
