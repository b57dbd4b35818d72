//! The keys of a configuration, apart from those of the transports.
//!
//! The tables check what is read, explain it and make the schema. What a [`KeyKind`] cannot say (`secret`,
//! `from_broadcast`, `input_channel`) is `Any` here and checked in `resolve`; the schema has its own words for those.

use eventhive_transport::{Key, KeyKind};

use crate::envelope::Cipher;

/// `eventhive:`
pub const HIVE: &[Key] = &[
    Key::with_default(
        "metadata_key",
        KeyKind::Text,
        "__eventhive__",
        "The key of the metadata object inside a message, sent and received.",
    ),
    Key::with_default(
        "remove_metadata",
        KeyKind::Bool,
        "false",
        "true: messages are sent without metadata. Receiving is unaffected.",
    ),
    Key::with_default(
        "channel_separator",
        KeyKind::Text,
        "/",
        "What joins the segments of an event's name: network, channel, event.",
    ),
    Key::optional(
        "discovery_interfaces",
        KeyKind::Texts,
        "The network interfaces that mDNS uses, by name. Left out: all but those of containers, virtual machines and VPNs.",
    ),
];

/// The most that a queue of a connector may hold: 1 TiB, a bound for typing errors.
const MOST_BYTES: i64 = 1 << 40;

/// The most messages that a connector remembers: some gigabytes, a bound for typing errors.
const MOST_REMEMBERED: i64 = 100_000_000;

/// `connectors.NAME:`
pub const CONNECTOR: &[Key] = &[
    Key::required("pubsub_type", KeyKind::Text, "The kind of wire, such as websocket."),
    Key::required(
        "input_channel",
        KeyKind::Any,
        "The channel to listen on, the second segment of an event's name. Empty text: publish only.",
    ),
    Key::optional("init", KeyKind::Any, "How to reach the network: the transport's own keys."),
    Key::optional(
        "secret",
        KeyKind::Any,
        "Seals what is sent and refuses what is not sealed: text, env:NAME, file:PATH, or a list of these for rotation (the first seals, all open). Empty text: off.",
    ),
    Key::with_default(
        "cipher",
        KeyKind::Choice(Cipher::WORDS),
        "aes-256-gcm",
        "How a connector with a secret seals: aes-256-gcm, or eventhive-0.5 to talk with Python hives.",
    ),
    Key::with_default(
        "replay_secs",
        KeyKind::Seconds { min: 0.0 },
        "300",
        "How far the time of a sealed message may be from now before it is refused. It bounds how long one may wait in an outbox or a backlog, too.",
    ),
    Key::with_default(
        "replay_messages",
        KeyKind::Integer { min: 1, max: MOST_REMEMBERED },
        "65536",
        "How many sealed messages are remembered so that one sent again is refused: of each sender (a bit each), or with eventhive-0.5 of all (about 100 bytes each). What is too old to be remembered is refused.",
    ),
    Key::optional(
        "from_broadcast",
        KeyKind::Any,
        "Find the server by mDNS instead of `init`: true (waits 5 seconds), false, or the seconds to wait.",
    ),
    Key::with_default(
        "outbox_bytes",
        KeyKind::Integer { min: 0, max: MOST_BYTES },
        "16777216",
        "How many bytes of events wait here while the link is down.",
    ),
    Key::with_default(
        "outbox_overflow",
        KeyKind::Choice(QUEUE_OVERFLOW),
        "drop_oldest",
        "What a full outbox does with one more event.",
    ),
    Key::with_default(
        "inbox_bytes",
        KeyKind::Integer { min: 1, max: MOST_BYTES },
        "16777216",
        "How many bytes of received events wait for their hooks.",
    ),
    Key::with_default(
        "inbox_overflow",
        KeyKind::Choice(QUEUE_OVERFLOW),
        "drop_oldest",
        "What a full inbox does with one more event.",
    ),
    Key::with_default(
        "dedupe_events",
        KeyKind::Integer { min: 0, max: MOST_REMEMBERED },
        "10000",
        "How many ids of received events are remembered so that one delivered twice is dropped; 0: none.",
    ),
];

/// What a connector's queue can do when it is full. It cannot wait (a reading task or a caller would stand still), and
/// there is nobody to disconnect.
const QUEUE_OVERFLOW: &[&str] = &["drop_oldest", "drop_newest"];

/// `servers.NAME:`
pub const SERVER: &[Key] = &[
    Key::required("pubsub_type", KeyKind::Text, "The protocol that the server speaks, such as websocket."),
    Key::required(
        "create",
        KeyKind::Choice(&["never", "needed", "always"]),
        "never; always; or needed: only if none is found by mDNS.",
    ),
    Key::with_default("broadcast", KeyKind::Bool, "false", "Whether the server is announced by mDNS."),
    Key::optional("init", KeyKind::Any, "Where and how to listen: the transport's own keys."),
];

/// The sections at the top.
pub const TOP: &[(&str, &str)] = &[
    ("eventhive", "Settings of the hive itself."),
    (
        "connectors",
        "The networks that this hive is a member of, by name. The name is the first segment of remote events.",
    ),
    ("servers", "The servers that this hive runs, by name of the network."),
];
