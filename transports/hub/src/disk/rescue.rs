//! What can still be read of a segment behind a damage.
//!
//! Records have no sign by which they are found, but a sequence that must follow those before, and a checksum. So each byte
//! behind the damage is tried as the first of a record.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use bytes::Bytes;

use super::open::private;
use super::record;
use super::segment::{Head, Segment};
use super::writer::sync_folder;

/// Puts the records of a segment that lie behind `offset` into a segment of their own, beginning with the first that is
/// whole; `None` if there is none. The segment itself is left as it is: a crash in the midst of this costs nothing.
pub(super) fn behind(segment: &Segment, offset: u64, epoch: u64) -> io::Result<Option<(PathBuf, Head)>> {
    let (mut bytes, mut file) = (Vec::new(), fs::File::open(&segment.path)?);
    file.seek(SeekFrom::Start(offset))?;
    file.read_to_end(&mut bytes)?;
    let bytes = Bytes::from(bytes);
    let found = (0..bytes.len()).find_map(|at| Some((at, whole(bytes.slice(at..), segment.last, epoch)?)));
    let Some((at, base)) = found else { return Ok(None) };
    let head = Head { epoch, base, previous: segment.as_previous() };
    let folder = segment.path.parent().unwrap_or(&segment.path);
    let path = Segment::new(folder, base).path;
    let new = folder.join("rescued.new");
    let mut file = private().write(true).create(true).truncate(true).open(&new)?;
    file.write_all(&head.encode())?;
    file.write_all(&bytes.slice(at..))?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    sync_folder(folder)?;
    Ok(Some((path, head)))
}

/// The sequence of the record that begins here, if that is whole and may stand behind `last`.
fn whole(bytes: Bytes, last: u64, epoch: u64) -> Option<u64> {
    let (head, rest) = bytes.split_at_checked(record::HEAD)?;
    let (sequence, _) = record::place(rest)?;
    // Almost all that is no record ends here: behind a byte of damage there is at most one record.
    if sequence <= last || sequence - last > MOST_LOST {
        return None;
    }
    let (length, checksum) = head.split_at_checked(4)?;
    let (length, checksum): ([u8; 4], [u8; 4]) = (length.try_into().ok()?, checksum.try_into().ok()?);
    let end = u32::from_le_bytes(length) as usize;
    let body = (end <= rest.len()).then(|| bytes.slice(record::HEAD..record::HEAD + end))?;
    (record::checksum(length, &body) == u32::from_le_bytes(checksum)).then_some(())?;
    record::decode(body, epoch, u64::MAX).map(|_| sequence)
}

/// Records that a damage can have made unreadable: more than a file has.
const MOST_LOST: u64 = 1 << 22;
