//! Headers of a message, in both modes.

use super::value::{Field, known_name};
use crate::wire::error::{Problem, WireError};
use crate::wire::read::Reader;
use crate::wire::write::{Writer, whole};

/// How the headers of a message are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Values alone, in an order that the type of the message fixes. Python's default.
    #[default]
    Minimal,
    /// With names, in any order, and others beside them.
    Expanded,
}

/// The flag of [`Mode::Minimal`]. Other flags mean nothing.
const MINIMAL: u16 = 1;

/// The headers of a message that is read. They are taken in the order of [`Mode::Minimal`]; the body is what is left
/// then.
#[derive(Clone)]
pub(super) struct Headers<'a> {
    reader: Reader<'a>,
    /// The names and values, and how many there are; `reader` is behind them.
    expanded: Option<(Reader<'a>, u16)>,
}

impl<'a> Headers<'a> {
    /// The type of a message, and its headers.
    pub(super) fn open(message: &'a [u8]) -> Result<(u16, Self), WireError> {
        let mut reader = Reader::new(message);
        let flags = reader.u16("flags")?;
        let kind = reader.u16("type")?;
        if flags & MINIMAL != 0 {
            return Ok((kind, Self { reader, expanded: None }));
        }
        let count = reader.u16("number of headers")?;
        let pairs = reader.clone();
        for _ in 0..count {
            let name = reader.l16("header name")?;
            reader.l16("").map_err(|error| WireError { field: known_name(name), ..error })?;
        }
        Ok((kind, Self { reader, expanded: Some((pairs, count)) }))
    }

    /// The next headers; expanded, those with these names. Of a name that comes twice, the last counts.
    pub(super) fn take<const N: usize>(&mut self, names: [&'static str; N]) -> Result<[Field<'a>; N], WireError> {
        let mut fields = names.map(Field::missing);
        let Some((pairs, count)) = &self.expanded else {
            for field in &mut fields {
                let value = self.reader.l16(field.name)?;
                *field = Field { at: self.reader.at() - value.len(), value, ..*field };
            }
            return Ok(fields);
        };
        let mut found = [false; N];
        let mut pairs = pairs.clone();
        let start = pairs.at();
        for _ in 0..*count {
            let name = pairs.l16("header name")?;
            let value = pairs.l16("")?;
            let same = |field: &Field<'_>| field.name.as_bytes().eq_ignore_ascii_case(name);
            for (field, found) in fields.iter_mut().zip(&mut found).filter(|(field, _)| same(field)) {
                *field = Field { at: pairs.at() - value.len(), value, ..*field };
                *found = true;
            }
        }
        match fields.iter().zip(found).find(|(_, found)| !found) {
            Some((field, _)) => Err(WireError::new(field.name, start, Problem::Missing)),
            None => Ok(fields),
        }
    }

    /// The next header; expanded and missing, `default`.
    pub(super) fn take_or(&mut self, name: &'static str, default: &'static [u8]) -> Result<Field<'a>, WireError> {
        match self.take([name]) {
            Ok([field]) => Ok(field),
            Err(WireError { at, problem: Problem::Missing, .. }) => Ok(Field { name, at, value: default }),
            Err(error) => Err(error),
        }
    }

    /// What is behind the headers.
    pub(super) fn body(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// Where the body begins.
    pub(super) fn body_at(&self) -> usize {
        self.reader.at()
    }
}

/// Appends a message.
pub(super) fn write(
    out: &mut Vec<u8>,
    mode: Mode,
    kind: u16,
    headers: &[(&'static str, &[u8])],
    body: &[u8],
) -> Result<(), WireError> {
    whole(out, |out: &mut Writer<'_, Vec<u8>>| {
        out.u16(if mode == Mode::Minimal { MINIMAL } else { 0 });
        out.u16(kind);
        if mode == Mode::Expanded {
            out.number("number of headers", headers.len() as u64, 2)?;
        }
        for (name, value) in headers {
            if mode == Mode::Expanded {
                out.l16("header name", name.as_bytes())?;
            }
            out.l16(name, value)?;
        }
        out.put(body);
        Ok(())
    })
}
