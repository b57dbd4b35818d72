//! Who may come in.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Query;
use eventhive_listener::origin;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Config;

/// Why a client stays outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token, or none of ours.
    Token,
    /// A page of another web site.
    Origin,
}

/// Checks a handshake. A token in the URL is taken too, since Python's eventhive can set its endpoint but no header;
/// prefer the header, because proxies log URLs.
pub(super) fn admit(request: &HttpRequest, config: &Config) -> Result<(), Refusal> {
    if origin::is_foreign(request.headers(), &config.origins, &config.host) {
        return Err(Refusal::Origin);
    }
    if config.tokens.is_empty() || given(request).is_some_and(|token| is_known(&token, &config.tokens)) {
        Ok(())
    } else {
        Err(Refusal::Token)
    }
}

fn given(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = header.and_then(bearer) {
        return Some(token.to_owned());
    }
    let query = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    query.into_inner().into_iter().find(|(key, _)| key == "token").map(|(_, token)| token)
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Every token is compared in full, so that the time tells nothing of how near a guess was.
fn is_known(token: &str, tokens: &[Zeroizing<String>]) -> bool {
    let equal = tokens.iter().map(|known| known.as_bytes().ct_eq(token.as_bytes()));
    equal.fold(subtle::Choice::from(0), |any, one| any | one).into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn config(tokens: &[&str], origins: &[&str]) -> Config {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Config {
            tokens: tokens.iter().map(|text| (*text).to_owned().into()).collect(),
            origins: owned(origins),
            ..Config::default()
        }
    }

    fn check(request: TestRequest, config: &Config) -> Result<(), Refusal> {
        admit(&request.to_http_request(), config)
    }

    #[test]
    fn any_of_the_tokens_opens_by_header_or_by_query_and_nothing_else_does() {
        let config = config(&["old", "n&w"], &[]);
        let header = |value: &str| TestRequest::default().insert_header(("authorization", value.to_owned()));
        let query = |uri: &str| TestRequest::with_uri(uri);
        for fine in [header("Bearer old"), header("bearer n&w"), query("/pubsub?token=n%26w"), query("/?a=b&token=old")]
        {
            assert_eq!(check(fine, &config), Ok(()));
        }
        let closed = [
            TestRequest::default(),
            header("Bearer ol"),
            header("Bearer "),
            header("Basic old"),
            query("/?token=oldd"),
            query("/?Token=old"),
        ];
        for bad in closed {
            assert_eq!(check(bad, &config), Err(Refusal::Token));
        }
    }

    #[test]
    fn pages_of_other_sites_stay_outside_unless_they_are_named() {
        let from = |origin: &str| {
            TestRequest::default().insert_header(("host", "hub:8085")).insert_header(("origin", origin.to_owned()))
        };
        let strict = Config { host: "hub".to_owned(), ..config(&[], &["https://app.example"]) };
        assert_eq!(check(from("http://hub:8085"), &strict), Ok(()));
        assert_eq!(check(from("https://app.example"), &strict), Ok(()));
        assert_eq!(check(TestRequest::default(), &strict), Ok(()));
        for foreign in ["http://evil.example", "null", "http://hub", "http://hub:8085.evil.example"] {
            assert_eq!(check(from(foreign), &strict), Err(Refusal::Origin), "{foreign}");
        }
        assert_eq!(check(from("http://evil.example"), &config(&[], &["*"])), Ok(()));
    }

    #[test]
    fn a_name_that_somebody_made_point_here_is_not_the_servers_own() {
        let page = |host: &str| {
            let origin = format!("http://{host}");
            TestRequest::default().insert_header(("host", host.to_owned())).insert_header(("origin", origin))
        };
        for own in ["127.0.0.1:8085", "[::1]:8085", "10.0.0.1", "localhost:8085"] {
            assert_eq!(check(page(own), &config(&[], &[])), Ok(()), "{own}");
        }
        for rebound in ["evil.example:8085", "evil.example", "localhost.evil.example", "[evil]:1"] {
            assert_eq!(check(page(rebound), &config(&[], &[])), Err(Refusal::Origin), "{rebound}");
        }
    }
}
