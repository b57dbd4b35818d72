//! Reads YAML 1.1 into a located tree, as PyYAML's `safe_load` reads it, and [writes](write()) such a tree.
//!
//! The syntax is `saphyr-parser`'s; what a plain scalar means is decided in `scalar`. Stricter than PyYAML on purpose:
//! a key that stands twice, a key that is no text, a second document and a tag outside the core are errors, each with
//! its place and the fix. Bounds against hostile input: `MAX_NODES` and `MAX_DEPTH`.

mod build;
mod hint;
mod scalar;
mod write;

use eventhive_transport::settings::{Node, Problem};

pub use write::write;

/// The most values of one document, aliases counted as often as they are used: a hundred times the largest
/// configuration we know, about 20 MB.
const MAX_NODES: usize = 200_000;

/// The deepest nesting, aliases included. Whatever walks a tree may recurse.
const MAX_DEPTH: usize = 64;

/// Reads one document. `None` if there is nothing in it, or only `null`.
///
/// # Errors
/// Every problem up to the first error of syntax.
pub fn read(document: u32, text: &str) -> Result<Option<Node>, Vec<Problem>> {
    build::Builder::new(document, text).document()
}

#[cfg(test)]
mod tests;
