//! What was tried, and what could not be delivered.

use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value as Json;

use super::{Argument, Care, Record, Statement, Strange, Tables, limit, nth};
use crate::store::sql::text::Dialect;
use crate::store::sql::{damaged, hex};
use crate::store::{Answer, Attempt, AttemptFilter, Buried, DeadLetter, Journal, LettersOfUrl, Outcome};

const ATTEMPTS: &str = "webhook_attempts";
const LETTERS: &str = "webhook_dead_letters";
const ATTEMPT: &str = "at_ms, call, url, topic, identifier, outcome, detail, status, took_us, bytes";
const LETTER: &str = "at_ms, url, topic, outcome, detail, sha512, bytes";

impl Journal for Tables {
    fn log<'a>(&'a self, attempts: &'a [Attempt]) -> Answer<'a, ()> {
        async move {
            if attempts.is_empty() {
                return Ok(());
            }
            self.engine.write(log(self.dialect, attempts), Care::Loose).await?;
            Ok(())
        }
        .boxed()
    }

    fn attempts<'a>(&'a self, filter: &'a AttemptFilter) -> Answer<'a, Vec<Attempt>> {
        async move {
            let mut arguments = vec![limit(filter.limit)];
            let mut text = format!("SELECT number, {ATTEMPT} FROM {ATTEMPTS} WHERE true");
            let mut only = |condition: &str, value: Argument| {
                arguments.push(value);
                text.push_str(&format!(" AND {condition} ${}", arguments.len()));
            };
            if let Some(url) = &filter.url {
                only("url =", (&**url).into());
            }
            if let Some(outcome) = filter.outcome {
                only("outcome =", outcome.word().into());
            }
            if let Some(since) = filter.since_ms {
                only("at_ms >=", since.into());
            }
            text.push_str(" ORDER BY at_ms DESC, number DESC LIMIT $1");
            let records = self.ask(&self.dialect.text(text), arguments).await?;
            self.read(ATTEMPTS, records, |_, record| attempt(record))
        }
        .boxed()
    }

    fn bury<'a>(&'a self, letter: &'a DeadLetter, keep: LettersOfUrl) -> Answer<'a, Buried> {
        async move {
            let text = format!("INSERT INTO {LETTERS} ({LETTER}, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
            let statements = vec![
                Statement::new(&self.dialect.text(text), letter_values(self.dialect, letter)),
                Statement::new(&self.dialect.last(LETTERS), Vec::new()),
                forget_beyond(self.dialect, &letter.url, keep),
            ];
            let mut done = self.engine.write(statements, Care::Durable).await?;
            let number = nth(&mut done, 1).rows.pop().ok_or(Strange).and_then(|mut record| record.integer());
            let number = number.map_err(|Strange| damaged(self.engine.name(), LETTERS, 0))?;
            Ok(Buried { number, forgotten: nth(&mut done, 2).affected })
        }
        .boxed()
    }

    fn dead_letters<'a>(
        &'a self,
        url: Option<&'a str>,
        before: Option<i64>,
        most: usize,
    ) -> Answer<'a, Vec<DeadLetter>> {
        async move {
            let mut arguments = vec![limit(most), before.unwrap_or(i64::MAX).into()];
            let mut text = format!("SELECT number, {LETTER}, NULL FROM {LETTERS} WHERE number < $2");
            if let Some(url) = url {
                text.push_str(&format!(" AND {}", self.dialect.same("url", "$3")));
                arguments.push(url.into());
            }
            text.push_str(" ORDER BY number DESC LIMIT $1");
            let records = self.ask(&self.dialect.text(text), arguments).await?;
            self.read(LETTERS, records, letter)
        }
        .boxed()
    }

    fn dead_letter(&self, number: i64) -> Answer<'_, Option<DeadLetter>> {
        async move {
            let text = self.dialect.text(format!("SELECT number, {LETTER}, body FROM {LETTERS} WHERE number = $1"));
            let records = self.ask(&text, vec![number.into()]).await?;
            Ok(self.read(LETTERS, records, letter)?.pop())
        }
        .boxed()
    }

    fn unbury(&self, number: i64) -> Answer<'_, bool> {
        async move {
            let text = self.dialect.text(format!("DELETE FROM {LETTERS} WHERE number = $1"));
            Ok(self.change(&text, vec![number.into()], Care::Durable).await? > 0)
        }
        .boxed()
    }

    fn trim(&self, before: u64, keep_attempts: u64, keep_letters: u64) -> Answer<'_, u64> {
        async move {
            let before = before.saturating_mul(1000);
            let trim = |table: &str, keep: u64| {
                let text = format!(
                    "DELETE FROM {table} WHERE at_ms < $1 OR number <= \
                     (SELECT number FROM {table} ORDER BY number DESC LIMIT 1 OFFSET $2)"
                );
                Statement::new(&self.dialect.text(text), vec![before.into(), keep.into()])
            };
            let statements = vec![trim(ATTEMPTS, keep_attempts), trim(LETTERS, keep_letters)];
            let done = self.engine.write(statements, Care::Loose).await?;
            Ok(done.iter().map(|done| done.affected).sum())
        }
        .boxed()
    }
}

/// The statement that forgets the oldest letters of a url.
fn forget_beyond(dialect: Dialect, url: &str, keep: LettersOfUrl) -> Statement {
    let text = format!(
        "DELETE FROM {LETTERS} WHERE number IN (SELECT number FROM (SELECT number, row_number() OVER newest AS nth, \
         sum(CASE WHEN body IS NULL THEN 0 ELSE bytes END) OVER newest AS total FROM {LETTERS} WHERE {this_url} \
         WINDOW newest AS (ORDER BY number DESC)) AS letter WHERE nth > 1 AND (nth > $2 OR total > $3))",
        this_url = dialect.same("url", "$1"),
    );
    let url = dialect.without_nul(url);
    Statement::new(&dialect.text(text), vec![(&*url).into(), keep.letters.into(), keep.bytes.into()])
}

/// The statements that add attempts. In PostgreSQL each would be an exchange with the server.
fn log(dialect: Dialect, attempts: &[Attempt]) -> Vec<Statement> {
    let insert = format!("INSERT INTO {ATTEMPTS} ({ATTEMPT})");
    if dialect != Dialect::Postgres {
        let text = dialect.text(format!("{insert} VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"));
        return attempts.iter().map(|attempt| Statement::new(&text, attempt_values(dialect, attempt))).collect();
    }
    let text = format!(
        "{insert} SELECT CAST(value ->> 0 AS bigint), value ->> 1, value ->> 2, decode(value ->> 3, 'hex'), \
         decode(value ->> 4, 'hex'), value ->> 5, value ->> 6, CAST(value ->> 7 AS bigint), CAST(value ->> 8 AS bigint), \
         CAST(value ->> 9 AS bigint) FROM {}",
        dialect.list("$1")
    );
    let lines: Vec<Vec<Json>> =
        attempts.iter().map(|attempt| attempt_values(dialect, attempt).iter().map(json).collect()).collect();
    // Text and numbers can always be written.
    vec![Statement::new(&text.into(), vec![serde_json::to_string(&lines).unwrap_or_default().into()])]
}

/// Bytes are in hex.
fn json(value: &Argument) -> Json {
    match value {
        Argument::Integer(value) => (*value).into(),
        Argument::Text(value) => value.as_deref().into(),
        Argument::Bytes(value) => value.as_deref().map(hex).into(),
    }
}

/// As `ATTEMPT` has them.
fn attempt_values(dialect: Dialect, attempt: &Attempt) -> Vec<Argument> {
    vec![
        attempt.at_ms.into(),
        if attempt.receive { "receive" } else { "missed" }.into(),
        (&*dialect.without_nul(&attempt.url)).into(),
        (&*attempt.topic).into(),
        (&*attempt.identifier).into(),
        attempt.outcome.word().into(),
        (&*dialect.without_nul(&attempt.detail)).into(),
        attempt.status.map(u64::from).into(),
        u64::try_from(attempt.took.as_micros()).unwrap_or(u64::MAX).into(),
        attempt.bytes.into(),
    ]
}

fn attempt(record: &mut Record) -> Result<Attempt, Strange> {
    Ok(Attempt {
        at_ms: record.unsigned()?,
        receive: &*record.text()? == "receive",
        url: record.text()?,
        topic: record.bytes()?,
        identifier: record.bytes()?,
        outcome: outcome(record)?,
        detail: record.text()?,
        status: record.maybe_unsigned()?,
        took: Duration::from_micros(record.unsigned()?),
        bytes: record.unsigned()?,
    })
}

/// As `LETTER` and the body have them.
fn letter_values(dialect: Dialect, letter: &DeadLetter) -> Vec<Argument> {
    vec![
        letter.at_ms.into(),
        (&*dialect.without_nul(&letter.url)).into(),
        (&*letter.topic).into(),
        letter.outcome.word().into(),
        (&*dialect.without_nul(&letter.detail)).into(),
        letter.sha512.as_slice().into(),
        letter.bytes.into(),
        Argument::Bytes(letter.body.clone()),
    ]
}

fn letter(number: i64, record: &mut Record) -> Result<DeadLetter, Strange> {
    Ok(DeadLetter {
        number,
        at_ms: record.unsigned()?,
        url: record.text()?,
        topic: record.bytes()?,
        outcome: outcome(record)?,
        detail: record.text()?,
        sha512: (*record.bytes()?).try_into().map_err(|_| Strange)?,
        bytes: record.unsigned()?,
        body: record.maybe_bytes()?,
    })
}

fn outcome(record: &mut Record) -> Result<Outcome, Strange> {
    Outcome::of(&record.text()?).ok_or(Strange)
}
