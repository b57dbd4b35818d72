//! Compressed messages. The wire carries them as they are; this shows that the library at hand reads what Python
//! writes: frames without a content size, a checksum or a dictionary's number, with dictionaries of both kinds.

use eventhive_webhook::wire::digest;
use serde_json::Value;

use crate::support::{array, bytes, list, number};

pub(crate) fn frames(section: &Value) -> usize {
    let frames = list(&section["frames"]);
    for frame in frames {
        let dictionary = frame.get("dictionary_hex").filter(|hex| !hex.is_null()).map(bytes).unwrap_or_default();
        let length = usize::try_from(number(&frame["decompressed_len"])).unwrap();
        let mut decompressor = zstd::bulk::Decompressor::with_dictionary(&dictionary).unwrap();
        let message = decompressor.decompress(&bytes(&frame["frame_hex"]), length).unwrap();
        assert_eq!(message.len(), length, "{}", frame["name"]);
        assert_eq!(digest::hash(&message), array::<64>(&frame["decompressed_sha512_hex"]), "{}", frame["name"]);
    }
    frames.len()
}
