//! Questions that tell whether a part serves.

use anyhow::Result;
use futures::future::BoxFuture;

/// Asks `url`, and wants an answer of success.
pub(crate) fn http(
    client: reqwest::Client,
    url: String,
) -> impl Fn() -> BoxFuture<'static, Result<()>> + Send + Sync {
    move || {
        let ask = client.get(&url).send();
        Box::pin(async move {
            ask.await?.error_for_status()?;
            Ok(())
        })
    }
}
