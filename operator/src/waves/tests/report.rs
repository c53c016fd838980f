use super::*;
use serde_json::json;

#[test]
fn the_pace_is_that_of_late() {
    let now = at(10_000);
    let ago = |seconds: &[i64]| pace(seconds.iter().map(|it| at(10_000 - it)), now);
    assert_eq!(ago(&[]), None);
    assert_eq!(ago(&[601, 9_000]), None);
    assert_eq!(ago(&[60, 30, 0, 900]), Some(3.0));
    assert_eq!(ago(&[0, 0]), Some(120.0));
    let mut summary = Summary {
        waiting: 9,
        making: 2,
        per_minute: Some(3.0),
        ..Summary::default()
    };
    assert_eq!(summary.expected(6), Some(Duration::from_secs(120)));
    let text = serde_json::to_value(summary).unwrap();
    assert_eq!(
        text,
        json!({"waiting": 9, "making": 2, "failing": 0, "perMinute": 3.0, "stopped": false})
    );
    assert_eq!(serde_json::from_value::<Summary>(text).unwrap(), summary);
    summary.stopped = true;
    assert_eq!(summary.expected(6), None);
}
