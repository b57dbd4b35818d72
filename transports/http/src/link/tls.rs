//! TLS by rustls, with the system's roots or a file's.

use std::io;
use std::sync::Arc;

use eventhive_transport::{Problem, Settings};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio_rustls::TlsConnector;

/// How `settings` want TLS; `None` if they do not.
pub(super) fn connector(settings: &Settings) -> Result<Option<TlsConnector>, Problem> {
    let file = settings.text("tls_ca");
    if settings.text("scheme") != Some("https") {
        let unused = |_| Err(settings.problem("tls_ca", "`tls_ca` has no effect without `scheme: https`"));
        return file.map_or(Ok(None), unused);
    }
    let key = if file.is_some() { "tls_ca" } else { "scheme" };
    let roots = file.map_or_else(system_roots, file_roots).map_err(|message| settings.problem(key, message))?;
    let config = client(roots).map_err(|error| settings.problem(key, format!("no TLS: {error}")))?;
    Ok(Some(TlsConnector::from(Arc::new(config))))
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

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let errors = found.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Err(format!("the system has no certificates to trust: install them, or name a file with `tls_ca` ({errors})"))
}

/// What failed in making a connection, with the key to change where there is one.
pub(super) fn in_words(error: io::Error) -> io::Error {
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
