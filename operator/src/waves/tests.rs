mod breadth;
mod order;
mod report;
mod wave;

use super::*;
use jiff::Timestamp;
use std::time::Duration;

const RULES: Rules = Rules {
    size: 10,
    failed_percent: 30,
    patience: Duration::from_secs(600),
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// `30/gitops@5`: of province 30, by gitops, asked for in second 5. The number is its name, too.
fn entry(text: &str) -> Entry {
    let (who, second) = text.split_once('@').unwrap();
    let (province, creator) = who.split_once('/').unwrap();
    Entry {
        namespace: format!("province-{province}"),
        name: text.to_owned(),
        uid: text.to_owned(),
        province: province.to_owned(),
        creator: creator.to_owned(),
        created_at: at(second.parse().unwrap()),
    }
}

fn entries(texts: &[&str]) -> Vec<Entry> {
    texts.iter().map(|text| entry(text)).collect()
}

/// `D` done, `F` failing, `M` in the making; the oldest turn first.
fn members(stages: &str) -> Vec<Member> {
    let stages = stages.chars().zip(0..);
    stages
        .map(|(stage, second)| Member {
            entry: entry(&format!("30/a@{second}")),
            at: at(second),
            stage: match stage {
                'D' => Stage::Done,
                'F' => Stage::Failing,
                _ => Stage::Making(at(second + 600)),
            },
        })
        .collect()
}
