//! What is written is read as what it was, for every kind of message and any fields.

use std::num::NonZeroU64;

use eventhive_webhook::wire::bodies::{
    CheckSubscriptions, Entry, Head, Lists, Missed, NotifyHead, ReceiveHead, SetHead, Subscribe, Unsubscribe,
    write_lists,
};
use eventhive_webhook::wire::digest::{self, Hash};
use eventhive_webhook::wire::etag::Etag;
use eventhive_webhook::wire::responses::{self, Response};
use eventhive_webhook::wire::stateful::{
    B2s, Compression, Compressor, Configure, MessageHead, Mode, Notify, Part, PartReceipt, Place, S2b,
};
use eventhive_webhook::wire::{Interest, Problem, Proof, WireError};
use proptest::prelude::*;

/// Values for the fields of all messages.
#[derive(Debug, Clone)]
struct Fields {
    texts: [String; 3],
    bytes: [Vec<u8>; 2],
    identifier: Vec<u8>,
    numbers: [u64; 3],
    payload: Vec<u8>,
    nonce: [u8; 32],
    switches: [bool; 2],
}

fn fields() -> impl Strategy<Value = Fields> {
    // Now and then as long as a field can be.
    let text = || prop_oneof![9 => ".{0,20}", 1 => Just("x".repeat(65_535))];
    let bytes = || prop_oneof![9 => prop::collection::vec(any::<u8>(), 0..20), 1 => Just(vec![7; 65_535])];
    let identifier = prop::collection::vec(any::<u8>(), 0..=64);
    // As many bytes as any.
    let number = || (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift);
    let payload = prop::collection::vec(any::<u8>(), 0..50);
    (
        [text(), text(), text()],
        [bytes(), bytes()],
        identifier,
        [number(), number(), number()],
        payload,
        any::<[u8; 32]>(),
        any::<[bool; 2]>(),
    )
        .prop_map(|(texts, bytes, identifier, numbers, payload, nonce, switches)| Fields {
            texts,
            bytes,
            identifier,
            numbers,
            payload,
            nonce,
            switches,
        })
}

impl Fields {
    fn proof(&self) -> Proof<'_> {
        Proof { authorization: self.optional(0), tracing: &self.bytes[0] }
    }

    fn optional(&self, at: usize) -> Option<&str> {
        Some(&*self.texts[at]).filter(|text| !text.is_empty())
    }

    fn interests(&self) -> [Interest<'_>; 2] {
        [Interest::Exact(&self.bytes[1]), Interest::Glob(&self.texts[1])]
    }

    fn number32(&self) -> u32 {
        self.numbers[0] as u32
    }

    fn heads<'a>(&'a self, sha512: &'a Hash) -> [MessageHead<'a>; 2] {
        let compression = NonZeroU64::new(self.numbers[0].max(1))
            .map(|compressor_id| Compression { compressor_id, decompressed_length: self.numbers[1] });
        let plain = MessageHead { topic: &self.bytes[1], compression: None, length: self.payload.len() as u64, sha512 };
        [plain, MessageHead { compression, ..plain }]
    }

    fn parts<'a>(&'a self, sha512: &'a Hash) -> Vec<Part<'a>> {
        let next = NonZeroU64::new(self.numbers[2].max(1)).map(Place::Next);
        let places = self.heads(sha512).map(Place::First).into_iter().chain(next);
        let (proof, identifier) = (self.proof(), &*self.identifier);
        places.map(|place| Part { proof, identifier, place, payload: &self.payload }).collect()
    }

    fn receipt(&self) -> PartReceipt<'_> {
        PartReceipt { identifier: &self.identifier, part_id: self.numbers[0], proof: self.proof() }
    }

    fn s2b<'a>(&'a self, sha512: &'a Hash) -> Vec<S2b<'a>> {
        let proof = self.proof();
        let [enable_zstd, enable_training] = self.switches;
        let initial_dict = self.numbers[0] as u16;
        let configure = Configure { subscriber_nonce: &self.nonce, enable_zstd, enable_training, initial_dict, proof };
        let identifier = &*self.identifier;
        let mut all = vec![
            S2b::Configure(configure),
            S2b::ContinueReceive(self.receipt()),
            S2b::ConfirmReceive { identifier, num_subscribers: self.number32(), proof },
        ];
        for interest in self.interests() {
            all.extend([S2b::Subscribe { interest, proof }, S2b::Unsubscribe { interest, proof }]);
        }
        let notify = |message| S2b::Notify(Notify { proof, identifier, message, payload: &self.payload });
        all.extend(self.heads(sha512).map(notify));
        all.extend(self.parts(sha512).into_iter().map(S2b::NotifyStream));
        all
    }

    fn b2s<'a>(&'a self, sha512: &'a Hash) -> Vec<B2s<'a>> {
        let proof = self.proof();
        let [id, max_size, subscribers] = self.numbers;
        let compressor = Compressor { id, level: self.numbers[1] as i16, min_size: self.number32(), max_size };
        let mut all = vec![
            B2s::ConfirmConfigure { broadcaster_nonce: &self.nonce, proof },
            B2s::ConfirmNotify { identifier: &self.identifier, subscribers, proof },
            B2s::ContinueNotify(self.receipt()),
            B2s::EnableZstdPreset { compressor, proof },
            B2s::EnableZstdCustom { compressor, sha512, dictionary: &self.payload, proof },
            B2s::DisableZstdCustom { compressor_id: id, proof },
            B2s::Missed { topic: &self.bytes[1], proof },
        ];
        for interest in self.interests() {
            all.extend([B2s::ConfirmSubscribe { interest, proof }, B2s::ConfirmUnsubscribe { interest, proof }]);
        }
        all.extend(self.parts(sha512).into_iter().map(B2s::ReceiveStream));
        all
    }

    fn responses<'a>(&'a self, sha512: &Hash) -> [Response<'a>; 6] {
        let (proof, identifier, number) = (self.proof(), &*self.identifier, self.number32());
        [
            Response::Generic { proof },
            Response::Notify { proof, count: number, identifier },
            Response::CheckSubscriptions { proof, etag: Etag(*sha512) },
            Response::ConfirmReceive { proof, identifier, num_subscribers: number },
            Response::ConfirmMissed { proof },
            Response::UnsubscribeImmediate,
        ]
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(&mut out).unwrap();
    out.split_off("before".len())
}

proptest! {
    #[test]
    fn every_message_of_the_websocket_comes_back_as_it_was(fields in fields()) {
        let sha512 = digest::hash(&fields.payload);
        for mode in [Mode::Minimal, Mode::Expanded] {
            for message in fields.s2b(&sha512) {
                let bytes = written(|out| message.write(mode, out));
                prop_assert_eq!(S2b::read(&bytes), Ok(message));
            }
            for message in fields.b2s(&sha512) {
                let bytes = written(|out| message.write(mode, out));
                prop_assert_eq!(B2s::read(&bytes), Ok(message));
            }
        }
    }

    #[test]
    fn every_answer_comes_back_as_it_was(fields in fields()) {
        for response in fields.responses(&digest::hash(&fields.payload)) {
            let body = written(|out| response.write(out));
            prop_assert!(body.len() <= responses::MAX_BYTES);
            prop_assert_eq!(Response::read(&body), Ok(response));
        }
    }

    #[test]
    fn every_request_comes_back_as_it_was(fields in fields()) {
        let Fields { texts: [url, ..], bytes: [tracing, topic], identifier, numbers: [length, ..], .. } = &fields;
        for interest in fields.interests() {
            let subscribe = Subscribe { url, interest, recovery: fields.optional(2), tracing };
            let body = written(|out| subscribe.write(out));
            prop_assert_eq!(Subscribe::read(interest.kind(), &body), Ok(subscribe));
            let unsubscribe = Unsubscribe { url, interest, tracing };
            let body = written(|out| unsubscribe.write(out));
            prop_assert_eq!(Unsubscribe::read(interest.kind(), &body), Ok(unsubscribe));
        }
        let check = CheckSubscriptions { tracing, url };
        let body = written(|out| check.write(out));
        prop_assert_eq!(CheckSubscriptions::read(&body), Ok(check));
        let missed = Missed { tracing, topic };
        let body = written(|out| missed.write(out));
        prop_assert_eq!(Missed::read(&body), Ok(missed));

        let sha512 = &digest::hash(&fields.payload);
        let notify = NotifyHead { topic, sha512, tracing, identifier, length: *length };
        let body = written(|out| notify.write(out));
        prop_assert_eq!(NotifyHead::read(&body), Ok((notify, body.len())));
        let receive = ReceiveHead { tracing, topic, identifier, length: *length };
        let body = written(|out| receive.write(out));
        prop_assert_eq!(ReceiveHead::read(&body), Ok((receive, body.len())));
        let set = SetHead { tracing, url, etag: Etag(*sha512) };
        let body = written(|out| set.write(out));
        prop_assert_eq!(SetHead::read(&body), Ok((set, body.len())));
    }

    #[test]
    fn lists_come_back_as_they_were(all in prop::collection::vec(fields(), 0..4)) {
        let list = |at: usize| -> Vec<Entry<'_>> {
            all.iter().map(|fields| Entry { interest: fields.interests()[at], recovery: fields.optional(2) }).collect()
        };
        let (exact, globs) = (list(0), list(1));
        let body = written(|out| write_lists(&exact, &globs, out));
        let mut rest = &*body;
        let mut lists = Lists::new(0);
        let back: Vec<_> = std::iter::from_fn(|| lists.next(&mut rest).unwrap()).collect();
        prop_assert_eq!(back, [exact, globs].concat());
        prop_assert!(rest.is_empty());
    }
}

#[test]
fn what_is_too_long_for_its_field_is_refused_and_nothing_is_written() {
    let long = vec![0; 65_536];
    let refused = |write: &dyn Fn(&mut Vec<u8>) -> Result<(), WireError>| {
        let mut out = b"before".to_vec();
        let error = write(&mut out).unwrap_err();
        assert_eq!(out, b"before");
        (error.field, error.problem)
    };
    let too_long = |most| Problem::TooLong { most, found: most + 1 };
    let missed = Missed { tracing: b"", topic: &long };
    assert_eq!(refused(&|out| missed.write(out)), ("topic", too_long(65_535)));
    let receive = ReceiveHead { tracing: b"", topic: b"", identifier: &long[..256], length: 0 };
    assert_eq!(refused(&|out| receive.write(out)), ("identifier", too_long(255)));
    let response = Response::ConfirmMissed { proof: Proof { authorization: None, tracing: &long } };
    assert_eq!(refused(&|out| response.write(out)), ("tracing", too_long(65_535)));
    let message = B2s::Missed { topic: &long, proof: Proof::default() };
    assert_eq!(refused(&|out| message.write(Mode::Expanded, out)), ("x-topic", too_long(65_535)));
    let message = B2s::ConfirmNotify { identifier: &long[..65], subscribers: 0, proof: Proof::default() };
    assert_eq!(refused(&|out| message.write(Mode::Minimal, out)), ("x-identifier", too_long(64)));
}
