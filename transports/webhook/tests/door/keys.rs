//! Each key of the configuration reaches the setting that it is for.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorTransport as _, Listen, Networks, TlsFiles};
use eventhive_transport::{Key, KeyKind, Overflow};
use eventhive_webhook::Webhook;
use eventhive_webhook::config::{Announce, Config};
use eventhive_webhook::delivery::Log;
use eventhive_webhook::outgoing::Signed;
use eventhive_webhook::session::Compression;
use eventhive_webhook::wire::stateful::Mode;
use tempfile::TempDir;

use crate::configured::settings;

/// A key, or the one within a table; what is written, where `HERE` is a folder; and what has to come of it.
type Row<T> = (&'static str, &'static str, fn(&T) -> bool);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn compression(config: &Config) -> &Compression {
    config.session.compression.as_ref().unwrap()
}

fn networks(config: &Config, entry: &str) -> bool {
    config.outgoing.allow == Networks::parse([entry]).unwrap()
}

/// Whether the scheme of this name is that of the direction to broadcasters, to subscribers.
fn schemes(config: &Config, to_broadcaster: &str, to_subscriber: &str) -> bool {
    let schemes = config.secrecy.read().unwrap();
    let has = |rotation, name: &str| format!("{rotation:?}").contains(name);
    has(&schemes.to_broadcaster, to_broadcaster) && has(&schemes.to_subscriber, to_subscriber)
}

const CONFIG: &[Row<Config>] = &[
    ("host", "host: example.org", |c| c.host == "example.org"),
    ("endpoint", "endpoint: /lonely/v1", |c| c.endpoint == "/lonely"),
    ("origins", "origins: ['https://example.org']", |c| c.origins == ["https://example.org"]),
    ("database", "database: 'rqlite://db:4001'", |c| c.database == "rqlite://db:4001"),
    ("secrets_file", "secrets_file: HERE/secrets.json", |c| schemes(c, "Token", "[]")),
    ("to_broadcaster.type", "to_broadcaster: {type: token, secret: x}", |c| schemes(c, "Token", "[]")),
    ("to_broadcaster.secret", "to_broadcaster: {type: token, secret: [x, y]}", |c| {
        schemes(c, "Token(Token), Token(Token)", "[]")
    }),
    ("to_subscriber.type", "to_subscriber: {type: token, secret: x}", |c| schemes(c, "[]", "Token")),
    ("to_subscriber.secret", "to_subscriber: {type: token, secret: [x, y]}", |c| {
        schemes(c, "[]", "Token(Token), Token(Token)")
    }),
    ("advertise", "advertise: 'http://10.0.0.5:3003'", |c| {
        c.advertised.as_ref().is_some_and(|advertised| advertised.receiver.starts_with("http://10.0.0.5:3003/"))
    }),
    ("message_body_spool_size", "message_body_spool_size: 5001", |c| {
        (c.spool_size, c.session.bounds.spool_bytes) == (5001, 5001)
    }),
    ("message_memory", "message_memory: 5002", |c| format!("{:?}", c.memory).contains("5002")),
    ("spool_path", "spool_path: HERE", |c| c.spool_folder.is_some() && c.session.bounds.spool_folder == c.spool_folder),
    ("max_message_bytes", "max_message_bytes: 5003", |c| {
        (c.max_message, c.session.bounds.max_message_bytes) == (5003, 5003)
    }),
    ("max_set_bytes", "max_set_bytes: 5004", |c| c.max_set_bytes == 5004),
    ("max_deliveries", "max_deliveries: 5005", |c| c.max_deliveries == 5005),
    ("body_timeout_secs", "body_timeout_secs: 5006", |c| c.body_timeout == secs(5006)),
    ("allow", "allow: 10.0.0.0/8", |c| networks(c, "10.0.0.0/8")),
    ("outgoing_http_timeout_total", "outgoing_http_timeout_total: 5007", |c| c.outgoing.total_timeout == secs(5007)),
    ("outgoing_http_timeout_sock_read", "outgoing_http_timeout_sock_read: 5008", |c| {
        c.outgoing.read_timeout == secs(5008)
    }),
    ("outgoing_http_timeout_sock_connect", "outgoing_http_timeout_sock_connect: 5009", |c| {
        c.outgoing.connect_timeout == secs(5009)
    }),
    ("outgoing_per_host", "outgoing_per_host: 5010", |c| c.outgoing.per_host == 5010),
    ("outgoing_waiting_per_host", "outgoing_waiting_per_host: 5011", |c| c.outgoing.per_host_waiting == 5011),
    ("outgoing_requests", "outgoing_requests: 5012", |c| {
        (c.outgoing.requests, c.outgoing.idle_connections) == (5012, 5012)
    }),
    ("tls_ca", "tls_ca: ca.pem", |c| c.outgoing.tls_ca.as_deref() == Some("ca.pem")),
    ("handshake", "handshake: events.example.org", |c| {
        c.outgoing.origin.as_deref() == Some("events.example.org") && c.delivery.verify
    }),
    ("standard_webhooks.secret", "standard_webhooks: {secret: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}", |c| {
        c.outgoing.standard_webhooks.as_ref().is_some_and(|standard| standard.secrets.len() == 1)
    }),
    (
        "standard_webhooks.signed",
        "standard_webhooks: {secret: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, signed: body}",
        |c| c.outgoing.standard_webhooks.as_ref().is_some_and(|standard| standard.signed == Signed::Body),
    ),
    ("missed.expo_factor", "missed: {expo_factor: 31}", |c| c.delivery.missed.expo_factor == 31.0),
    ("missed.expo_base", "missed: {expo_base: 32}", |c| c.delivery.missed.expo_base == 32.0),
    ("missed.expo_max", "missed: {expo_max: 33}", |c| c.delivery.missed.expo_max == 33),
    ("missed.max_retries", "missed: {max_retries: 34}", |c| c.delivery.missed.max_retries == 34),
    ("missed.constant", "missed: {constant: 35}", |c| c.delivery.missed.constant == 35.0),
    ("missed.jitter", "missed: {jitter: 36}", |c| c.delivery.missed.jitter == 36.0),
    ("sweep_missed_interval", "sweep_missed_interval: 5013", |c| c.delivery.sweep_interval == secs(5013)),
    ("sweep_missed_concurrency", "sweep_missed_concurrency: 5014", |c| c.delivery.sweep_concurrency == 5014),
    ("breaker.failures", "breaker: {failures: 41}", |c| c.delivery.breaker.failures == 41),
    ("breaker.pause_secs", "breaker: {pause_secs: 42}", |c| c.delivery.breaker.hold == secs(42)),
    ("breaker.max_pause_secs", "breaker: {max_pause_secs: 4300}", |c| c.delivery.breaker.hold_max == secs(4300)),
    ("rate.per_second", "rate: {per_second: 4}", |c| {
        c.delivery.rate.is_some_and(|rate| rate.every == Duration::from_millis(250))
    }),
    ("rate.burst", "rate: {per_second: 4, burst: 44}", |c| c.delivery.rate.is_some_and(|rate| rate.burst == 44)),
    ("disable_after_secs", "disable_after_secs: 5015", |c| c.delivery.disable_after == Some(secs(5015))),
    ("disable_after_secs", "disable_after_secs: 0", |c| c.delivery.disable_after.is_none()),
    ("probe_disabled_secs", "probe_disabled_secs: 5016", |c| c.delivery.probe_disabled == secs(5016)),
    ("announce_disabled", "announce_disabled: public", |c| c.announce_disabled == Announce::Public),
    ("announce_disabled", "announce_disabled: never", |c| c.announce_disabled == Announce::Never),
    ("remembered_urls", "remembered_urls: 5017", |c| c.delivery.most_urls == 5017),
    ("log.attempts", "log: {attempts: all}", |c| c.delivery.journal.log == Log::All),
    ("log.attempts", "log: {attempts: none}", |c| c.delivery.journal.log == Log::None),
    ("log.queue_bytes", "log: {queue_bytes: 5018}", |c| c.delivery.journal.queue_bytes == 5018),
    ("log.keep_days", "log: {keep_days: 2}", |c| c.delivery.journal.keep == secs(172_800)),
    ("log.keep_attempts", "log: {keep_attempts: 5019}", |c| c.delivery.journal.keep_attempts == 5019),
    ("log.keep_letters", "log: {keep_letters: 5020}", |c| c.delivery.journal.keep_letters == 5020),
    ("log.keep_letters_per_url", "log: {keep_letters_per_url: 5022}", |c| {
        c.delivery.journal.keep_letters_per_url == 5022
    }),
    ("log.keep_bytes_per_url", "log: {keep_bytes_per_url: 50230}", |c| c.delivery.journal.keep_bytes_per_url == 50230),
    ("log.letter_bytes", "log: {letter_bytes: 5021}", |c| c.delivery.journal.letter_bytes == 5021),
    ("hub_queue_bytes", "hub_queue_bytes: 9005022", |c| c.hub_queue_bytes == 9_005_022),
    ("hub_overflow", "hub_overflow: block", |c| c.hub_overflow == Overflow::Block),
    ("hub_max_message_bytes", "hub_max_message_bytes: 5023", |c| c.hub_max_message == 5023),
    ("trusted_proxies", "trusted_proxies: 10.0.0.0/8", |c| {
        c.session.proxies.trusted == Networks::parse(["10.0.0.0/8"]).unwrap()
    }),
    ("max_sessions", "max_sessions: 5024", |c| c.session.max_sessions == 5024),
    ("max_sessions_per_address", "max_sessions_per_address: 5025", |c| c.session.max_sessions_per_address == 5025),
    ("websocket_accept_timeout", "websocket_accept_timeout: 5026", |c| c.session.configure_timeout == secs(5026)),
    ("websocket_max_pending_sends", "websocket_max_pending_sends: 5027", |c| c.session.max_pending == 5027),
    ("queue_bytes", "queue_bytes: 5028", |c| c.session.queue_bytes == 5028),
    ("overflow", "overflow: drop_newest", |c| c.session.overflow == Overflow::DropNewest),
    ("patience_secs", "patience_secs: 5029", |c| c.session.patience == secs(5029)),
    ("websocket_max_unprocessed_receives", "websocket_max_unprocessed_receives: 5030", |c| {
        c.session.max_unprocessed == 5030
    }),
    ("websocket_send_max_unacknowledged", "websocket_send_max_unacknowledged: 5031", |c| {
        c.session.max_unacknowledged.unwrap().get() == 5031
    }),
    ("websocket_send_max_unacknowledged", "websocket_send_max_unacknowledged: 0", |c| {
        c.session.max_unacknowledged.is_none()
    }),
    ("websocket_minimal_headers", "websocket_minimal_headers: false", |c| c.session.headers == Mode::Expanded),
    ("outgoing_max_ws_message_size", "outgoing_max_ws_message_size: 5032", |c| c.session.max_outgoing_bytes == 5032),
    ("incoming_max_ws_message_size", "incoming_max_ws_message_size: 5033", |c| c.session.max_incoming_bytes == 5033),
    ("ping_interval_secs", "ping_interval_secs: 5034", |c| c.session.ping_interval == secs(5034)),
    ("ping_timeout_secs", "ping_timeout_secs: 5035", |c| c.session.ping_timeout == secs(5035)),
    ("compression_allowed", "compression_allowed: false", |c| c.session.compression.is_none()),
    ("compression_allow_training", "compression_allow_training: false", |c| compression(c).training.is_none()),
    ("compression_dictionary_by_id.file", "compression_dictionary_by_id: {'7': {file: HERE/dictionary}}", |c| {
        compression(c).presets.keys().eq([&7])
    }),
    (
        "compression_dictionary_by_id.level",
        "compression_dictionary_by_id: {'7': {file: HERE/dictionary, level: 11}}",
        |c| compression(c).presets.get(&7).is_some_and(|preset| preset.level() == 11),
    ),
    ("compression_min_size", "compression_min_size: 5036", |c| {
        (compression(c).min_size, compression(c).training.unwrap().min_size) == (5036, 5036)
    }),
    ("compression_trained_max_size", "compression_trained_max_size: 5037", |c| {
        (compression(c).trained_max_size, compression(c).training.unwrap().max_size) == (5037, 5037)
    }),
    ("compression_training_low_watermark", "compression_training_low_watermark: 5038", |c| {
        compression(c).training.unwrap().low_watermark == 5038
    }),
    ("compression_training_high_watermark", "compression_training_high_watermark: 5039", |c| {
        compression(c).training.unwrap().high_watermark == 5039
    }),
    ("compression_retrain_interval_seconds", "compression_retrain_interval_seconds: 5040", |c| {
        compression(c).training.unwrap().retrain_interval == secs(5040)
    }),
    ("decompression_max_window_size", "decompression_max_window_size: 5041", |c| {
        c.session.bounds.max_window_bytes == 5041
    }),
];

const LISTEN: &[Row<Listen>] = &[
    ("host", "host: '*'", |l| l.host == "*"),
    ("port", "port: 5042", |l| l.port == 5042),
    ("tls_cert", "{tls_cert: a, tls_key: b}", |l| l.tls == tls("a", "b", None)),
    ("tls_key", "{tls_cert: a, tls_key: c}", |l| l.tls == tls("a", "c", None)),
    ("tls_chain", "{tls_cert: a, tls_key: b, tls_chain: d}", |l| l.tls == tls("a", "b", Some("d"))),
    ("proxy_protocol", "{trusted_proxies: 10.0.0.0/8, proxy_protocol: true}", |l| {
        l.proxies == Some(Networks::parse(["10.0.0.0/8"]).unwrap())
    }),
    ("workers", "workers: 43", |l| l.limits.workers == Some(43)),
    ("max_connections", "max_connections: 5044", |l| l.limits.max_connections == 5044),
    ("request_timeout_secs", "request_timeout_secs: 5045", |l| l.limits.request_timeout == secs(5045)),
    ("send_timeout_secs", "send_timeout_secs: 5046", |l| l.limits.send_timeout == secs(5046)),
];

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what is optional")]
fn tls(certificate: &str, key: &str, chain: Option<&str>) -> Option<TlsFiles> {
    Some(TlsFiles { certificate: certificate.into(), key: key.into(), chain: chain.map(Into::into) })
}

#[test]
fn each_key_reaches_its_setting() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("secrets.json", r#"{"version": "2", "to-broadcaster": {"type": "token", "secret": "x"}}"#);
    write("dictionary", &"what is said again and again ".repeat(10));
    for (key, yaml, is_right) in CONFIG {
        let config = Config::from_settings(&settings(&yaml.replace("HERE", &shown(folder.path())))).unwrap();
        assert!(is_right(&config), "{key}: {yaml}");
        assert!(!is_right(&Config::from_settings(&settings("{}")).unwrap()), "{key}: it is so without it");
    }
    let planned = |yaml: &str| Webhook.plan(&settings(yaml), &Hub::new(HubSettings::default())).unwrap().listen;
    for (key, yaml, is_right) in LISTEN {
        assert!(is_right(&planned(yaml)), "{key}: {yaml}");
        assert!(!is_right(&planned("{}")), "{key}: it is so without it");
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn no_key_is_left_out_above() {
    let names = |keys: &[Key], before: &str| keys.iter().flat_map(|key| paths(key, before)).collect::<BTreeSet<_>>();
    let here = CONFIG.iter().map(|row| row.0).chain(LISTEN.iter().map(|row| row.0));
    let keys = eventhive_listener::DoorTransport::keys(&Webhook);
    assert_eq!(here.map(str::to_owned).collect::<BTreeSet<_>>(), names(keys, ""));
}

/// The key, or those of its table.
fn paths(key: &Key, before: &str) -> Vec<String> {
    let name = format!("{before}{}", key.name);
    match key.kind {
        KeyKind::Table(keys) | KeyKind::Named(keys) => {
            keys.iter().flat_map(|key| paths(key, &format!("{name}."))).collect()
        }
        _ => vec![name],
    }
}
