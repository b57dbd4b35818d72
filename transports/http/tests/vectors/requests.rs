//! The requests of the vectors, byte for byte. Not a test: included by those that send them.

use serde_json::Value;

/// The request's bytes. Long runs of `x` or `a` are cut short in the vectors, with the whole length behind.
pub(crate) fn bytes(row: &Value) -> Vec<u8> {
    let text = row["request"].as_str().unwrap();
    let shortened = text.strip_suffix(" bytes)").and_then(|text| text.rsplit_once("...("));
    let Some((start, size)) = shortened else { return text.chars().map(|c| u8::try_from(c).unwrap()).collect() };
    let size: usize = size.parse().unwrap();
    let fill = start.chars().last().unwrap();
    // What stands behind the run.
    let end = match (text.starts_with("GET"), text.contains("chunked")) {
        (true, _) => " HTTP/1.1\r\nHost: x\r\n\r\n",
        (false, true) => "\"}\r\n0\r\n\r\n",
        (false, false) => "\"}",
    };
    let mut whole = start.to_owned();
    whole.extend(std::iter::repeat_n(fill, size - start.len() - end.len()));
    (whole + end).into_bytes()
}

/// The header of a row about the backlog, where `cursors` are those of the events that were published; `None` without one.
pub(crate) fn backlog_header(row: &str, cursors: &[String]) -> Option<String> {
    let after = |cursor: &str| Some(format!("X-Fetch-Since-Cursor: {cursor}"));
    match row {
        "no header" => None,
        "cursor of i=5" | "path filter applies" | "other topic" => after(&cursors[5]),
        "cursor of the last event" => after(&cursors[7]),
        "cursor already pushed out of the backlog (i=0)" => after(&cursors[0]),
        "oldest kept (i=3)" => after(&cursors[3]),
        "unknown cursor" => after("8c13f3e9-2e8c-4a51-8a05-0123456789ab"),
        "wrong length" => after("12345"),
        "upper-case cursor" => after(&cursors[5].to_uppercase()),
        "X-Fetch-Since in the future" => Some("X-Fetch-Since: 9999999999".to_owned()),
        "X-Fetch-Since empty value" => Some("X-Fetch-Since: ".to_owned()),
        other => Some(other.to_owned()),
    }
}
