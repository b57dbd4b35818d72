//! The primitives, in the types that the envelopes use, against the vectors of Project Wycheproof.
//!
//! Where the vectors come from: `tests/vectors/wycheproof/extract.py`. AES-128-CTR is not among them; its vectors are those
//! of Python's envelopes.

use aes_gcm::Tag;
use aes_gcm::aead::AeadInOut as _;
use hmac::{KeyInit, Mac};
use serde_json::Value;

use super::eventhive_0_5;
use super::sealed::keys::{self, Cipher, Kdf};

fn rows(file: &str, count: usize) -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(file).unwrap();
    assert_eq!(rows.len(), count);
    rows
}

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    let text = row[field].as_str().unwrap_or_else(|| panic!("{field}: {row}"));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn is_valid(row: &Value) -> bool {
    match row["result"].as_str().unwrap() {
        "valid" => true,
        "invalid" => false,
        other => panic!("{other}: {row}"),
    }
}

#[test]
fn aes_256_gcm() {
    let rows = rows(include_str!("../../tests/vectors/wycheproof/aes_gcm.json"), 66);
    for row in &rows {
        let cipher = Cipher::new_from_slice(&bytes(row, "key")).unwrap();
        let nonce = bytes(row, "iv").as_slice().try_into().unwrap();
        let (aad, message, ciphertext) = (bytes(row, "aad"), bytes(row, "msg"), bytes(row, "ct"));
        let tag = Tag::try_from(bytes(row, "tag").as_slice()).unwrap();
        let mut buffer = ciphertext.clone();
        let opened = cipher.decrypt_inout_detached(&nonce, &aad, buffer.as_mut_slice().into(), &tag);
        assert_eq!(opened.is_ok(), is_valid(row), "{row}");
        if is_valid(row) {
            assert_eq!(buffer, message, "{row}");
            let made = cipher.encrypt_inout_detached(&nonce, &aad, buffer.as_mut_slice().into()).unwrap();
            assert_eq!((buffer, made), (ciphertext, tag), "{row}");
        }
    }
    assert!(rows.iter().any(is_valid) && !rows.iter().all(is_valid));
}

fn mac<M: Mac + KeyInit + Clone>(rows: &[Value], bits: u64) {
    for row in rows {
        let mut mac = M::new_from_slice(&bytes(row, "key")).unwrap().clone();
        mac.update(&bytes(row, "msg"));
        // A tag that is cut short is refused here, however right its beginning is.
        let accepted = is_valid(row) && row["tagSize"] == bits;
        assert_eq!(mac.verify_slice(&bytes(row, "tag")).is_ok(), accepted, "{row}");
    }
    assert!(rows.iter().any(|row| is_valid(row) && row["tagSize"] != bits));
}

#[test]
fn hmac_sha256() {
    mac::<keys::Mac>(&rows(include_str!("../../tests/vectors/wycheproof/hmac_sha256.json"), 174), 256);
}

#[test]
fn hmac_sha1() {
    mac::<eventhive_0_5::Mac>(&rows(include_str!("../../tests/vectors/wycheproof/hmac_sha1.json"), 170), 160);
}

#[test]
fn hkdf_sha256() {
    for row in rows(include_str!("../../tests/vectors/wycheproof/hkdf_sha256.json"), 86) {
        let salt = bytes(&row, "salt");
        let kdf = Kdf::new((!salt.is_empty()).then_some(salt.as_slice()), &bytes(&row, "ikm"));
        let mut out = vec![0; usize::try_from(row["size"].as_u64().unwrap()).unwrap()];
        let (info, empty) = (bytes(&row, "info"), &[][..]);
        let expanded = kdf.expand_multi_info(&[&info, empty], &mut out).is_ok();
        assert_eq!(expanded, is_valid(&row), "{row}");
        assert!(!expanded || out == bytes(&row, "okm"), "{row}");
    }
}
