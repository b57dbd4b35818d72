//! Why a login got no rights.

/// What a login ended with instead of rights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// There is no such user, the password is wrong, or the credentials are none that the server would be asked about.
    #[error("no such user, or a wrong password")]
    Wrong,
    /// The server answers, and will not have this login. It may have another.
    #[error("the server refuses {what}: {}", code_text(*.code, .text))]
    Rejected {
        /// Which step.
        what: &'static str,
        /// The result code of RFC 4511.
        code: u32,
        /// What the server says to it.
        text: String,
    },
    /// The server cannot be asked.
    #[error("the LDAP server cannot be asked: {0}")]
    Unavailable(String),
    /// It could not be asked a moment ago, and nobody tries for now.
    #[error("the LDAP server could not be asked a moment ago")]
    Closed,
    /// Too many logins wait for a connection.
    #[error("too many logins wait for a connection to the LDAP server")]
    Busy,
}

/// Results of RFC 4511 that say something of the server's moment, and nothing of the login: a limit of time or of the
/// administrator, busy, unavailable, and other.
const PASSING: [u32; 5] = [3, 11, 51, 52, 80];

impl Refused {
    /// Whether the same login may fare otherwise in a moment, with nothing changed in the directory.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Rejected { code, .. } if PASSING.contains(code))
    }
}

/// What has happened to a connection: it is of no further use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// It could not be made, was lost, or was closed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The other end does not speak LDAP, or not in turn.
    #[error("it does not answer as an LDAP server does: {0}")]
    Malformed(&'static str),
    /// It takes too long to be made.
    #[error("it takes too long: no connection")]
    Timeout,
    /// A login takes too long, on a connection that may be as good as any.
    #[error("it takes too long: no answer")]
    Late,
    /// It says that it cannot.
    #[error("it cannot: {}", code_text(*.0, .1))]
    Unable(u32, String),
}

impl From<super::wire::Malformed> for Broken {
    fn from(_: super::wire::Malformed) -> Self {
        Self::Malformed("an answer that is no LDAP, or too large")
    }
}

/// The codes that an operator meets (RFC 4511, appendix A).
pub(super) fn code_text(code: u32, text: &str) -> String {
    let name = match code {
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired: use `ldaps://` or `starttls: true`",
        10 => "referral",
        11 => "adminLimitExceeded",
        13 => "confidentialityRequired: use `ldaps://` or `starttls: true`",
        19 => "constraintViolation",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "see RFC 4511",
    };
    // It is the server's word: kept short, and on one line.
    let text: String = text.chars().filter(|char| !char.is_control()).take(200).collect();
    if text.is_empty() { format!("{name} ({code})") } else { format!("{name} ({code}): {text}") }
}
