//! Why there is no connection, in words that name the fix.

use redis::{ErrorKind, RedisError};

use crate::config::{Address, Config, Servers};

/// Why there is no connection, or no longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// No further attempt can succeed.
    pub(crate) for_good: bool,
}

impl Failure {
    pub(crate) fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_good: false }
    }

    /// What was told by, or happened with, the server at `address`.
    pub(crate) fn of(config: &Config, address: &Address, error: &RedisError) -> Self {
        let refused = matches!(error.code(), Some("WRONGPASS" | "NOAUTH"));
        let kind = matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::RESP3NotSupported);
        let reason = match hint(config, address, error) {
            Hint::Instead(text) => format!("{address}: {text}"),
            Hint::Beside(text) => format!("{address}: {} ({text})", error.to_string().trim_end()),
            Hint::None => format!("{address}: {}", error.to_string().trim_end()),
        };
        Self { reason, for_good: refused || kind }
    }
}

enum Hint {
    None,
    Beside(&'static str),
    /// Where the server's own words would lead astray.
    Instead(&'static str),
}

fn hint(config: &Config, address: &Address, error: &RedisError) -> Hint {
    let sentinel = matches!(&config.servers, Servers::Sentinel { sentinels, .. } if sentinels.contains(address));
    let details = error.detail().unwrap_or_default();
    match error.code() {
        Some("NOAUTH") if sentinel => Hint::Instead("the Sentinel asks for a password: add `sentinel_password`"),
        Some("NOAUTH") => Hint::Instead("the server asks for a password: add `password`"),
        Some("WRONGPASS") if sentinel => Hint::Beside("check `sentinel_username` and `sentinel_password`"),
        Some("WRONGPASS") => Hint::Beside("check `username` and `password`"),
        _ if error.kind() == ErrorKind::RESP3NotSupported => Hint::Beside("use Redis 6 or later"),
        _ if details.starts_with("unknown command 'SENTINEL'") => {
            Hint::Instead("this is no Sentinel: check `sentinels`")
        }
        _ if details.ends_with("cluster support disabled") => Hint::Instead("this is no cluster: remove `cluster`"),
        _ if error.is_timeout() && config.tls.is_some() => Hint::Beside("does this port speak TLS?"),
        _ if error.is_connection_dropped() && !error.is_connection_refusal() && config.tls.is_none() => {
            Hint::Beside("if it speaks TLS, add `ssl: true`")
        }
        _ => Hint::None,
    }
}
