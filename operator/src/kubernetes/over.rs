//! Writes of what two processes must not write over each other: credentials.

use super::apply::{APPLY, Cluster, problem, stays, writer};
use super::desired::Child;
use crate::effect::Failure;
use crate::plan::Problem;
use eoffice_crds::{FIELD_MANAGER, Reason};
use kube::Error;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;

impl Cluster {
    /// As [`Cluster::apply`], over exactly what was read; `None` where nothing was there. Where somebody wrote it since,
    /// nothing is written: what was decided on is not there any more.
    pub async fn apply_over(
        &self,
        namespace: &str,
        child: &Child,
        read: Option<&Value>,
    ) -> Result<(), Problem> {
        let key = &child.key;
        let object = format!("{namespace}/{key}");
        let failed = |failure: Failure<Error>| match failure {
            Failure::Call(Error::Api(status))
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                meanwhile(&object)
            }
            failure => problem("apply", &object, &failure),
        };
        let written = self.put_over(&object, namespace, child, read).await;
        let live = self.took_in(key.kind, &written.map_err(failed)?);
        stays(&object, &live.object)?;
        if self.fits(child, live.print) {
            return Ok(());
        }
        let replaced = self.replace(&object, child, &live.object).await;
        self.learn(child, &replaced.map_err(failed)?);
        Ok(())
    }

    async fn put_over(
        &self,
        object: &str,
        namespace: &str,
        child: &Child,
        read: Option<&Value>,
    ) -> Result<DynamicObject, Failure<Error>> {
        let (key, mut body) = (&child.key, child.body.clone());
        let api = self.api(key.kind, namespace);
        let (effects, name) = (&self.effects, &key.name);
        let Some(read) = read else {
            // The error would show what is in the object.
            let body: DynamicObject = serde_json::from_value(body)
                .map_err(|error| Failure::Call(Error::SerdeError(error)))?;
            let params = writer();
            let made = effects.call(APPLY, object, || api.create(&params, &body));
            return made.await;
        };
        for exact in ["resourceVersion", "uid"] {
            body["metadata"][exact] = read["metadata"][exact].clone();
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&body);
        let applied = effects.call(APPLY, object, || api.patch(name, &params, &patch));
        applied.await
    }
}

fn meanwhile(object: &str) -> Problem {
    Problem::new(
        Reason::KubernetesError,
        format!("{object} was written by somebody else since it was read; it is looked at again"),
    )
}
