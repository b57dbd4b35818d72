//! Signed announcements: proof that whoever announces a server knows the network's secret.
//!
//! | what | how |
//! |---|---|
//! | key | HKDF-SHA256(secret, no salt, info `eventhive/1 announcement`), 32 bytes |
//! | signed text | canonical JSON (as Python's `json.dumps(value, indent=0, sort_keys=True, separators=(',', ':'))`) of `{"name": <server's name in lower case>, "txt": {<every other TXT key>: <its value as text>}}` |
//! | signature | HMAC-SHA256 of that text with that key, 64 lower-case hexadecimal digits, in the TXT key `__sign_sha256__` |
//!
//! The name is signed too, so that an announcement cannot be moved to another network of the same secret. Unreleased
//! branches of the original sign with HMAC-SHA1, keyed with the secret itself; a stronger signature goes under a key of
//! its own, so that neither is taken for the other. Nothing here keeps a recorded announcement from being sent again
//! later: it can lead hives to where a server of this network once was, and what they send there is sealed.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Found;
use super::txt::Pairs;
use crate::envelope::canonical::{Json, Members};

/// The TXT key of the signature.
pub(super) const SIGNATURE: &str = "__sign_sha256__";
const PURPOSE: &[u8] = b"eventhive/1 announcement";

/// What an announcement says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It is not signed.
    Missing,
    /// It is signed, and no secret is at hand to check it.
    Unchecked,
    /// It is signed with a secret of the network.
    Valid,
    /// It is signed with another secret, or was altered.
    Wrong,
}

/// The keys that sign and check, made of the network's secrets. `Debug` shows how many, and none.
#[derive(Clone)]
pub struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// The first secret signs, all check. `None` if there is none.
    #[must_use]
    pub fn new(secrets: &[Zeroizing<String>]) -> Option<Self> {
        (!secrets.is_empty()).then(|| Self(secrets.iter().map(|secret| key(secret)).collect()))
    }

    /// Whether the announcement is signed with one of the secrets.
    #[must_use]
    pub fn verify(&self, found: &Found) -> Signature {
        self.check(&found.name, &found.txt)
    }

    pub(super) fn sign(&self, name: &str, pairs: &Pairs) -> Option<String> {
        let bytes = keyed(self.0.first()?, name, pairs).finalize().into_bytes();
        Some(crate::envelope::hex(&bytes))
    }

    pub(super) fn check(&self, name: &str, pairs: &Pairs) -> Signature {
        let Some(given) = given(pairs) else { return Signature::Missing };
        let Some(bytes) = unhex(given) else { return Signature::Wrong };
        // In constant time for each secret.
        let valid = self.0.iter().any(|key| keyed(key, name, pairs).verify_slice(&bytes).is_ok());
        if valid { Signature::Valid } else { Signature::Wrong }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.0.len())
    }
}

/// The signature of an announcement that nobody can check.
pub(super) fn unchecked(pairs: &Pairs) -> Signature {
    if given(pairs).is_some() { Signature::Unchecked } else { Signature::Missing }
}

fn given(pairs: &Pairs) -> Option<&str> {
    pairs.iter().find(|(key, _)| key == SIGNATURE).map(|(_, value)| value.as_str())
}

fn key(secret: &str) -> Hmac<Sha256> {
    let mut key = Zeroizing::new([0; 32]);
    // Fails only for more than 8,160 bytes.
    let _ = Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(PURPOSE, &mut key[..]);
    // A key of the block's size or less is always taken; the alternative is never reached and matches nothing.
    KeyInit::new_from_slice(&key[..]).unwrap_or_else(|_| KeyInit::new(&Default::default()))
}

fn keyed(key: &Hmac<Sha256>, name: &str, pairs: &Pairs) -> Hmac<Sha256> {
    let others = pairs.iter().filter(|(key, _)| key != SIGNATURE);
    let txt = others.map(|(key, value)| (key.into(), Json::Text(value.into()))).collect();
    let signed = Json::Object(Members::new(vec![
        ("name".into(), Json::Text(name.to_lowercase().into())),
        ("txt".into(), Json::Object(Members::new(txt))),
    ]));
    let mut mac = key.clone();
    mac.update(signed.to_text().as_bytes());
    mac
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[&str]) -> Signer {
        let secrets: Vec<_> = secrets.iter().map(|text| Zeroizing::new((*text).to_owned())).collect();
        Signer::new(&secrets).unwrap()
    }

    fn pairs() -> Pairs {
        [("host", "10.0.0.1"), ("port", "8085"), ("endpoint", "/pübsub"), ("created", "1795217286.5")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec()
    }

    fn signed(signer: &Signer) -> Pairs {
        let mut pairs = pairs();
        pairs.push((SIGNATURE.to_owned(), signer.sign("my-hive", &pairs).unwrap()));
        pairs
    }

    #[test]
    fn the_signature_is_the_one_that_the_description_gives() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/announcement.json")).unwrap();
        let txt = vector["txt"].as_object().unwrap();
        let pairs = txt.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
        let signer = signer(&[vector["secret"].as_str().unwrap()]);
        assert_eq!(signer.sign(vector["name"].as_str().unwrap(), &pairs).unwrap(), vector["signature"]);
    }

    #[test]
    fn what_one_hive_signs_another_accepts_also_while_secrets_rotate_and_in_any_order_of_keys() {
        let mut pairs = signed(&signer(&["old"]));
        pairs.reverse();
        assert_eq!(signer(&["new", "old"]).check("My-Hive", &pairs), Signature::Valid);
        assert_eq!(signer(&["new"]).check("my-hive", &pairs), Signature::Wrong);
    }

    #[test]
    fn anything_changed_added_or_taken_away_is_noticed() {
        let signer = signer(&["s"]);
        let good = signed(&signer);
        assert_eq!(signer.check("my-hive", &good), Signature::Valid);
        assert_eq!(signer.check("other", &good), Signature::Wrong);
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at].1.push('0');
            assert_eq!(signer.check("my-hive", &changed), Signature::Wrong, "{}", good[at].0);
            let mut shorter = good.clone();
            shorter.remove(at);
            assert_ne!(signer.check("my-hive", &shorter), Signature::Valid, "{}", good[at].0);
        }
        let mut longer = good;
        longer.push(("x".to_owned(), "y".to_owned()));
        assert_eq!(signer.check("my-hive", &longer), Signature::Wrong);
    }

    #[test]
    fn an_unsigned_announcement_is_told_from_one_with_a_malformed_signature() {
        assert_eq!(signer(&["s"]).check("my-hive", &pairs()), Signature::Missing);
        for malformed in ["", "zz", "00", &"é".repeat(64), &"0".repeat(63)] {
            let mut pairs = pairs();
            pairs.push((SIGNATURE.to_owned(), malformed.to_owned()));
            assert_eq!(signer(&["s"]).check("my-hive", &pairs), Signature::Wrong, "{malformed}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", signer(&["hunter2", "x"])), "Signer(2 secrets)");
    }
}
