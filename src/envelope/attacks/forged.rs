//! Messages of those who do not have the secret, or have another way of sealing.

use super::*;

#[test]
fn a_wrong_key_is_refused() {
    for cipher in BOTH {
        let receiver = hive(cipher, &["s", "older"]);
        for secret in ["S", "s ", "other", "63c1dd951ffedf6f7fd968ad4efa39b8ed584f162f46e715114ee184f8de9201"] {
            let outcome = open(&receiver, &seal(&hive(cipher, &[secret])));
            refused(cipher, outcome, |error| {
                matches!(error, OpenError::WrongKey | OpenError::NotAnObject | OpenError::Unsigned)
            });
        }
    }
}

#[test]
fn a_retired_key_is_refused_and_one_that_rotates_is_not() {
    for cipher in BOTH {
        let old = hive(cipher, &["old"]);
        let rotating = hive(cipher, &["new", "old"]);
        let new = hive(cipher, &["new"]);
        assert!(open(&rotating, &seal(&old)).is_ok());
        assert!(open(&rotating, &seal(&new)).is_ok());
        assert!(open(&new, &seal(&rotating)).is_ok());
        refused(cipher, open(&new, &seal(&old)), |error| matches!(error, OpenError::WrongKey));
        refused(cipher, open(&old, &seal(&rotating)), |error| matches!(error, OpenError::WrongKey));
    }
}

#[test]
fn the_id_of_another_key_of_the_same_hive_does_not_open() {
    let cipher = Cipher::Aes256Gcm;
    let receiver = hive(cipher, &["new", "old"]);
    let (one, other) = (fields(&seal(&hive(cipher, &["new"]))), fields(&seal(&hive(cipher, &["old"]))));
    let mut altered = one.clone();
    altered["key"] = other["key"].clone();
    refused(cipher, open(&receiver, &text(&altered)), |error| matches!(error, OpenError::BadSignature));
}

#[test]
fn a_downgrade_to_plain_is_refused() {
    let plain = Envelope::plain("__eventhive__", true);
    for cipher in BOTH {
        let receiver = hive(cipher, &["s"]);
        // Signed and not encrypted: Python takes it.
        let signed = python_plaintext("s", &seal(&hive(Cipher::Eventhive05, &["s"])));
        assert!(signed.windows(8).any(|word| word == b"__sign__"));
        for wire in [&seal(&plain)[..], br#"{"a": 1}"#, &signed, b"{}", b"[]", b"\"\"", b"null", b""] {
            refused(cipher, open(&receiver, wire), |error| matches!(error, OpenError::NotSealed));
        }
    }
}

#[test]
fn a_downgrade_to_the_other_cipher_with_the_same_secret_is_refused() {
    for (sender, receiver) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let outcome = open(&hive(receiver, &["s"]), &seal(&hive(sender, &["s"])));
        refused(receiver, outcome, |error| matches!(error, OpenError::NotSealed));
    }
    // Both at once: the members of one cipher beside those of the other.
    let (ours, theirs) = (fields(&seal(&hive(BOTH[0], &["s"]))), fields(&seal(&hive(BOTH[1], &["s"]))));
    let mut both = theirs.clone();
    both.extend(ours.clone());
    for cipher in BOTH {
        assert!(open(&hive(cipher, &["s"]), &text(&both)).is_err(), "{cipher:?}");
    }
    let mut renamed = ours;
    renamed["cipher"] = "eventhive-0.5".into();
    for cipher in BOTH {
        refused(cipher, open(&hive(cipher, &["s"]), &text(&renamed)), |error| matches!(error, OpenError::NotSealed));
    }
}

#[test]
fn a_forger_pushes_nothing_out_of_the_memory() {
    for cipher in BOTH {
        let (sender, receiver) = (hive(cipher, &["s"]), hive(cipher, &["s"]));
        let wire = seal(&sender);
        assert!(open(&receiver, &wire).is_ok());
        let forger = hive(cipher, &["guess"]);
        for _ in 0..REMEMBERED * 3 {
            let mut forged = fields(&seal(&forger));
            // To look like the real one as far as one can from outside.
            if let Some(key) = fields(&wire).get("key") {
                forged["key"] = key.clone();
            }
            assert!(open(&receiver, &text(&forged)).is_err());
        }
        refused(cipher, open(&receiver, &wire), |error| matches!(error, OpenError::Replayed));
    }
}

#[test]
fn a_listener_without_the_secret_learns_no_content() {
    for cipher in BOTH {
        let hive = hive(cipher, &["s3cret-word"]);
        let (one, other) = (seal(&hive), seal(&hive));
        assert_ne!(fields(&one)["ciphertext"], fields(&other)["ciphertext"], "not even that two are alike");
        let wire = std::str::from_utf8(&one).unwrap();
        assert!(["é", "\\u00e9", "\"a\"", "net/w/act", "s3cret"].iter().all(|word| !wire.contains(word)), "{wire}");
        let shown = format!("{hive:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
