//! TLS of connections that go out: by rustls, with the system's roots or a file's.
//!
//! Whoever connects makes one [`client`] configuration and keeps it: sessions are resumed through it.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection, encrypted or not.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Trusts the certificates of a file, or those that the system has. `key` is what names such a file in the configuration.
///
/// # Errors
/// The file cannot be read, or has nothing that can be trusted; or the system has nothing. The text says which, and names
/// `key` where that would help.
pub fn client(file: Option<&str>, key: &str) -> Result<Arc<ClientConfig>, String> {
    let roots = file.map_or_else(|| system_roots(key), file_roots)?;
    config(roots).map(Arc::new).map_err(|error| format!("no TLS: {error}"))
}

/// With ring named, because nobody may have chosen a provider for the process.
fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problem(content: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        client(path.to_str(), "tls_ca").unwrap_err()
    }

    #[test]
    fn a_file_that_has_nothing_to_trust_is_named() {
        assert!(problem(None).contains("cannot read certificates from"));
        assert!(problem(Some("")).contains("has no certificate"));
        let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(problem(Some(torn)).contains("cannot be used"));
    }

    #[test]
    fn a_file_with_a_certificate_is_trusted() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), made.cert.pem()).unwrap();
        assert!(client(file.path().to_str(), "tls_ca").is_ok());
    }
}
