//! What is remembered of urls.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{Care, Record, Statement, Strange, Tables, limit};
use crate::store::{Answer, Endpoint, EndpointFilter, Endpoints, StoreError};

const TABLE: &str = "webhook_endpoints";
/// The first is for messages of errors; rows of this table have no number.
const COLUMNS: &str = "0, url, failing_since, failures, disabled_at, reason, verified_at, allowed_rate";

impl Endpoints for Tables {
    fn endpoint<'a>(&'a self, url: &'a str) -> Answer<'a, Option<Endpoint>> {
        async move {
            let text = format!("SELECT {COLUMNS} FROM {TABLE} WHERE {}", self.dialect.same("url", "$1"));
            let records = self.ask(&self.dialect.text(text), vec![url.into()]).await?;
            Ok(self.all(records)?.pop())
        }
        .boxed()
    }

    fn endpoints<'a>(&'a self, filter: &'a EndpointFilter) -> Answer<'a, Vec<Endpoint>> {
        async move {
            let mut arguments = vec![limit(filter.limit)];
            let mut text = format!("SELECT {COLUMNS} FROM {TABLE} WHERE true");
            if filter.disabled {
                text.push_str(" AND disabled_at IS NOT NULL");
            }
            if let Some(after) = &filter.after {
                text.push_str(" AND url > $2");
                arguments.push((&**after).into());
            }
            text.push_str(" ORDER BY url LIMIT $1");
            let records = self.ask(&self.dialect.text(text), arguments).await?;
            self.all(records)
        }
        .boxed()
    }

    fn remember<'a>(&'a self, endpoint: &'a Endpoint) -> Answer<'a, ()> {
        async move {
            let earliest = |column: &str| {
                format!(
                    "{column} = CASE WHEN {TABLE}.{column} <= excluded.{column} THEN {TABLE}.{column} \
                     ELSE coalesce(excluded.{column}, {TABLE}.{column}) END"
                )
            };
            let text = format!(
                "INSERT INTO {TABLE} (url, failing_since, failures, disabled_at, reason, verified_at, allowed_rate) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT {unique} DO UPDATE SET {failing}, {disabled}, \
                 failures = CASE WHEN {TABLE}.failures > excluded.failures THEN {TABLE}.failures ELSE excluded.failures END, \
                 reason = CASE WHEN excluded.failing_since IS NULL AND excluded.disabled_at IS NULL \
                    THEN {TABLE}.reason ELSE excluded.reason END, \
                 verified_at = coalesce(excluded.verified_at, {TABLE}.verified_at), \
                 allowed_rate = CASE WHEN excluded.verified_at IS NULL \
                    THEN {TABLE}.allowed_rate ELSE excluded.allowed_rate END",
                unique = self.dialect.unique_url(),
                failing = earliest("failing_since"),
                disabled = earliest("disabled_at"),
            );
            let arguments = vec![
                (&*endpoint.url).into(),
                endpoint.failing_since.into(),
                u64::from(endpoint.failures).into(),
                endpoint.disabled_at.into(),
                (&*self.dialect.without_nul(&endpoint.reason)).into(),
                endpoint.verified_at.into(),
                endpoint.allowed_rate.map(u64::from).into(),
            ];
            self.change(&self.dialect.text(text), arguments, Care::Durable).await?;
            Ok(())
        }
        .boxed()
    }

    fn enable<'a>(&'a self, url: &'a str) -> Answer<'a, bool> {
        async move {
            let this = self.dialect.same("url", "$1");
            let forget = format!(
                "UPDATE {TABLE} SET failing_since = NULL, failures = 0, disabled_at = NULL, reason = '' WHERE {this}"
            );
            // What says nothing any more.
            let dismiss = format!("DELETE FROM {TABLE} WHERE {this} AND verified_at IS NULL");
            let statement = |text: String| Statement::new(&self.dialect.text(text), vec![url.into()]);
            let done = self.engine.write(vec![statement(forget), statement(dismiss)], Care::Durable).await?;
            Ok(done.first().is_some_and(|done| done.affected > 0))
        }
        .boxed()
    }

    fn dismiss<'a>(&'a self, url: &'a str) -> Answer<'a, bool> {
        async move {
            let text: Arc<str> =
                self.dialect.text(format!("DELETE FROM {TABLE} WHERE {}", self.dialect.same("url", "$1")));
            Ok(self.change(&text, vec![url.into()], Care::Durable).await? > 0)
        }
        .boxed()
    }
}

impl Tables {
    fn all(&self, records: Vec<Record>) -> Result<Vec<Endpoint>, StoreError> {
        self.read(TABLE, records, |_, record| endpoint(record))
    }
}

fn endpoint(record: &mut Record) -> Result<Endpoint, Strange> {
    Ok(Endpoint {
        url: record.text()?,
        failing_since: record.maybe_unsigned()?,
        failures: record.unsigned()?,
        disabled_at: record.maybe_unsigned()?,
        reason: record.text()?,
        verified_at: record.maybe_unsigned()?,
        allowed_rate: record.maybe_unsigned()?,
    })
}
