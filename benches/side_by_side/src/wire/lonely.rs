//! The websocket of lonely pub/sub, without authorization and without compression.
//!
//! A subscriber confirms every message, as the protocol demands.

use std::io::{self, Error};

use eventhive_webhook::wire::stateful::{B2s, Configure, MessageHead, Mode, Notify, S2b};
use eventhive_webhook::wire::{Interest, Proof, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Progress, frame};
use crate::TOPIC;

/// lonelypss ends a connection on which 255 messages wait to be worked off.
pub(super) const MOST_UNANSWERED: usize = 128;

pub(super) async fn open(stream: &mut TcpStream) -> io::Result<()> {
    frame::open(stream, "/v1/websocket").await?;
    let mut out = Vec::new();
    let configure = Configure {
        subscriber_nonce: &[7; 32],
        enable_zstd: false,
        enable_training: false,
        initial_dict: 0,
        proof: Proof::default(),
    };
    say(&S2b::Configure(configure), &mut out)?;
    stream.write_all(&out).await?;
    let mut input = Vec::new();
    // The broadcaster says no more than this before it is spoken to.
    loop {
        if let Some((_, body)) = frame::next(&input) {
            return match B2s::read(&input[body]).map_err(Error::other)? {
                B2s::ConfirmConfigure { .. } => Ok(()),
                other => Err(Error::other(format!("not the confirmation of a connection: {other:?}"))),
            };
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Err(Error::other("the broadcaster closed the connection"));
        }
    }
}

pub(super) fn subscribe(out: &mut Vec<u8>) {
    let subscribe = S2b::Subscribe { interest: Interest::Exact(TOPIC.as_bytes()), proof: Proof::default() };
    fits(say(&subscribe, out));
}

pub(super) fn publish(payload: &[u8], out: &mut Vec<u8>) {
    let sha512 = digest::hash(payload);
    let message =
        MessageHead { topic: TOPIC.as_bytes(), compression: None, length: payload.len() as u64, sha512: &sha512 };
    let notify = Notify { proof: Proof::default(), identifier: b"bench", message, payload };
    fits(say(&S2b::Notify(notify), out));
}

fn say(message: &S2b<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = Vec::new();
    message.write(Mode::Minimal, &mut bytes).map_err(Error::other)?;
    frame::write(frame::BINARY, &[&bytes], out);
    Ok(())
}

/// What is said here has short fields.
fn fits(said: io::Result<()>) {
    debug_assert!(said.is_ok(), "{said:?}");
}

pub(super) fn read(input: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<Progress> {
    let mut progress = Progress::default();
    while let Some((opcode, body)) = frame::next(&input[progress.consumed..]) {
        let content = &input[progress.consumed + body.start..progress.consumed + body.end];
        progress.consumed += body.end;
        match opcode {
            frame::BINARY => progress.answers += message(content, out, deliver)?,
            frame::PING => frame::write(frame::PONG, &[content], out),
            frame::PONG => {}
            other => return Err(Error::other(format!("the broadcaster sent a frame of kind {other}: {content:?}"))),
        }
    }
    Ok(progress)
}

/// A message is delivered and confirmed. Gives the number of answers.
fn message(content: &[u8], out: &mut Vec<u8>, deliver: &mut impl FnMut(&[u8])) -> io::Result<usize> {
    match B2s::read(content).map_err(Error::other)? {
        B2s::ReceiveStream(part) => {
            deliver(part.payload);
            let confirm =
                S2b::ConfirmReceive { identifier: part.identifier, num_subscribers: 1, proof: Proof::default() };
            say(&confirm, out)?;
            Ok(0)
        }
        B2s::ConfirmSubscribe { .. } | B2s::ConfirmNotify { .. } => Ok(1),
        other => Err(Error::other(format!("the broadcaster said {other:?}"))),
    }
}
