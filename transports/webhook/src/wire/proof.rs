//! The two fields that nearly every message has.

use super::error::WireError;
use super::read::Reader;
use super::write::{Output, Writer};

/// An authorization, and the tracing that it covers beside the message's own fields.
///
/// In requests over HTTP the authorization is a header instead, and stands apart from the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof<'a> {
    /// See [`auth`](super::auth). An empty text and an absent one are the same on the wire.
    pub authorization: Option<&'a str>,
    /// Opaque, at most 65,535 bytes.
    pub tracing: &'a [u8],
}

impl<'a> Proof<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self { authorization: reader.optional_text("authorization")?, tracing: reader.l16("tracing")? })
    }

    pub(crate) fn write<O: Output>(&self, out: &mut Writer<'_, O>) -> Result<(), WireError> {
        out.text("authorization", self.authorization)?;
        out.l16("tracing", self.tracing)
    }
}
