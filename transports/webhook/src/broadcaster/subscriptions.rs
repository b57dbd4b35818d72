//! Subscriptions of urls.

use super::{Broadcaster, SubscribeError};
use crate::store::{Row, StoreError, Wanted};
use crate::wire::Interest;
use crate::wire::etag::{Etag, EtagBuilder};
use crate::wire::glob::Glob;

/// Rows of one url that are read at a time.
const PAGE: usize = 500;

impl Broadcaster {
    /// Subscribes a url, and enables it. `false` if it has this subscription already; its recovery url is left as it is then.
    ///
    /// # Errors
    /// The pattern is none, or the store does not take it.
    pub async fn subscribe(
        &self,
        url: &str,
        interest: Interest<'_>,
        recovery: Option<&str>,
    ) -> Result<bool, SubscribeError> {
        check(interest)?;
        let inserted = self.store.insert(url, interest, recovery).await?;
        if let Some(id) = inserted {
            self.follower.refresh(vec![id]).await?;
        }
        // Who has it already is there, too.
        self.deliver.enable(url);
        Ok(inserted.is_some())
    }

    /// Somebody who may subscribe this url has asked for its subscriptions, and leaves them as they are if they are right: what
    /// is known of its failures does not count any more.
    pub fn heard_from(&self, url: &str) {
        self.deliver.enable(url);
    }

    /// Ends a subscription of a url. `false` if there is none.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn unsubscribe(&self, url: &str, interest: Interest<'_>) -> Result<bool, SubscribeError> {
        let Some(id) = self.store.remove(url, interest).await? else { return Ok(false) };
        self.follower.refresh(vec![id]).await?;
        Ok(true)
    }

    /// The etag of all subscriptions of a url; that of the empty lists, if it has none. It is read in pages, so that one
    /// which changes meanwhile may be of a state that never was.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn etag(&self, url: &str) -> Result<Etag, SubscribeError> {
        let mut builder = EtagBuilder::new(url)?;
        let mut last: Option<Row> = None;
        loop {
            let rows = self.store.of_url(url, last.as_ref().and_then(Row::interest), PAGE).await?;
            for row in &rows {
                if let Some(interest) = row.interest() {
                    builder.push(interest, row.recovery.as_deref())?;
                }
            }
            let is_last = rows.len() < PAGE;
            last = rows.into_iter().last();
            if is_last {
                return Ok(builder.finish());
            }
        }
    }

    /// Makes the subscriptions of a url these, which are sorted as [`EtagBuilder`] takes them, at once. Recovery urls that
    /// differ are changed too.
    ///
    /// # Errors
    /// A pattern is none, or the store does not do it.
    pub async fn replace(&self, url: &str, wanted: &[Wanted<'_>]) -> Result<(), SubscribeError> {
        wanted.iter().try_for_each(|wanted| check(wanted.interest))?;
        let changed = self.store.replace(url, wanted).await?;
        self.follower.refresh(changed).await?;
        if !wanted.is_empty() {
            self.deliver.enable(url);
        }
        Ok(())
    }

    /// Removes a row whose url has asked for it.
    pub(super) async fn remove_gone(&self, id: crate::store::RowId) {
        let removed = async {
            self.store.remove_row(id).await?;
            self.follower.refresh(vec![id]).await
        };
        self.counters.gone.add(1);
        let removed: Result<(), StoreError> = removed.await;
        if let Err(error) = removed {
            // It asks again at the next message.
            tracing::debug!(%error, "a subscription that its url does not want could not be removed");
        }
    }
}

fn check(interest: Interest<'_>) -> Result<(), SubscribeError> {
    if let Interest::Glob(text) = interest {
        Glob::new(text)?;
    }
    Ok(())
}
