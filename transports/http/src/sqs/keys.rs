//! The keys of a queue.

use eventhive_transport::{Key, KeyKind};

/// `sqs.NAME:`
pub(crate) const KEYS: &[Key] = &[
    Key::required("queue", KeyKind::Text, "The queue's name, or its URL if it is of another account."),
    Key::optional(
        "region",
        KeyKind::Text,
        "The queue's region, such as `us-east-1`. Left out: that of the environment or profile.",
    ),
    Key::with_default(
        "delete",
        KeyKind::Bool,
        "false",
        "Whether messages are deleted when their events are published. false: they stay until their time in the queue is over.",
    ),
    Key::optional(
        "key",
        KeyKind::Secret,
        "The id of an access key: text, env:NAME or file:PATH. Left out: what AWS's tools use (environment, profile, role of the machine or container).",
    ),
    Key::optional("secret", KeyKind::Secret, "The secret of `key`."),
    Key::optional(
        "endpoint_url",
        KeyKind::Text,
        "Where the server is, such as `http://localhost:9324`, if it is not Amazon's.",
    ),
    Key::with_default(
        "wait_time_secs",
        KeyKind::Integer { min: 1, max: 20 },
        "20",
        "How long the server may take to answer while the queue is empty. An event is not later for it, and longer costs fewer requests.",
    ),
    Key::with_default(
        "remember_messages",
        KeyKind::Integer { min: 0, max: 10_000_000 },
        "120000",
        "How many ids of messages are remembered so that none is published twice, about 130 bytes each.",
    ),
];
