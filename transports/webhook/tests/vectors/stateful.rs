//! Messages of the websocket, one by one.

use std::num::NonZeroU64;

use eventhive_webhook::wire::stateful::{
    B2s, Compression, Compressor, Configure, MessageHead, Mode, Notify, Part, PartReceipt, Place, S2b,
};
use eventhive_webhook::wire::{Interest, Proof, digest};
use serde_json::Value;

use crate::support::{array, bytes, list, number, text};

pub(crate) fn messages(cases: &Value) -> usize {
    for case in list(cases) {
        for (mode, name) in [(Mode::Minimal, "minimal_hex"), (Mode::Expanded, "expanded_hex")] {
            let frame = bytes(&case[name]);
            let mut written = Vec::new();
            if case["direction"] == "S2B" {
                let message = S2b::read(&frame).unwrap();
                is_s2b(&message, &case["fields"]);
                message.write(mode, &mut written).unwrap();
            } else {
                let message = B2s::read(&frame).unwrap();
                is_b2s(&message, &case["fields"]);
                message.write(mode, &mut written).unwrap();
            }
            assert_eq!(written, frame, "{}, {name}", case["name"]);
            assert_eq!(u64::from(frame[3]), number(&case["type_code"]));
        }
    }
    list(cases).len()
}

pub(crate) fn odd_ones(cases: &Value) -> usize {
    for case in list(cases) {
        let frame = bytes(&case["hex"]);
        match (text(&case["result"]), S2b::read(&frame)) {
            ("accepted", Ok(message)) => is_s2b(&message, &case["fields"]),
            ("rejected", Err(error)) => assert!(error.at <= frame.len(), "{case}: {error}"),
            (_, other) => panic!("{case}: {other:?}"),
        }
    }
    list(cases).len()
}

/// Numbers without leading zeros, which are values of headers: here that of a part's receipt.
pub(crate) fn numbers(cases: &Value) -> usize {
    for case in list(cases) {
        let part_id = number(&case["value"]);
        let receipt = S2b::ContinueReceive(PartReceipt { identifier: b"", part_id, proof: Proof::default() });
        let mut written = Vec::new();
        receipt.write(Mode::Minimal, &mut written).unwrap();
        let value = bytes(&case["hex"]);
        let length = u8::try_from(value.len()).unwrap();
        let expected = [&[0, 1, 0, 8, 0, 0, 0, length], &*value, &[0; 4]].concat();
        assert_eq!(written, expected, "{case}");
        assert_eq!(S2b::read(&written), Ok(receipt));
    }
    list(cases).len()
}

/// Asserts that a message has the fields that Python read from it.
pub(crate) fn is_s2b(message: &S2b<'_>, fields: &Value) {
    is_proof(message.proof(), fields);
    let kind = match message {
        S2b::Configure(configure) => {
            let Configure { subscriber_nonce, enable_zstd, enable_training, initial_dict, .. } = configure;
            assert_eq!(**subscriber_nonce, array(&fields["subscriber_nonce"]));
            assert_eq!(Some(*enable_zstd), fields["enable_zstd"].as_bool());
            assert_eq!(Some(*enable_training), fields["enable_training"].as_bool());
            assert_eq!(u64::from(*initial_dict), number(&fields["initial_dict"]));
            "CONFIGURE"
        }
        S2b::Subscribe { interest, .. } => is_interest(interest, fields, ["SUBSCRIBE_EXACT", "SUBSCRIBE_GLOB"]),
        S2b::Unsubscribe { interest, .. } => is_interest(interest, fields, ["UNSUBSCRIBE_EXACT", "UNSUBSCRIBE_GLOB"]),
        S2b::Notify(Notify { identifier, message, payload, .. }) => {
            assert_eq!(*identifier, bytes(&fields["identifier"]));
            is_message(message, fields);
            assert_eq!(*payload, bytes(any(fields, &["uncompressed_message", "compressed_message"])));
            assert_eq!(message.length, payload.len() as u64);
            "NOTIFY"
        }
        S2b::NotifyStream(part) => is_part(part, fields, "NOTIFY_STREAM"),
        S2b::ContinueReceive(receipt) => is_receipt(receipt, fields, "CONTINUE_RECEIVE"),
        S2b::ConfirmReceive { identifier, num_subscribers, .. } => {
            assert_eq!(*identifier, bytes(&fields["identifier"]));
            assert_eq!(u64::from(*num_subscribers), number(&fields["num_subscribers"]));
            "CONFIRM_RECEIVE"
        }
    };
    assert_eq!(kind, text(&fields["type"]));
}

fn is_b2s(message: &B2s<'_>, fields: &Value) {
    is_proof(message.proof(), fields);
    let kind = match message {
        B2s::ConfirmConfigure { broadcaster_nonce, .. } => {
            assert_eq!(**broadcaster_nonce, array(&fields["broadcaster_nonce"]));
            "CONFIRM_CONFIGURE"
        }
        B2s::ConfirmSubscribe { interest, .. } => {
            is_interest(interest, fields, ["CONFIRM_SUBSCRIBE_EXACT", "CONFIRM_SUBSCRIBE_GLOB"])
        }
        B2s::ConfirmUnsubscribe { interest, .. } => {
            is_interest(interest, fields, ["CONFIRM_UNSUBSCRIBE_EXACT", "CONFIRM_UNSUBSCRIBE_GLOB"])
        }
        B2s::ConfirmNotify { identifier, subscribers, .. } => {
            assert_eq!(*identifier, bytes(&fields["identifier"]));
            assert_eq!(*subscribers, number(&fields["subscribers"]));
            "CONFIRM_NOTIFY"
        }
        B2s::ContinueNotify(receipt) => is_receipt(receipt, fields, "CONTINUE_NOTIFY"),
        B2s::ReceiveStream(part) => is_part(part, fields, "RECEIVE_STREAM"),
        B2s::EnableZstdPreset { compressor, .. } => {
            is_compressor(compressor, fields);
            "ENABLE_ZSTD_PRESET"
        }
        B2s::EnableZstdCustom { compressor, sha512, dictionary, .. } => {
            is_compressor(compressor, fields);
            assert_eq!(**sha512, array(&fields["sha512"]));
            assert_eq!(*dictionary, bytes(&fields["dictionary"]));
            assert_eq!(**sha512, digest::hash(dictionary));
            "ENABLE_ZSTD_CUSTOM"
        }
        B2s::DisableZstdCustom { compressor_id, .. } => {
            assert_eq!(*compressor_id, number(&fields["identifier"]));
            "DISABLE_ZSTD_CUSTOM"
        }
        B2s::Missed { topic, .. } => {
            assert_eq!(*topic, bytes(&fields["topic"]));
            "MISSED"
        }
    };
    assert_eq!(kind, text(&fields["type"]));
}

/// The field that has one of these names.
fn any<'v>(fields: &'v Value, names: &[&str]) -> &'v Value {
    names.iter().find_map(|name| fields.get(name)).unwrap_or_else(|| panic!("{fields} has none of {names:?}"))
}

fn is_proof(proof: Proof<'_>, fields: &Value) {
    assert_eq!(proof.authorization, fields["authorization"].as_str());
    assert_eq!(proof.tracing, bytes(&fields["tracing"]));
}

fn is_interest(interest: &Interest<'_>, fields: &Value, [exact, glob]: [&'static str; 2]) -> &'static str {
    match interest {
        Interest::Exact(topic) => {
            assert_eq!(*topic, bytes(&fields["topic"]));
            exact
        }
        Interest::Glob(pattern) => {
            assert_eq!(*pattern, text(&fields["glob"]));
            glob
        }
    }
}

fn is_receipt(receipt: &PartReceipt<'_>, fields: &Value, kind: &'static str) -> &'static str {
    assert_eq!(receipt.identifier, bytes(&fields["identifier"]));
    assert_eq!(receipt.part_id, number(&fields["part_id"]));
    kind
}

fn is_part(part: &Part<'_>, fields: &Value, kind: &'static str) -> &'static str {
    assert_eq!(part.identifier, bytes(&fields["identifier"]));
    assert_eq!(part.payload, bytes(&fields["payload"]));
    match &part.place {
        Place::First(message) => {
            assert!(fields["part_id"].is_null());
            is_message(message, fields);
            let length = any(fields, &["uncompressed_length", "compressed_length"]);
            assert_eq!(message.length, number(length));
        }
        Place::Next(id) => assert_eq!(id.get(), number(&fields["part_id"])),
    }
    kind
}

fn is_message(message: &MessageHead<'_>, fields: &Value) {
    assert_eq!(message.topic, bytes(&fields["topic"]));
    let hashes = ["verified_uncompressed_sha512", "verified_compressed_sha512"];
    let of_streams = ["unverified_uncompressed_sha512", "unverified_compressed_sha512"];
    assert_eq!(*message.sha512, array(any(fields, &[hashes, of_streams].concat())));
    let compression = fields["compressor_id"].as_u64().map(|id| Compression {
        compressor_id: NonZeroU64::new(id).unwrap(),
        decompressed_length: number(&fields["decompressed_length"]),
    });
    assert_eq!(message.compression, compression);
}

fn is_compressor(compressor: &Compressor, fields: &Value) {
    assert_eq!(compressor.id, number(&fields["identifier"]));
    assert_eq!(Some(i64::from(compressor.level)), fields["compression_level"].as_i64());
    assert_eq!(u64::from(compressor.min_size), number(&fields["min_size"]));
    assert_eq!(compressor.max_size, number(&fields["max_size"]));
}
