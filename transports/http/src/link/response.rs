//! Answers of HTTP/1.1, read piece by piece: RFC 9112.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// The largest head of an answer.
const MAX_HEAD: usize = 64 << 10;
/// The most headers of an answer.
const MAX_HEADERS: usize = 100;
/// The largest line that announces a chunk, extensions included.
const MAX_CHUNK_LINE: usize = 1024;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// Takes a head from the front of `buffer`; `None` if it is not all there yet.
    pub(super) fn take(buffer: &mut BytesMut) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(buffer).map_err(|error| broken(&format!("the answer is no HTTP: {error}")))? {
            httparse::Status::Partial if buffer.len() > MAX_HEAD => Err(broken("the head of the answer is too large")),
            httparse::Status::Partial => Ok(None),
            httparse::Status::Complete(size) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let fields = response.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
                let head = Self { status: response.code.unwrap_or_default(), fields };
                buffer.advance(size);
                Ok(Some(head))
            }
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the server closes the connection behind this answer.
    pub(super) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.to_ascii_lowercase().contains("close"))
    }

    /// The body that follows. `to_head` tells that the answer is to a HEAD, and so has none.
    pub(super) fn body(&self, to_head: bool) -> io::Result<Body> {
        if to_head || matches!(self.status, 100..=199 | 204 | 304) {
            return Ok(Body::Counted(0));
        }
        if self.field("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked")) {
            return Ok(Body::Chunked(Chunk::Line));
        }
        match self.field("content-length") {
            Some(size) => size.trim().parse().map(Body::Counted).map_err(|_| broken("the answer has no length")),
            None => Ok(Body::ToTheEnd),
        }
    }
}

/// How far a body has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes are to come.
    Counted(u64),
    Chunked(Chunk),
    /// Until the connection ends.
    ToTheEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// A line with a size comes.
    Line,
    /// So many bytes of the chunk are to come.
    Data(u64),
    /// The line break behind a chunk comes.
    Break,
    /// Lines behind the last chunk come, up to an empty one.
    Trailer,
    Over,
}

impl Body {
    /// The next bytes of the body from the front of `buffer`; `None` when more has to be read first, or it is over.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
        match self {
            Self::ToTheEnd => Ok((!buffer.is_empty()).then(|| buffer.split().freeze())),
            Self::Counted(left) => Ok(take_counted(left, buffer)),
            Self::Chunked(chunk) => loop {
                match chunk {
                    Chunk::Line => match line(buffer)? {
                        None => return Ok(None),
                        Some(line) => *chunk = size(&line)?,
                    },
                    Chunk::Data(left) => {
                        let data = take_counted(left, buffer);
                        if *left == 0 {
                            *chunk = Chunk::Break;
                        }
                        return Ok(data);
                    }
                    Chunk::Break => match line(buffer)? {
                        None => return Ok(None),
                        Some(line) if line.is_empty() => *chunk = Chunk::Line,
                        Some(_) => return Err(broken("a chunk is longer than it says")),
                    },
                    Chunk::Trailer => match line(buffer)? {
                        None => return Ok(None),
                        Some(line) if line.is_empty() => *chunk = Chunk::Over,
                        Some(_) => {}
                    },
                    Chunk::Over => return Ok(None),
                }
            },
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Self::Counted(0) | Self::Chunked(Chunk::Over))
    }
}

fn take_counted(left: &mut u64, buffer: &mut BytesMut) -> Option<Bytes> {
    let size = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= size as u64;
    (size > 0).then(|| buffer.split_to(size).freeze())
}

/// A line without its end; `None` if it is not all there yet.
fn line(buffer: &mut BytesMut) -> io::Result<Option<Bytes>> {
    match buffer.iter().take(MAX_CHUNK_LINE).position(|byte| *byte == b'\n') {
        None if buffer.len() >= MAX_CHUNK_LINE => Err(broken("a chunk has no size")),
        None => Ok(None),
        Some(end) => {
            let mut line = buffer.split_to(end + 1).freeze();
            line.truncate(end);
            if line.ends_with(b"\r") {
                line.truncate(end - 1);
            }
            Ok(Some(line))
        }
    }
}

fn size(line: &[u8]) -> io::Result<Chunk> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    match u64::from_str_radix(digits, 16) {
        Ok(0) if is_number => Ok(Chunk::Trailer),
        Ok(size) if is_number => Ok(Chunk::Data(size)),
        _ => Err(broken("a chunk has no size")),
    }
}

pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(answer: &[u8], cut: usize) -> io::Result<(Head, Vec<u8>, bool)> {
        let (mut buffer, mut head, mut bytes) = (BytesMut::new(), None, Vec::new());
        let mut body = None;
        for piece in answer.chunks(cut) {
            buffer.extend_from_slice(piece);
            if head.is_none() {
                head = Head::take(&mut buffer)?;
                body = head.as_ref().map(|head| head.body(false)).transpose()?;
            }
            while let Some(body) = &mut body
                && let Some(data) = body.take(&mut buffer)?
            {
                bytes.extend_from_slice(&data);
            }
        }
        Ok((head.ok_or_else(|| broken("no head"))?, bytes, body.is_some_and(|body| body.is_over())))
    }

    #[test]
    fn bodies_end_where_their_heads_say() {
        let counted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nabcHTTP";
        let (head, bytes, over) = read(counted, 1000).unwrap();
        assert_eq!((head.status, &bytes[..], over, head.closes()), (202, &b"abc"[..], true, true));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nA: b\r\n\r\n";
        let (_, bytes, over) = read(chunked, 1000).unwrap();
        assert_eq!((&bytes[..], over), (&b"abc"[..], true));
        assert!(read(b"HTTP/1.1 204 No Content\r\n\r\n", 1000).unwrap().2);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bad in [
            &b"nonsense\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(read(bad, 1000).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(read(&[b"HTTP/1.1 200 OK\r\nA: ", &[b'x'; 70_000][..]].concat(), 1000).is_err());
    }

    proptest! {
        #[test]
        fn chunks_are_put_together_however_the_input_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..6),
            cut in 1_usize..60,
        ) {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                answer.extend(format!("{:X}\r\n", chunk.len()).bytes());
                answer.extend(chunk);
                answer.extend(b"\r\n");
            }
            answer.extend(b"0\r\n\r\n");
            let (_, bytes, over) = read(&answer, cut).unwrap();
            prop_assert_eq!(bytes, chunks.concat());
            prop_assert!(over);
        }

        #[test]
        fn no_input_makes_it_panic(input: Vec<u8>, cut in 1_usize..20) {
            let _ = read(&input, cut);
            let answer = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &input[..]].concat();
            let _ = read(&answer, cut);
        }
    }
}
