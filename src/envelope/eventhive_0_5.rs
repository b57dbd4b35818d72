//! The envelope of eventhive 0.5.0: signed with HMAC-SHA1, then encrypted with AES-128-CTR.
//!
//! For talking with Python hives, where `cipher: eventhive-0.5` asks for it. It is weak: one key for both uses, the
//! ciphertext itself is not authenticated, and nothing binds it to its topic. Source: eventhive 0.5.0, byte for byte.

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::canonical::Json;
use super::{OpenError, hex};

/// The word in `cipher`.
pub(super) const NAME: &str = "eventhive-0.5";
const SIGNATURE: &str = "__sign__";

/// The key derived from one secret: the first half of its SHA-256, for encryption and signature alike.
pub(super) struct Key(Zeroizing<[u8; 16]>);

impl Key {
    pub(super) fn new(secret: &str) -> Self {
        let mut key = Zeroizing::new([0; 16]);
        let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(secret.as_bytes())));
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }

    /// Seals a message's text.
    ///
    /// # Errors
    /// If `message` is no JSON object.
    pub(super) fn seal(&self, message: &str, iv: [u8; 16]) -> Result<Bytes, OpenError> {
        let Json::Object(mut members) = Json::parse(message).map_err(OpenError::Syntax)? else {
            return Err(OpenError::NotAnObject);
        };
        members.remove(SIGNATURE);
        let unsigned = Json::Object(members);
        let signature = hex(&self.mac(&unsigned).finalize().into_bytes());
        let Json::Object(mut members) = unsigned else { return Err(OpenError::NotAnObject) };
        members.insert(SIGNATURE.to_owned(), Json::Text(signature));
        let mut bytes = Json::Object(members).to_text().into_bytes();
        self.apply(iv, &mut bytes);
        Ok(format!("{{\"iv\": \"{}\", \"ciphertext\": \"{}\"}}", STANDARD.encode(iv), STANDARD.encode(bytes)).into())
    }

    /// Opens an envelope and gives the message's text, without the signature, keys sorted.
    pub(super) fn open(&self, envelope: &[u8]) -> Result<Bytes, OpenError> {
        #[derive(serde::Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            iv: Option<std::borrow::Cow<'a, str>>,
            #[serde(borrow)]
            ciphertext: Option<std::borrow::Cow<'a, str>>,
        }
        let envelope: Envelope<'_> = serde_json::from_slice(envelope).map_err(|_| OpenError::NotSealed)?;
        let (Some(iv), Some(ciphertext)) = (envelope.iv, envelope.ciphertext) else { return Err(OpenError::NotSealed) };
        let iv = decode(&iv)?.try_into().map_err(|_| OpenError::Malformed("the iv has not 16 bytes"))?;
        let mut bytes = decode(&ciphertext)?;
        self.apply(iv, &mut bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| OpenError::WrongKey)?;
        let Json::Object(mut members) = Json::parse(text).map_err(|_| OpenError::WrongKey)? else {
            return Err(OpenError::NotAnObject);
        };
        let Some(Json::Text(signature)) = members.remove(SIGNATURE) else { return Err(OpenError::Unsigned) };
        let message = Json::Object(members);
        let given = unhex(&signature).ok_or(OpenError::BadSignature)?;
        self.mac(&message).verify_slice(&given).map_err(|_| OpenError::BadSignature)?;
        Ok(message.to_text().into())
    }

    fn mac(&self, message: &Json) -> Hmac<Sha1> {
        // A MAC takes a key of any length: the error cannot occur, and an empty key would merely never verify.
        let mut mac =
            Hmac::<Sha1>::new_from_slice(&self.0[..]).unwrap_or_else(|_| Hmac::<Sha1>::new(&Default::default()));
        mac.update(message.to_text().as_bytes());
        mac
    }

    /// Encryption and decryption are the same; the counter is the whole block, big-endian.
    fn apply(&self, iv: [u8; 16], bytes: &mut [u8]) {
        ctr::Ctr128BE::<Aes128>::new((&*self.0).into(), &iv.into()).apply_keystream(bytes);
    }
}

/// Base64 as Python's `b64decode` reads it: characters outside the alphabet are skipped, surplus padding ignored.
fn decode(text: &str) -> Result<Vec<u8>, OpenError> {
    let kept: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).collect();
    let unpadded = kept.split('=').next().unwrap_or_default();
    let padding = kept.len() - unpadded.len();
    if !(unpadded.len() + padding).is_multiple_of(4) && padding < (4 - unpadded.len() % 4) % 4 {
        return Err(OpenError::Malformed("the base64 is not padded"));
    }
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&ALPHABET, lenient)
        .decode(unpadded)
        .map_err(|_| OpenError::Malformed("the base64 cannot be read"))
}

/// 40 lower-case hex digits, as the original compares them: upper case is another signature.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/eventhive.json")).unwrap()
    }

    #[test]
    fn keys_are_the_first_half_of_the_secrets_sha_256() {
        for row in vectors()["keys"].as_array().unwrap() {
            assert_eq!(hex(&Key::new(row["secret"].as_str().unwrap()).0[..]), row["key_hex"].as_str().unwrap());
        }
    }

    #[test]
    fn envelopes_are_pythons_byte_for_byte() {
        let mut checked = 0;
        for row in vectors()["sign_encrypt"].as_array().unwrap() {
            let text = |key: &str| row[key].as_str().unwrap();
            let iv: [u8; 16] = unhex(text("iv_hex")).unwrap().try_into().unwrap();
            let sealed = match Key::new(text("secret")).seal(text("message_json"), iv) {
                Ok(sealed) => sealed,
                Err(error) => panic!("{}: {error}", row["name"]),
            };
            let envelope: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
            assert_eq!(envelope["ciphertext"], row["envelope"]["ciphertext"], "{}", row["name"]);
            assert_eq!(Key::new(text("secret")).open(&sealed).unwrap(), text("canonical"), "{}", row["name"]);
            checked += 1;
        }
        assert_eq!(checked, 30);
    }

    #[test]
    fn the_envelope_printed_in_the_originals_documentation_opens() {
        let sample = &vectors()["readme_sample"];
        let key = Key::new(sample["secret"].as_str().unwrap());
        let message: serde_json::Value =
            serde_json::from_slice(&key.open(sample["envelope"].to_string().as_bytes()).unwrap()).unwrap();
        assert_eq!(message, sample["message"]);
    }
}
