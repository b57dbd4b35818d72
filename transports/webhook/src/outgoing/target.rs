//! What a url says about where a request goes.
//!
//! A url is taken apart by one strict reader, here, and nobody behind it reads it again: what it means cannot differ between
//! the guard and the connection. Addresses are written as addresses; other spellings that a resolver may know (`127.1`,
//! `0x7f.1`, `2130706433`), user names, zones and port 0 are refused by name, so that whoever subscribes learns why.
//! What the request line and `Host` say is the url as it was registered; the fragment is not sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hyper::Uri;
use hyper::header::HeaderValue;

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Target {
    /// Scheme, host and port, in one spelling: what shares connections and bounds.
    pub(super) origin: Arc<Origin>,
    /// The header `Host`.
    pub(super) authority: HeaderValue,
    /// Path and query.
    pub(super) uri: Uri,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Address(IpAddr),
    /// In small letters, without a dot at the end.
    Name(Box<str>),
}

impl Target {
    /// Reads a url. An error says what is wrong with it.
    pub(super) fn read(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("a url begins with `https://` or `http://`")?;
        let tls = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err("only `https` and `http` are called"),
        };
        let rest = rest.split_once('#').map_or(rest, |(rest, _fragment)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        let authority = HeaderValue::from_str(authority).map_err(|_| "its host has characters that no name has")?;
        Ok(Self { origin: Arc::new(Origin { tls, host, port }), authority, uri: request_target(path)? })
    }
}

/// What stands in the request line.
fn request_target(path: &str) -> Result<Uri, &'static str> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        let mut escaped = String::from(slash);
        for byte in path.bytes() {
            match byte {
                0x80.. => escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]),
                _ if byte.is_ascii_graphic() => escaped.push(char::from(byte)),
                _ => return Err("its path has blanks or control characters: escape them"),
            }
        }
        return Uri::try_from(escaped).map_err(|_| "its path is none");
    }
    let made = if slash.is_empty() { Uri::try_from(path) } else { Uri::try_from([slash, path].concat()) };
    made.map_err(|_| "its path is none")
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

fn host_and_port(authority: &str) -> Result<(Host, Option<u16>), &'static str> {
    if authority.contains('@') {
        return Err("it has a user name: leave it out");
    }
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']').ok_or("its address lacks the closing bracket")?;
        if address.contains('%') {
            return Err("its address has a zone, which means nothing here: leave it out");
        }
        let address: Ipv6Addr = address.parse().map_err(|_| "what its brackets have is no IPv6 address")?;
        return Ok((Host::Address(address.into()), self::port(port)?));
    }
    let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    Ok((self::host(host)?, self::port(port)?))
}

fn port(text: &str) -> Result<Option<u16>, &'static str> {
    let Some(digits) = text.strip_prefix(':') else {
        return if text.is_empty() { Ok(None) } else { Err("behind its address comes something that is no port") };
    };
    let plain = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = if plain { digits.parse().ok() } else { None };
    port.filter(|port| *port != 0).map(Some).ok_or("its port is none: 1 to 65535")
}

fn host(text: &str) -> Result<Host, &'static str> {
    if !text.is_ascii() {
        return Err("its name is not ASCII: write it with `xn--`");
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() || name.len() > 253 {
        return Err("it has no host, or one that is too long");
    }
    let labels = || name.split('.');
    let letters = |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !labels().all(|label| matches!(label.len(), 1..=63) && letters(label)) {
        return Err("its host is no name");
    }
    if labels().next_back().is_some_and(is_number) {
        let address: Ipv4Addr =
            name.parse().map_err(|_| "its host is a number: write the address as four decimal numbers")?;
        return Ok(Host::Address(address.into()));
    }
    Ok(Host::Name(name.to_ascii_lowercase().into()))
}

/// Whether a host that ends so is an address to some resolver, in whatever spelling.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(url: &str) -> (bool, String, u16, String, String) {
        let Target { origin, authority, uri } = Target::read(url).unwrap();
        let host = match &origin.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.to_string(),
        };
        (origin.tls, host, origin.port, authority.to_str().unwrap().to_owned(), uri.to_string())
    }

    #[test]
    fn a_url_is_taken_apart_and_its_fragment_is_not_sent() {
        let full = parts("https://Hooks.Example.org:8443/v1/receive?a=b&c#me/you?no");
        let expected = "Hooks.Example.org:8443".to_owned();
        assert_eq!(full, (true, "hooks.example.org".to_owned(), 8443, expected, "/v1/receive?a=b&c".to_owned()));
        let plain = parts("HTTP://example.org#me");
        assert_eq!(plain, (false, "example.org".to_owned(), 80, "example.org".to_owned(), "/".to_owned()));
        assert_eq!(parts("https://example.org.?a").4, "/?a");
        assert_eq!(parts("https://example.org./").1, "example.org");
        assert_eq!(parts("http://[2001:DB8::1]:81/x").1, "2001:db8::1");
        assert_eq!(parts("http://192.0.2.1./x").1, "192.0.2.1");
        assert_eq!(parts("http://example.org/%41/é b".replace(' ', "").as_str()).4, "/%41/%C3%A9b");
    }

    #[test]
    fn odd_spellings_are_refused_by_name() {
        for (url, why) in [
            ("example.org/x", "begins with"),
            ("ftp://example.org/", "only `https`"),
            ("file:///etc/passwd", "only `https`"),
            ("gopher://127.0.0.1:6379/_", "only `https`"),
            ("http:///x", "no host"),
            ("http://?x", "no host"),
            ("http://user:pass@example.org/", "user name"),
            ("http://example.org@127.0.0.1/", "user name"),
            ("http://example.org:80@127.0.0.1/", "user name"),
            ("http://127.0.0.1\\@example.org/", "user name"),
            ("http://127.0.0.1\\.example.org/", "no name"),
            ("http://0x7f.1/", "four decimal"),
            ("http://0X7F000001/", "four decimal"),
            ("http://2130706433/", "four decimal"),
            ("http://127.1/", "four decimal"),
            ("http://127.0.1/", "four decimal"),
            ("http://0177.0.0.1/", "four decimal"),
            ("http://127.0.0.01/", "four decimal"),
            ("http://1.2.3.4.5/", "four decimal"),
            ("http://example.0x7f/", "four decimal"),
            ("http://256.0.0.1/", "four decimal"),
            ("http://127.0.0.1%2f.example.org/", "no name"),
            ("http://１２７.0.0.1/", "not ASCII"),
            ("http://127。0。0。1/", "not ASCII"),
            ("http://bücher.example/", "not ASCII"),
            ("http://exa mple.org/", "no name"),
            ("http://example..org/", "no name"),
            ("http://.example.org/", "no name"),
            ("http://example.org:0/", "no"),
            ("http://example.org:/", "port"),
            ("http://example.org:65536/", "port"),
            ("http://example.org:+80/", "port"),
            ("http://example.org:80:80/", "port"),
            ("http://[::1%25lo]/", "zone"),
            ("http://[fe80::1%eth0]/", "zone"),
            ("http://[::1/", "closing bracket"),
            ("http://[127.0.0.1]/", "no IPv6"),
            ("http://[::1]x/", "no port"),
            ("http://example.org/a b", "blanks"),
            ("http://example.org/a\r\nX: y", "blanks"),
        ] {
            let refused = Target::read(url).unwrap_err();
            assert!(refused.contains(why), "{url}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_has_a_host(url in "(https?://)?[a-z0-9.:@/?#%\\[\\]é -]{0,40}") {
            if let Ok(target) = Target::read(&url) {
                prop_assert!(target.uri.path().starts_with('/'));
                prop_assert!(target.uri.authority().is_none());
                prop_assert!(target.origin.port != 0);
            }
        }
    }
}
