//! What of a cursor leaves the process.
//!
//! A [`Cursor`] is a number: two of them say how many events lie between, private ones included. So clients have it
//! under a cipher, as a [`PublicCursor`]: which log, which event, and whether that is private, 122 bits that a key of the
//! log permutes among all such. Without the key it is 122 bits of noise, none can be made that leads anywhere (the log's 60
//! bits would have to come out right), and of two it cannot be told which is the newer.
//!
//! The permutation is a Feistel network over halves of 61 bits, as M. Luby and C. Rackoff made it (1988), with AES-128 of the
//! round's number and the half as its round function. Four rounds are a strong pseudorandom permutation for up to 2^30
//! cursors, six for about 2^60 (J. Patarin, 2004). It costs six blocks of AES, once for each form in which an event is sent.

use std::fmt;
use std::str::FromStr;

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use uuid::{Uuid, Variant};

use crate::{Cursor, CursorError};

/// A cursor as clients have it: a version 8 UUID, opaque. Its text has 36 characters, in lower case; no other spelling is
/// read, since none was ever given out. See [`Hub::public`](crate::Hub::public) and [`Hub::find`](crate::Hub::find).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicCursor(Uuid);

impl fmt::Display for PublicCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for PublicCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let uuid = Uuid::try_parse(text).map_err(|_| CursorError::Malformed)?;
        let is_ours = uuid.get_version_num() == 8 && uuid.get_variant() == Variant::RFC4122;
        let is_spelled_so = uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
        if is_ours && is_spelled_so { Ok(Self(uuid)) } else { Err(CursorError::Malformed) }
    }
}

/// The key under which a log's cursors leave the process. Whoever has it can read and make them.
#[derive(Clone, PartialEq, Eq)]
pub struct CursorKey([u8; Self::BYTES]);

impl CursorKey {
    /// Bytes of a key.
    pub const BYTES: usize = 16;

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        // Of two, since each has six bits that are not random.
        let (one, other) = (Uuid::new_v4().as_u128(), Uuid::new_v4().as_u128());
        Self((one ^ other.rotate_right(64)).to_be_bytes())
    }

    /// That of a log which keeps it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// For a log that keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

/// A half of what is permuted.
const HALF_BITS: u32 = 61;
const HALF: u64 = (1 << HALF_BITS) - 1;

const ROUNDS: u8 = 6;

/// Covers cursors and uncovers them.
pub(crate) struct Veil(Aes128Enc);

impl Veil {
    pub(crate) fn new(key: &CursorKey) -> Self {
        Self(Aes128Enc::new(&key.0.into()))
    }

    pub(crate) fn cover(&self, cursor: Cursor, is_private: bool) -> PublicCursor {
        // The epoch's 60 bits and the mark are the one half, the sequence is the other.
        let halves = (cursor.epoch() << 1 | u64::from(is_private), cursor.sequence());
        let (left, right) = (0..ROUNDS).fold(halves, |(left, right), round| (right, left ^ self.mix(round, right)));
        PublicCursor(uuid(left, right))
    }

    /// What was covered, and whether it is private. Of what was not made by this key: anything.
    pub(crate) fn uncover(&self, public: PublicCursor) -> (Cursor, bool) {
        let halves = halves(public.0);
        let (left, right) =
            (0..ROUNDS).rev().fold(halves, |(left, right), round| (right ^ self.mix(round, left), left));
        (Cursor::new(left >> 1, right), left & 1 == 1)
    }

    /// The round function.
    fn mix(&self, round: u8, half: u64) -> u64 {
        let mut block = (u128::from(round) << 64 | u128::from(half)).to_be_bytes().into();
        self.0.encrypt_block(&mut block);
        let mixed = u128::from_be_bytes(block.into());
        #[expect(clippy::cast_possible_truncation, reason = "as many bits as a half has")]
        let mixed = mixed as u64 & HALF;
        mixed
    }
}

/// The 122 bits of a version 8 UUID: 48 and 12 before and behind the version, 62 behind the variant.
fn uuid(left: u64, right: u64) -> Uuid {
    let (high, low) = (left >> 1, (left & 1) << HALF_BITS | right);
    Uuid::from_u64_pair((high >> 12) << 16 | 8 << 12 | high & 0xFFF, 0b10 << 62 | low)
}

fn halves(uuid: Uuid) -> (u64, u64) {
    let (high, low) = uuid.as_u64_pair();
    let left = (high >> 16) << 12 | high & 0xFFF;
    (left << 1 | low >> HALF_BITS & 1, low & HALF)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn veil(key: [u8; 16]) -> Veil {
        Veil::new(&CursorKey::from_bytes(key))
    }

    #[test]
    fn text_that_is_no_cursor_is_malformed() {
        let known = veil([7; 16]).cover(Cursor::new(1, 2), false).to_string();
        assert_eq!(known.parse::<PublicCursor>().unwrap().to_string(), known);
        let (upper, bare, braced) = (known.to_uppercase(), known.replace('-', ""), format!("{{{known}}}"));
        for text in ["", "7", "b1ea3bd0-fa1d-48e2-9a86-f70f9f79ed66", &upper, &bare, &braced] {
            assert_eq!(text.parse::<PublicCursor>(), Err(CursorError::Malformed), "{text}");
        }
    }

    #[test]
    fn neither_order_nor_distance_nor_privacy_is_seen() {
        let (veil, first) = (veil([9; 16]), Cursor::origin());
        let numbers = 1..=2000;
        let cover = |number| veil.cover(Cursor::new(first.epoch(), number), number % 2 == 0).0.as_u128();
        let covered: Vec<u128> = numbers.map(cover).collect();
        assert_eq!(covered.iter().collect::<HashSet<_>>().len(), covered.len());
        let rises = covered.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((800..1200).contains(&rises), "{rises} of 1999 go up");
        for bit in (0..128).filter(|bit| !matches!(bit, 62 | 63 | 76..=79)) {
            let set = covered.iter().filter(|public| *public >> bit & 1 == 1).count();
            assert!((800..1200).contains(&set), "bit {bit} is set in {set} of 2000");
            let follows = covered.iter().zip(1_u128..).filter(|(public, number)| (*public >> bit ^ number) & 1 == 1);
            let follows = follows.count();
            assert!((800..1200).contains(&follows), "bit {bit} tells the lowest of the number, or who may see it");
        }
    }

    #[test]
    fn keys_are_random_in_every_bit_and_never_shown() {
        let keys: Vec<u128> = (0..400).map(|_| u128::from_be_bytes(CursorKey::random().0)).collect();
        for bit in 0..128 {
            let set = keys.iter().filter(|key| *key >> bit & 1 == 1).count();
            assert!((100..300).contains(&set), "bit {bit} is set in {set} of 400");
        }
        assert_eq!(format!("{:?}", CursorKey::random()), "CursorKey(..)");
    }

    proptest! {
        #[test]
        fn what_is_covered_is_found_again_by_its_text(key: [u8; 16], epoch: u64, sequence: u64, is_private: bool) {
            let (veil, cursor) = (veil(key), Cursor::new(epoch, sequence));
            let text = veil.cover(cursor, is_private).to_string();
            prop_assert_eq!(text.len(), 36);
            prop_assert_eq!(veil.uncover(text.parse().unwrap()), (cursor, is_private));
        }

        /// With the property above: it is a bijection.
        #[test]
        fn whatever_a_client_makes_up_is_read_as_one_cursor_and_no_other(key: [u8; 16], left: u64, right: u64) {
            let (veil, made_up) = (veil(key), PublicCursor(uuid(left & HALF, right & HALF)));
            prop_assert_eq!(made_up.to_string().parse::<PublicCursor>(), Ok(made_up));
            let (cursor, is_private) = veil.uncover(made_up);
            prop_assert_eq!(veil.cover(cursor, is_private), made_up);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-f-]{0,40}|.{0,40}") {
            let _ = text.parse::<PublicCursor>();
        }

        #[test]
        fn another_key_leads_elsewhere(one: [u8; 16], other: [u8; 16], epoch: u64, sequence: u64) {
            prop_assume!(one != other);
            let cursor = Cursor::new(epoch, sequence);
            prop_assert_ne!(veil(other).uncover(veil(one).cover(cursor, false)).0, cursor);
        }
    }
}
