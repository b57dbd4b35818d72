//! What stands between the socket and the websocket decoder.
//!
//! The decoder waits for a whole frame before it looks at the frame's size, so a header that announces a terabyte would
//! have it collect a terabyte. The guard reads the headers first and ends the input there.
//!
//! The decoder also collects all that the socket has before it gives out one frame, and the actor takes few frames at a
//! time, so a peer that sends fast would fill the memory. The guard gives nothing more while whole frames wait.
//!
//! It also notes that something came, for the watchdog, and why the input ended, because the decoder makes one kind of
//! error of all that.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::Stream;

use super::Input;

/// A session, as the guard of its input sees it.
pub trait Guarded {
    /// What there is still to be read. The actor [takes](Input::takes) each item that it gets from it.
    fn input(&self) -> &Input;

    /// The largest frame that may come now, in bytes, if that is less than at other times.
    fn largest_frame(&self) -> Option<usize> {
        None
    }

    /// Something came from the peer, so it is there.
    fn heard(&self);
}

/// The client's bytes, watched.
pub struct Guard<L> {
    input: Payload,
    frames: Frames,
    live: Rc<L>,
}

impl<L> Guard<L> {
    /// Frames of more than `max_frame` bytes end the input.
    #[must_use]
    pub fn new(input: Payload, max_frame: usize, live: Rc<L>) -> Self {
        Self { input, frames: Frames::new(max_frame as u64), live }
    }
}

impl<L: Guarded> Stream for Guard<L> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Nobody need be woken for this: with a whole frame before it, the decoder yields an item now, and the actor asks
        // again after each item that it has handled, or after what it then waits for.
        if self.live.input().has_frames() {
            return Poll::Pending;
        }
        let item = ready!(Pin::new(&mut self.input).poll_next(context));
        match &item {
            Some(Ok(chunk)) => {
                self.live.heard();
                let largest = self.live.largest_frame().map_or(u64::MAX, |largest| largest as u64);
                let Some(complete) = self.frames.pass(chunk, largest) else {
                    self.live.input().overflows();
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                };
                self.live.input().gives(complete);
            }
            Some(Err(_)) | None => self.live.input().ends(),
        }
        Poll::Ready(item)
    }
}

/// Follows the boundaries of masked frames through chunks of any size.
struct Frames {
    largest: u64,
    header: [u8; 14],
    have: usize,
    /// Bytes of the current frame's payload still to come.
    rest: u64,
}

impl Frames {
    const fn new(largest: u64) -> Self {
        Self { largest, header: [0; 14], have: 0, rest: 0 }
    }

    /// How many frames end in `chunk`; `None` if one that begins in it is too large to be taken, now or ever.
    fn pass(&mut self, mut chunk: &[u8], now: u64) -> Option<usize> {
        let mut complete = 0;
        loop {
            let skipped = self.rest.min(chunk.len() as u64);
            self.rest -= skipped;
            complete += usize::from(skipped > 0 && self.rest == 0);
            #[expect(clippy::cast_possible_truncation, reason = "no more than the chunk's length")]
            let after = chunk.get(skipped as usize..).unwrap_or_default();
            let Some((first, others)) = after.split_first() else { return Some(complete) };
            chunk = others;
            self.header[self.have] = *first;
            self.have += 1;
            if self.have == self.header_len() {
                self.rest = self.payload_len();
                self.have = 0;
                if self.rest > self.largest.min(now) {
                    return None;
                }
                complete += usize::from(self.rest == 0);
            }
        }
    }

    /// How long the header is, as far as what is there of it tells.
    fn header_len(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let extended = match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + extended + mask
    }

    fn payload_len(&self) -> u64 {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        match self.header[1] & 0x7F {
            126 => number(&self.header[2..4]),
            127 => number(&self.header[2..10]),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match length {
            0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..=65_535 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.resize(bytes.len() + length, 0xFF);
        bytes
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused_before_its_payload_comes() {
        let mut frames = Frames::new(1000);
        assert_eq!(frames.pass(&frame(1000), u64::MAX), Some(1));
        assert_eq!(frames.pass(&frame(1001)[..8], u64::MAX), None);
        let huge = [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
        assert_eq!(Frames::new(1000).pass(&frame(11)[..8], 10), None);
        assert_eq!(Frames::new(1000).pass(&huge, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_input_is_cut(
            lengths in prop::collection::vec(prop_oneof![0_usize..130, Just(65_535_usize), Just(65_536)], 1..6),
            size in 1_usize..300,
        ) {
            let stream: Vec<u8> = lengths.iter().flat_map(|length| frame(*length)).collect();
            let largest = lengths.iter().copied().max().unwrap();
            let mut right = Frames::new(largest as u64);
            let complete: Option<usize> = stream.chunks(size).map(|chunk| right.pass(chunk, u64::MAX)).sum();
            prop_assert_eq!(complete, Some(lengths.len()));
            prop_assert_eq!((right.have, right.rest), (0, 0));
            if largest > 0 {
                let mut tight = Frames::new(largest as u64 - 1);
                prop_assert!(stream.chunks(size).any(|chunk| tight.pass(chunk, u64::MAX).is_none()));
            }
        }

        #[test]
        fn no_input_makes_it_panic(chunks in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut frames = Frames::new(100);
            let _ = chunks.iter().all(|chunk| frames.pass(chunk, u64::MAX).is_some());
        }
    }
}
