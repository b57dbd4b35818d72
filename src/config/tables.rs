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
        "The network interfaces that mDNS uses, by name; `loopback` is this machine. Left out: all but those of containers, virtual machines and VPNs.",
    ),
    Key::with_default(
        "discovery_mdns",
        KeyKind::Bool,
        "true",
        "false: mDNS is not used. Servers are then found in discovery_servers and discovery_file only.",
    ),
    Key::optional(
        "discovery_servers",
        KeyKind::Texts,
        "Where servers are looked for that mDNS has not found: `scheme://host:port/endpoint`, all but the host may be left out, with the network's name before it if it is for that one only. The first that answers is taken.",
    ),
    Key::optional(
        "discovery_file",
        KeyKind::Text,
        "A file with such servers, one a line, looked at after discovery_servers and read anew each time. It may be missing.",
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
        "Find the server by mDNS: true (looks for 5 seconds at first), false, or the seconds. What is announced goes before host, port and endpoint of `init`; the other keys of `init` stay. With a token or a password in `init` where announcements are not signed (no `secret`, or that of Python), only a server that is announced at the host of `init` is used.",
    ),
    Key::optional("outbox", KeyKind::Any, "Where called events wait until the broker has taken them."),
    Key::optional("inbox", KeyKind::Any, "Where received events wait for their hooks."),
    Key::with_default(
        "dedupe_events",
        KeyKind::Integer { min: 0, max: MOST_REMEMBERED },
        "10000",
        "How many ids of received events are remembered so that one delivered twice is dropped; 0: none.",
    ),
];

/// `connectors.NAME.outbox:`
pub const OUTBOX: &[Key] = &[
    Key::optional(
        "path",
        KeyKind::Text,
        "A folder of this connector alone; what waits is kept there, unsealed, and survives the end of the process. Left out: in memory.",
    ),
    Key::optional(
        "max_bytes",
        KeyKind::Integer { min: 0, max: MOST_BYTES },
        "How many bytes may wait. Left out: 16 MiB in memory, 1 GiB on disk.",
    ),
    Key::optional(
        "overflow",
        KeyKind::Choice(QUEUE_OVERFLOW),
        "What a full outbox does with one more event: drop_oldest, drop_newest (an error to the caller). Left out: drop_oldest in memory, drop_newest on disk, where what was taken is promised.",
    ),
    Key::with_default(
        "durable",
        KeyKind::Bool,
        "true",
        "With a path: whether events are synced to the disk, many at once, so that they survive a loss of power too.",
    ),
];

/// `connectors.NAME.inbox:`
pub const INBOX: &[Key] = &[
    Key::with_default(
        "max_bytes",
        KeyKind::Integer { min: 1, max: MOST_BYTES },
        "16777216",
        "How many bytes may wait.",
    ),
    Key::with_default(
        "overflow",
        KeyKind::Choice(QUEUE_OVERFLOW),
        "drop_oldest",
        "What a full inbox does with one more event.",
    ),
];

/// What a connector's queue can do when it is full. It cannot wait (a reading task or a caller would stand still), and
/// there is nobody to disconnect.
const QUEUE_OVERFLOW: &[&str] = &["drop_oldest", "drop_newest"];

/// `servers.NAME:`
pub const SERVER: &[Key] = &[
    Key::optional(
        "pubsub_type",
        KeyKind::Text,
        "The protocol that the server speaks, such as websocket. A server with several has `doors` instead.",
    ),
    Key::required(
        "create",
        KeyKind::Choice(&["never", "needed", "always"]),
        "never; always; or needed: while no other hive runs one. It then has its port to itself.",
    ),
    Key::with_default("broadcast", KeyKind::Bool, "false", "Whether the server is announced by mDNS."),
    Key::optional(
        "secret",
        KeyKind::Any,
        "Signs the announcement, as in a connector; hives with the secret then heed no other. Left out: that of the connector of the same name, unless its cipher is eventhive-0.5. Empty text: not signed.",
    ),
    Key::optional("init", KeyKind::Any, "Where and how to listen: the transport's own keys."),
    Key::optional(
        "doors",
        KeyKind::Any,
        "In place of `pubsub_type` and `init`: a list of these pairs, one a door. An event that comes in by one leaves by all.",
    ),
    Key::optional(
        "backlog",
        KeyKind::Any,
        "The events that are kept for clients who come back and say from where they want to go on.",
    ),
];

/// An item of `servers.NAME.doors`.
pub const DOOR: &[Key] = &[
    Key::required("pubsub_type", KeyKind::Text, "The protocol that the door speaks: websocket or http."),
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
