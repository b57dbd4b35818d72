//! `user:password@host:4001,host2:4001?ca=FILE`, behind `rqlite://`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

const PORT: u16 = 4001;

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Debug)]
pub(super) struct Address {
    pub(super) nodes: Vec<Origin>,
    /// For every request, if there is a user.
    pub(super) authorization: Option<HeaderValue>,
    /// A file with certificates to trust.
    pub(super) ca: Option<String>,
}

impl Address {
    /// Reads what is behind the colon.
    pub(super) fn read(tls: bool, text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("//").ok_or("write `rqlite://host:4001`")?;
        let (text, parameters) = text.split_once('?').map_or((text, ""), |(text, parameters)| (text, parameters));
        let ca = match parameters.split_once('=') {
            _ if parameters.is_empty() => None,
            Some(("ca", file)) if tls => Some(file.to_owned()),
            _ => return Err("the only parameter is `ca=FILE`, for `rqlites://`: certificates to trust".to_owned()),
        };
        let (user, nodes) = text.rsplit_once('@').map_or((None, text), |(user, nodes)| (Some(user), nodes));
        let nodes = (1..).zip(nodes.trim_end_matches('/').split(','));
        let nodes = nodes.map(|(number, node)| node_of(tls, number, node)).collect::<Result<_, _>>()?;
        Ok(Self { nodes, authorization: user.map(authorization).transpose()?, ca })
    }
}

/// Its text is not told: it may be a user and a password without a host.
fn node_of(tls: bool, number: usize, node: &str) -> Result<Origin, String> {
    let unreadable = || {
        format!("node {number} cannot be read: write `host:4001`, with commas between several, behind `user:password@`")
    };
    Origin::read(tls, node.trim(), PORT).ok_or_else(unreadable)
}

fn authorization(user: &str) -> Result<HeaderValue, String> {
    let (name, password) =
        user.split_once(':').ok_or("a user needs a password: write `rqlite://user:password@host`")?;
    let decoded = format!("{}:{}", decode(name)?, decode(password)?);
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(decoded)))
        .map_err(|_| "the user or the password cannot be sent")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Without percent-encoding, which lets a password have an @ or a comma.
fn decode(text: &str) -> Result<String, String> {
    let wrong = "the user or the password has a `%` that does not begin an encoded character: write `%25`";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = match (first, more) {
            (b'%', [high, low, more @ ..]) => {
                let hex = std::str::from_utf8(&[*high, *low]).ok().and_then(crate::store::sql::unhex);
                bytes.extend(hex.ok_or(wrong)?);
                more
            }
            (b'%', _) => return Err(wrong.to_owned()),
            _ => {
                bytes.push(*first);
                more
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| wrong.to_owned())
}

impl Origin {
    /// From `host:port`.
    fn read(tls: bool, authority: &str, default: u16) -> Option<Self> {
        let authority: hyper::http::uri::Authority = authority.parse().ok()?;
        // With a user it would begin with something else.
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => default,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return None;
        }
        Some(Self { tls, host: host.to_owned(), port })
    }

    /// From the address that a node names as the leader's.
    pub(super) fn of_url(url: &str) -> Option<Self> {
        let url: hyper::Uri = url.parse().ok()?;
        let tls = match url.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        Self::read(tls, url.authority()?.as_str(), if tls { 443 } else { 80 })
    }

    /// For the header `Host`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(tls: bool, host: &str, port: u16) -> Origin {
        Origin { tls, host: host.to_owned(), port }
    }

    #[test]
    fn nodes_have_a_port_or_the_usual_one() {
        let address = Address::read(false, "//one, two:5000,[::1]:1/").unwrap();
        assert_eq!(address.nodes, [origin(false, "one", 4001), origin(false, "two", 5000), origin(false, "::1", 1)]);
        assert_eq!(address.nodes[2].authority(), "[::1]:1");
        assert!(address.authorization.is_none());
    }

    #[test]
    fn a_user_and_a_password_are_decoded() {
        let address = Address::read(true, "//me:s%40e%3acret@one?ca=/etc/ca.pem").unwrap();
        let expected = format!("Basic {}", STANDARD.encode("me:s@e:cret"));
        assert_eq!(address.authorization.as_ref().unwrap().to_str().unwrap(), expected);
        assert_eq!(address.ca.as_deref(), Some("/etc/ca.pem"));
        assert_eq!(address.nodes, [origin(true, "one", 4001)]);
        assert!(!format!("{address:?}").contains("Basic"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for text in [
            "",
            "//",
            "//me:x%",
            "//a,",
            "//me@a",
            "//me:x%@a",
            "//me:x%zz@a",
            "//a?level=none",
            "//a:99999",
            "//a?ca=b",
            "//a b",
        ] {
            let problem = Address::read(false, text).unwrap_err();
            assert!(!problem.contains("x%"), "{problem}");
        }
    }

    #[test]
    fn a_leader_is_named_by_a_url() {
        assert_eq!(Origin::of_url("http://two:4001/db/query?level=weak"), Some(origin(false, "two", 4001)));
        assert_eq!(Origin::of_url("https://[::1]/db"), Some(origin(true, "::1", 443)));
        assert_eq!(Origin::of_url("/db"), None);
        assert_eq!(Origin::of_url("ftp://two/"), None);
    }
}
