//! Whom to ask, and in which order.

use std::cmp::Reverse;
use std::fmt;

use super::error::BuildError;
use crate::wire::endpoint::Endpoint;

/// A broadcaster: where it is, and how much it is preferred.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broadcaster {
    pub(crate) tls: bool,
    /// A name or an address, an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What stands before `/v1/..`; empty, or with a slash at its beginning alone.
    pub(crate) prefix: String,
    /// Lower is asked first.
    pub(crate) priority: Option<u32>,
}

impl Broadcaster {
    /// From a url such as `https://example.com:3003/prefix`. Without a port it is that of the scheme; `ws` and `wss`
    /// are read as `http` and `https`.
    ///
    /// # Errors
    /// It is no such url.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        let wrong = |problem| BuildError::Url { url: url.to_owned(), problem };
        let uri: hyper::Uri = url.parse().map_err(|_| wrong("is no url: `http://host:port` expected"))?;
        let tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wrong("has to begin with `http://` or `https://`")),
        };
        if uri.query().is_some() || url.contains('#') {
            return Err(wrong("must not have a query or a fragment"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("must not have a user: secrets are set apart"));
        }
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            priority: None,
        })
    }

    /// The same with a priority. Lower numbers are asked first, those without one last, and equal ones in random order.
    #[must_use]
    pub fn with_priority(mut self, priority: u32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Host and port, as in the header `Host`: without the port that the scheme has anyway.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }

    pub(crate) fn path(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.prefix, endpoint.path())
    }
}

impl fmt::Display for Broadcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

/// The places of all broadcasters in the order of one round: by priority, and equal ones shuffled, so that many
/// subscribers do not all ask the same one.
pub(crate) fn round(all: &[Broadcaster]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    fastrand::shuffle(&mut order);
    order.sort_by_key(|at| Reverse(all.get(*at).and_then(|one| one.priority).map(Reverse)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_what_is_none_says_what_is_expected() {
        let one = Broadcaster::new("https://example.com/a/b/").unwrap();
        assert_eq!((one.port, one.path(Endpoint::Notify).as_str()), (443, "/a/b/v1/notify"));
        assert_eq!(one.to_string(), "https://example.com/a/b");
        let one = Broadcaster::new("ws://[::1]:3003").unwrap();
        assert_eq!((one.host.as_str(), one.authority().as_str(), one.tls), ("::1", "[::1]:3003", false));
        for bad in ["", "example.com", "ftp://x", "http://", "http://a?b", "http://a#b", "http://u:p@a"] {
            assert!(Broadcaster::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lower_priorities_come_first_and_those_without_one_last() {
        let with = |priority| Broadcaster { priority, ..Broadcaster::new("http://a").unwrap() };
        let all = [with(None), with(Some(7)), with(Some(1)), with(Some(7)), with(None)];
        let mut firsts = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let order = round(&all);
            assert_eq!(order.first(), Some(&2));
            assert!([1, 3].contains(&order[1]) && [1, 3].contains(&order[2]), "{order:?}");
            firsts.insert(order[1]);
        }
        assert_eq!(firsts.len(), 2);
    }
}
