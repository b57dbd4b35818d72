//! Each key of the configuration reaches the setting that it is for.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;

/// A key, or the one within a table; what is written, where `HERE` is a folder; and what has to come of it.
type Row = (&'static str, &'static str, fn(&LinkSettings) -> bool);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn mode(link: &LinkSettings) -> (Duration, Backoff) {
    link.builder.link.as_ref().map(|mode| (mode.pulse, mode.backoff.clone())).unwrap()
}

/// Whether the scheme of this name is that of the direction to broadcasters, to subscribers.
fn schemes(link: &LinkSettings, to_broadcaster: &str, to_subscriber: &str) -> bool {
    let has = |rotation, name: &str| format!("{rotation:?}").contains(name);
    has(&link.builder.schemes.to_broadcaster, to_broadcaster) && has(&link.builder.schemes.to_subscriber, to_subscriber)
}

fn listens(link: &LinkSettings, is_right: fn(&Listen) -> bool) -> bool {
    link.builder.listen.as_ref().is_some_and(is_right)
}

const ROWS: &[Row] = &[
    ("host", "host: example.org", |l| l.shown.starts_with("http://example.org:3003")),
    ("port", "port: 4001", |l| l.shown.starts_with("http://127.0.0.1:4001")),
    ("endpoint", "endpoint: /lonely", |l| l.shown == "http://127.0.0.1:3003/lonely"),
    ("scheme", "scheme: https", |l| l.shown.starts_with("https://") && l.builder.tls.is_some()),
    ("broadcasters", "broadcasters: ['http://one:1', 'http://two:2']", |l| l.builder.broadcasters.len() == 2),
    ("upgrade", "upgrade: never", |l| l.upgrade == Upgrade::Never && l.builder.upgrade == Upgrade::Never),
    ("busy_per_second", "{upgrade: auto, busy_per_second: 4002}", |l| {
        l.upgrade == Upgrade::Auto { busy: 4002.0, quiet: 5.0 }
    }),
    ("quiet_per_second", "{upgrade: auto, quiet_per_second: 43}", |l| {
        l.builder.upgrade == Upgrade::Auto { busy: 50.0, quiet: 43.0 }
    }),
    ("listen.host", "{upgrade: never, listen: {host: 127.0.0.2}}", |l| listens(l, |l| l.host == "127.0.0.2")),
    ("listen.port", "{upgrade: never, listen: {port: 4004}}", |l| listens(l, |l| l.port == 4004)),
    ("listen.tls_cert", "{upgrade: never, listen: {tls_cert: a, tls_key: b}}", |l| {
        listens(l, |l| l.tls.as_ref().is_some_and(|tls| tls.certificate.as_os_str() == "a"))
    }),
    ("listen.tls_key", "{upgrade: never, listen: {tls_cert: a, tls_key: b}}", |l| {
        listens(l, |l| l.tls.as_ref().is_some_and(|tls| tls.key.as_os_str() == "b"))
    }),
    ("listen.tls_chain", "{upgrade: never, listen: {tls_cert: a, tls_key: b, tls_chain: c}}", |l| {
        listens(l, |l| l.tls.as_ref().is_some_and(|tls| tls.chain.as_ref().is_some_and(|file| file.as_os_str() == "c")))
    }),
    ("advertise", "{upgrade: never, advertise: 'http://this.host:3002'}", |l| {
        l.builder.receive_url.as_deref() == Some("http://this.host:3002")
    }),
    ("secrets_file", "secrets_file: HERE/secrets.json", |l| schemes(l, "Token", "[]")),
    ("to_broadcaster.type", "to_broadcaster: {type: token, secret: x}", |l| schemes(l, "Token", "[]")),
    ("to_broadcaster.secret", "to_broadcaster: {type: token, secret: [x, y]}", |l| {
        schemes(l, "Token(Token), Token(Token)", "[]")
    }),
    ("to_subscriber.type", "to_subscriber: {type: token, secret: x}", |l| schemes(l, "[]", "Token")),
    ("to_subscriber.secret", "to_subscriber: {type: token, secret: [x, y]}", |l| {
        schemes(l, "[]", "Token(Token), Token(Token)")
    }),
    ("tls_ca", "{scheme: https, tls_ca: HERE/ca.pem}", |l| l.builder.tls.is_some()),
    ("compression", "compression: false", |l| !l.builder.compression),
    ("max_message_bytes", "max_message_bytes: 4006", |l| {
        (l.max_message, l.builder.max_message_bytes, l.builder.spool_bytes) == (4006, 4006, 4006)
    }),
    ("send_queue_bytes", "send_queue_bytes: 4007", |l| l.builder.send_queue_bytes == 4007),
    ("connect_timeout_secs", "connect_timeout_secs: 4008", |l| l.builder.connect_timeout == secs(4008)),
    ("call_timeout_secs", "call_timeout_secs: 4009", |l| l.builder.request_timeout == secs(4009)),
    ("ping_interval_secs", "ping_interval_secs: 4010", |l| {
        (l.builder.heartbeat, mode(l).0) == (secs(4010), secs(4010))
    }),
    ("check_interval_secs", "check_interval_secs: 4011", |l| l.builder.check_interval == secs(4011)),
    ("close_timeout_secs", "close_timeout_secs: 4012", |l| {
        (l.close_timeout, l.builder.close_timeout) == (secs(4012), secs(4012))
    }),
    ("reconnect_min_secs", "reconnect_min_secs: 13", |l| {
        format!("{:?}", mode(l).1) == format!("{:?}", Backoff::new(secs(13), secs(30)))
    }),
    ("reconnect_max_secs", "reconnect_max_secs: 4014", |l| {
        format!("{:?}", mode(l).1) == format!("{:?}", Backoff::new(Duration::from_millis(100), secs(4014)))
    }),
];

fn read(yaml: &str) -> Result<LinkSettings, Vec<Problem>> {
    let node = eventhive_yaml::read(0, yaml).unwrap().unwrap();
    LinkSettings::from_settings(&Settings::check("connectors.x.init", &node, KEYS).unwrap())
}

fn made(yaml: &str) -> LinkSettings {
    read(yaml).unwrap_or_else(|problems| panic!("{yaml}: {problems:?}"))
}

#[test]
fn each_key_reaches_its_setting() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("secrets.json", r#"{"version": "2", "to-broadcaster": {"type": "token", "secret": "x"}}"#);
    write("ca.pem", &rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem());
    for (key, yaml, is_right) in ROWS {
        assert!(is_right(&made(&yaml.replace("HERE", &folder.path().display().to_string()))), "{key}: {yaml}");
        assert!(!is_right(&made("{}")), "{key}: it is so without it");
    }
    // What TLS trusts does not show: that the file is read does.
    let problems = read("{scheme: https, tls_ca: /no/such/file}").unwrap_err();
    assert!(problems.iter().any(|problem| problem.to_string().contains("/no/such/file")), "{problems:?}");
}

#[test]
fn no_key_is_left_out_above() {
    let all = KEYS.iter().flat_map(|key| paths(key, "")).collect::<BTreeSet<_>>();
    assert_eq!(ROWS.iter().map(|row| row.0.to_owned()).collect::<BTreeSet<_>>(), all);
}

/// The key, or those of its table.
fn paths(key: &Key, before: &str) -> Vec<String> {
    let name = format!("{before}{}", key.name);
    match key.kind {
        KeyKind::Table(keys) => keys.iter().flat_map(|key| paths(key, &format!("{name}."))).collect(),
        _ => vec![name],
    }
}
