//! A url that was disabled, once more.

use eventhive_webhook::delivery;
use eventhive_webhook::store::Endpoint;
use serde_json::json;

use super::place::{Place, PlaceArgs, UNKNOWN, failure};
use super::words::{ago, since_then};
use crate::cli::console::{Console, visible};
use crate::cli::exit::{Exit, Failure};

/// Call a url again that was disabled because it had failed for days
///
/// Servers that run take note with their next sweep, which is every 10 seconds if not set otherwise. Exit code 1: nothing was
/// known against this url, or no subscription has it.
#[derive(Debug, clap::Args)]
pub(super) struct Enable {
    #[command(flatten)]
    place: PlaceArgs,

    /// The receive url
    url: String,
}

impl Enable {
    pub(super) async fn run(self, console: Console) -> Result<Exit, Failure> {
        let place = self.place.open().await?;
        let result = self.enable(&place).await;
        let (is_known, before) = place.close(result).await?;
        let Endpoint { disabled_at, failing_since, .. } = before.unwrap_or_default();
        let url = visible(&self.url);
        let text = || match (disabled_at, failing_since) {
            (Some(at), _) => format!("{url}: enabled; it was disabled {}", ago(at)),
            (None, Some(since)) => {
                format!("{url}: it was not disabled; that it has failed for {} is forgotten", since_then(since))
            }
            (None, None) if is_known => format!("{url}: nothing was known against it"),
            (None, None) => format!("{url}: {UNKNOWN}"),
        };
        let json = || json!({ "url": self.url, "known": is_known, "was_disabled_at": disabled_at, "was_failing_since": failing_since });
        console.answer(text, json)?;
        Ok(if disabled_at.is_some() || failing_since.is_some() { Exit::Ok } else { Exit::Negative })
    }

    /// Whether the url was known, and what was remembered of it.
    async fn enable(&self, place: &Place) -> Result<(bool, Option<Endpoint>), Failure> {
        let is_known = place.knows(&self.url).await?;
        Ok((is_known, delivery::enable(&*place.store, &self.url).await.map_err(failure)?))
    }
}
