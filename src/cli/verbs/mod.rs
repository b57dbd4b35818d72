//! The verbs, in the order of the help.

mod check;
mod completions;
mod explain;
mod man;
mod schema;

use super::verb::Entry;

/// Every verb.
pub(crate) const VERBS: &[Entry] = &[
    Entry::of::<check::Check>(),
    Entry::of::<explain::Explain>(),
    Entry::of::<schema::Schema>(),
    Entry::of::<completions::Completions>(),
    Entry::of::<man::Man>(),
];
