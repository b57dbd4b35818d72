//! Web pages, by the `Origin` that their browser tells: which may use a door.
//!
//! A page can send a POST to any server that its browser reaches, and open a websocket to it, without asking it first: also
//! to one that listens for its own machine alone. So what says that it comes from a page is taken only from pages that the
//! configuration names, and from the door's own. Clients that are no browsers tell no origin.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// What `Access-Control-Allow-Origin` says to this request; `None` if its page may not read the answer.
pub fn allowed(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    if origins.iter().any(|known| known == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let is_named = origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
    is_named.then(|| origin.clone())
}

/// Whether a request comes from a page that may not use the door: neither one of `origins`, where `*` is any, nor the door's
/// own. `host` is the door's own name.
pub fn is_foreign(headers: &HeaderMap, origins: &[String], host: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    allowed(headers, origins).is_none() && !is_own(origin, headers.get(header::HOST), host)
}

/// A page of the door's own address. A name counts only if it is the door's: any name can be made to point here.
fn is_own(origin: &HeaderValue, asked: Option<&HeaderValue>, host: &str) -> bool {
    let (Ok(origin), Some(Ok(asked))) = (origin.to_str(), asked.map(HeaderValue::to_str)) else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let bare = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    };
    authority.eq_ignore_ascii_case(asked)
        && (bare.eq_ignore_ascii_case(host) || bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &'static str, host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::HOST, HeaderValue::from_static(host));
        headers
    }

    #[test]
    fn pages_are_known_by_the_doors_own_address_and_by_named_origins() {
        let named = ["https://example.org".to_owned()];
        for (origin, host, foreign) in [
            ("http://127.0.0.1:2069", "127.0.0.1:2069", false),
            ("http://[::1]:2069", "[::1]:2069", false),
            ("http://localhost:2069", "localhost:2069", false),
            ("https://hub.lan", "hub.lan", false),
            ("https://example.org", "hub.lan", false),
            ("https://evil.example", "127.0.0.1:2069", true),
            ("https://evil.example", "evil.example", true),
            ("null", "127.0.0.1:2069", true),
        ] {
            assert_eq!(is_foreign(&headers(origin, host), &named, "hub.lan"), foreign, "{origin} {host}");
        }
        assert!(!is_foreign(&HeaderMap::new(), &[], "hub.lan"));
    }

    #[test]
    fn only_named_origins_may_read() {
        let asked = headers("https://example.org", "x");
        assert_eq!(allowed(&asked, &[]), None);
        assert_eq!(allowed(&asked, &["https://example.org".to_owned()]).unwrap(), "https://example.org");
        assert_eq!(allowed(&asked, &["*".to_owned()]).unwrap(), "*");
    }
}
