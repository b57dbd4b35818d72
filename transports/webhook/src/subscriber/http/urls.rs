//! Where broadcasters deliver to: one url for all names, and one for each pattern.
//!
//! A broadcaster sends a copy of a message for each subscription that matches, and says only the topic. With a url for
//! each pattern a copy shows what it came for, by `?glob=` and the pattern's number.

use crate::subscriber::error::BuildError;
use crate::subscriber::table::Arrival;
use crate::subscriber::wish::{Wish, number};
use crate::wire::endpoint::Endpoint;

/// The urls of a subscriber, as they are registered and signed.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    /// Before `/v1/..`.
    base: String,
    /// With its `#`, or empty.
    fragment: String,
    /// The path of `base`, without a slash at its end.
    pub(crate) path: String,
}

const QUERY: &str = "glob=";

impl Urls {
    /// From a url under which broadcasters reach this subscriber, such as `http://example.com:3002/prefix#name`.
    pub(crate) fn new(url: &str) -> Result<Self, BuildError> {
        let wrong = |problem| BuildError::Url { url: url.to_owned(), problem };
        let (base, fragment) = url.split_once('#').map_or((url, None), |(base, fragment)| (base, Some(fragment)));
        let uri: hyper::Uri = base.parse().map_err(|_| wrong("is no url: `http://host:port` expected"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
            return Err(wrong("has to begin with `http://` or `https://`, and a host"));
        }
        if uri.query().is_some() {
            return Err(wrong("must not have a query"));
        }
        if url.len() > LONGEST {
            return Err(wrong("is too long"));
        }
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            fragment: fragment.map_or_else(String::new, |fragment| format!("#{fragment}")),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(crate) fn receive(&self, arrival: Arrival) -> String {
        self.url(Endpoint::Receive, arrival)
    }

    pub(crate) fn recover(&self, arrival: Arrival) -> String {
        self.url(Endpoint::Recover, arrival)
    }

    fn url(&self, endpoint: Endpoint, arrival: Arrival) -> String {
        let Self { base, fragment, .. } = self;
        let path = endpoint.path();
        match arrival {
            Arrival::Glob(number) => format!("{base}{path}?{QUERY}{number:016x}{fragment}"),
            Arrival::Exact | Arrival::Websocket => format!("{base}{path}{fragment}"),
        }
    }

    /// What a request with this query came for; `None` if no url of ours has it.
    pub(crate) fn arrival(query: &str) -> Option<Arrival> {
        if query.is_empty() {
            return Some(Arrival::Exact);
        }
        let digits = query.strip_prefix(QUERY)?;
        let number = u64::from_str_radix(digits, 16).ok()?;
        (digits == format!("{number:016x}")).then_some(Arrival::Glob(number))
    }
}

/// What leaves room for path and query in the two bytes of a length, and in the heads of servers.
const LONGEST: usize = 4096;

/// For which copies of a message a wish is.
pub(crate) fn arrival_of(wish: &Wish) -> Arrival {
    match wish {
        Wish::Exact(_) => Arrival::Exact,
        Wish::Glob(glob) => Arrival::Glob(number(glob)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_has_a_url_that_tells_what_comes_there() {
        let urls = Urls::new("http://a:3002/p/#me").unwrap();
        assert_eq!(urls.receive(Arrival::Exact), "http://a:3002/p/v1/receive#me");
        let arrival = arrival_of(&Wish::glob("a*").unwrap());
        let url = urls.recover(arrival);
        let query = url.strip_prefix("http://a:3002/p/v1/recover?").unwrap().strip_suffix("#me").unwrap();
        assert_eq!(Urls::arrival(query), Some(arrival));
        assert_eq!(urls.path, "/p");
        assert_eq!(Urls::arrival(""), Some(Arrival::Exact));
        for other in ["x=1", "glob=", "glob=12", "glob=+123456789abcdef"] {
            assert_eq!(Urls::arrival(other), None, "{other}");
        }
        for bad in ["", "a:3002", "ftp://a", "http://a?b", "http://"] {
            assert!(Urls::new(bad).is_err(), "{bad}");
        }
    }
}
