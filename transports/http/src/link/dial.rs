//! Connections to the server, and what is asked on them.

use std::io;

use bytes::BytesMut;
pub(super) use eventhive_tls::Io;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::response::{Head, broken};
use super::settings::LinkSettings;
use crate::wire::answers::LINK_HEADER;

/// Read at a time. Events of the usual size fit many times.
const READ_BYTES: usize = 32 << 10;

/// Connects.
pub(super) async fn dial(settings: &LinkSettings) -> io::Result<Box<dyn Io>> {
    let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await?;
    // Batches are written as a whole; waiting for more would only delay their last part.
    stream.set_nodelay(true)?;
    let Some(tls) = &settings.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|_| broken(&format!("`{}` is no name that a certificate can have", settings.host)))?;
    match tls.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(in_words(error)),
    }
}

/// What failed in beginning TLS, with the key to change where there is one.
fn in_words(error: io::Error) -> io::Error {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else { return error };
    let advice = match cause {
        // A root of the same name that has not signed it shows as a bad signature.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "nobody who is trusted has signed the server's certificate: name the file of its authority with `tls_ca`"
        }
        Error::InvalidCertificate(CertificateError::NotValidForName) => "`host` is not a name of the certificate",
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) => {
            "set `host` to a name that the certificate has"
        }
        Error::InvalidMessage(_) => "the server does not speak TLS there: change `port`, or `scheme` to `http`",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{advice} ({cause})"))
}

/// The head of a request, but for its last headers and the empty line.
pub(super) fn request(settings: &LinkSettings, method: &str, target: &str) -> String {
    let mut text = format!(
        "{method} {}{target} HTTP/1.1\r\nHost: {}\r\n{LINK_HEADER}: {}\r\n",
        settings.endpoint,
        settings.authority(),
        env!("CARGO_PKG_VERSION"),
    );
    if let Some(authorization) = &settings.authorization {
        text.extend(["Authorization: ", authorization, "\r\n"]);
    }
    text
}

/// Asks and waits for the head of the answer.
pub(super) async fn ask(io: &mut dyn Io, request: &str, buffer: &mut BytesMut) -> io::Result<Head> {
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;
    loop {
        if let Some(head) = Head::take(buffer)? {
            return Ok(head);
        }
        more(io, buffer).await?;
    }
}

/// Reads more; the end of the connection is an error.
pub(super) async fn more(io: &mut (impl AsyncRead + Unpin + ?Sized), buffer: &mut BytesMut) -> io::Result<()> {
    buffer.reserve(READ_BYTES);
    match io.read_buf(buffer).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
        _ => Ok(()),
    }
}
