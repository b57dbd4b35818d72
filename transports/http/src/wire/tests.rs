//! The vectors of PyPubSub that need no server, and properties.

use std::time::SystemTime;

use eventhive_hub::{Cursor, Draft, Format, Message, PublicCursor};
use eventhive_transport::Topic;
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::event::{self, Line};
use super::json::{JsonError, Object};
use super::{charset, target, topics};

fn vectors(section: &str) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("../../tests/vectors/pypubsub.json")).unwrap();
    all[section].take()
}

fn rows(section: &str) -> Vec<Value> {
    match vectors(section)["rows"].take() {
        Value::Array(rows) => rows,
        other => panic!("{section} has no rows but {other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn stamped(draft: Draft) -> Message {
    Message::stamped(draft, Uuid::now_v7(), SystemTime::now(), Cursor::origin().next())
}

fn published(target: &str, body: &str) -> Message {
    stamped(event::draft(&target::path_of(target), body, false).unwrap())
}

const CURSOR: &str = "3f0a6a5e-1c8b-8d02-9e7d-5b8c1a2f4e66";

fn line(message: &Message) -> String {
    event::line(message, CURSOR.parse::<PublicCursor>().unwrap())
}

#[test]
fn every_path_of_the_vectors_gives_its_topics_and_its_path() {
    for row in rows("paths") {
        let object: Value = serde_json::from_str(&line(&published(text(&row["request_target"]), "{\"a\":1}"))).unwrap();
        assert_eq!(object["pubsub_topics"], row["pubsub_topics"], "{row}");
        assert_eq!(object["pubsub_path"], row["pubsub_path"], "{row}");
    }
}

#[test]
fn a_payload_that_says_its_own_path_keeps_it_in_its_place_and_to_the_letter() {
    let line = |body: &str| line(&stamped(event::addressed(body).unwrap()));
    let said = line(r#"{"pubsub_path": "no//slash%2F", "a": 1}"#);
    assert!(said.starts_with(r#"{"pubsub_path": "no//slash%2F", "a": 1, "pubsub_timestamp": "#), "{said}");
    assert!(said.contains(r#""pubsub_topics": ["no", "slash%2F"]"#), "{said}");
    let unsaid = line(r#"{"a": 1}"#);
    assert!(unsaid.contains(r#""pubsub_topics": [], "pubsub_path": "/", "pubsub_cursor": "#), "{unsaid}");
    let private = event::addressed(r#"{"pubsub_path": "private/a"}"#).unwrap();
    assert_eq!(private.topic(), &Topic::from("a"));
    assert!(stamped(private).is_private());
    for (body, reason) in [
        ("[]", "it is JSON, and no object"),
        ("{", "it is no JSON: see byte 1"),
        (r#"{"pubsub_path": null}"#, "its `pubsub_path` is no text"),
        (r#"{"pubsub_path": "\ud800"}"#, "its `pubsub_path` is no text"),
    ] {
        assert_eq!(event::addressed(body).unwrap_err().to_string(), reason, "{body}");
    }
}

#[test]
fn every_rendering_of_the_vectors_is_as_python_writes_it() {
    for row in rows("rendering") {
        let body = text(&row["body"]);
        if body.contains("NaN") {
            // It would be no JSON; the original passes it on and breaks its own clients.
            assert!(matches!(Object::read(body), Err(JsonError::Syntax(_))));
            continue;
        }
        let message = published("/fruits/apples", body);
        let object: Value = serde_json::from_str(&line(&message).replace("\\ud800", "")).unwrap();
        let timestamp = object["pubsub_timestamp"].to_string();
        let expected = text(&row["line"]).replace("<CURSOR>", CURSOR).replace("<TIMESTAMP>", &timestamp);
        assert_eq!(line(&message), expected, "{row}");
    }
}

#[test]
fn every_match_of_the_vectors_is_one_here_but_for_empty_batches() {
    for row in rows("matching") {
        let (subscription, event) = (text(&row[0]), text(&row[1]));
        let path = target::path_of(subscription);
        let filter = topics::subscription(&path);
        let topic = topics::EventPath::new(&target::path_of(event)).topic();
        // `/foo,` and the like: the original gives everything.
        let has_stray_comma = path.split(',').any(|batch| topics::topics_of(batch).next().is_none());
        if has_stray_comma && !path.trim_matches([',', '/']).is_empty() {
            assert_eq!(row[2], true, "{row}");
            let named = path
                .split(',')
                .any(|name| topics::topics_of(event).any(|topic| format!("/{topic}") == name || topic == name));
            assert_eq!(filter.matches(&topic), named, "{row}");
        } else {
            assert_eq!(row[2], filter.matches(&topic), "{row}");
        }
    }
}

#[test]
fn payloads_that_are_no_objects_are_wrapped_and_come_out_again() {
    let wrapped = |draft: Draft| line(&stamped(draft));
    assert!(
        wrapped(Draft::json("a", "[1,2]")).starts_with(r#"{"payload": [1, 2], "pubsub_wrapped": "json", "pubsub_ti"#)
    );
    assert!(
        wrapped(Draft::bytes("a", "plain")).starts_with(r#"{"payload": "plain", "pubsub_wrapped": "text", "pubsub_t"#)
    );
    assert!(
        wrapped(Draft::bytes("a", vec![0xFF])).starts_with(r#"{"payload": "/w==", "pubsub_wrapped": "base64", "pub"#)
    );
    assert!(wrapped(Draft::bytes("a", r#"{"x":1}"#)).starts_with(r#"{"x": 1, "pubsub_timestamp": "#));
    // Keys of the server's own are not lost.
    assert!(wrapped(Draft::bytes("a", r#"{"pubsub_path":1}"#)).starts_with(r#"{"payload": "{\"pubsub_path\":1}", "#));
    // What is no JSON by a door's mistake is still sent.
    assert!(wrapped(Draft::json("a", "{oops")).starts_with(r#"{"payload": "{oops", "pubsub_wrapped": "text""#));
}

#[test]
fn half_a_surrogate_pair_is_kept_for_pypubsub_and_mended_for_others() {
    let message = published("/a", r#"{"s":"\uD800"}"#);
    assert!(line(&message).starts_with(r#"{"s": "\ud800", "#));
    assert_eq!(message.payload(), &r#"{"s": "\ufffd"}"#);
}

#[test]
fn a_private_event_keeps_its_path_and_loses_the_topic_that_says_so() {
    let message = published("//private//x/", "{}");
    assert!(message.is_private());
    assert_eq!(message.topic(), &Topic::from("x"));
    assert!(line(&message).contains(r#""pubsub_topics": ["x"], "pubsub_path": "//private//x/""#));
}

#[test]
fn texts_that_are_no_json_say_where() {
    for (text, at) in
        [("", 0), ("{", 1), ("{\"a\":01}", 6), ("{\"a\":1} x", 8), ("{\"a\":\"\n\"}", 6), ("{\"a\":1e999}", 10)]
    {
        assert_eq!(Object::read(text), Err(JsonError::Syntax(at)), "{text}");
    }
    for text in ["1", "[]", "null", "\"{}\"", " true "] {
        assert_eq!(Object::read(text), Err(JsonError::NoObject), "{text}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(600), "]".repeat(600));
    assert!(matches!(Object::read(&deep), Err(JsonError::Syntax(_))));
}

#[test]
fn bodies_are_read_in_the_charset_they_declare() {
    let decoded = |body: &[u8], content_type| charset::decode(body, content_type).map(std::borrow::Cow::into_owned);
    assert_eq!(decoded(b"\xc3\xa9", None).as_deref(), Some("é"));
    assert_eq!(decoded(b"\xe9", Some("text/plain; charset=latin-1")).as_deref(), Some("é"));
    assert_eq!(decoded(b"\xe9", Some("text/plain; charset=\"ISO-8859-1\"")).as_deref(), Some("é"));
    assert_eq!(decoded(b"\xe9", Some("application/json")), None);
    assert_eq!(decoded(b"a", Some("a/b; charset=nonsense")), None);
}

#[test]
fn lines_of_the_original_are_read() {
    let line =
        r#"{"a": 1, "pubsub_timestamp": 17.5, "pubsub_topics": ["x"], "pubsub_path": "x/ y", "pubsub_cursor": "c"}"#;
    let (topic, payload) = (Topic::from("x/ y"), r#"{"a": 1}"#.into());
    assert_eq!(Line::read(line), Some(Line::Event { topic, payload, cursor: Some("c".into()), time: 17.5 }));
    assert_eq!(Line::read("{\"stillalive\": 12.25}\n"), Some(Line::Ping(12.25)));
    assert_eq!(Line::read("{\"stillalive\": 12.25, \"replaying\": true}\n"), Some(Line::Replaying));
    assert_eq!(Line::read("{\"other\": 1}"), None);
    assert_eq!(Line::read("no json"), None);
}

/// JSON values without floats, whose text differs between writers.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..24).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same_and_is_one_line_of_ascii(value in value()) {
        let body = Value::from_iter([("a", value)]);
        for text in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
            let object = Object::read(&text).unwrap();
            prop_assert!(object.text().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(&serde_json::from_str::<Value>(object.text()).unwrap(), &body);
            // Written again it does not change.
            let again = Object::read(object.text()).unwrap();
            prop_assert_eq!(again.text(), object.text());
        }
    }

    #[test]
    fn of_a_repeated_key_the_last_value_stands_at_the_first_place(keys in prop::collection::vec("[a-c\\u{e9}]", 1..30)) {
        let members: Vec<String> = keys.iter().enumerate().map(|(at, key)| format!("\"{key}\":{{\"n\":{at}}}")).collect();
        let object = Object::read(&format!("{{{}}}", members.join(","))).unwrap();
        let expected: Value = serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(object.text()).unwrap(), expected.clone());
        let order: Vec<String> = expected.as_object().unwrap().keys().cloned().collect();
        let written: Vec<String> = object.members().map(|(key, _)| serde_json::from_str(&format!("\"{key}\"")).unwrap()).collect();
        prop_assert_eq!(written, order);
        prop_assert_eq!(object.members().count(), expected.as_object().unwrap().len());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".*", json in "[\\[\\]{}\",:0-9eE+.\\\\u tfn-]*") {
        let _ = (Object::read(&text), Object::read(&json), Line::read(&json), target::path_of(&text));
    }

    #[test]
    fn a_target_leads_back_to_its_path(path in ".*") {
        let encoded = target::encode(&path);
        prop_assert!(encoded.is_ascii());
        prop_assert_eq!(target::decode(&encoded), path);
    }

    #[test]
    fn bytes_come_through_a_wire_unchanged(payload in prop::collection::vec(any::<u8>(), 0..40), topic in ".{0,20}") {
        let body = event::body(&payload).into_owned();
        let path = format!("/{topic}");
        let message = stamped(event::draft(&path, &body, true).unwrap());
        prop_assert_eq!(message.payload(), &payload);
        prop_assert_eq!(message.format(), Format::Bytes);
        let Some(Line::Event { topic: back, payload: arrived, .. }) = Line::read(&line(&message)) else {
            return Err(TestCaseError::fail("it is an event"));
        };
        prop_assert_eq!(arrived, payload);
        prop_assert_eq!(back.as_str(), Some(&*topic));
    }

    #[test]
    fn a_subscription_is_the_and_of_its_topics_and_the_or_of_its_batches(
        batches in prop::collection::vec(prop::collection::vec("[a-d]{1,2}", 1..4), 1..4),
        event in prop::collection::vec("[a-d]{1,2}", 0..5),
    ) {
        let path = batches.iter().map(|batch| format!("/{}", batch.join("//"))).collect::<Vec<_>>().join(",");
        let naive = batches.iter().any(|batch| batch.iter().all(|topic| event.contains(topic)));
        prop_assert_eq!(topics::subscription(&path).matches(&Topic::from(event.join("/"))), naive);
    }
}
