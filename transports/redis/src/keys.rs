//! The keys of `init`.
//!
//! The first group has the names and meanings of `redis.Redis` in Python, because the original hands its `init` there;
//! keys of it that mean nothing here are accepted and ignored, so that a working file keeps working. The second group
//! is ours, with units in the names.

use eventhive_transport::settings::REMOTE_PORT;
use eventhive_transport::{Key, KeyKind};

const COUNT: KeyKind = KeyKind::Integer { min: 0, max: i64::MAX };
const BYTES: KeyKind = KeyKind::Integer { min: 1024, max: 512 * 1024 * 1024 };
const WAIT: KeyKind = KeyKind::Seconds { min: 0.001 };
const IGNORED: &str = "Of redis-py; accepted and ignored.";

/// Keys of redis-py that cannot be ignored, because a connection without them would be less than what was asked for; with
/// what to do.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("ssl_password", "an encrypted key cannot be read here: decrypt it, as by `openssl pkey -in old.pem -out new.pem`"),
    ("ssl_validate_ocsp", "OCSP is not checked here: remove it"),
    ("ssl_validate_ocsp_stapled", "OCSP is not checked here: remove it"),
    ("ssl_ocsp_expected_cert", "OCSP is not checked here: remove it"),
    ("ssl_include_verify_flags", "flags of OpenSSL mean nothing here: remove it"),
    ("ssl_exclude_verify_flags", "flags of OpenSSL mean nothing here: remove it"),
    ("ssl_min_version", "TLS is 1.2 or later here, and the server can demand more: remove it"),
    ("ssl_ciphers", "only strong ciphers are known here, and the server can choose among them: remove it"),
];
const UNKNOWN: &str = "Of redis-py; refused, as it cannot be done here.";

/// The words of `mode`.
pub(crate) const MODES: &[&str] = &["pubsub", "streams"];

/// Keys that only streams know.
pub(crate) const STREAM_KEYS: &[&str] = &["stream_maxlen", "stream_max_age_secs", "consumer_group", "consumer_name"];

/// The table.
pub(crate) const KEYS: &[Key] = &[
    Key::optional(
        "host",
        KeyKind::Text,
        "The server's name or address; `localhost` if neither this nor another place is given.",
    ),
    Key::optional("port", REMOTE_PORT, "The server's port; 6379 if it is not given."),
    Key::optional(
        "db",
        KeyKind::Integer { min: 0, max: 65_535 },
        "The database; pub/sub does not tell them apart, streams do.",
    ),
    Key::optional("username", KeyKind::Text, "The ACL user; `default` if only a password is given."),
    Key::optional("password", KeyKind::Secret, "The password."),
    Key::optional("unix_socket_path", KeyKind::Text, "A unix socket, in place of host and port."),
    Key::optional("ssl", KeyKind::Bool, "Whether to speak TLS."),
    Key::optional("ssl_ca_certs", KeyKind::Text, "PEM file of the authorities to trust, in place of the system's."),
    Key::optional("ssl_ca_path", KeyKind::Text, "The same as a directory of PEM files."),
    Key::optional("ssl_ca_data", KeyKind::Text, "The same as text."),
    Key::optional("ssl_certfile", KeyKind::Text, "PEM file of the client's certificate chain."),
    Key::optional("ssl_keyfile", KeyKind::Text, "PEM file of the client's private key."),
    Key::with_default(
        "ssl_cert_reqs",
        KeyKind::Choice(&["required", "optional", "none"]),
        "required",
        "`none` trusts any certificate: for tests only.",
    ),
    Key::with_default(
        "ssl_check_hostname",
        KeyKind::Bool,
        "true",
        "Whether the certificate must be made out for the host's name.",
    ),
    Key::with_default("socket_connect_timeout", WAIT, "5", "Seconds that connecting and logging in may take."),
    Key::with_default(
        "socket_timeout",
        WAIT,
        "10",
        "Seconds until an answer that does not come means that the connection is lost.",
    ),
    Key::with_default(
        "health_check_interval",
        KeyKind::Seconds { min: 0.0 },
        "10",
        "Seconds between checks of the connection; 0, redis-py's default, is taken as 10.",
    ),
    Key::optional("client_name", KeyKind::Text, "The name shown by `CLIENT LIST`."),
    Key::optional("decode_responses", KeyKind::Any, IGNORED),
    Key::optional("driver_info", KeyKind::Any, IGNORED),
    Key::optional("encoding", KeyKind::Any, IGNORED),
    Key::optional("encoding_errors", KeyKind::Any, IGNORED),
    Key::optional("legacy_responses", KeyKind::Any, IGNORED),
    Key::optional("lib_name", KeyKind::Any, IGNORED),
    Key::optional("lib_version", KeyKind::Any, IGNORED),
    Key::optional("max_connections", KeyKind::Any, IGNORED),
    Key::optional("maint_notifications_config", KeyKind::Any, IGNORED),
    Key::optional("protocol", KeyKind::Any, IGNORED),
    Key::optional("retry_on_error", KeyKind::Any, IGNORED),
    Key::optional("retry_on_timeout", KeyKind::Any, IGNORED),
    Key::optional("single_connection_client", KeyKind::Any, IGNORED),
    Key::optional("socket_keepalive", KeyKind::Any, IGNORED),
    Key::optional("socket_keepalive_options", KeyKind::Any, IGNORED),
    Key::optional("socket_read_size", KeyKind::Any, IGNORED),
    Key::optional("ssl_password", KeyKind::Secret, UNKNOWN),
    Key::optional("ssl_validate_ocsp", KeyKind::Any, UNKNOWN),
    Key::optional("ssl_validate_ocsp_stapled", KeyKind::Any, UNKNOWN),
    Key::optional("ssl_ocsp_expected_cert", KeyKind::Any, UNKNOWN),
    Key::optional("ssl_include_verify_flags", KeyKind::Any, UNKNOWN),
    Key::optional("ssl_exclude_verify_flags", KeyKind::Any, UNKNOWN),
    Key::optional("ssl_min_version", KeyKind::Any, UNKNOWN),
    Key::optional("ssl_ciphers", KeyKind::Any, UNKNOWN),
    Key::optional(
        "url",
        KeyKind::Secret,
        "All of the above in one: redis://user:password@host:port/db, rediss:// for TLS, unix:///path?db=0.",
    ),
    Key::optional("sentinels", KeyKind::Texts, "`host:port` of each Sentinel; port 26379 if it is left out."),
    Key::optional("service_name", KeyKind::Text, "The name that the Sentinels know the master by."),
    Key::optional("sentinel_username", KeyKind::Text, "The ACL user at the Sentinels."),
    Key::optional("sentinel_password", KeyKind::Secret, "The password at the Sentinels."),
    Key::optional("cluster", KeyKind::Bool, "Whether the server is a cluster."),
    Key::optional(
        "nodes",
        KeyKind::Texts,
        "`host:port` of some nodes of the cluster, port 6379 if it is left out; the first that answers is used, so lists in different orders spread pub/sub over the nodes.",
    ),
    Key::optional(
        "sharded",
        KeyKind::Bool,
        "Cluster: sharded pub/sub (Redis 7), on which every hive of the network must agree; exact topics only, no Python peers.",
    ),
    Key::with_default(
        "mode",
        KeyKind::Choice(MODES),
        "pubsub",
        "`pubsub` as the original, or `streams`, which keeps what a hive misses while it is away.",
    ),
    Key::with_default(
        "stream_prefix",
        KeyKind::Text,
        "eventhive:",
        "Streams: what the keys of the streams start with.",
    ),
    Key::with_default(
        "stream_segments",
        KeyKind::Integer { min: 0, max: 16 },
        "2",
        "Streams: how many segments of a topic name its stream: 2 is one for each channel, 1 for each network, 0 one for all.",
    ),
    Key::with_default("stream_separator", KeyKind::Text, "/", "Streams: what segments are told apart by."),
    Key::optional(
        "stream_maxlen",
        COUNT,
        "Streams: about how many messages each stream keeps; 0 keeps all; 10000 (some 10 MB at 1 KiB each) if neither this nor an age is given.",
    ),
    Key::optional(
        "stream_max_age_secs",
        KeyKind::Seconds { min: 1.0 },
        "Streams: about how long each stream keeps a message.",
    ),
    Key::optional(
        "consumer_group",
        KeyKind::Text,
        "Streams: Redis remembers the position under this name; hives with one name share the work, a hive with a name of its own finds what it missed after a restart.",
    ),
    Key::optional("consumer_name", KeyKind::Text, "Streams: this hive's name in the group; random if it is not given."),
    Key::with_default(
        "claim_idle_secs",
        KeyKind::Seconds { min: 1.0 },
        "60",
        "Streams: after how long the work that a dead member left is taken over.",
    ),
    Key::with_default("backoff_min_secs", WAIT, "0.1", "Seconds before the first attempt to reconnect."),
    Key::with_default("backoff_max_secs", WAIT, "10", "The most seconds between attempts to reconnect."),
    Key::with_default(
        "close_timeout_secs",
        KeyKind::Seconds { min: 0.0 },
        "5",
        "Seconds that closing waits for what was accepted.",
    ),
    Key::with_default(
        "max_payload_bytes",
        BYTES,
        "8388608",
        "The largest payload; Redis drops subscribers that have more than 32 MiB waiting.",
    ),
    Key::with_default(
        "send_queue_bytes",
        BYTES,
        "16777216",
        "Bytes of messages that were accepted and not yet answered; beyond it publishing is refused.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_once_and_every_default_is_read() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..at].iter().all(|other| other.name != key.name), "{} twice", key.name);
        }
        let settings = eventhive_transport::Settings::defaults("x", KEYS).unwrap();
        for key in KEYS.iter().filter(|key| key.default.is_some()) {
            assert!(settings.get(key.name).is_some(), "the default of {} is not of its kind", key.name);
        }
    }
}
