//! The tables within a door's table.

use eventhive_transport::{Key, KeyKind};

use super::{BYTES, COUNT, COUNT_OR_NONE, TIME, TIME_OR_NONE};

/// `to_broadcaster:` and `to_subscriber:`
pub const AUTH: &[Key] = &[
    Key::required(
        "type",
        KeyKind::Choice(&["none", "token", "hmac"]),
        "How messages of this direction are authorized: none, a token in each, or a signature over each.",
    ),
    Key::optional(
        "secret",
        KeyKind::Secrets,
        "The token; or for hmac 64 bytes in URL-safe base64. A list is for rotation: the first signs, all are accepted.",
    ),
];

/// `standard_webhooks:`
pub const STANDARD_WEBHOOKS: &[Key] = &[
    Key::required(
        "secret",
        KeyKind::Secrets,
        "`whsec_` and 24 to 64 bytes in base64. A list is for rotation: each signs.",
    ),
    Key::with_default(
        "signed",
        KeyKind::Choice(&["message", "body"]),
        "message",
        "What is signed. `message`: the message alone, taken out of the request's body; the packages of PyPI and npm decode \
         what they verify as text, which a message often is and a body hardly ever. `body`: the request's body, for \
         libraries that verify bytes, such as those for Go and Rust.",
    ),
];

/// `missed:`
pub const MISSED: &[Key] = &[
    Key::with_default("expo_factor", TIME_OR_NONE, "1", "Seconds; multiplied by the power below."),
    Key::with_default("expo_base", KeyKind::Seconds { min: 1.0 }, "2", "What is raised to the number of tries so far."),
    Key::with_default("expo_max", KeyKind::Integer { min: 0, max: 63 }, "10", "The greatest power it is raised to."),
    Key::with_default("max_retries", COUNT_OR_NONE, "20", "Tries until a MISSED is given up."),
    Key::with_default("constant", TIME_OR_NONE, "1", "Seconds that are added to each wait."),
    Key::with_default("jitter", TIME_OR_NONE, "2", "Seconds of which a random part is added to each wait."),
];

/// `breaker:`
pub const BREAKER: &[Key] = &[
    Key::with_default("failures", COUNT_OR_NONE, "5", "Failures in a row after which a url is left alone; 0: never."),
    Key::with_default("pause_secs", TIME, "10", "For how long, at first; it doubles with each failure after it."),
    Key::with_default("max_pause_secs", TIME, "600", "The longest pause."),
];

/// `rate:`
pub const RATE: &[Key] = &[
    Key::required("per_second", KeyKind::Seconds { min: 0.001 }, "Requests a second to one url."),
    Key::with_default("burst", COUNT, "10", "Requests that may come at once after a pause."),
];

/// `log:`
pub const LOG: &[Key] = &[
    Key::with_default(
        "attempts",
        KeyKind::Choice(&["all", "failures", "none"]),
        "failures",
        "Which requests to urls are written to the store. `all` costs a row for each.",
    ),
    Key::with_default(
        "queue_bytes",
        KeyKind::Integer { min: 1024, max: 1 << 31 },
        "16777216",
        "What waits to be written while the store is slow or away; what does not fit is counted and not written.",
    ),
    Key::with_default(
        "keep_days",
        KeyKind::Seconds { min: 0.0 },
        "14",
        "Days that attempts and dead letters are kept.",
    ),
    Key::with_default("keep_attempts", COUNT_OR_NONE, "100000", "Attempts that are kept at most."),
    Key::with_default("keep_letters", COUNT_OR_NONE, "10000", "Dead letters that are kept at most; 0: none is."),
    Key::with_default(
        "keep_letters_per_url",
        COUNT,
        "1000",
        "Dead letters of one url that are kept at most: its oldest go first.",
    ),
    Key::with_default(
        "keep_bytes_per_url",
        BYTES,
        "16777216",
        "Bytes that their bodies may have in all. The newest is kept in any case.",
    ),
    Key::with_default(
        "letter_bytes",
        KeyKind::Integer { min: 0, max: 1 << 30 },
        "262144",
        "Dead letters keep bodies of up to so many bytes; of larger ones only hash and length.",
    ),
];

/// `compression_dictionary_by_id:`, by its number from 2 to 65535.
pub const DICTIONARY: &[Key] = &[
    Key::required("file", KeyKind::Text, "The file of the dictionary."),
    Key::with_default("level", KeyKind::Integer { min: 0, max: 19 }, "3", "The level it is used with."),
];
