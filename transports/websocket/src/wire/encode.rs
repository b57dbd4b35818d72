//! Every message we send, as text, with the keys in Python's order and without blanks, as pydantic 2 writes them.

use std::fmt::Write as _;

use super::data::Data;

/// A call id of ours: 32 lower-case hexadecimal digits on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(pub u128);

impl CallId {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }

    fn write(self, out: &mut String) {
        hex(out, self.0);
    }
}

/// Appends 32 lower-case hexadecimal digits.
pub fn hex(out: &mut String, number: u128) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in number.to_be_bytes() {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Appends a JSON string of `text`. Only what JSON demands is escaped.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut kept = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0..=0x1F => "",
            _ => continue,
        };
        out.push_str(&text[kept..at]);
        kept = at + 1;
        match (escape, byte) {
            ("", 0x08) => out.push_str("\\b"),
            ("", 0x0C) => out.push_str("\\f"),
            ("", b'\n') => out.push_str("\\n"),
            ("", b'\r') => out.push_str("\\r"),
            ("", b'\t') => out.push_str("\\t"),
            // Writing to a string cannot fail.
            ("", control) => _ = write!(out, "\\u{control:04x}"),
            (escape, _) => out.push_str(escape),
        }
    }
    out.push_str(&text[kept..]);
    out.push('"');
}

/// How many bytes [`string`] appends.
#[must_use]
pub fn string_size(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | 0x0C | b'\n' | b'\r' | b'\t' => 2,
        0..=0x1F => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

/// Appends the `notify` of an event. The text is the same for every session: `id` stands for the subscription, the
/// subscriber and the call, because peers make nothing of the first two and need the last only to answer.
pub fn notify(out: &mut String, id: CallId, topic: &str, data: &Data<'_>) {
    out.push_str(r#"{"request":{"method":"notify","arguments":{"subscription":{"id":""#);
    id.write(out);
    out.push_str(r#"","subscriber_id":""#);
    id.write(out);
    out.push_str(r#"","topic":"#);
    string(out, topic);
    out.push_str(r#","notifier_id":null},"data":"#);
    data.write(out);
    out.push_str(r#"},"call_id":""#);
    id.write(out);
    out.push_str(r#""},"response":null}"#);
}

/// About how long the text of a [`notify`] gets.
#[must_use]
pub const fn notify_size(topic: &str, data: &Data<'_>) -> usize {
    256 + topic.len() + data.size_hint()
}

/// Appends a `publish` request.
pub fn publish(
    out: &mut String,
    call: CallId,
    topics: &[&str],
    data: &Data<'_>,
    sync: bool,
    notifier_id: Option<&str>,
) {
    out.reserve(192 + topics.iter().map(|topic| topic.len() + 3).sum::<usize>() + data.size_hint());
    out.push_str(r#"{"request":{"method":"publish","arguments":{"topics":"#);
    strings(out, topics);
    out.push_str(r#","data":"#);
    data.write(out);
    out.push_str(if sync { r#","sync":true,"notifier_id":"# } else { r#","sync":false,"notifier_id":"# });
    match notifier_id {
        Some(id) => string(out, id),
        None => out.push_str("null"),
    }
    end_request(out, call);
}

/// Appends a `subscribe` request. Only doors of ours know `patterns`: for any other server there must be none.
pub fn subscribe(out: &mut String, call: CallId, topics: &[&str], patterns: &[&str]) {
    about_topics(out, "subscribe", call, topics, patterns);
}

/// Appends an `unsubscribe` request, under the same rule.
pub fn unsubscribe(out: &mut String, call: CallId, topics: &[&str], patterns: &[&str]) {
    about_topics(out, "unsubscribe", call, topics, patterns);
}

/// Appends a request without arguments, such as `_ping_`. The method is a plain word.
pub fn bare(out: &mut String, method: &str, call: CallId) {
    out.push_str(r#"{"request":{"method":""#);
    out.push_str(method);
    out.push_str(r#"","arguments":{"#);
    end_request(out, call);
}

fn about_topics(out: &mut String, method: &str, call: CallId, topics: &[&str], patterns: &[&str]) {
    out.push_str(r#"{"request":{"method":""#);
    out.push_str(method);
    out.push_str(r#"","arguments":{"topics":"#);
    strings(out, topics);
    if !patterns.is_empty() {
        out.push_str(r#","patterns":"#);
        strings(out, patterns);
    }
    end_request(out, call);
}

fn end_request(out: &mut String, call: CallId) {
    out.push_str(r#"},"call_id":""#);
    call.write(out);
    out.push_str(r#""},"response":null}"#);
}

fn strings(out: &mut String, texts: &[&str]) {
    out.push('[');
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        string(out, text);
    }
    out.push(']');
}

/// Appends an answer with a text: `pong`, a channel id, or the `None` with which a `notify` is answered.
pub fn text_result(out: &mut String, result: &str, call_id: Option<&str>) {
    out.push_str(r#"{"request":null,"response":{"result":"#);
    string(out, result);
    end_response(out, "str", call_id);
}

/// Appends an answer with a boolean.
pub fn bool_result(out: &mut String, result: bool, call_id: Option<&str>) {
    out.push_str(r#"{"request":null,"response":{"result":"#);
    out.push_str(if result { "true" } else { "false" });
    end_response(out, "bool", call_id);
}

/// Appends the answer to a publish of a link of ours: how many sessions the event was handed to.
pub fn count_result(out: &mut String, receivers: u64, call_id: Option<&str>) {
    // Writing to a string cannot fail.
    _ = write!(out, r#"{{"request":null,"response":{{"result":{receivers}"#);
    end_response(out, "int", call_id);
}

fn end_response(out: &mut String, result_type: &str, call_id: Option<&str>) {
    out.push_str(r#","result_type":""#);
    out.push_str(result_type);
    out.push_str(r#"","call_id":"#);
    match call_id {
        Some(id) => string(out, id),
        None => out.push_str("null"),
    }
    out.push_str("}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_get_the_short_escape_where_there_is_one() {
        let mut out = String::new();
        string(&mut out, "\u{8}\u{c}\n\r\t\u{1}\"\\");
        assert_eq!(string_size("\u{8}\u{c}\n\r\t\u{1}\"\\"), out.len());
        assert_eq!(out, r#""\b\f\n\r\t\u0001\"\\""#);
    }
}
