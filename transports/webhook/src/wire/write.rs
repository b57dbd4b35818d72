//! Writing fields: into a body, or straight into a hash.

use super::error::{Problem, WireError};

/// Where bytes go.
pub(crate) trait Output {
    fn put(&mut self, bytes: &[u8]);
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Output for sha2::Sha512 {
    fn put(&mut self, bytes: &[u8]) {
        sha2::Digest::update(self, bytes);
    }
}

/// Writes fields, and refuses what is too long for its field.
pub(crate) struct Writer<'o, O> {
    out: &'o mut O,
    at: usize,
}

impl<'o, O: Output> Writer<'o, O> {
    pub(crate) fn new(out: &'o mut O) -> Self {
        Self { out, at: 0 }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
        self.at += bytes.len();
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.put(&[number]);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.put(&number.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.put(&number.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.put(&number.to_be_bytes());
    }

    pub(crate) fn l8(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), WireError> {
        let length = u8::try_from(bytes.len()).map_err(|_| self.too_long(field, u8::MAX.into(), bytes.len()))?;
        self.u8(length);
        self.put(bytes);
        Ok(())
    }

    pub(crate) fn l16(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), WireError> {
        let length = u16::try_from(bytes.len()).map_err(|_| self.too_long(field, u16::MAX.into(), bytes.len()))?;
        self.u16(length);
        self.put(bytes);
        Ok(())
    }

    /// A text; one that is absent is written as an empty one.
    pub(crate) fn text(&mut self, field: &'static str, text: Option<&str>) -> Result<(), WireError> {
        self.l16(field, text.unwrap_or_default().as_bytes())
    }

    /// A number in its last `bytes` bytes, of at most 8.
    pub(crate) fn number(&mut self, field: &'static str, number: u64, bytes: usize) -> Result<(), WireError> {
        let all = number.to_be_bytes();
        let (above, kept) = all.split_at(all.len().saturating_sub(bytes));
        if above.iter().any(|byte| *byte != 0) {
            let most = u64::MAX >> (8 * above.len());
            return Err(WireError::new(field, self.at, Problem::TooLarge { most, found: number }));
        }
        self.put(kept);
        Ok(())
    }

    /// Refuses a number that is less than 0.
    pub(crate) fn not_negative(&self, field: &'static str, number: i64) -> Result<u64, WireError> {
        u64::try_from(number).map_err(|_| WireError::new(field, self.at, Problem::Negative(number)))
    }

    fn too_long(&self, field: &'static str, most: usize, found: usize) -> WireError {
        WireError::new(field, self.at, Problem::TooLong { most, found })
    }
}

/// Appends to `out` all that `write` writes, or nothing if it fails.
pub(crate) fn whole(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Writer<'_, Vec<u8>>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    write(&mut Writer::new(out)).inspect_err(|_| out.truncate(start))
}
