//! The table of a door's keys.
//!
//! Keys that Python's broadcaster has as arguments have its names. Times are in seconds, sizes in bytes. `tables` has those that
//! are tables themselves.

mod tables;

use eventhive_listener::TLS_KEYS;
use eventhive_listener::door::{MAX_CONNECTIONS, REQUEST_TIMEOUT, SEND_TIMEOUT, WORKERS};
use eventhive_listener::proxies::{PROXY_PROTOCOL, TRUSTED_PROXIES};
use eventhive_transport::settings::PORT;
use eventhive_transport::{Key, KeyKind};

pub use self::tables::{AUTH, BREAKER, DICTIONARY, LOG, MISSED, RATE, STANDARD_WEBHOOKS};

const COUNT: KeyKind = KeyKind::Integer { min: 1, max: 10_000_000 };
const COUNT_OR_NONE: KeyKind = KeyKind::Integer { min: 0, max: 1_000_000_000 };
const BYTES: KeyKind = KeyKind::Integer { min: 1024, max: 1 << 40 };
const TIME: KeyKind = KeyKind::Seconds { min: 0.05 };
const TIME_OR_NONE: KeyKind = KeyKind::Seconds { min: 0.0 };

/// All keys of a server's `init`.
pub const DOOR: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The address to listen on; `*` is all of the machine's."),
    Key::with_default("port", PORT, "3003", "The port to listen on; 0 takes a free one."),
    Key::with_default(
        "endpoint",
        KeyKind::Text,
        "/v1",
        "The path of the protocol, such as `/lonely/v1`; a missing `/v1` is added. Clients are given what stands before that.",
    ),
    TLS_KEYS[0],
    TLS_KEYS[1],
    TLS_KEYS[2],
    TRUSTED_PROXIES,
    PROXY_PROTOCOL,
    Key::optional(
        "origins",
        KeyKind::Texts,
        "Web origins, such as `https://example.org`, whose pages may use the door; `*` is any. Without it the server's own \
         pages may: those reached by an address, by `localhost`, or by the name in `host`. Only browsers tell an origin.",
    ),
    Key::with_default(
        "database",
        KeyKind::Text,
        "sqlite:eventhive-webhook.db",
        "Where subscriptions live: `sqlite:FILE` (a relative path is of the working directory; a file of Python's \
         broadcaster is opened as it is), `postgres://..` or `rqlite://..`. Broadcasters that share it are one.",
    ),
    Key::optional(
        "secrets_file",
        KeyKind::Texts,
        "The `broadcaster-secrets.json` that `hive-cli setup webhook` or Python's `lonelypss --setup` wrote. A list is for \
         rotation: the first signs, all are accepted. Read again on SIGHUP. Not beside `to_broadcaster` and `to_subscriber`.",
    ),
    Key::optional(
        "to_broadcaster",
        KeyKind::Table(AUTH),
        "How what subscribers and notifiers say is authorized. Left out: not at all.",
    ),
    Key::optional(
        "to_subscriber",
        KeyKind::Table(AUTH),
        "How what this broadcaster says is authorized. Left out: not at all.",
    ),
    Key::optional(
        "advertise",
        KeyKind::Text,
        "Where other broadcasters with the same database reach this one, such as `http://10.0.0.5:3003`, with `endpoint` if \
         there is one. Without it its websockets get only what is published here. Addresses that are not public have to be in \
         `allow` of those others.",
    ),
    Key::with_default(
        "message_body_spool_size",
        KeyKind::Integer { min: 0, max: 1 << 30 },
        "10485760",
        "Larger messages are in a temporary file while they are delivered, not in memory.",
    ),
    Key::with_default(
        "message_memory",
        KeyKind::Integer { min: 0, max: 1 << 40 },
        "268435456",
        "What messages of more than 16 KiB have in memory together, in bytes, while they come and until they have been \
         delivered; further ones are in files, whatever their size.",
    ),
    Key::optional(
        "spool_path",
        KeyKind::Text,
        "The folder of those files, which must be there; they have no names. Left out: the system's (TMPDIR).",
    ),
    Key::with_default(
        "max_message_bytes",
        KeyKind::Integer { min: 1, max: 1 << 50 },
        "17179869184",
        "The largest message.",
    ),
    Key::with_default(
        "max_set_bytes",
        BYTES,
        "16777216",
        "The largest body with which a url's subscriptions are replaced: 16 MiB are some 200,000 of them. It is in memory.",
    ),
    Key::with_default("max_deliveries", COUNT, "256", "Requests to urls that one message has under way at a time."),
    Key::with_default(
        "body_timeout_secs",
        TIME,
        "10",
        "How long a body may stand still before it is given up. It also has to come with 1 KiB a second on the whole.",
    ),
    Key::optional(
        "allow",
        KeyKind::Texts,
        "Networks and addresses that may be called although they are not public, such as `10.0.0.0/8` for an intranet, or \
         `loopback` for the machine itself: whoever may subscribe can then reach what listens there. Left out: none but the \
         public ones.",
    ),
    Key::with_default(
        "outgoing_http_timeout_total",
        TIME,
        "30",
        "How long a whole request to a url may take, its wait for its turn included, in seconds; a second more for each MiB \
         that was written of it.",
    ),
    Key::with_default("outgoing_http_timeout_sock_read", TIME, "5", "How long a url may be silent, in seconds."),
    Key::with_default("outgoing_http_timeout_sock_connect", TIME, "5", "How long connecting may take, in seconds."),
    Key::with_default("outgoing_per_host", COUNT, "128", "Requests to one host (scheme, name and port) at a time."),
    Key::with_default(
        "outgoing_waiting_per_host",
        KeyKind::Integer { min: 0, max: 10_000_000 },
        "16384",
        "Requests that wait for their turn at one host; further ones fail at once.",
    ),
    Key::with_default(
        "outgoing_requests",
        COUNT,
        "1024",
        "Requests to all hosts at a time, and as many connections that are kept for later. A quarter of them, or \
         `outgoing_per_host` if that is more, may be to one address (of IPv6, one /64), whatever names lead there.",
    ),
    Key::optional(
        "tls_ca",
        KeyKind::Text,
        "File of the authorities whose certificates urls may have, in PEM. Left out: those that the system trusts.",
    ),
    Key::optional(
        "handshake",
        KeyKind::Text,
        "A name for this broadcaster, such as `events.example.org`. Urls are asked under it whether they want to be called \
         (CloudEvents' HTTP 1.1 Web Hooks), and those that do not say so get nothing. Left out: nobody is asked.",
    ),
    Key::optional(
        "standard_webhooks",
        KeyKind::Table(STANDARD_WEBHOOKS),
        "Headers of Standard Webhooks beside the protocol's own.",
    ),
    Key::optional("missed", KeyKind::Table(MISSED), "When subscribers are told that they missed something."),
    Key::with_default(
        "sweep_missed_interval",
        TIME,
        "10",
        "How often it is looked whether a MISSED is due, in seconds.",
    ),
    Key::with_default(
        "sweep_missed_concurrency",
        COUNT,
        "16",
        "MISSED that are under way at a time. Raise it if many are due: a url that does not answer has one for 5 s.",
    ),
    Key::optional("breaker", KeyKind::Table(BREAKER), "When a url that fails is left alone for a while."),
    Key::optional("rate", KeyKind::Table(RATE), "How often one url is called at most. Left out: no bound."),
    Key::with_default(
        "disable_after_secs",
        TIME_OR_NONE,
        "259200",
        "A url that has failed for so long is disabled, and then tried now and then only; 0: never.",
    ),
    Key::with_default(
        "probe_disabled_secs",
        TIME,
        "3600",
        "How often a disabled url is tried with a message; what comes meanwhile is told as missed.",
    ),
    Key::with_default(
        "announce_disabled",
        KeyKind::Choice(&["private", "public", "never"]),
        "private",
        "Whether the event `webhooks/disabled` tells of each url that this server disables, with `url`, `since` and `reason`. \
         A url may be a secret: a private event reaches users of HTTP servers who may see that topic, and nobody else; a \
         public one all who listen.",
    ),
    Key::with_default(
        "remembered_urls",
        COUNT,
        "200000",
        "Urls of which something is in memory at most, some 300 bytes each: those that fail, and with `rate` or `handshake` \
         those that are called. Further ones have neither `breaker` nor `rate`.",
    ),
    Key::optional("log", KeyKind::Table(LOG), "What is written down of deliveries."),
    Key::with_default(
        "hub_queue_bytes",
        BYTES,
        "16777216",
        "What may wait of events from other doors while urls are slow, an eighth of it for one url: at least eight times \
         `hub_max_message_bytes`, and 525,816 more.",
    ),
    Key::with_default(
        "hub_overflow",
        KeyKind::Choice(&["drop_oldest", "drop_newest", "block"]),
        "drop_oldest",
        "What happens to events from other doors that do not fit: `block` holds up their publishers for up to 5 seconds, then \
         drops what waits for a url that has not answered for so long.",
    ),
    Key::with_default(
        "hub_max_message_bytes",
        KeyKind::Integer { min: 0, max: 1 << 30 },
        "1048576",
        "Larger messages stay with webhooks. Python's websocket clients take no more than the default.",
    ),
    Key::with_default(
        "max_sessions",
        COUNT,
        "20000",
        "Websockets of this server; further ones are told to come later.",
    ),
    Key::with_default(
        "max_sessions_per_address",
        COUNT,
        "10000",
        "Websockets of one remote address (of IPv6, of one /64).",
    ),
    Key::with_default("websocket_accept_timeout", TIME, "2", "How long a websocket may take for its first message."),
    Key::with_default("websocket_max_pending_sends", COUNT, "255", "Messages that wait for one slow websocket."),
    Key::with_default("queue_bytes", BYTES, "67108864", "What may wait for one slow websocket, in bytes of memory."),
    Key::with_default(
        "overflow",
        KeyKind::Choice(&["block", "disconnect", "drop_oldest", "drop_newest"]),
        "block",
        "What happens when more waits for a websocket: publishers wait, it is disconnected, or messages are dropped and it \
         is told that it missed them.",
    ),
    Key::with_default(
        "patience_secs",
        TIME,
        "5",
        "With `block`: how long publishers wait for a websocket that takes nothing; then it is disconnected.",
    ),
    Key::with_default(
        "websocket_max_unprocessed_receives",
        COUNT,
        "255",
        "Messages of one websocket that wait to be handled.",
    ),
    Key::with_default(
        "websocket_send_max_unacknowledged",
        COUNT_OR_NONE,
        "3",
        "Parts of messages that are sent ahead of a websocket's acknowledgements; 0: as many as there are.",
    ),
    Key::with_default(
        "websocket_minimal_headers",
        KeyKind::Bool,
        "true",
        "Whether messages to websockets have the short form of headers.",
    ),
    Key::with_default(
        "outgoing_max_ws_message_size",
        KeyKind::Integer { min: 1024, max: 4_194_303 },
        "3670016",
        "The largest websocket message that is sent; larger messages go in parts. Python's client takes up to 4194303.",
    ),
    Key::with_default(
        "incoming_max_ws_message_size",
        KeyKind::Integer { min: 1024, max: 1 << 30 },
        "16777216",
        "The largest websocket message that is taken, in bytes of memory; larger messages have to come in parts.",
    ),
    Key::with_default("ping_interval_secs", TIME, "20", "A websocket that was silent this long is sent a ping."),
    Key::with_default("ping_timeout_secs", TIME, "20", "One that is silent this long after a ping is closed."),
    Key::with_default("compression_allowed", KeyKind::Bool, "true", "Whether websockets may compress, with zstd."),
    Key::with_default(
        "compression_allow_training",
        KeyKind::Bool,
        "true",
        "Whether dictionaries are trained with what a websocket sends and gets.",
    ),
    Key::optional(
        "compression_dictionary_by_id",
        KeyKind::Named(DICTIONARY),
        "Dictionaries that both ends have, by their number from 2 to 65535, in quotes.",
    ),
    Key::with_default("compression_min_size", COUNT_OR_NONE, "32", "Smaller messages are not compressed."),
    Key::with_default(
        "compression_trained_max_size",
        COUNT_OR_NONE,
        "16384",
        "Messages from this size on are compressed without a trained dictionary.",
    ),
    Key::with_default(
        "compression_training_low_watermark",
        COUNT_OR_NONE,
        "102400",
        "Bytes of messages after which the first dictionary is trained.",
    ),
    Key::with_default(
        "compression_training_high_watermark",
        COUNT_OR_NONE,
        "10485760",
        "Bytes of messages after which the second one is trained, and later ones.",
    ),
    Key::with_default(
        "compression_retrain_interval_seconds",
        TIME,
        "216000",
        "How long a dictionary is used before messages are collected for the next.",
    ),
    Key::with_default(
        "decompression_max_window_size",
        KeyKind::Integer { min: 1024, max: 1 << 31 },
        "8388608",
        "Messages that were compressed with a larger window are refused.",
    ),
    MAX_CONNECTIONS,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    WORKERS,
];
