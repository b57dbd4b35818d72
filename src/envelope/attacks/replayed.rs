//! Genuine messages at the wrong time, or in the wrong place.

use super::*;

#[test]
fn a_replay_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let (first, second) = (seal(&sender), seal(&sender));
        for wire in [&second, &first] {
            assert_eq!(open(&receiver, wire).unwrap(), payload());
        }
        for wire in [&first, &second] {
            for millis in [NOW, NOW + WINDOW] {
                refused(cipher, open_on(&receiver, TOPIC, wire, millis), |error| matches!(error, OpenError::Replayed));
            }
        }
    }
}

#[test]
fn a_replay_behind_more_messages_than_are_remembered_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let captured = seal(&sender);
        assert!(open(&receiver, &captured).is_ok());
        for later in 1..REMEMBERED as u64 * 3 {
            assert!(open(&receiver, &seal_on(&sender, TOPIC, NOW + later)).is_ok());
        }
        refused(cipher, open(&receiver, &captured), |error| matches!(error, OpenError::Forgotten));
    }
}

#[test]
fn an_old_message_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let held_back = seal(&sender);
        let outcome = open_on(&receiver, TOPIC, &held_back, NOW + WINDOW + 1);
        refused(cipher, outcome, |error| matches!(error, OpenError::OutsideWindow));
        assert!(open_on(&receiver, TOPIC, &held_back, NOW + WINDOW).is_ok());
    }
}

#[test]
fn a_message_of_the_future_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let early = seal_on(&sender, TOPIC, NOW + WINDOW + 1);
        refused(cipher, open(&receiver, &early), |error| matches!(error, OpenError::OutsideWindow));
        assert!(open_on(&receiver, TOPIC, &early, NOW + 1).is_ok());
    }
}

#[test]
fn a_replay_to_a_receiver_that_was_restarted_comes_in_once_within_the_window_and_never_later() {
    for cipher in BOTH {
        let sender = hive(cipher, &["s"]);
        let captured = seal(&sender);
        assert!(open(&hive(cipher, &["s"]), &captured).is_ok());
        let restarted = hive(cipher, &["s"]);
        assert!(open_on(&restarted, TOPIC, &captured, NOW + WINDOW).is_ok());
        let again = open_on(&restarted, TOPIC, &captured, NOW + WINDOW);
        refused(cipher, again, |error| matches!(error, OpenError::Replayed));
        let later = open_on(&hive(cipher, &["s"]), TOPIC, &captured, NOW + WINDOW + 1);
        refused(cipher, later, |error| matches!(error, OpenError::OutsideWindow));
    }
}

#[test]
fn a_swapped_topic_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let wire = seal(&sender);
        for topic in ["net/w/other", "net/w/act/", "net/w/ac", "net/q/act", ""] {
            let outcome = open_on(&receiver, topic, &wire, NOW);
            refused(cipher, outcome, |error| matches!(error, OpenError::BadSignature | OpenError::OtherTopic));
        }
        assert!(open(&receiver, &wire).is_ok());
    }
}

#[test]
fn a_replay_to_another_network_with_the_same_secret_is_refused() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let outcome = open_on(&receiver, "other/w/act", &seal(&sender), NOW);
        refused(cipher, outcome, |error| matches!(error, OpenError::BadSignature | OpenError::OtherTopic));
    }
}

#[test]
fn ones_own_message_reflected_comes_in_once_and_on_its_own_topic() {
    for cipher in BOTH {
        let hive = hive(cipher, &["s"]);
        let wire = seal(&hive);
        assert!(open_on(&hive, "net/w/other", &wire, NOW).is_err());
        assert_eq!(open(&hive, &wire).unwrap(), payload(), "hives hear what they call on their own channel");
        refused(cipher, open(&hive, &wire), |error| matches!(error, OpenError::Replayed));
    }
}

#[test]
fn without_metadata_a_python_message_is_known_by_its_iv_for_as_long_as_the_window_lasts() {
    let cipher = Cipher::Eventhive05;
    let (sender, receiver) = (hive_with(cipher, &["s"], false), hive(cipher, &["s"]));
    let wire = seal(&sender);
    assert_eq!(open(&receiver, &wire).unwrap(), payload());
    let again = open_on(&receiver, "net/w/other", &wire, NOW + WINDOW);
    refused(cipher, again, |error| matches!(error, OpenError::Replayed));
    assert!(open_on(&receiver, TOPIC, &wire, NOW + WINDOW + 1).is_ok(), "nothing in it tells its age");
}

/// Seals a message that has just this metadata.
fn seal_with_metadata(cipher: Cipher, metadata: &str) -> Bytes {
    let message = Bytes::from(format!(r#"{{"__eventhive__": {metadata}}}"#));
    hive(cipher, &["s"]).seal_message_at(&TOPIC.into(), &message, at(NOW)).unwrap()
}

#[test]
fn metadata_without_a_time_is_refused_where_it_is_all_that_tells_a_messages_age() {
    let cipher = Cipher::Eventhive05;
    let wire = seal_with_metadata(cipher, r#"{"id": "x", "event": "net/w/act"}"#);
    refused(cipher, open(&hive(cipher, &["s"]), &wire), |error| matches!(error, OpenError::OutsideWindow));
}

#[test]
fn metadata_without_an_event_is_refused_where_it_is_all_that_tells_a_messages_topic() {
    let receiver = |cipher| hive(cipher, &["s"]);
    for metadata in [r#"{"id": "x", "time": 1000000.0}"#, r#"{"id": "x", "time": 1000000.0, "event": null}"#] {
        let cipher = Cipher::Eventhive05;
        let wire = seal_with_metadata(cipher, metadata);
        for topic in [TOPIC, "net/w/other"] {
            let outcome = open_on(&receiver(cipher), topic, &wire, NOW);
            refused(cipher, outcome, |error| matches!(error, OpenError::NoTopic));
        }
        let cipher = Cipher::Aes256Gcm;
        assert!(open(&receiver(cipher), &seal_with_metadata(cipher, metadata)).is_ok(), "the envelope has the topic");
    }
}

#[test]
fn a_message_that_is_known_is_no_new_one_in_another_envelope() {
    // With a stream cipher, who knows two messages can encrypt the one with the key stream of the other.
    let cipher = Cipher::Eventhive05;
    let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
    let (one, other) = (seal(&sender), seal(&sender));
    let (wanted, had) = (python_plaintext("s", &one), python_plaintext("s", &other));
    let mut envelope = fields(&other);
    let sealed = unbase64(&envelope["ciphertext"]);
    let forged: Vec<u8> =
        sealed.iter().zip(had.iter().zip(&wanted)).map(|(sealed, (had, wanted))| sealed ^ had ^ wanted).collect();
    envelope["ciphertext"] = base64(&forged);
    assert_eq!(python_plaintext("s", &text(&envelope)), wanted);
    assert!(open(&receiver, &one).is_ok());
    refused(cipher, open(&receiver, &text(&envelope)), |error| matches!(error, OpenError::Replayed));
}
