//! Compressed messages: Python's frames are read, and those without a dictionary written again, byte for byte.

use std::num::NonZeroU64;
use std::sync::Arc;

use eventhive_webhook::compression::{Bounds, Codec, Dictionary};
use eventhive_webhook::message::Body;
use serde_json::Value;

use crate::support::{array, bytes, list, number};

pub(crate) fn frames(section: &Value) -> usize {
    let frames = list(&section["frames"]);
    for frame in frames {
        let dictionary = frame.get("dictionary_hex").filter(|hex| !hex.is_null()).map(bytes);
        let dictionary = dictionary.map(|bytes| Arc::new(Dictionary::new(bytes.into(), 3).unwrap()));
        let has_dictionary = dictionary.is_some();
        let codec = Codec::new(NonZeroU64::MIN, 3, dictionary);
        let compressed = Body::Memory(bytes(&frame["frame_hex"]).into());
        let length = number(&frame["decompressed_len"]);
        let message = codec.decompress_now(&compressed, length, &Bounds::default()).unwrap();
        assert_eq!(message.body.len(), length, "{}", frame["name"]);
        assert_eq!(message.sha512, array::<64>(&frame["decompressed_sha512_hex"]), "{}", frame["name"]);
        if !has_dictionary {
            let again = codec.compress_now(&message.body, &Bounds::default()).unwrap().unwrap();
            assert_eq!(again.body.as_bytes(), compressed.as_bytes(), "{}", frame["name"]);
        }
    }
    frames.len()
}
