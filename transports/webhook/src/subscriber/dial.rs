//! Name, TCP, TLS.

use std::io;
use std::sync::Arc;

use eventhive_tls::Io;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::broadcasters::Broadcaster;

/// A connection to a broadcaster. Broadcasters are configured by the user, so they may be anywhere.
pub(crate) async fn dial(to: &Broadcaster, tls: &Arc<ClientConfig>) -> io::Result<Box<dyn Io>> {
    let stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
    // Requests are written as a whole; waiting for more would only delay their last part.
    stream.set_nodelay(true)?;
    if !to.tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(to.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
    Ok(Box::new(stream))
}
