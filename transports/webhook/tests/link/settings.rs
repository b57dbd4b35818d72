//! Settings as a configuration gives them.

use std::net::SocketAddr;

use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Key, Problem, Settings, Transport};
use eventhive_webhook::Webhook;
use eventhive_webhook::link::settings::KEYS;

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn map(entries: &[(&str, Value)]) -> Value {
    let at = Position::default();
    let entry = |(key, value): &(&str, Value)| Entry {
        key: (*key).to_owned(),
        key_at: at,
        node: Node { value: value.clone(), at },
    };
    Value::Map(entries.iter().map(entry).collect())
}

fn checked(entries: &[(&str, Value)], keys: &[Key]) -> Result<Settings, Vec<Problem>> {
    Settings::check("connectors.x.init", &Node { value: map(entries), at: Position::default() }, keys)
}

/// The defaults, but for times: nothing is to be waited for as long as in the world.
pub(crate) fn settings(address: SocketAddr, upgrade: &str, more: &[(&str, Value)]) -> Settings {
    let mut entries = vec![
        ("host", text(&address.ip().to_string())),
        ("port", Value::Integer(address.port().into())),
        ("upgrade", text(upgrade)),
        ("connect_timeout_secs", Value::Float(4.0)),
        ("call_timeout_secs", Value::Float(4.0)),
        // Half of it is left for an answer, which comes late from a machine that has much else to do.
        ("ping_interval_secs", Value::Float(2.0)),
        ("close_timeout_secs", Value::Float(25.0)),
        ("reconnect_min_secs", Value::Float(0.05)),
        ("reconnect_max_secs", Value::Float(0.4)),
    ];
    if upgrade != "websocket" {
        entries.push(("listen", map(&[("port", Value::Integer(0))])));
    }
    entries.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    entries.extend_from_slice(more);
    checked(&entries, KEYS).unwrap()
}

fn problems(entries: &[(&str, Value)]) -> Vec<String> {
    let settings = checked(entries, KEYS).unwrap();
    Transport::check(&Webhook, &settings).iter().map(ToString::to_string).collect()
}

#[test]
fn what_the_table_cannot_see_is_found_before_anything_is_connected() {
    let list = |urls: &[&str]| {
        Value::List(urls.iter().map(|url| Node { value: text(url), at: Position::default() }).collect())
    };
    assert!(problems(&[]).is_empty());
    assert!(problems(&[("upgrade", text("never"))]).is_empty());
    assert!(problems(&[("listen", map(&[]))])[0].contains("no effect with `upgrade: websocket`"));
    assert!(problems(&[("advertise", text("http://a"))])[0].contains("no effect"));
    let everywhere = ("listen", map(&[("host", text("*"))]));
    assert!(problems(&[("upgrade", text("never")), everywhere.clone()])[0].contains("`advertise`"));
    assert!(problems(&[("upgrade", text("never")), everywhere, ("advertise", text("http://a:3002"))]).is_empty());
    assert!(problems(&[("upgrade", text("auto")), ("advertise", text("a:3002"))])[0].contains("advertise"));
    let slow = [("upgrade", text("auto")), ("busy_per_second", Value::Integer(5))];
    assert!(problems(&slow)[0].contains("less than `busy_per_second`"));
    assert!(problems(&[("broadcasters", list(&["http://a", "b"]))])[0].contains("`b`"));
    assert!(problems(&[("tls_ca", text("x.pem"))])[0].contains("`https`"));
    assert!(problems(&[("scheme", text("https")), ("tls_ca", text("/no/such"))])[0].contains("/no/such"));
    assert!(problems(&[("secrets_file", list(&["/no/such"]))])[0].contains("/no/such"));
    let token = map(&[("type", text("token"))]);
    assert!(problems(&[("to_broadcaster", token)])[0].contains("`secret` is missing"));
}
