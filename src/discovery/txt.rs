//! The TXT record: a server's settings as texts, `key=value` each.
//!
//! Keys come in the order of the configuration, values as Python's `str()` writes them. `created` and `id` tell servers
//! of one name apart (see [`Claim`](super::Claim)), and [`SIGNATURE`](super::sign::SIGNATURE) proves that the sender
//! knows the network's secret; eventhive 0.5.0 does not look at these three.

use std::net::IpAddr;

use eventhive_transport::settings::{Entry, Key, KeyKind, Node, Position, Value};
use mdns_sd::TxtProperty;

use super::DiscoveryError;

/// One `key=value`, RFC 6763 section 6.1.
const STRING_BYTES: usize = 255;
/// The whole record. Peers of eventhive 0.5.0 read the settings as soon as they see an address, so the TXT record must
/// fit in one packet with the others; the library fills packets to 1,452 bytes.
const RECORD_BYTES: usize = 1000;
/// Settings taken from one announcement. A packet of 9,000 bytes could carry thousands.
const MOST_SETTINGS: usize = 64;

/// Pairs of key and value.
pub(super) type Pairs = Vec<(String, String)>;

/// The settings of a server that listens on `port` and is reached at `host`.
pub(super) fn settings(init: &[Entry], host: IpAddr, port: u16) -> Pairs {
    let missing = |key: &str| !init.iter().any(|entry| entry.key == key);
    let mut pairs = Pairs::new();
    if missing("host") {
        pairs.push(("host".to_owned(), host.to_string()));
    }
    if missing("port") {
        pairs.push(("port".to_owned(), port.to_string()));
    }
    for entry in init.iter().filter(|entry| !is_private(&entry.key)) {
        let text = match entry.key.as_str() {
            "host" => Some(host.to_string()),
            "port" => Some(port.to_string()),
            _ => python_text(&entry.node.value),
        };
        pairs.extend(text.map(|text| (entry.key.clone(), text)));
    }
    pairs
}

/// Checks what RFC 6763 and the size of a packet allow.
pub(super) fn check(name: &str, pairs: &Pairs) -> Result<(), DiscoveryError> {
    let wrong =
        |key: &str, why| DiscoveryError::Setting { name: name.to_owned(), key: key.escape_debug().to_string(), why };
    for (key, value) in pairs {
        if key.is_empty() || key.contains('=') || !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(wrong(key, "has a name of other than printable ASCII characters, or with `=`"));
        }
        if key.len() + 1 + value.len() > STRING_BYTES {
            return Err(wrong(key, "is longer than the 255 bytes that an announcement has for a key with its value"));
        }
    }
    let bytes = pairs.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    if bytes > RECORD_BYTES {
        return Err(DiscoveryError::TooLong { name: name.to_owned(), bytes, most: RECORD_BYTES });
    }
    Ok(())
}

/// What came. Left out, each with a line at debug level, is what is no text: values that are missing, not UTF-8, or
/// have control characters, which have no place in a URL, a header or a log.
pub(super) fn read<'a>(txt: impl Iterator<Item = &'a TxtProperty>) -> Pairs {
    let text = |property: &TxtProperty| {
        let value = String::from_utf8(property.val()?.to_vec()).ok()?;
        (!property.key().is_empty() && !property.key().chars().chain(value.chars()).any(char::is_control))
            .then(|| (property.key().to_owned(), value))
    };
    let noted = |property: &'a TxtProperty| {
        let pair = text(property);
        if pair.is_none() {
            tracing::debug!(key = ?property.key(), "a TXT value that is no text is left out");
        }
        pair
    };
    txt.take(MOST_SETTINGS).filter_map(noted).collect()
}

/// The pairs as they would stand under a connector's `init`.
pub(super) fn init<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> Node {
    let at = Position::default();
    let entry = |(key, value): &(String, String)| {
        let node = Node { value: Value::Text(value.clone()), at };
        Entry { key: key.clone(), key_at: at, node }
    };
    Node { value: Value::Map(pairs.map(entry).collect()), at }
}

/// Keeps of `node`, which came from the network, what a transport with these `keys` has a use for; the rest is left out
/// with a line at debug level. Secrets never come from the network. Texts become what the key takes, where they can.
#[must_use]
pub fn keep_known(node: Node, keys: &[Key]) -> Node {
    let Node { value: Value::Map(entries), at } = node else { return node };
    let keep = |mut entry: Entry| {
        let is_secret = |key: &Key| matches!(key.kind, KeyKind::Secret | KeyKind::Secrets);
        let Some(key) = keys.iter().find(|key| key.name == entry.key && !is_secret(key)) else {
            tracing::debug!(key = ?entry.key, "an announced setting that this transport has no use for is left out");
            return None;
        };
        if let Value::Text(text) = &entry.node.value
            && let Some(value) = typed(text, key.kind)
        {
            entry.node.value = value;
        }
        Some(entry)
    };
    Node { value: Value::Map(entries.into_iter().filter_map(keep).collect()), at }
}

/// Whole numbers are taken as text by the settings themselves.
fn typed(text: &str, kind: KeyKind) -> Option<Value> {
    match kind {
        KeyKind::Bool => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
        KeyKind::Seconds { .. } => text.parse().ok().map(Value::Float),
        _ => None,
    }
}

/// Keys that must never leave the machine: tokens, and the paths of keys.
fn is_private(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["token", "secret", "password", "passwd", "key", "cert", "credential"].iter().any(|word| key.contains(word))
}

/// Nothing is left out too: eventhive 0.5.0 announces it as a key without value and then fails to read it. Lists and
/// mappings are of no use to a connector.
fn python_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) if number.is_finite() => Some(crate::envelope::canonical::float(*number)),
        Value::Float(number) => Some(number.to_string().to_lowercase()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn entries(json: &serde_json::Value) -> Vec<Entry> {
        let at = Position::default();
        let value = |json: &serde_json::Value| match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(*flag),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Integer)
            }
            serde_json::Value::String(text) => Value::Text(text.clone()),
            other => panic!("{other}"),
        };
        let entry =
            |(key, json): (&String, _)| Entry { key: key.clone(), key_at: at, node: Node { value: value(json), at } };
        json.as_object().unwrap().iter().map(entry).collect()
    }

    fn bytes(pairs: &Pairs) -> Vec<u8> {
        let string = |(key, value): &(String, String)| {
            let text = format!("{key}={value}");
            [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
        };
        pairs.iter().flat_map(string).collect()
    }

    #[test]
    fn the_record_is_pythons_byte_for_byte_but_for_keys_without_value() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/eventhive.json")).unwrap();
        let rows = vectors["mdns"]["txt"].as_array().unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            let init = entries(&row["init"]);
            let host = row["init"]["host"].as_str().unwrap().parse().unwrap();
            let port = u16::try_from(row["init"]["port"].as_u64().unwrap()).unwrap();
            let ours: String = bytes(&settings(&init, host, port)).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(ours, row["txt_hex"].as_str().unwrap().replace("046e6f6e65", ""));
        }
    }

    #[test]
    fn secrets_and_what_has_no_text_never_enter_the_record() {
        let init = entries(&serde_json::json!({
            "endpoint": "/x", "tokens": "t", "tls_key": "k", "Password": "p", "certificate": "c", "nothing": null,
        }));
        let pairs = settings(&init, HOST, 1);
        assert_eq!(pairs.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["host", "port", "endpoint"]);
    }

    #[test]
    fn numbers_and_booleans_are_written_as_python_writes_them() {
        let python = |json| settings(&entries(&serde_json::json!({ "x": json })), HOST, 1).pop().unwrap().1;
        assert_eq!(python(serde_json::json!(1e16)), "1e+16");
        assert_eq!(python(serde_json::json!(100.0)), "100.0");
        assert_eq!(python(serde_json::json!(false)), "False");
        assert_eq!(python(serde_json::json!(-7)), "-7");
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_the_key() {
        let pairs = |key: &str, value: String| vec![(key.to_owned(), value)];
        assert!(check("n", &pairs("endpoint", "x".repeat(246))).is_ok());
        let error = check("n", &pairs("endpoint", "x".repeat(247))).unwrap_err().to_string();
        assert!(error.contains("`endpoint`") && error.contains("255 bytes"), "{error}");
        for key in ["", "a=b", "schlüssel", "a\nb"] {
            assert!(check("n", &pairs(key, "v".to_owned())).is_err(), "{key}");
        }
        let many = (0..5).map(|n| (format!("key{n}"), "x".repeat(240))).collect();
        assert!(matches!(check("n", &many), Err(DiscoveryError::TooLong { bytes: 1230, .. })));
    }

    #[test]
    fn of_what_comes_only_text_is_taken_and_not_without_end() {
        let good = TxtProperty::from(("host", "10.0.0.1"));
        let bad = [
            TxtProperty::from(("bytes", [0xff_u8, 0xfe])),
            TxtProperty::from("no value"),
            TxtProperty::from(("line", "a\nb")),
            TxtProperty::from(("", "x")),
        ];
        assert_eq!(read(bad.iter().chain([&good])), [("host".to_owned(), "10.0.0.1".to_owned())]);
        let flood: Vec<TxtProperty> = (0..9000).map(|n| TxtProperty::from((format!("k{n}"), "v"))).collect();
        assert_eq!(read(flood.iter()).len(), MOST_SETTINGS);
    }

    #[test]
    fn only_what_the_transport_knows_is_kept_and_texts_become_what_its_keys_take() {
        const KEYS: &[Key] = &[
            Key::with_default("host", KeyKind::Text, "127.0.0.1", ""),
            Key::with_default("port", eventhive_transport::settings::PORT, "8085", ""),
            Key::with_default("compress", KeyKind::Bool, "false", ""),
            Key::with_default("idle_secs", KeyKind::Seconds { min: 0.0 }, "20", ""),
            Key::optional("password", KeyKind::Secret, ""),
            Key::optional("token", KeyKind::Secrets, ""),
        ];
        let came = [
            ("host", "h"),
            ("port", "81"),
            ("compress", "True"),
            ("idle_secs", "1.5"),
            ("password", "t"),
            // It would be read, and sent to whoever announced it.
            ("token", "file:/etc/passwd"),
            ("tls_ca", "/etc"),
        ];
        let pairs: Pairs = came.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let kept = keep_known(init(pairs.iter()), KEYS);
        let settings = eventhive_transport::Settings::check("connectors.x.init", &kept, KEYS).unwrap();
        assert_eq!((settings.text("host"), settings.integer("port")), (Some("h"), Some(81)));
        assert!(settings.flag("compress"));
        assert_eq!(settings.seconds("idle_secs"), Some(std::time::Duration::from_millis(1500)));
        assert_eq!((settings.get("password"), settings.get("token")), (None, None));
    }
}
