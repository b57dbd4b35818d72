//! Where servers are looked for: mDNS, then a list, then a file.
//!
//! Many networks filter multicast. There, a configuration can name servers, or a file that something else keeps up to
//! date. What is announced goes before what is written down; of what is written down, the first that answers is taken.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::{Claim, DiscoveryError, Found, Mdns, name};

/// The largest file that is read; some thousand lines.
const FILE_BYTES: u64 = 256 * 1024;
/// How long a server in a list has to accept a connection before the next one is tried.
const ANSWER: Duration = Duration::from_secs(2);
/// What eventhive 0.5.0 takes if a connector says nothing.
const PORT: u16 = 8085;

/// The places where servers are looked for, in this order.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What is announced.
    pub mdns: Option<Mdns>,
    /// Servers that the configuration names.
    pub listed: Vec<Listed>,
    /// A file with an entry as in the list on each line; empty lines and what follows a `#` at the beginning or after a
    /// space do not count. It is read anew each time; that it is missing is no error.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// Looks for the server `name`: by mDNS for the time `within`, then in the list and the file, whose servers have two
    /// seconds each to accept a connection. The first that is found is taken. Inside a tokio runtime.
    ///
    /// # Errors
    /// [`DiscoveryError`] of the last source, if none found anything and one of them failed.
    pub async fn find(&self, name: &str, within: Duration) -> Result<Option<Found>, DiscoveryError> {
        self.find_except(name, within, None).await
    }

    /// The same; with `except`, only an announced server with another claim than this: one that is written down has no
    /// claim to set against it.
    pub(super) async fn find_except(
        &self,
        name: &str,
        within: Duration,
        except: Option<&Claim>,
    ) -> Result<Option<Found>, DiscoveryError> {
        let mut failed = None;
        if let Some(mdns) = &self.mdns {
            match mdns.resolve_except(name, within, except).await {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => failed = Some(error),
            }
        }
        if except.is_some() {
            return failed.map_or(Ok(None), Err);
        }
        if let Some(found) = first_that_answers(name, &self.listed).await {
            return Ok(Some(found));
        }
        match self.read_file().await {
            Ok(listed) => {
                if let Some(found) = first_that_answers(name, &listed).await {
                    return Ok(Some(found));
                }
            }
            Err(error) => failed = Some(error),
        }
        failed.map_or(Ok(None), Err)
    }

    /// Lines that are no servers are left out, with a warning: the rest of the file is still of use.
    async fn read_file(&self) -> Result<Vec<Listed>, DiscoveryError> {
        let Some(path) = self.file.clone() else { return Ok(Vec::new()) };
        let reading = tokio::task::spawn_blocking(move || (read_text(&path), path)).await;
        let Ok((text, path)) = reading else { return Ok(Vec::new()) };
        let text = text.map_err(|source| DiscoveryError::File { path: path.clone(), source })?;
        let servers = text.lines().enumerate().filter_map(|(number, line)| {
            let line = without_comment(line);
            let entry = (!line.is_empty()).then(|| line.parse::<Listed>())?;
            entry.inspect_err(|error| tracing::warn!(file = %path.display(), line = number + 1, "{error}")).ok()
        });
        Ok(servers.collect())
    }
}

/// A missing file is an empty one.
fn read_text(path: &Path) -> std::io::Result<String> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

fn without_comment(line: &str) -> &str {
    let comment =
        line.match_indices('#').find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    comment.map_or(line, |(at, _)| &line[..at]).trim()
}

async fn first_that_answers(name: &str, servers: &[Listed]) -> Option<Found> {
    for server in servers.iter().filter(|server| server.is_for(name)) {
        match tokio::time::timeout(ANSWER, TcpStream::connect((server.host.as_str(), server.port))).await {
            Ok(Ok(_)) => return Some(server.found(name)),
            Ok(Err(error)) => tracing::debug!(server = %server.host, port = server.port, %error, "does not answer"),
            Err(_) => tracing::debug!(server = %server.host, port = server.port, "does not answer in time"),
        }
    }
    None
}

/// A server that is written down: `name scheme://host:port/endpoint`.
///
/// Without a name it stands for every network; without scheme or endpoint, the transport's defaults hold; the port is
/// 8085 if it is left out. An IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    name: Option<String>,
    scheme: Option<String>,
    host: String,
    port: u16,
    endpoint: Option<String>,
}

impl Listed {
    fn is_for(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|own| name::same(own, name))
    }

    fn found(&self, name: &str) -> Found {
        let mut txt = vec![("host".to_owned(), self.host.clone()), ("port".to_owned(), self.port.to_string())];
        let others = [("endpoint", &self.endpoint), ("scheme", &self.scheme)];
        txt.extend(others.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))));
        Found { listed: true, ..Found::described(name.to_owned(), txt, self.port, None) }
    }
}

impl FromStr for Listed {
    type Err = DiscoveryError;

    fn from_str(entry: &str) -> Result<Self, DiscoveryError> {
        read_entry(entry.trim()).ok_or_else(|| DiscoveryError::Entry { entry: entry.to_owned() })
    }
}

fn read_entry(entry: &str) -> Option<Listed> {
    let (name, url) =
        entry.rsplit_once(char::is_whitespace).map_or((None, entry), |(name, url)| (Some(name.trim()), url));
    let (scheme, rest) = url.split_once("://").map_or((None, url), |(scheme, rest)| (Some(scheme), rest));
    let (authority, endpoint) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(PORT), |digits| digits.parse().ok().filter(|port| *port != 0))?;
    let is_word = |text: &str| !text.is_empty() && !text.contains(['@', '?', '#', ',']);
    if !is_word(host) || scheme.is_some_and(|scheme| !is_word(scheme)) || name.is_some_and(str::is_empty) {
        return None;
    }
    let own = |text: Option<&str>| text.map(str::to_owned);
    Some(Listed { name: own(name), scheme: own(scheme), host: host.to_owned(), port, endpoint: own(endpoint) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use tokio::net::TcpListener;

    fn txt(entry: &str) -> Vec<(String, String)> {
        entry.parse::<Listed>().unwrap().found("n").txt
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_entry_may_leave_out_all_but_the_host() {
        assert_eq!(txt("hub.example"), pairs(&[("host", "hub.example"), ("port", "8085")]));
        let all = [("host", "10.0.0.1"), ("port", "81"), ("endpoint", "/a/b"), ("scheme", "wss")];
        assert_eq!(txt("my hive wss://10.0.0.1:81/a/b"), pairs(&all));
        assert_eq!(txt("[::1]:81/"), pairs(&[("host", "::1"), ("port", "81"), ("endpoint", "/")]));
        assert_eq!(txt("[::1]"), pairs(&[("host", "::1"), ("port", "8085")]));
    }

    #[test]
    fn what_is_no_server_is_refused_with_the_form_that_is_expected() {
        for entry in ["", "a:b", "a:0", "a:70000", "://a", "ws://", "[::1", "[x]:1", "[::1]x", "user@host", "a,b"] {
            let error = entry.parse::<Listed>().unwrap_err().to_string();
            assert!(error.contains("scheme://host:port/endpoint"), "{entry}: {error}");
        }
    }

    #[test]
    fn comments_begin_a_line_or_follow_a_space() {
        assert_eq!(without_comment("# all"), "");
        assert_eq!(without_comment("host:1/a#b # c"), "host:1/a#b");
        assert_eq!(without_comment("  host  "), "host");
    }

    async fn listening() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// A port that refuses: it was free a moment ago, and nothing here listens on ports that it is not given.
    async fn refusing() -> u16 {
        listening().await.1
    }

    fn at(port: u16) -> Listed {
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    #[tokio::test]
    async fn of_the_list_the_first_that_answers_and_has_the_name_is_taken() {
        let ((_one, first), (_two, second)) = (listening().await, listening().await);
        let other = format!("other 127.0.0.1:{first}").parse().unwrap();
        let sources = Sources { listed: vec![at(refusing().await), other, at(second)], ..Sources::default() };
        let found = sources.find("net", Duration::ZERO).await.unwrap().unwrap();
        assert_eq!((found.port, found.name.as_str()), (second, "net"));
        assert_eq!(sources.find("OTHER", Duration::ZERO).await.unwrap().unwrap().port, first);
    }

    #[tokio::test]
    async fn the_file_comes_after_the_list_and_is_read_anew_each_time() {
        let (_listener, port) = listening().await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let sources =
            Sources { listed: vec![at(refusing().await)], file: Some(file.path().to_owned()), ..Sources::default() };
        assert_eq!(sources.find("net", Duration::ZERO).await.unwrap(), None);
        writeln!(file, "# servers\n\nnonsense:x\nnet ws://127.0.0.1:{port}/p # ours").unwrap();
        let found = sources.find("net", Duration::ZERO).await.unwrap().unwrap();
        assert_eq!((found.port, found.host()), (port, Some("127.0.0.1")));
    }

    #[tokio::test]
    async fn what_is_written_down_is_no_rival_of_a_server_that_stands() {
        let (_listener, port) = listening().await;
        let sources = Sources { listed: vec![at(port)], ..Sources::default() };
        assert_eq!(sources.find_except("net", Duration::ZERO, Some(&Claim::now())).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_missing_file_is_no_error_and_an_unreadable_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let sources = |path| Sources { file: Some(path), ..Sources::default() };
        assert_eq!(sources(folder.path().join("none")).find("net", Duration::ZERO).await.unwrap(), None);
        let error = sources(folder.path().to_owned()).find("net", Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::File { .. }), "{error}");
    }
}
