//! The verbs, in the order of the help.

mod call;
mod check;
mod completions;
#[cfg(feature = "discovery")]
mod discover;
mod explain;
#[cfg(feature = "http")]
mod hash_password;
mod keygen;
mod listen;
mod man;
#[cfg(feature = "http")]
mod migrate;
mod request;
mod schema;
mod serve;
#[cfg(feature = "webhook")]
mod setup;
#[cfg(feature = "webhook")]
mod webhooks;

use super::verb::Entry;

/// Every verb.
pub(crate) const VERBS: &[Entry] = &[
    Entry::of::<serve::Serve>(),
    Entry::of::<call::Call>(),
    Entry::of::<request::Request>(),
    Entry::of::<listen::Listen>(),
    #[cfg(feature = "discovery")]
    Entry::of::<discover::Discover>(),
    Entry::of::<check::Check>(),
    Entry::of::<explain::Explain>(),
    Entry::of::<keygen::Keygen>(),
    #[cfg(feature = "http")]
    Entry::of::<hash_password::HashPassword>(),
    #[cfg(feature = "http")]
    Entry::of::<migrate::Migrate>(),
    #[cfg(feature = "webhook")]
    Entry::of::<setup::Setup>(),
    #[cfg(feature = "webhook")]
    Entry::of::<webhooks::Webhooks>(),
    Entry::of::<schema::Schema>(),
    Entry::of::<completions::Completions>(),
    Entry::of::<man::Man>(),
];
