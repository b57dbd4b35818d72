//! What can go wrong in discovery.

use std::path::PathBuf;

/// Why looking or announcing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// Multicast DNS cannot be used on this machine.
    #[error(
        "mDNS does not work here: {0}. Is UDP port 5353 open and multicast allowed? Give the address under `init` instead"
    )]
    Daemon(#[source] mdns_sd::Error),
    /// None of the machine's interfaces is among the chosen ones.
    #[error("no network interface takes part in discovery: wanted {wanted}, this machine has {there}")]
    NoInterface {
        /// What was asked for.
        wanted: String,
        /// The names of the interfaces that are up.
        there: String,
    },
    /// The interfaces of this machine cannot be listed.
    #[error("the network interfaces cannot be listed: {0}")]
    Interfaces(#[source] std::io::Error),
    /// The server's name cannot stand in an announcement.
    #[error("`{name}` cannot be announced by mDNS: {why}")]
    Name {
        /// The server's name.
        name: String,
        /// What is wrong with it, and what would do.
        why: &'static str,
    },
    /// A setting cannot stand in an announcement.
    #[error("`{name}` cannot be announced by mDNS: its setting `{key}` {why}")]
    Setting {
        /// The server's name.
        name: String,
        /// The setting's key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// All settings together are too long.
    #[error("`{name}` cannot be announced by mDNS: its settings take {bytes} bytes, and {most} fit")]
    TooLong {
        /// The server's name.
        name: String,
        /// What they take.
        bytes: usize,
        /// What fits.
        most: usize,
    },
    /// The library refuses the announcement.
    #[error("`{name}` cannot be announced by mDNS: {source}")]
    Announce {
        /// The server's name.
        name: String,
        /// What the library says.
        source: mdns_sd::Error,
    },
    /// Another server is announced under this name. Nothing was announced under another one.
    #[error(
        "`{name}` is already announced{}: stop that server, give this one another name, or use `create: needed`",
        .by.as_ref().map(|found| format!(" by {found}")).unwrap_or_default()
    )]
    Taken {
        /// The name.
        name: String,
        /// Who has it, if it said so in time.
        by: Option<Box<super::Found>>,
    },
    /// The announcement was not sent.
    #[error("`{name}` could not be announced by mDNS on any interface within {secs} s")]
    Silent {
        /// The server's name.
        name: String,
        /// How long was waited.
        secs: u64,
    },
    /// The file of servers cannot be read.
    #[error("the list of servers {} cannot be read: {source}", .path.display())]
    File {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An entry in a list of servers is not one.
    #[error(
        "`{entry}` is not a server: write `name scheme://host:port/endpoint`; name, scheme and endpoint may be left out"
    )]
    Entry {
        /// What stands there.
        entry: String,
    },
}
