//! The call id of an answer, without parsing the message.
//!
//! A hub that delivers an event to a hundred sessions gets a hundred answers, of which only the call id matters, and
//! that only when a publisher waits. Both Python families write answers with the same keys in the same order, one with
//! blanks and one without, so the first and last bytes tell enough. What does not look like that is parsed in full.

/// Whether the message has the beginning of an answer, as pydantic 1 and 2 write it. Then it holds no request.
#[must_use]
pub fn is_answer(text: &str) -> bool {
    text.starts_with(r#"{"request": null, "response": {"#) || text.starts_with(r#"{"request":null,"response":{"#)
}

/// The call id of an answer whose id is one of ours: 32 hexadecimal digits at the very end.
///
/// `None` does not mean that it is no answer: parse it then. A peer that writes something else around it deceives
/// nobody but itself, because the id is only looked up among what this same peer was sent.
#[must_use]
pub fn answered(text: &str) -> Option<u128> {
    if !is_answer(text) {
        return None;
    }
    let head = text.strip_suffix("\"}}")?;
    let (head, digits) = head.split_at_checked(head.len().checked_sub(32)?)?;
    if !(head.ends_with(r#""call_id": ""#) || head.ends_with(r#""call_id":""#)) {
        return None;
    }
    hex_id(digits)
}

/// The number in an answer of a door of ours to a publish: how many sessions the event was handed to.
#[must_use]
pub fn counted(text: &str) -> Option<u64> {
    let result = text.strip_prefix(r#"{"request":null,"response":{"result":"#)?;
    result.split_once(',')?.0.parse().ok()
}

/// Reads 32 hexadecimal digits.
#[must_use]
pub fn hex_id(digits: &str) -> Option<u128> {
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u128::from_str_radix(digits, 16).ok() } else { None }
}
