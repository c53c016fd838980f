//! The queue of new tenants: who is at which place, and when its turn may come.

use crate::client::{Cluster, call, list};
use crate::doctor::Operator;
use crate::failure::{Kind, Result};
use crate::tenant::View;
use eoffice_crds::{ConditionType, EOfficeTenant, Reason, annotations};
use eoffice_operator::waves::{Entry, Summary, Turns, order};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::time::Duration;

/// The queue, as far as its reader may see it.
pub(super) struct Queue {
    /// In numbers; absent where the operator's lease cannot be read.
    summary: Option<Summary>,
    /// Those who wait, the next one first.
    waiting: Vec<Entry>,
    /// The one namespace whose tenants may be seen; absent where all may be.
    within: Option<String>,
}

/// Whether a tenant waits for its turn.
fn waits(tenant: &EOfficeTenant) -> bool {
    let ready = tenant.condition(ConditionType::Ready);
    ready.is_some_and(|ready| ready.reason == Reason::AwaitingTurn.as_str())
}

impl Queue {
    /// Reads it, where one of these tenants waits in it.
    pub(super) async fn read(
        cluster: &Cluster,
        operator: &Operator,
        shown: &[EOfficeTenant],
    ) -> Result<Option<Self>> {
        let Some(one) = shown.iter().find(|tenant| waits(tenant)) else {
            return Ok(None);
        };
        let summary = read_summary(cluster, operator).await?;
        let (doing, params) = ("list the tenants in the queue", ListParams::default());
        let all = list(doing, &cluster.all::<EOfficeTenant>(), &params).await;
        let (tenants, within) = match all {
            Err(failure) if failure.kind == Kind::Forbidden => {
                let own = one.namespace().unwrap_or_default();
                let tenants = list(doing, &cluster.within(&own), &params).await?;
                (tenants, Some(own))
            }
            all => (all?, None),
        };
        Ok(Some(Self::of(&tenants, summary, within)))
    }

    /// The queue that these tenants are.
    pub(super) fn of(
        tenants: &[EOfficeTenant],
        summary: Option<Summary>,
        within: Option<String>,
    ) -> Self {
        let waiting = tenants.iter().filter(|tenant| waits(tenant));
        let waiting = waiting.map(Entry::of).collect();
        let mut begun: Vec<(Timestamp, Entry)> = tenants
            .iter()
            .filter_map(|tenant| Some((begun_at(tenant)?, Entry::of(tenant))))
            .collect();
        begun.sort_by(|(a, first), (b, second)| (a, &first.uid).cmp(&(b, &second.uid)));
        let turns = Turns::after(begun.iter().map(|(_, entry)| entry));
        Self {
            waiting: order(waiting, &turns),
            summary,
            within,
        }
    }

    fn place(&self, tenant: &EOfficeTenant) -> Option<usize> {
        let uid = tenant.uid()?;
        let index = self.waiting.iter().position(|it| it.uid == uid)?;
        Some(index + 1)
    }

    fn is_stopped(&self) -> bool {
        self.summary.is_some_and(|summary| summary.stopped)
    }

    /// In what time the turn of this place comes; among those of one namespace, at the latest: all others may be first.
    fn expected(&self, place: usize) -> Option<Duration> {
        let summary = self.summary?;
        let others = match self.within {
            Some(_) => summary.waiting.saturating_sub(self.waiting.len()),
            None => 0,
        };
        summary.expected(place + others)
    }

    /// Where a tenant is in it, and when its turn is expected.
    pub(super) fn tell(&self, tenant: &EOfficeTenant) -> Option<String> {
        let place = self.place(tenant)?;
        let among = self.waiting.len();
        let mut text = match &self.within {
            Some(namespace) => format!(
                "place {place} of {among} in {namespace}; tenants elsewhere, which you may not see, take turns with them"
            ),
            None => format!("place {place} of {among}"),
        };
        let word = match self.within {
            Some(_) => "within",
            None => "in",
        };
        text += &match (self.is_stopped(), self.expected(place)) {
            (true, _) => format!("; {}", self.why_stopped()),
            (false, Some(time)) => format!("; its turn is expected {word} about {}", rough(time)),
            (false, None) => String::new(),
        };
        Some(text)
    }

    /// The whole of it in a line.
    pub(super) fn sum(&self) -> String {
        let waiting = self.waiting.len();
        let Some(summary) = self.summary else {
            return format!(
                "queue: {waiting} wait; you may not read the operator's lease, which tells more (the chart's Role for it is \
                 eoffice-operator-queue), or it is elsewhere (--operator)"
            );
        };
        let mut text = match &self.within {
            Some(namespace) => format!("queue: {waiting} wait in {namespace}"),
            None => format!("queue: {waiting} wait"),
        };
        text += &format!(", {} in the making", summary.making);
        if let Some(pace) = summary.per_minute {
            text += &format!(", {pace:.0} a minute");
        }
        text += &match (summary.stopped, self.expected(waiting)) {
            (true, _) => format!("; {}", self.why_stopped()),
            (false, Some(time)) => format!(": the last turn is expected in about {}", rough(time)),
            (false, None) => String::new(),
        };
        text
    }

    fn why_stopped(&self) -> String {
        let failing = self.summary.map_or(0, |summary| summary.failing);
        format!(
            "none is begun now, as {failing} of the last ones fail: mend what they fail for, or pause or delete those that cannot be helped"
        )
    }

    /// Where a tenant is in it, for other programs.
    pub(super) fn as_json(&self, tenant: &EOfficeTenant) -> Value {
        let Some(place) = self.place(tenant) else {
            return Value::Null;
        };
        json!({
            "place": place,
            "of": self.waiting.len(),
            "within": self.within,
            "expectedSeconds": self.expected(place).map(|time| time.as_secs()),
            "stopped": self.is_stopped(),
        })
    }
}

/// When a tenant had its turn: its namespace was the first of what was made.
fn begun_at(tenant: &EOfficeTenant) -> Option<Timestamp> {
    let made = tenant.condition(ConditionType::NamespaceReady)?;
    Some(made.last_transition_time.0)
}

/// What the operator says of the queue; none where its reader may not know.
async fn read_summary(cluster: &Cluster, operator: &Operator) -> Result<Option<Summary>> {
    let Operator { namespace, name } = operator;
    let leases = cluster.within::<Lease>(namespace);
    let lease = match call("read the operator's lease", leases.get_opt(name)).await {
        Err(failure) if failure.kind == Kind::Forbidden => None,
        lease => lease?,
    };
    let text = lease.and_then(|it| it.annotations().get(annotations::QUEUE).cloned());
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// `40 s`, `3 min`, `2 h`.
fn rough(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
