//! Settings as a configuration gives them.

use std::net::SocketAddr;

use eventhive_http::link::settings::KEYS;
use eventhive_http::{Http, LinkSettings};
use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Key, Problem, Settings, Transport};

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn checked(entries: &[(&str, Value)], keys: &[Key]) -> Result<Settings, Vec<Problem>> {
    let at = Position::default();
    let entry = |(key, value): &(&str, Value)| Entry {
        key: (*key).to_owned(),
        key_at: at,
        node: Node { value: value.clone(), at },
    };
    let map = Value::Map(entries.iter().map(entry).collect());
    Settings::check("connectors.x.init", &Node { value: map, at }, keys)
}

/// The defaults, but for times: nothing is to be waited for as long as in the world.
pub(crate) fn settings(address: SocketAddr, more: &[(&str, Value)]) -> LinkSettings {
    let mut entries = vec![
        ("host", text(&address.ip().to_string())),
        ("port", Value::Integer(address.port().into())),
        ("connect_timeout_secs", Value::Float(5.0)),
        ("call_timeout_secs", Value::Float(5.0)),
        ("ping_interval_secs", Value::Float(0.5)),
        ("ping_timeout_secs", Value::Float(3.0)),
        ("silence_secs", Value::Float(3.0)),
        ("close_timeout_secs", Value::Float(2.0)),
        ("reconnect_min_secs", Value::Float(0.05)),
        ("reconnect_max_secs", Value::Float(0.4)),
    ];
    entries.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    entries.extend_from_slice(more);
    LinkSettings::from_settings(&checked(&entries, KEYS).unwrap()).unwrap()
}

fn problems(entries: &[(&str, Value)]) -> Vec<String> {
    let settings = checked(entries, KEYS).unwrap();
    Transport::check(&Http, &settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_the_table_cannot_see_is_found_before_anything_is_connected() {
    assert!(problems(&[]).is_empty());
    assert!(problems(&[("username", text("me"))])[0].contains("`password` is missing"));
    assert!(problems(&[("password", text("secret"))])[0].contains("`username` is missing"));
    assert!(problems(&[("username", text("a:b")), ("password", text("c"))])[0].contains("no colon"));
    assert!(problems(&[("endpoint", text("/a?b"))])[0].contains("endpoint"));
    assert!(problems(&[("tls_ca", text("x.pem"))])[0].contains("`scheme: https`"));
    assert!(problems(&[("scheme", text("https")), ("tls_ca", text("/no/such"))])[0].contains("/no/such"));
}

#[test]
fn no_password_is_shown() {
    let made = settings(([127, 0, 0, 1], 1).into(), &[("username", text("me")), ("password", text("hunter2"))]);
    assert!(made.authorization.is_some());
    assert!(!format!("{made:?}").contains("hunter2"));
}

#[test]
fn the_largest_payload_follows_the_settings() {
    let settings = checked(&[("max_message_bytes", Value::Integer(5000))], KEYS).unwrap();
    assert_eq!(Http.capabilities_with(&settings).max_payload, Some(4936));
    let defaults = checked(&[], KEYS).unwrap();
    assert_eq!(Http.capabilities_with(&defaults), Http.capabilities());
}
