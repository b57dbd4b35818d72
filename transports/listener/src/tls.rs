//! Certificates, and replacing them without a restart.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Once};

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;

use crate::{TlsError, TlsFiles};

/// A certificate that can be replaced while connections use it. New handshakes get the new one; connections that stand
/// keep what they have.
pub struct Certificate {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads certificate and key, and checks that they belong together.
    ///
    /// # Errors
    /// [`TlsError`] names the file and the reason.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::from_pointee(read(&files)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads the files again. When something is wrong with them the old certificate stays.
    ///
    /// # Errors
    /// [`TlsError`], as for [`load`](Self::load).
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    /// The files it comes from.
    #[must_use]
    pub const fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// A server's TLS settings that present this certificate, whichever it is at the time of a handshake.
    ///
    /// # Errors
    /// [`TlsError::Setup`] if the TLS library refuses; with the provider used here it does not.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        install_provider();
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(config.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Makes ring the process's TLS provider, unless the application has chosen one. Without any, the first TLS connection
/// of a library that does not bring its own panics.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    // An error says that there is one already, which is as good.
    ONCE.call_once(|| _ = ring::default_provider().install_default());
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let mut chain = read_chain(&files.certificate)?;
    if let Some(more) = &files.chain {
        chain.extend(read_chain(more)?);
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable("the key", &files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| TlsError::Mismatch {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("the certificate", path, error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable("the certificate", path, "there is none in it".to_owned()));
    }
    Ok(chain)
}

fn unreadable(what: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::File { what, path: path.to_owned(), reason }
}
