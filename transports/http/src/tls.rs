//! TLS of connections that go out: by rustls, with the system's roots or a file's.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// A connection, encrypted or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Trusts the certificates of a file, or those that the system has. `key` is what names such a file in the configuration.
pub(crate) fn connector(file: Option<&str>, key: &str) -> Result<TlsConnector, String> {
    let roots = file.map_or_else(|| system_roots(key), file_roots)?;
    let config = client(roots).map_err(|error| format!("no TLS: {error}"))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// With ring named, because nobody may have chosen a provider for the process.
fn client(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn file_roots(path: &str) -> Result<RootCertStore, String> {
    let unreadable = |error| format!("cannot read certificates from `{path}`: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let added = roots.add(certificate.map_err(unreadable)?);
        added.map_err(|error| format!("a certificate in `{path}` cannot be used: {error}"))?;
    }
    if roots.is_empty() { Err(format!("`{path}` has no certificate")) } else { Ok(roots) }
}

fn system_roots(key: &str) -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let errors = found.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Err(format!("the system has no certificates to trust: install them, or name a file with `{key}` ({errors})"))
}
