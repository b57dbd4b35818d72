//! Name, TCP, TLS, upgrade; and which refusals are final.

use eventhive_transport::LinkError;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, error::TlsError};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::settings::{LinkSettings, Unsubscribe};
use crate::wire::{DOOR_HEADER, LINK_HEADER};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection that was upgraded.
pub(super) struct Connected {
    pub(super) socket: Socket,
    pub(super) server: Server,
}

/// What is known of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// It is a door of eventhive: it takes `unsubscribe` and patterns, and notifies a link of an event once.
    pub(super) ours: bool,
    /// `unsubscribe` may be called on it.
    pub(super) unsubscribes: bool,
}

/// Why no connection came about.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) reason: String,
    /// The server refuses the token, or has nothing for us at this path: another attempt would end the same.
    pub(super) refused: bool,
}

/// Memory that a connection takes at once. Frames of usual events fit many times.
const READ_BUFFER: usize = 64 * 1024;
/// Frames are gathered up to this before they are written, if the batch is that large.
const WRITE_BUFFER: usize = 128 * 1024;

/// Connects and upgrades with the token of this number, if there are any.
pub(super) async fn connect(settings: &LinkSettings, token: usize) -> Result<Connected, Failed> {
    let unreachable = |error: std::io::Error| Failed {
        reason: format!("{} cannot be reached: {error}", settings.shown_url()),
        refused: false,
    };
    let request = request(settings, token).map_err(|error| told(settings, &error))?;
    let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await.map_err(unreachable)?;
    // Batches are flushed as a whole; waiting for more would only delay their last part.
    stream.set_nodelay(true).map_err(unreachable)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(settings.max_incoming()))
        .max_frame_size(Some(settings.max_incoming()));
    let tls = settings.tls.clone().unwrap_or(Connector::Plain);
    let upgraded = client_async_tls_with_config(request, stream, Some(config), Some(tls)).await;
    let (socket, response) = upgraded.map_err(|error| told(settings, &error))?;
    let ours = response.headers().contains_key(DOOR_HEADER);
    let unsubscribes = match settings.unsubscribe {
        Unsubscribe::Auto => ours,
        Unsubscribe::Always => true,
        Unsubscribe::Never => false,
    };
    Ok(Connected { socket, server: Server { ours, unsubscribes } })
}

fn request(settings: &LinkSettings, token: usize) -> Result<Request, Error> {
    let mut request = settings.url().into_client_request()?;
    request.headers_mut().insert(LINK_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    if let Some(token) = settings.tokens.get(token) {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.as_str()))
            .map_err(|error| Error::HttpFormat(error.into()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

/// The failure in words that say what to look at.
fn told(settings: &LinkSettings, error: &Error) -> Failed {
    let url = settings.shown_url();
    let (reason, refused) = match error {
        Error::Http(response) => match response.status() {
            status @ StatusCode::UNAUTHORIZED => (format!("{url} answered {status}: check `token`"), true),
            status @ StatusCode::FORBIDDEN => (format!("{url} answered {status}: check `token` and `endpoint`"), true),
            status @ StatusCode::NOT_FOUND => (format!("{url} answered {status}: check `endpoint`"), false),
            status => (format!("{url} answered {status} instead of the upgrade to a websocket"), false),
        },
        Error::Tls(TlsError::InvalidDnsName) => {
            (format!("`{}` is no name that a certificate can have", settings.host), false)
        }
        Error::Io(error) => (format!("the connection to {url} failed: {error}"), false),
        other => (format!("{url} does not speak websocket as it should: {other}"), false),
    };
    Failed { reason, refused }
}

/// What a subscriber is told when the link has given up.
pub(super) fn given_up(reason: &str) -> LinkError {
    LinkError::Rejected(format!("the link has given up: {reason}"))
}
