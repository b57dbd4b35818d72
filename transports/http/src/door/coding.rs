//! Compression of a stream, event by event: each is flushed, so that it arrives at once and is a chunk of its own.
//!
//! Only streams whose client names the form it wants are compressed. PyPubSub's own clients offer gzip without asking for
//! a stream in it, and some of them read the bytes raw.

use std::io::{self, Write};

use actix_web::http::header::{self, HeaderMap};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::raw::CParameter;

use super::form::accepts;

/// Level 1: the fastest, and events are too short for more to matter.
const ZSTD_LEVEL: i32 = 1;
/// 128 KiB of history for each stream: enough for keys that repeat, and 10 times less memory than the default.
const ZSTD_WINDOW_LOG: u32 = 17;

/// What a client can decode, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Gzip,
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let all = [Self::Zstd, Self::Gzip];
        all.into_iter().find(|coding| accepts(headers, header::ACCEPT_ENCODING, coding.name()))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// Compresses one stream.
pub(super) enum Encoder {
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LOG))?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// The bytes that make the client see `chunk`, now.
    pub(super) fn encode(&mut self, chunk: &[u8]) -> io::Result<Bytes> {
        let out = match self {
            Self::Zstd(encoder) => {
                encoder.write_all(chunk)?;
                encoder.flush()?;
                encoder.get_mut()
            }
            Self::Gzip(encoder) => {
                encoder.write_all(chunk)?;
                encoder.flush()?;
                encoder.get_mut()
            }
        };
        Ok(std::mem::take(out).into())
    }

    /// The bytes that end the stream in good order.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Reader {
        Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
        Gzip(flate2::write::GzDecoder<Vec<u8>>),
    }

    impl Reader {
        fn read(&mut self, piece: &[u8]) -> Vec<u8> {
            match self {
                Self::Zstd(decoder) => {
                    decoder.write_all(piece).unwrap();
                    decoder.flush().unwrap();
                    std::mem::take(decoder.get_mut())
                }
                Self::Gzip(decoder) => {
                    decoder.write_all(piece).unwrap();
                    decoder.flush().unwrap();
                    std::mem::take(decoder.get_mut())
                }
            }
        }
    }

    #[test]
    fn each_event_can_be_read_before_the_next_is_sent() {
        let zstd = Reader::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap());
        let gzip = Reader::Gzip(flate2::write::GzDecoder::new(Vec::new()));
        for (coding, mut reader) in [(Coding::Gzip, gzip), (Coding::Zstd, zstd)] {
            let mut encoder = Encoder::new(coding).unwrap();
            for event in ["{\"a\": 1}\n", "{\"a\": 2}\n", "{\"stillalive\": 1.5}\n"] {
                let piece = encoder.encode(event.as_bytes()).unwrap();
                assert_eq!(reader.read(&piece), event.as_bytes());
            }
            assert!(reader.read(&encoder.finish().unwrap()).is_empty());
        }
    }
}
