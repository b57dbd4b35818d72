//! The keys that a request and an answer have in their metadata beside the usual ones.
//!
//! The table is in [`request`](crate::request); `tests/vectors/replies.json` has examples for other languages.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::quoted;
use crate::event::Exchange;

const VALUE: &str = "value";
const ERROR: &str = "error";

/// Appends the keys, each behind a comma.
pub(super) fn write(text: &mut String, exchange: &Exchange) {
    // Writing to a String cannot fail.
    let _ = match exchange {
        Exchange::Request { reply_to, deadline } => {
            let reply_to = reply_to.iter().try_for_each(|name| write!(text, r#", "reply_to": {}"#, quoted(name)));
            let finite = deadline.filter(|deadline| deadline.is_finite());
            reply_to.and_then(|()| finite.iter().try_for_each(|deadline| write!(text, r#", "deadline": {deadline:?}"#)))
        }
        Exchange::Reply { in_reply_to, from, is_error } => {
            let word = if *is_error { ERROR } else { VALUE };
            write!(text, r#", "in_reply_to": {}, "reply": "{word}""#, quoted(in_reply_to))
                .and_then(|()| from.iter().try_for_each(|from| write!(text, r#", "from": {}"#, quoted(from))))
        }
    };
}

/// What the metadata says of a request or an answer. Keys of another kind than they should have say nothing: then the
/// event is an ordinary one.
pub(super) fn read(metadata: &Map<String, Value>) -> Option<Exchange> {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    if let Some(in_reply_to) = text("in_reply_to") {
        let is_error = match text("reply")? {
            VALUE => false,
            ERROR => true,
            _ => return None,
        };
        let from = text("from").map(str::to_owned);
        return Some(Exchange::Reply { in_reply_to: in_reply_to.to_owned(), from, is_error });
    }
    let reply_to = text("reply_to")?.to_owned();
    let deadline = metadata.get("deadline").and_then(Value::as_f64);
    Some(Exchange::Request { reply_to: Some(reply_to), deadline })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(exchange: &Exchange) -> Map<String, Value> {
        let mut text = r#"{"id": "x""#.to_owned();
        write(&mut text, exchange);
        serde_json::from_str(&(text + "}")).unwrap()
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let reply_to = Some("net/inbox-1/\"2\"".to_owned());
        let (in_reply_to, from) = ("a".to_owned(), Some("b".to_owned()));
        for exchange in [
            Exchange::Request { reply_to: reply_to.clone(), deadline: Some(1_795_217_296.5) },
            Exchange::Request { reply_to, deadline: None },
            Exchange::Reply { in_reply_to: in_reply_to.clone(), from, is_error: false },
            Exchange::Reply { in_reply_to, from: None, is_error: true },
        ] {
            assert_eq!(read(&written(&exchange)), Some(exchange));
        }
    }

    #[test]
    fn a_deadline_that_json_cannot_say_is_left_out() {
        let exchange = Exchange::Request { reply_to: Some("a".to_owned()), deadline: Some(f64::INFINITY) };
        assert!(!written(&exchange).contains_key("deadline"));
    }

    #[test]
    fn keys_of_another_kind_make_an_ordinary_event() {
        for text in [r#"{"reply_to": 1}"#, r#"{"in_reply_to": "a"}"#, r#"{"in_reply_to": "a", "reply": "x"}"#, "{}"] {
            assert_eq!(read(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }
}
