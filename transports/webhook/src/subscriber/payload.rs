//! What is published: bytes, a file, or whatever can be read.

use std::fmt;
use std::fs::File;
use std::io::Seek as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha512};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::error::SubscriberError;
use super::filling::push;
use crate::message::{Body, Message, SpooledFile};
use crate::spool::Spool;

/// What a message is made of. Everything that is bytes is one: `notify("topic", "hello")`.
pub struct Payload(Source);

enum Source {
    Body(Body),
    Path(PathBuf),
    File(File),
    Reader(Pin<Box<dyn AsyncRead + Send>>),
}

impl Payload {
    /// The file at this path, from its beginning to its end. It is read twice, once to hash it, and must stay as it is
    /// meanwhile.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self(Source::Path(path.into()))
    }

    /// All that can be read. It is read to its end before anything is sent, because its hash goes first; what does not
    /// fit into the spool's memory goes to a temporary file meanwhile.
    #[must_use]
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self(Source::Reader(Box::pin(reader)))
    }

    pub(crate) async fn into_message(self, topic: &[u8], in_memory: usize) -> Result<Message, SubscriberError> {
        let (body, sha512) = match self.0 {
            Source::Body(Body::Memory(bytes)) => return Ok(Message::new(topic, bytes)),
            Source::Body(Body::File(file)) => hashed(move || Ok(Body::File(file))).await?,
            Source::Path(path) => hashed(move || whole(File::open(path)?)).await?,
            Source::File(file) => hashed(move || whole(file)).await?,
            Source::Reader(reader) => read(reader, in_memory).await?,
        };
        Ok(Message { topic: topic.into(), body, sha512 })
    }
}

/// A file from its beginning, wherever it stands.
fn whole(mut file: File) -> std::io::Result<Body> {
    let length = file.metadata()?.len();
    file.rewind()?;
    Ok(Body::File(Arc::new(SpooledFile::new(file, length))))
}

async fn hashed(
    open: impl FnOnce() -> std::io::Result<Body> + Send + 'static,
) -> Result<(Body, [u8; 64]), SubscriberError> {
    let work = move || {
        let body = open()?;
        let mut hash = Sha512::new();
        if let Body::File(file) = &body {
            let mut piece = vec![0; PIECE];
            let mut at = 0;
            while at < body.len() {
                let length = usize::try_from(body.len() - at).map_or(PIECE, |left| left.min(PIECE));
                let piece = piece.get_mut(..length).unwrap_or_default();
                file.read_at(at, piece)?;
                hash.update(piece);
                at += length as u64;
            }
        }
        Ok::<_, std::io::Error>((body, hash.finalize().into()))
    };
    Ok(tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)??)
}

/// How much is read at a time.
const PIECE: usize = 128 * 1024;

async fn read(
    mut reader: Pin<Box<dyn AsyncRead + Send>>,
    in_memory: usize,
) -> Result<(Body, [u8; 64]), SubscriberError> {
    let mut spool = Spool::new(in_memory);
    let mut hash = Sha512::new();
    loop {
        let mut piece = BytesMut::with_capacity(PIECE);
        if reader.read_buf(&mut piece).await? == 0 {
            break;
        }
        hash.update(&piece);
        spool = push(spool, piece.freeze()).await?;
    }
    Ok((spool.finish()?, hash.finalize().into()))
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Body(body) => body.fmt(f),
            Source::Path(path) => write!(f, "the file {}", path.display()),
            Source::File(_) => f.write_str("a file"),
            Source::Reader(_) => f.write_str("a reader"),
        }
    }
}

impl From<Body> for Payload {
    fn from(body: Body) -> Self {
        Self(Source::Body(body))
    }
}

impl From<File> for Payload {
    /// The whole file, wherever it stands.
    fn from(file: File) -> Self {
        Self(Source::File(file))
    }
}

macro_rules! of_bytes {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Payload {
            fn from(bytes: $kind) -> Self {
                Self(Source::Body(Body::Memory(Bytes::from(bytes))))
            }
        })*
    };
}

of_bytes!(Bytes, Vec<u8>, String, &'static [u8], &'static str, Box<[u8]>);

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn bytes_a_file_and_a_reader_give_the_same_message() {
        let content: Vec<u8> = (0..300_000_u32).map(|at| at as u8).collect();
        let expected = Message::new(b"t", content.clone().into());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &content).unwrap();
        let mut read = file.reopen().unwrap();
        read.read_exact(&mut [0; 100]).unwrap();
        let reader = || Payload::reader(std::io::Cursor::new(content.clone()));
        let payloads = [content.clone().into(), Payload::path(file.path()), read.into(), reader(), reader()];
        for (payload, in_memory) in payloads.into_iter().zip([0, 0, 0, 1 << 20, 1000]) {
            let message = payload.into_message(b"t", in_memory).await.unwrap();
            assert_eq!(message.sha512, expected.sha512);
            assert_eq!(message.body.piece(0, content.len()).await.unwrap(), content);
        }
        let missing = Payload::path("/no/such").into_message(b"t", 0).await;
        assert!(matches!(missing, Err(SubscriberError::Source(_))));
    }
}
