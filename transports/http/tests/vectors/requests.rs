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
