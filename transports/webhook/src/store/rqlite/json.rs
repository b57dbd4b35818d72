//! What is sent to rqlite, and what it answers: statements and their results in JSON
//! (<https://rqlite.io/docs/api/api/>).

use serde::Deserialize;
use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use serde_json::Value as Json;

use super::schema::BYTES;
use crate::store::sql::{Argument, Done, Record, Statement, Value, hex, unhex};

/// A request's body: a list of lists, each a statement and its values.
pub(super) fn body(statements: &[Statement]) -> Vec<u8> {
    // What is written is text and numbers, which always can be.
    serde_json::to_vec(&statements.iter().map(Line).collect::<Vec<_>>()).unwrap_or_default()
}

struct Line<'a>(&'a Statement);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_seq(Some(1 + self.0.arguments.len()))?;
        line.serialize_element(&*self.0.text)?;
        for argument in &self.0.arguments {
            match argument {
                Argument::Integer(value) => line.serialize_element(value)?,
                Argument::Text(value) => line.serialize_element(value)?,
                Argument::Bytes(value) => line.serialize_element(&value.as_deref().map(hex))?,
            }
        }
        line.end()
    }
}

/// Why an answer has no results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request as a whole has failed, for instance because there is no leader.
    Request(String),
    /// A statement has failed, and with it the transaction.
    Statement(String),
    /// It is not what rqlite answers.
    Strange(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Outcome>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<Json>>,
    #[serde(default)]
    rows_affected: u64,
    error: Option<String>,
}

/// The results of an answer's body, as many as there were statements.
pub(super) fn results(body: &[u8], statements: usize) -> Result<Vec<Done>, Refusal> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| Refusal::Strange(error.to_string()))?;
    if let Some(error) = answer.error {
        return Err(Refusal::Request(error));
    }
    if let Some(error) = answer.results.iter().find_map(|outcome| outcome.error.clone()) {
        return Err(Refusal::Statement(error));
    }
    if answer.results.len() != statements {
        let got = answer.results.len();
        return Err(Refusal::Strange(format!("{got} results for {statements} statements")));
    }
    answer.results.into_iter().map(done).collect()
}

fn done(outcome: Outcome) -> Result<Done, Refusal> {
    let Outcome { columns, values, rows_affected, .. } = outcome;
    let is_bytes: Vec<bool> = columns.iter().map(|column| BYTES.contains(&&**column)).collect();
    let row = |values: Vec<Json>| {
        let each = values.into_iter().zip(&is_bytes).map(|(value, is_bytes)| value_of(value, *is_bytes));
        Ok(Record::new(each.collect::<Result<_, _>>()?))
    };
    Ok(Done { rows: values.into_iter().map(row).collect::<Result<_, _>>()?, affected: rows_affected })
}

fn value_of(value: Json, is_bytes: bool) -> Result<Value, Refusal> {
    let strange = |value: &dyn std::fmt::Display| Refusal::Strange(format!("the value {value}"));
    Ok(match value {
        Json::Null => Value::Null,
        Json::Number(number) => Value::Integer(number.as_i64().ok_or_else(|| strange(&number))?),
        Json::String(text) if is_bytes => Value::Bytes(unhex(&text).ok_or_else(|| strange(&text))?),
        Json::String(text) => Value::Text(text),
        other => return Err(strange(&other)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// From <https://rqlite.io/docs/api/api/>, the parameterized and the unified example.
    #[test]
    fn requests_and_answers_have_the_documented_shape() {
        let text: Arc<str> = "INSERT INTO foo(name, age) VALUES(?1, ?2)".into();
        let statement = Statement::new(&text, vec!["fiona".into(), 20_i64.into()]);
        let sent = body(&[statement]);
        assert_eq!(sent, br#"[["INSERT INTO foo(name, age) VALUES(?1, ?2)","fiona",20]]"#);
        let answer = br#"{"results": [
            {"last_insert_id": 2, "rows_affected": 1},
            {"columns": ["id", "name"], "types": ["integer", "text"], "values": [[1, "fiona"], [2, "declan"]]},
            {"columns": ["id"], "types": ["integer"]}
        ], "time": 0.5}"#;
        let mut done = results(answer, 3).unwrap();
        assert_eq!(done[0].affected, 1);
        assert_eq!(done[1].rows[1].text(), Err(crate::store::sql::Strange));
        assert_eq!(done[1].rows[1].text().unwrap(), "declan".into());
        assert!(done[2].rows.is_empty());
        let results = |answer: &str| results(answer.as_bytes(), 1).unwrap_err();
        assert_eq!(
            results(r#"{"results":[],"error":"leader not found"}"#),
            Refusal::Request("leader not found".into())
        );
        let failed = r#"{"results":[{"error":"near \"nonsense\": syntax error"}]}"#;
        assert_eq!(results(failed), Refusal::Statement("near \"nonsense\": syntax error".into()));
        assert!(matches!(results("<html>"), Refusal::Strange(_)));
        assert!(matches!(results(r#"{"results":[]}"#), Refusal::Strange(_)));
        assert!(matches!(results(r#"{"results":[{"columns":["exact"],"values":[["0g"]]}]}"#), Refusal::Strange(_)));
    }
}
