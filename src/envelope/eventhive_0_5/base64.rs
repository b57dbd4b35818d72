//! Base64 as Python's `b64decode` reads it.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::envelope::OpenError;

/// Characters outside the alphabet are skipped, surplus padding is ignored. What is written by the book needs none of that.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, OpenError> {
    STANDARD.decode(text).or_else(|_| leniently(text))
}

fn leniently(text: &str) -> Result<Vec<u8>, OpenError> {
    let kept: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).collect();
    let unpadded = kept.split('=').next().unwrap_or_default();
    let padding = kept.len() - unpadded.len();
    if !(unpadded.len() + padding).is_multiple_of(4) && padding < (4 - unpadded.len() % 4) % 4 {
        return Err(OpenError::Malformed("the base64 is not padded"));
    }
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&ALPHABET, lenient)
        .decode(unpadded)
        .map_err(|_| OpenError::Malformed("the base64 cannot be read"))
}
