use super::*;
use jiff::SignedDuration;

/// How many at once it comes to where each takes what `took` says of so many, in seconds, and how often at most.
fn learnt(most: usize, took: impl Fn(f64) -> f64) -> (usize, usize) {
    let mut breadth = Breadth::new(most);
    let (mut least, mut widest) = (most, 0);
    for round in 0..300 {
        let at_once = breadth.at_once();
        let took = SignedDuration::try_from_secs_f64(took(at_once as f64)).unwrap();
        breadth.finished(took, at_once, at(round));
        if round > 100 {
            (least, widest) = (least.min(at_once), widest.max(at_once));
        }
    }
    (least, widest)
}

#[test]
fn as_many_at_once_as_do_not_wait_for_one_another() {
    assert_eq!(
        learnt(10, |_| 2.0),
        (10, 10),
        "waiting for an issuer costs others nothing"
    );
    let (_, widest) = learnt(10, |at_once| at_once.max(2.0) * 0.7);
    assert!((2..=4).contains(&widest), "two cores carry {widest}");
    assert_eq!(learnt(1, |_| 2.0), (1, 1));
    // Nobody is finished: they wait for something else.
    let mut breadth = Breadth::new(10);
    breadth.begun(at(0));
    for second in 0..60 {
        breadth.is_full(at(second));
    }
    assert_eq!(breadth.at_once(), 10);
}

#[test]
fn a_platform_that_became_slower_is_learnt_anew() {
    let mut breadth = Breadth::new(10);
    for round in 0..20 {
        breadth.finished(SignedDuration::from_secs(1), breadth.at_once(), at(round));
    }
    assert_eq!(breadth.at_once(), 10);
    for round in 20..80 {
        breadth.finished(SignedDuration::from_secs(20), breadth.at_once(), at(round));
    }
    assert_eq!(breadth.at_once(), 10);
}
