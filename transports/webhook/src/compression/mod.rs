//! Compressed messages: zstd, with dictionaries that both ends know or that were trained on a connection.
//!
//! A compressed message is one zstd frame without a content size, a checksum or a dictionary's number; what it leaves out
//! the message's headers say. Source: lonelypsp 0.0.47, whose frames the tests read and, without a dictionary, write byte
//! for byte.
//!
//! Nothing is decompressed beyond what the headers announced, nor where that is more than is taken at all, and a frame
//! that wants a larger window than allowed is refused; so a small message cannot become a large one by surprise. Frames of
//! some length are worked on by threads that may block. What is large is read from a file and written to a file.
//!
//! # How to read it
//! - [`Compressors`]: those of one connection, as they come and go; which one a message is for.
//! - [`Codec`]: one of them, at work. [`Dictionary`]: what it starts from.
//! - [`Trainer`]: collects messages of a connection and makes dictionaries of them.

mod codec;
mod compressors;
mod dictionary;
#[cfg(test)]
mod tests;
mod training;

pub(crate) use codec::MAX_MESSAGE_BYTES;
pub use codec::{Bounds, Codec, Compressed, DecodeError, Decompressed};
pub use compressors::{Compressors, CompressorsError};
pub use dictionary::{Dictionary, DictionaryError};
pub use training::{Job, Trained, Trainer, Training};

/// The number of the compressor without a dictionary.
pub const PLAIN: u64 = 1;

/// From this number on compressors have a dictionary that was trained on the connection.
pub const FIRST_TRAINED: u64 = 65_536;

/// The level of compression without a dictionary.
pub const PLAIN_LEVEL: i16 = 3;
