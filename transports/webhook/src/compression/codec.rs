//! One compressor at work.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use zstd::stream::{read, write};

use super::dictionary::Dictionary;
use crate::budget::{Budget, Charge};
use crate::message::{Body, SpooledFile};
use crate::spool::Spool;
use crate::wire::WireError;
use crate::wire::digest::{Hash, Hasher, hash};

/// What compressing and decompressing may cost, and where.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// A message with more bytes, compressed or not, is in a temporary file.
    pub spool_bytes: usize,
    /// The folder of such files; `None` is the system's folder for them.
    pub spool_folder: Option<PathBuf>,
    /// A message with more bytes, decompressed, is refused.
    pub max_message_bytes: u64,
    /// What messages may have in memory together; `None` is no bound.
    pub memory: Option<Budget>,
    /// A frame that wants to look back further is refused. The next lower power of two counts.
    pub max_window_bytes: u64,
}

impl Default for Bounds {
    /// As Python's broadcaster is set up, and no message too large.
    fn default() -> Self {
        Self {
            spool_bytes: 10 << 20,
            spool_folder: None,
            max_message_bytes: u64::MAX,
            memory: None,
            max_window_bytes: 8 << 20,
        }
    }
}

/// Up to this length a message is worked on at once: 64 KiB take less than half a millisecond at the levels in use, a
/// thread that may block a tenth of that to begin.
const AT_ONCE: u64 = 64 * 1024;

/// How much is read or written at a time.
const PIECE: usize = 128 * 1024;

/// The greatest level: from 20 on frames have windows that peers refuse.
const MAX_LEVEL: i16 = 19;

pub(super) fn level_of(level: i16) -> i32 {
    level.min(MAX_LEVEL).into()
}

/// A compressor.
#[derive(Debug)]
pub struct Codec {
    id: NonZeroU64,
    level: i16,
    dictionary: Option<Arc<Dictionary>>,
}

/// A compressed message.
#[derive(Debug, Clone)]
pub struct Compressed {
    /// The frame.
    pub body: Body,
    /// SHA-512 of the frame.
    pub sha512: Hash,
}

/// A message that was compressed.
#[derive(Debug)]
pub struct Decompressed {
    /// The message.
    pub body: Body,
    /// SHA-512 of the message.
    pub sha512: Hash,
    /// What it has of the memory of [`Bounds`].
    pub(crate) charge: Charge,
}

/// Why a message cannot be decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It would be larger than is taken.
    #[error("the message has {length} bytes decompressed, at most {most} are taken")]
    TooLarge {
        /// The length that was announced.
        length: u64,
        /// The longest that is taken.
        most: u64,
    },
    /// It is not what the compressor's dictionary and the bounds allow to read.
    #[error("the message is not a zstd frame of this compressor: {0}")]
    Frame(#[source] io::Error),
    /// It is longer or shorter than announced.
    #[error("decompressed, {0}")]
    Length(#[source] WireError),
    /// There is something behind the frame.
    #[error("there are bytes behind the message's zstd frame")]
    Trailing,
    /// Not its fault: the disk fails.
    #[error("a message cannot be kept: {0}")]
    Spool(#[source] io::Error),
}

impl Codec {
    /// The compressor of this announcement.
    #[must_use]
    pub fn new(id: NonZeroU64, level: i16, dictionary: Option<Arc<Dictionary>>) -> Self {
        Self { id, level, dictionary }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> NonZeroU64 {
        self.id
    }

    /// Its dictionary.
    #[must_use]
    pub fn dictionary(&self) -> Option<&Arc<Dictionary>> {
        self.dictionary.as_ref()
    }

    /// The message compressed, or `None` if that would not be shorter. A long one is compressed by a thread that may block.
    /// Needs a tokio runtime then.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn compress(self: &Arc<Self>, body: &Body, bounds: &Bounds) -> io::Result<Option<Compressed>> {
        if body.len() <= AT_ONCE {
            return self.compress_now(body, bounds);
        }
        let (codec, body, bounds) = (Arc::clone(self), body.clone(), bounds.clone());
        spawn_blocking(move || codec.compress_now(&body, &bounds)).await.map_err(io::Error::other)?
    }

    /// As [`compress`](Self::compress), on this thread.
    ///
    /// # Errors
    /// The disk fails.
    pub fn compress_now(&self, body: &Body, bounds: &Bounds) -> io::Result<Option<Compressed>> {
        let mut spool = bounds.spool();
        match body {
            Body::Memory(bytes) => self.encode(&**bytes, body.len(), &mut spool)?,
            Body::File(file) => self.encode(Reading::new(file, body.len()), body.len(), &mut spool)?,
        }
        let frame = spool.finish()?;
        if frame.len() >= body.len() {
            return Ok(None);
        }
        let sha512 = hash_of(&frame)?;
        Ok(Some(Compressed { body: frame, sha512 }))
    }

    fn encode(&self, mut plain: impl Read, length: u64, out: impl Write) -> io::Result<()> {
        let mut encoder = match &self.dictionary {
            Some(dictionary) => write::Encoder::with_prepared_dictionary(out, &dictionary.encoder)?,
            None => write::Encoder::new(out, level_of(self.level))?,
        };
        encoder.include_contentsize(false)?;
        encoder.include_checksum(false)?;
        encoder.include_dictid(false)?;
        // The window is then no larger than the message needs.
        encoder.set_pledged_src_size(Some(length))?;
        io::copy(&mut plain, &mut encoder)?;
        encoder.finish().map(drop)
    }

    /// The message that a frame has, which has to have `length` bytes. A long one is decompressed by a thread that may
    /// block. Needs a tokio runtime then.
    ///
    /// # Errors
    /// It has another length, is larger than `bounds` allow, is not of this compressor, or the disk fails.
    pub async fn decompress(
        self: &Arc<Self>,
        frame: &Body,
        length: u64,
        bounds: &Bounds,
    ) -> Result<Decompressed, DecodeError> {
        // As long as nothing can be said of the frame, its announced length says what work it is.
        if frame.len() <= AT_ONCE && length <= AT_ONCE {
            return self.decompress_now(frame, length, bounds);
        }
        let (codec, frame, bounds) = (Arc::clone(self), frame.clone(), bounds.clone());
        let work = spawn_blocking(move || codec.decompress_now(&frame, length, &bounds));
        work.await.map_err(|error| DecodeError::Spool(io::Error::other(error)))?
    }

    /// As [`decompress`](Self::decompress), on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn decompress_now(&self, frame: &Body, length: u64, bounds: &Bounds) -> Result<Decompressed, DecodeError> {
        if length > bounds.max_message_bytes {
            return Err(DecodeError::TooLarge { length, most: bounds.max_message_bytes });
        }
        match frame {
            Body::Memory(bytes) => self.decode(&**bytes, length, bounds),
            Body::File(file) => {
                let reading = Reading::new(file, frame.len());
                self.decode(BufReader::with_capacity(PIECE, reading), length, bounds)
            }
        }
    }

    fn decode(&self, frame: impl BufRead, length: u64, bounds: &Bounds) -> Result<Decompressed, DecodeError> {
        let decoder = match &self.dictionary {
            Some(dictionary) => read::Decoder::with_prepared_dictionary(frame, &dictionary.decoder),
            None => read::Decoder::with_buffer(frame),
        };
        let mut decoder = decoder.map_err(DecodeError::Frame)?.single_frame();
        decoder.window_log_max(bounds.window_log()).map_err(DecodeError::Frame)?;
        let mut hasher = Hasher::new(length);
        let mut spool = bounds.spool();
        // One byte more than announced is enough to know that there are too many.
        let mut piece = vec![0; usize::try_from(length).map_or(PIECE, |length| length.min(PIECE - 1) + 1)];
        loop {
            let read = decoder.read(&mut piece).map_err(DecodeError::Frame)?;
            let read = piece.get(..read).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            hasher.push(read).map_err(DecodeError::Length)?;
            spool.write_all(read).map_err(DecodeError::Spool)?;
        }
        if !decoder.finish().fill_buf().map_err(DecodeError::Frame)?.is_empty() {
            return Err(DecodeError::Trailing);
        }
        let sha512 = hasher.finish().map_err(DecodeError::Length)?;
        let (body, charge) = spool.finish_charged().map_err(DecodeError::Spool)?;
        Ok(Decompressed { body, sha512, charge })
    }
}

impl Bounds {
    /// A place for the bytes of one message.
    pub(crate) fn spool(&self) -> Spool {
        Spool::within(self.spool_bytes, self.spool_folder.clone(), self.memory.clone())
    }

    /// Between what zstd knows as the least and the greatest.
    fn window_log(&self) -> u32 {
        self.max_window_bytes.checked_ilog2().unwrap_or_default().clamp(10, 31)
    }
}

fn hash_of(body: &Body) -> io::Result<Hash> {
    let file = match body {
        Body::Memory(bytes) => return Ok(hash(bytes)),
        Body::File(file) => file,
    };
    let mut hasher = Hasher::new(body.len());
    let mut reading = BufReader::with_capacity(PIECE, Reading::new(file, body.len()));
    loop {
        let piece = reading.fill_buf()?;
        if piece.is_empty() {
            return hasher.finish().map_err(io::Error::other);
        }
        let read = piece.len();
        hasher.push(piece).map_err(io::Error::other)?;
        reading.consume(read);
    }
}

/// Reads a file that others may be reading too.
struct Reading<'f> {
    file: &'f SpooledFile,
    at: u64,
    length: u64,
}

impl<'f> Reading<'f> {
    fn new(file: &'f SpooledFile, length: u64) -> Self {
        Self { file, at: 0, length }
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let size = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        self.file.read_at(self.at, piece.get_mut(..size).unwrap_or_default())?;
        self.at += size as u64;
        Ok(size)
    }
}
