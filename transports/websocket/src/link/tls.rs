//! Whether a connection is encrypted, and how.

use eventhive_transport::{Problem, Settings};
use tokio_tungstenite::Connector;

/// How `settings` want TLS; `None` if they do not.
pub(super) fn connector(settings: &Settings) -> Result<Option<Connector>, Problem> {
    let file = settings.text("tls_ca");
    if settings.text("scheme") != Some("wss") {
        let unused = |_| Err(settings.problem("tls_ca", "`tls_ca` has no effect without `scheme: wss`"));
        return file.map_or(Ok(None), unused);
    }
    let key = if file.is_some() { "tls_ca" } else { "scheme" };
    let client = eventhive_tls::client(file, "tls_ca").map_err(|message| settings.problem(key, message))?;
    Ok(Some(Connector::Rustls(client)))
}
