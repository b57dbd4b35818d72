//! Authorizations.

use std::time::Duration;

use eventhive_webhook::wire::Interest;
use eventhive_webhook::wire::auth::{
    Accepted, Claim, Code, Direction, HmacHeader, HmacKey, Reason, Refused, Scheme, Secrets, Stamp, Token,
};
use eventhive_webhook::wire::etag::Etag;
use eventhive_webhook::wire::stateful::Compressor;
use serde_json::{Value, json};

use crate::support::{array, bytes, list, number, scheme, seconds, text};

pub(crate) fn keys(secrets: &Value) -> usize {
    let claim = Claim::CheckSubscriptions { url: "u" };
    let stamp = Stamp { timestamp: 1, nonce: "n" };
    let directions = ["to_broadcaster", "to_subscriber"].map(|name| &secrets[name]);
    for direction in directions {
        let from_text = HmacKey::from_text(text(&direction["as_in_secrets_file"])).unwrap();
        let from_bytes = HmacKey::new(&array(&direction["raw_hex"]));
        let signed = [from_text, from_bytes].map(|key| Scheme::Hmac(key).sign(&claim, b"", stamp).unwrap().unwrap());
        assert_eq!(signed[0], signed[1]);
    }
    directions.len()
}

pub(crate) fn signatures(cases: &Value) -> usize {
    for case in list(cases) {
        let inputs = Inputs::read(&case["inputs"]);
        let claim = inputs.claim(text(&case["auth_kind"]));
        let direction = claim.direction();
        let expected = if case["key"] == "to_broadcaster" { Direction::ToBroadcaster } else { Direction::ToSubscriber };
        assert_eq!(direction, expected, "{}", case["name"]);

        let now = seconds(&case["now"]);
        let stamp = Stamp { timestamp: now.as_secs(), nonce: text(&case["nonce"]) };
        assert_eq!(
            claim.signed_bytes(&inputs.tracing, stamp).unwrap(),
            bytes(&case["to_sign_hex"]),
            "{}",
            case["name"]
        );
        assert_eq!(number(&case["type_byte"]), u64::from(bytes(&case["to_sign_hex"])[0]));
        let authorization = scheme(direction).sign(&claim, &inputs.tracing, stamp).unwrap();
        assert_eq!(authorization.as_deref(), case["authorization"].as_str(), "{}", case["name"]);

        let verify = |tracing: &[u8]| scheme(direction).verify(authorization.as_deref(), &claim, tracing, now);
        let Ok(Accepted::Once(Code { code, forget_at })) = verify(&inputs.tracing) else { panic!("{}", case["name"]) };
        assert_eq!(forget_at, 1_700_000_181);
        assert_eq!(HmacHeader::read(authorization.as_deref(), now).unwrap().code, code);
        assert_eq!(verify(b"another"), Err(Refused::Forbidden(Reason::Signature)));
    }
    list(cases).len()
}

/// The inputs of all kinds together; what a kind does not have stays empty.
struct Inputs {
    tracing: Vec<u8>,
    url: String,
    recovery: Option<String>,
    topic: Vec<u8>,
    glob: String,
    identifier: Vec<u8>,
    sha512: [u8; 64],
    nonce: [u8; 32],
    etag: Etag,
    numbers: Value,
}

impl Inputs {
    fn read(inputs: &Value) -> Self {
        let get = |names: &[&str]| names.iter().find_map(|name| inputs.get(name).filter(|value| !value.is_null()));
        let bytes_of = |names: &[&str]| get(names).map(bytes).unwrap_or_default();
        let text_of = |name: &str| get(&[name]).map(|value| text(value).to_owned());
        Self {
            tracing: bytes_of(&["tracing"]),
            url: text_of("url").unwrap_or_default(),
            recovery: text_of("recovery"),
            topic: bytes_of(&["topic", "exact"]),
            glob: text_of("glob").unwrap_or_default(),
            identifier: bytes_of(&["identifier"]),
            sha512: get(&["message_sha512", "sha512"]).map_or([0; 64], array),
            nonce: get(&["subscriber_nonce", "broadcaster_nonce"]).map_or([0; 32], array),
            etag: Etag(inputs.get("strong_etag").map_or([0; 64], |etag| array(&etag["etag_hex"]))),
            numbers: inputs.clone(),
        }
    }

    fn claim(&self, kind: &str) -> Claim<'_> {
        let Self { url, topic, identifier, sha512, etag, .. } = self;
        let count = |name: &str| number(&self.numbers[name]);
        let switch = |name: &str| self.numbers[name].as_bool().unwrap();
        let recovery = self.recovery.as_deref();
        let (exact, glob) = (Interest::Exact(topic), Interest::Glob(&self.glob));
        match kind {
            "SUBSCRIBE_EXACT" => Claim::Subscribe { url, interest: exact, recovery },
            "SUBSCRIBE_GLOB" => Claim::Subscribe { url, interest: glob, recovery },
            "NOTIFY" => Claim::Notify { topic, identifier, sha512 },
            "STATEFUL_CONFIGURE" => Claim::Configure {
                subscriber_nonce: &self.nonce,
                enable_zstd: switch("enable_zstd"),
                enable_training: switch("enable_training"),
                initial_dict: u16::try_from(count("initial_dict")).unwrap(),
            },
            "CHECK_SUBSCRIPTIONS" => Claim::CheckSubscriptions { url },
            "SET_SUBSCRIPTIONS" => Claim::SetSubscriptions { url, etag },
            "STATEFUL_CONTINUE_RECEIVE" => Claim::ContinueReceive { identifier, part_id: count("part_id"), url },
            "CONFIRM_RECEIVE" => {
                let num_subscribers = u32::try_from(count("num_subscribers")).unwrap();
                Claim::ConfirmReceive { identifier, num_subscribers, url }
            }
            "CONFIRM_MISSED" => Claim::ConfirmMissed { topic, url },
            "RECEIVE" => Claim::Receive { url, topic, identifier, sha512 },
            "MISSED" => Claim::Missed { recovery: recovery.unwrap(), topic },
            "CONFIRM_SUBSCRIBE_EXACT" => Claim::ConfirmSubscribe { url, interest: exact, recovery },
            "CONFIRM_SUBSCRIBE_GLOB" => Claim::ConfirmSubscribe { url, interest: glob, recovery },
            "CONFIRM_NOTIFY" => Claim::ConfirmNotify { identifier, subscribers: count("subscribers"), topic, sha512 },
            "CHECK_SUBSCRIPTIONS_RESPONSE" => Claim::CheckSubscriptionsResponse { etag },
            "SET_SUBSCRIPTIONS_RESPONSE" => Claim::SetSubscriptionsResponse { etag },
            "STATEFUL_CONFIRM_CONFIGURE" => Claim::ConfirmConfigure { broadcaster_nonce: &self.nonce },
            "STATEFUL_ENABLE_ZSTD_PRESET" => Claim::EnableZstdPreset { url, compressor: self.compressor() },
            "STATEFUL_ENABLE_ZSTD_CUSTOM" => Claim::EnableZstdCustom { url, compressor: self.compressor(), sha512 },
            "STATEFUL_DISABLE_ZSTD_CUSTOM" => {
                Claim::DisableZstdCustom { url, compressor_id: count("compressor_identifier") }
            }
            "STATEFUL_CONTINUE_NOTIFY" => Claim::ContinueNotify { identifier, part_id: count("part_id") },
            other => panic!("{other}"),
        }
    }

    fn compressor(&self) -> Compressor {
        let number = |name: &str| number(&self.numbers[name]);
        Compressor {
            id: number("compressor_identifier"),
            level: i16::try_from(number("compression_level")).unwrap(),
            min_size: u32::try_from(number("min_size")).unwrap(),
            max_size: number("max_size"),
        }
    }
}

pub(crate) fn headers(cases: &Value) -> usize {
    for case in list(cases) {
        let read = HmacHeader::read(case["header"].as_str(), seconds(&case["now"]));
        match (text(&case["result"]), read) {
            ("FOUND", Ok(header)) => {
                assert_eq!(header.stamp.timestamp, number(&case["timestamp"]), "{case}");
                assert_eq!(header.stamp.nonce, text(&case["nonce"]), "{case}");
                assert_eq!(header.code.to_vec(), bytes(&case["code_hex"]), "{case}");
            }
            ("FORBIDDEN", Err(refused)) => assert_eq!(refused.status(), 403, "{case}"),
            ("UNAUTHORIZED", Err(refused)) => assert_eq!(refused.status(), 401, "{case}"),
            (_, read) => panic!("{case}: {read:?}"),
        }
    }
    list(cases).len()
}

const ANY: Claim<'_> = Claim::CheckSubscriptions { url: "http://192.0.2.1/" };

pub(crate) fn token(section: &Value) -> usize {
    let scheme = Scheme::Token(Token::new(text(&section["token"])).unwrap());
    let sent = scheme.sign(&ANY, b"", Stamp { timestamp: 0, nonce: "" }).unwrap();
    assert_eq!(sent.as_deref(), section["authorization_sent_on_every_message_kind"].as_str());
    for case in list(&section["checks"]) {
        let result = match scheme.verify(case["header"].as_str(), &ANY, b"", Duration::ZERO) {
            Ok(Accepted::Always) => "OK",
            Err(Refused::Unauthorized) => "UNAUTHORIZED",
            Err(Refused::Forbidden(Reason::Token)) => "FORBIDDEN",
            other => panic!("{other:?}"),
        };
        assert_eq!(result, text(&case["result"]), "{case}");
    }
    list(&section["checks"]).len()
}

pub(crate) fn none(section: &Value) -> usize {
    let sent = Scheme::None.sign(&ANY, b"", Stamp { timestamp: 0, nonce: "" }).unwrap();
    assert_eq!(json!(sent), section["authorization_sent"]);
    for anything in [None, Some(""), Some("Bearer x")] {
        let accepted = Scheme::None.verify(anything, &ANY, b"", Duration::ZERO).is_ok();
        assert_eq!(json!(accepted), section["any_header_accepted"]);
    }
    1
}

pub(crate) fn setup_files(section: &Value) -> usize {
    let file = &section["broadcaster-secrets.json and subscriber-secrets.json (identical content)"];
    let as_written = serde_json::to_string_pretty(file).unwrap() + "\n";
    let secrets = Secrets::read(&as_written).unwrap();
    assert_eq!(*secrets.write(), as_written);

    let (Scheme::Hmac(_), Scheme::Token(token)) = secrets.schemes().unwrap() else { panic!("{secrets:?}") };
    assert_eq!(token.authorization(), format!("Bearer {}", text(&file["to-subscriber"]["secret"])));
    let without = Secrets::read(r#"{"version": "2"}"#).unwrap();
    assert!(matches!(without.schemes(), Ok((Scheme::None, Scheme::None))));
    assert_eq!(*without.write(), "{\n  \"version\": \"2\"\n}\n");
    assert!(!format!("{secrets:?}{token:?}").contains(text(&file["to-subscriber"]["secret"])));
    1
}
