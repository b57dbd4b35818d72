//! The verbs, in the order of the help.

mod call;
mod check;
mod completions;
mod explain;
mod keygen;
mod listen;
mod man;
mod schema;
mod serve;

use super::verb::Entry;

/// Every verb.
pub(crate) const VERBS: &[Entry] = &[
    Entry::of::<serve::Serve>(),
    Entry::of::<call::Call>(),
    Entry::of::<listen::Listen>(),
    Entry::of::<check::Check>(),
    Entry::of::<explain::Explain>(),
    Entry::of::<keygen::Keygen>(),
    Entry::of::<schema::Schema>(),
    Entry::of::<completions::Completions>(),
    Entry::of::<man::Man>(),
];
