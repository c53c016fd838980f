//! `kubectl eoffice class accept`: tenants take the changed values of their class, one after the other.

mod rollout;

use crate::Outcome;
use crate::client::{Cluster, list, merge};
use crate::console::Console;
use crate::failure::{Failure, Kind, Result};
use crate::table::{count, wrap};
use crate::tenant::View;
use clap::Args;
use eoffice_crds::{ConditionType, EOfficeTenant, annotations};
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use rollout::{Pace, Rollout, Share};
use serde_json::json;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

/// What `class accept` is asked.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The class
    #[arg(value_name = "NAME")]
    class: String,
    /// Only this tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// How many are begun: 10/min, 60/h; default: all at once
    #[arg(long, value_name = "N/UNIT")]
    rate: Option<Pace>,
    /// Stop once more of those done have failed
    #[arg(long, value_name = "PERCENT", default_value = "10%")]
    max_failed: Share,
    /// Not Ready with the new values by then: failed
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = crate::duration)]
    timeout: Duration,
}

/// Accepts for each tenant that waits, and sees each one Ready again.
pub async fn run(cluster: &Cluster, console: Console, arguments: &Arguments) -> Result<Outcome> {
    let class = &arguments.class;
    let (api, tenants) = waiting(cluster, arguments).await?;
    if tenants.is_empty() {
        console.tell(&format!("No tenant waits for a change of class {class}."))?;
        return Ok(Outcome::Fine);
    }
    console.tell(&format!(
        "{} to take the change of class {class}.",
        count(tenants.len(), "tenant")
    ))?;
    let mut work = Work {
        cluster,
        console,
        class,
        asked: tenants
            .iter()
            .filter_map(|it| Some((it.path(), Asked::of(it)?)))
            .collect(),
        rollout: Rollout::new(
            tenants.iter().map(View::path),
            arguments.rate,
            arguments.max_failed,
            arguments.timeout,
        ),
    };
    work.carry_out(api).await?;
    work.end()
}

/// The tenants that wait for a change of this class, and where they are watched.
async fn waiting(
    cluster: &Cluster,
    arguments: &Arguments,
) -> Result<(Api<EOfficeTenant>, Vec<EOfficeTenant>)> {
    let class = &arguments.class;
    let (api, tenants) = match &arguments.tenant {
        Some(name) => {
            let tenant = cluster.tenant(name).await?;
            (
                cluster.within(&tenant.namespace().unwrap_or_default()),
                vec![tenant],
            )
        }
        None => {
            let api = if cluster.chosen {
                cluster.within(&cluster.namespace)
            } else {
                cluster.all()
            };
            let doing = "list the tenants that wait for the class";
            let tenants = list(doing, &api, &ListParams::default()).await;
            let tenants = tenants.map_err(|failure| match failure.kind {
                Kind::Forbidden if !cluster.chosen => Failure::of(
                    Kind::Forbidden,
                    format!("{failure}. Accept for one province with -n"),
                ),
                _ => failure,
            })?;
            (api, tenants)
        }
    };
    let waits = |tenant: &EOfficeTenant| asked_class(tenant).is_some_and(|asked| asked == *class);
    Ok((api, tenants.into_iter().filter(waits).collect()))
}

/// The class whose values wait to be taken: `standard` of `standard/3f9c…`.
fn asked_class(tenant: &EOfficeTenant) -> Option<String> {
    let change = tenant.status.as_ref()?.class_change.as_ref()?;
    Some(change.split('/').next().unwrap_or_default().into())
}

/// How far a tenant is that was told to take `change`.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    Ready,
    Waiting,
    Failed(String),
}

/// Ready counts only once the change is taken: before, it says of the old values.
fn stand(tenant: &EOfficeTenant, class: &str) -> Stand {
    let seen = tenant.seen();
    let applied = seen.class_change.is_none()
        && seen
            .applied
            .as_ref()
            .is_some_and(|it| it.frozen.class == class);
    if applied && tenant.holds(ConditionType::Ready) {
        return Stand::Ready;
    }
    match tenant.condition(ConditionType::Stalled) {
        Some(stalled) if stalled.status == "True" => {
            Stand::Failed(format!("{}: {}", stalled.reason, stalled.message))
        }
        _ => Stand::Waiting,
    }
}

/// What is asked of a tenant.
struct Asked {
    /// What its annotation has to say.
    change: String,
    /// It was stalled before it was asked, so that this says nothing of whether it takes the change.
    was_stalled: bool,
}

impl Asked {
    fn of(tenant: &EOfficeTenant) -> Option<Self> {
        Some(Self {
            change: tenant.seen().class_change?,
            was_stalled: tenant.holds(ConditionType::Stalled),
        })
    }
}

struct Work<'a> {
    cluster: &'a Cluster,
    console: Console,
    class: &'a str,
    asked: BTreeMap<String, Asked>,
    rollout: Rollout,
}

impl Work<'_> {
    async fn carry_out(&mut self, api: Api<EOfficeTenant>) -> Result<()> {
        let tenants = watcher(api, watcher::Config::default())
            .default_backoff()
            .touched_objects();
        let mut tenants = pin!(tenants);
        loop {
            let now = Instant::now();
            for tenant in self.rollout.overdue(now) {
                self.told(
                    "failed",
                    &tenant,
                    "not Ready in time: kubectl eoffice status says why",
                )?;
            }
            while let Some(tenant) = self.rollout.next(now) {
                self.begin(&tenant).await?;
            }
            if self.rollout.is_over() {
                return Ok(());
            }
            let wake = tokio::time::Instant::from_std(self.rollout.wake(now));
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                tenant = tenants.next() => match tenant {
                    Some(Ok(tenant)) => self.look(&tenant)?,
                    Some(Err(error)) => {
                        let failure = Failure::from_watch("watch the tenants", &error);
                        if failure.kind != Kind::Passing {
                            return Err(failure);
                        }
                    }
                    None => return Err(Failure::new("watch the tenants: the API server ended it")),
                }
            }
        }
    }

    async fn begin(&mut self, path: &str) -> Result<()> {
        let (namespace, name) = path.split_once('/').unwrap_or_default();
        let change = self
            .asked
            .get(path)
            .map(|asked| asked.change.as_str())
            .unwrap_or_default();
        let change = json!({"metadata": {"annotations": {annotations::ACCEPT_CLASS: change}}});
        let api = self.cluster.within::<EOfficeTenant>(namespace);
        match merge(&format!("accept for tenant {path}"), &api, name, &change).await {
            Ok(_) => self.told("accepted", path, ""),
            // Who may not accept for one may accept for none.
            Err(failure) if failure.kind == Kind::Forbidden => Err(failure),
            Err(failure) => {
                self.rollout.failed(path);
                self.told("failed", path, &failure.to_string())
            }
        }
    }

    fn look(&mut self, tenant: &EOfficeTenant) -> Result<()> {
        let path = tenant.path();
        if !self.rollout.is_waiting(&path) {
            return Ok(());
        }
        match stand(tenant, self.class) {
            Stand::Waiting => Ok(()),
            Stand::Ready => {
                self.rollout.ready(&path);
                self.told("ready", &path, "")
            }
            Stand::Failed(_) if self.asked.get(&path).is_some_and(|asked| asked.was_stalled) => {
                Ok(())
            }
            Stand::Failed(why) => {
                self.rollout.failed(&path);
                self.told("failed", &path, &why)
            }
        }
    }

    fn told(&self, what: &str, path: &str, why: &str) -> Result<()> {
        let (done, all) = self.rollout.progress();
        let line = format!("{done:>3} of {all}  {what:<8}  {path}\n");
        let why = if why.is_empty() {
            String::new()
        } else {
            wrap("            ", why, self.console.style)
        };
        self.console.say(&(line + &why))
    }

    fn end(&self) -> Result<Outcome> {
        let Rollout { ready, failed, .. } = &self.rollout;
        let left = self.rollout.left();
        let mut text = format!("{ready} took it and are Ready, {} failed", failed.len());
        if left > 0 {
            text += &format!(
                ", {left} were not asked: too many failed. See kubectl eoffice status of those that failed; the same \
                 command goes on with the rest"
            );
        }
        self.console
            .say(&wrap("", &(text + "."), self.console.style))?;
        Ok(if failed.is_empty() {
            Outcome::Fine
        } else {
            Outcome::Wrong
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn tenant(status: Value) -> EOfficeTenant {
        serde_json::from_value(json!({
            "metadata": {"name": "town", "namespace": "province-30"},
            "spec": {"agency": {"nameTh": "เทศบาล", "kind": "TownMunicipality", "province": "30"}},
            "status": status,
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str) -> Value {
        json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-11-21T10:00:00Z"})
    }

    fn applied(class: &str) -> Value {
        json!({
            "class": class, "baseDomain": "d", "store": "s", "versioning": true, "allowDelete": false,
            "retain": {"days": 1, "restore": "Automatic"},
        })
    }

    #[test]
    fn ready_counts_only_with_the_new_values() {
        let ready = [condition("Ready", "True")];
        let cases = [
            (
                json!({"conditions": ready, "applied": applied("standard"), "classChange": "standard/ab"}),
                Stand::Waiting,
            ),
            (
                json!({"conditions": ready, "applied": applied("trial")}),
                Stand::Waiting,
            ),
            (
                json!({"conditions": ready, "applied": applied("standard")}),
                Stand::Ready,
            ),
            (
                json!({"conditions": [condition("Ready", "False")], "applied": applied("standard")}),
                Stand::Waiting,
            ),
            (
                json!({"conditions": [condition("Stalled", "True")]}),
                Stand::Failed("R: m".into()),
            ),
        ];
        for (status, expected) in cases {
            assert_eq!(
                stand(&tenant(status.clone()), "standard"),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn the_class_is_read_off_what_waits() {
        assert_eq!(
            asked_class(&tenant(json!({"classChange": "standard/ab"}))).as_deref(),
            Some("standard")
        );
        assert_eq!(asked_class(&tenant(json!({}))), None);
    }
}
