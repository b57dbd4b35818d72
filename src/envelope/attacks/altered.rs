//! Messages that were altered on their way.

use super::*;

/// Every way to flip one bit of a field's value: of what the text stands for, or of a number.
fn flips(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => (0..64).map(|bit| (number.as_u64().unwrap() ^ 1 << bit).into()).collect(),
        Value::String(text) if text.len() % 4 == 0 && text != "aes-256-gcm" => {
            let bytes = unbase64(value);
            (0..bytes.len() * 8)
                .map(|bit| {
                    let mut bytes = bytes.clone();
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    base64(&bytes)
                })
                .collect()
        }
        other => vec![format!("{}x", other.as_str().unwrap()).into()],
    }
}

#[test]
fn a_flipped_bit_in_each_field_gives_nothing_else() {
    for (cipher, names) in [
        (Cipher::Aes256Gcm, &["cipher", "key", "sender", "counter", "time", "ciphertext", "signature"][..]),
        (Cipher::Eventhive05, &["iv", "ciphertext"]),
    ] {
        let (sender, mut receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let wire = seal(&sender);
        let genuine = fields(&wire);
        assert_eq!(genuine.keys().collect::<Vec<_>>(), names);
        for name in names {
            for flipped in flips(&genuine[*name]) {
                let mut altered = genuine.clone();
                altered[*name] = flipped;
                match open(&receiver, &text(&altered)) {
                    Err(_) => {}
                    // The other case of a hex digit in an escape of JSON: this format signs what is meant.
                    Ok(same) if cipher == Cipher::Eventhive05 && same == payload() => {
                        receiver = hive(cipher, &["s"]);
                    }
                    Ok(other) => panic!("{cipher:?}: {name}: {altered:?}: {other}"),
                }
            }
        }
        assert_eq!(open(&receiver, &wire).unwrap(), payload(), "nothing of that was remembered");
    }
}

#[test]
fn a_flipped_bit_anywhere_gives_nothing_else() {
    for cipher in BOTH {
        let (sender, mut receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let wire = seal(&sender);
        for bit in 0..wire.len() * 8 {
            let mut altered = wire.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            match open(&receiver, &altered) {
                Err(_) => {}
                // JSON has more than one way to write a character, and this format signs what is meant.
                Ok(same) if cipher == Cipher::Eventhive05 => {
                    assert_eq!(same, payload());
                    refused(cipher, open(&receiver, &wire), |error| matches!(error, OpenError::Replayed));
                    receiver = hive(cipher, &["s"]);
                }
                Ok(other) => panic!("bit {bit}: {other}"),
            }
        }
        assert_eq!(open(&receiver, &wire).unwrap(), payload());
    }
}

#[test]
fn a_truncated_tag_is_refused() {
    for (cipher, names) in [
        (Cipher::Aes256Gcm, &["sender", "ciphertext", "signature"][..]),
        // The signature stands inside the ciphertext.
        (Cipher::Eventhive05, &["iv", "ciphertext"]),
    ] {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let genuine = fields(&seal(&sender));
        for name in names {
            let bytes = unbase64(&genuine[*name]);
            for length in 0..bytes.len() {
                let mut altered = genuine.clone();
                altered[*name] = base64(&bytes[..length]);
                assert!(open(&receiver, &text(&altered)).is_err(), "{cipher:?}: {name}: {length} bytes");
            }
        }
    }
}

#[test]
fn parts_of_two_messages_make_no_third() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let (one, other) = (fields(&seal(&sender)), fields(&seal(&sender)));
        for name in one.keys().filter(|name| one[*name] != other[*name]) {
            let mut altered = one.clone();
            altered[name] = other[name].clone();
            assert!(open(&receiver, &text(&altered)).is_err(), "{cipher:?}: {name}");
        }
    }
}

#[test]
fn reordered_keys_are_the_same_message_and_come_in_once() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let wire = seal(&sender);
        let reordered = text(&fields(&wire).into_iter().rev().collect());
        assert_eq!(open(&receiver, &reordered).unwrap(), payload());
        refused(cipher, open(&receiver, &wire), |error| matches!(error, OpenError::Replayed));
    }
}

#[test]
fn a_repeated_key_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let wire = seal(&sender);
        for (name, value) in fields(&wire) {
            let doubled =
                String::from_utf8(wire.to_vec()).unwrap().replacen('{', &format!("{{\"{name}\": {value}, "), 1);
            refused(cipher, open(&receiver, doubled.as_bytes()), |error| matches!(error, OpenError::NotSealed));
        }
        assert!(open(&receiver, &wire).is_ok());
    }
}

#[test]
fn a_key_that_does_not_belong_changes_nothing() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let mut with_more = fields(&seal(&sender));
        with_more.insert("alg".to_owned(), "none".into());
        let outcome = open(&receiver, &text(&with_more));
        match cipher {
            Cipher::Aes256Gcm => refused(cipher, outcome, |error| matches!(error, OpenError::NotSealed)),
            Cipher::Eventhive05 => assert_eq!(outcome.unwrap(), payload(), "as in Python"),
        }
    }
}

#[test]
fn another_spelling_of_the_base64_is_refused_or_the_same_message() {
    let cipher = Cipher::Aes256Gcm;
    let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
    let genuine = fields(&seal(&sender));
    for name in ["sender", "ciphertext", "signature"] {
        let given = genuine[name].as_str().unwrap();
        let unpadded = given.trim_end_matches('=');
        let last = unpadded.chars().last().unwrap();
        for spelling in [
            format!("{given}="),
            format!("{given}\n"),
            given.replacen('A', "A\n", 1) + "\n",
            format!("{}{}", &unpadded[..unpadded.len() - 1], if last == 'z' { 'y' } else { 'z' }),
        ] {
            let mut altered = genuine.clone();
            altered[name] = spelling.into();
            assert!(open(&receiver, &text(&altered)).is_err(), "{name}: {altered:?}");
        }
    }
    let cipher = Cipher::Eventhive05;
    let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
    let wire = seal(&sender);
    let mut altered = fields(&wire);
    altered["iv"] = format!("\n{}==", altered["iv"].as_str().unwrap()).into();
    assert_eq!(open(&receiver, &text(&altered)).unwrap(), payload(), "as in Python");
    refused(cipher, open(&receiver, &wire), |error| matches!(error, OpenError::Replayed));
}

#[test]
fn an_oversized_or_deep_message_costs_no_more_than_its_size() {
    for cipher in BOTH {
        let receiver = hive(cipher, &["s"]);
        let long = "A".repeat(2 << 20);
        let deep = "[".repeat(1 << 18);
        let nested = format!("{{\"iv\":{deep}");
        let mut altered = fields(&seal(&hive(cipher, &["s"])));
        altered["ciphertext"] = long.clone().into();
        for wire in [text(&altered), long.into_bytes(), deep.into_bytes(), nested.into_bytes()] {
            assert!(open(&receiver, &wire).is_err(), "{cipher:?}");
        }
        // Sealed by someone who has the secret. It is no event that a hook could read, and nothing overflows.
        let sender = hive(cipher, &["s"]);
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let metadata =
            Metadata { id: "x".to_owned(), time: 1e6, version: String::new(), event: TOPIC.to_owned(), exchange: None };
        if let Ok(wire) = sender.seal_at(TOPIC, &deep.into(), &metadata, at(NOW)) {
            assert!(receiver.open_at(TOPIC, &wire, at(NOW)).is_ok_and(|opened| opened.payload.len() <= wire.len()));
        }
    }
}
