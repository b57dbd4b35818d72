//! Chunks of HTTP/1.1, made once for all streams that an event goes to.
//!
//! Source: RFC 9112, section 7.1. Sizes are in capitals and without zeros in front, as the HTTP library writes them.

use std::fmt::Write as _;

use bytes::Bytes;

/// What ends a body, behind its last chunk.
pub const END: &[u8] = b"0\r\n\r\n";

const LINE_END: &[u8] = b"\r\n";

/// A chunk: its size, its content, and what stands around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk(Bytes);

impl Chunk {
    /// The chunk with this content. Without any there is none: it would be the end of the body.
    #[must_use]
    pub fn new(content: &[u8]) -> Self {
        if content.is_empty() {
            return Self(Bytes::new());
        }
        let mut head = String::with_capacity(18);
        // Writing to a string does not fail.
        let _ = write!(head, "{:X}\r\n", content.len());
        Self([head.as_bytes(), content, LINE_END].concat().into())
    }

    /// One that [`into_bytes`](Self::into_bytes) gave away.
    #[must_use]
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// All of it, as it is written to a socket.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// What is in it.
    #[must_use]
    pub fn content(&self) -> Bytes {
        let start = self.0.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = self.0.len().saturating_sub(LINE_END.len()).max(start);
        self.0.slice(start..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chunk_is_as_the_standard_has_it() {
        assert_eq!(Chunk::new(b"{}\n").into_bytes(), "3\r\n{}\n\r\n");
        assert_eq!(Chunk::new(&[b'x'; 0x1ac]).into_bytes()[..5], *b"1AC\r\n");
        assert_eq!(Chunk::new(b"").into_bytes(), "");
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(content in prop::collection::vec(any::<u8>(), 0..600)) {
            let chunk = Chunk::new(&content);
            prop_assert_eq!(&chunk.content()[..], &content[..]);
            prop_assert_eq!(Chunk::from_bytes(chunk.clone().into_bytes()), chunk);
        }
    }
}
