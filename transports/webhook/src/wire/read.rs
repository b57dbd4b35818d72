//! A cursor over received bytes. What it gives out is borrowed; it allocates nothing, whatever lengths the bytes
//! announce.

use super::error::{Problem, WireError};

#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes from the start.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// All that has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn take(&mut self, field: &'static str, expected: usize) -> Result<&'a [u8], WireError> {
        let rest = self.rest();
        let taken = rest
            .get(..expected)
            .ok_or_else(|| WireError::new(field, self.at, Problem::Short { expected, left: rest.len() }))?;
        self.at += expected;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], WireError> {
        let rest = self.rest();
        let taken = rest
            .first_chunk()
            .ok_or_else(|| WireError::new(field, self.at, Problem::Short { expected: N, left: rest.len() }))?;
        self.at += N;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(*self.array(field)?))
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(*self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(*self.array(field)?))
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(*self.array(field)?))
    }

    /// A byte with the length, and as many bytes.
    pub(crate) fn l8(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let length = self.u8(field)?;
        self.take(field, length.into())
    }

    /// Two bytes with the length, and as many bytes.
    pub(crate) fn l16(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let length = self.u16(field)?;
        self.take(field, length.into())
    }

    /// An [`l16`](Self::l16) of UTF-8.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, WireError> {
        let bytes = self.l16(field)?;
        text(field, self.at - bytes.len(), bytes)
    }

    /// A [`text`](Self::text) that is absent when it is empty.
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Result<Option<&'a str>, WireError> {
        Ok(Some(self.text(field)?).filter(|text| !text.is_empty()))
    }
}

/// The text that `bytes`, found at `at`, are.
pub(crate) fn text<'a>(field: &'static str, at: usize, bytes: &'a [u8]) -> Result<&'a str, WireError> {
    str::from_utf8(bytes).map_err(|error| WireError::new(field, at, Problem::NotUtf8(error.valid_up_to())))
}
