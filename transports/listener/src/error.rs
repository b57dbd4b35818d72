//! Why a listener did not start or a certificate was not taken.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a listener did not start. The doors are named as in [`DoorPlan::name`](crate::DoorPlan::name).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Two doors want one path.
    #[error("`{first}` and `{second}` both want {path} on {address}: give one of them another `endpoint`")]
    PathTaken {
        /// The one that came first.
        first: String,
        /// The other.
        second: String,
        /// Host and port.
        address: String,
        /// The path.
        path: String,
    },
    /// Two doors of one address differ in their certificates.
    #[error("`{first}` and `{second}` share {address} but not their TLS files: give both the same, or another `port`")]
    TlsDiffers {
        /// The one that came first.
        first: String,
        /// The other.
        second: String,
        /// Host and port.
        address: String,
    },
    /// Two doors of one address differ in who speaks the PROXY protocol.
    #[error(
        "`{first}` and `{second}` share {address} but not `proxy_protocol` and the `trusted_proxies` that speak it: give both the same, or another `port`"
    )]
    ProxiesDiffer {
        /// The one that came first.
        first: String,
        /// The other.
        second: String,
        /// Host and port.
        address: String,
    },
    /// The host's name leads to no address.
    #[error("`{door}`: the host `{host}` has no address: use a name or an address of this machine")]
    Resolve {
        /// The door.
        door: String,
        /// The host, as configured.
        host: String,
        /// What the resolver says.
        #[source]
        source: io::Error,
    },
    /// The address cannot be had.
    #[error("`{door}` cannot listen on {address}: {hint}")]
    Bind {
        /// The door.
        door: String,
        /// The address.
        address: SocketAddr,
        /// What to do about it.
        hint: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The certificate or its key is of no use.
    #[error("`{door}`: {source}")]
    Tls {
        /// The door.
        door: String,
        /// Why.
        source: Box<TlsError>,
    },
    /// The listener's threads did not start.
    #[error("the listener on {address} did not start")]
    Threads {
        /// Host and port.
        address: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Why a certificate or its key is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or holds nothing of the kind.
    #[error("{what} {} cannot be read: {reason}", path.display())]
    File {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("certificate {} and key {} are of no use together: {source}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The TLS library refuses its configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}
