//! A message as bytes in a file.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the body |
//! | 4 | CRC-32 (IEEE) of the length and the body |
//! | 8, 8, 16 | body: sequence; time in nanoseconds since 1970; id |
//! | 8 | the excluded session, 0 if there is none |
//! | 1 | flags: 1 JSON, 2 private |
//! | 4, 2 | length of the topic, number of attributes |
//! | | topic |
//! | 2, 4 | of each attribute the lengths of its name and value, then both |
//! | | payload: the rest |

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use eventhive_transport::Topic;
use uuid::Uuid;

use crate::{Cursor, Draft, Format, Message, SessionId};

/// Length and checksum.
pub(super) const HEAD: usize = 8;

/// The least that a body has.
const FIXED: usize = 8 + 8 + 16 + 8 + 1 + 4 + 2;

const JSON: u8 = 1;
const PRIVATE: u8 = 2;

/// Appends the record of a message. `false`, and nothing is appended, if some part is too large for its length field.
pub(super) fn encode(out: &mut Vec<u8>, message: &Message) -> bool {
    let start = out.len();
    out.extend([0; HEAD]);
    let whole = body(out, message).is_some();
    let length = u32::try_from(out.len() - start - HEAD).ok().filter(|_| whole);
    let Some(length) = length.map(u32::to_le_bytes) else {
        out.truncate(start);
        return false;
    };
    let checksum = checksum(length, out.get(start + HEAD..).unwrap_or_default());
    if let Some(head) = out.get_mut(start..start + HEAD) {
        head[..4].copy_from_slice(&length);
        head[4..].copy_from_slice(&checksum.to_le_bytes());
    }
    true
}

fn body(out: &mut Vec<u8>, message: &Message) -> Option<()> {
    let flags = u8::from(message.format() == Format::Json) * JSON + u8::from(message.is_private()) * PRIVATE;
    out.extend(message.cursor().sequence().to_le_bytes());
    out.extend(nanos(message.time()).to_le_bytes());
    out.extend(message.id().as_bytes());
    out.extend(message.excluded().map_or(0, u64::from).to_le_bytes());
    out.push(flags);
    let topic = message.topic().as_bytes();
    out.extend(u32::try_from(topic.len()).ok()?.to_le_bytes());
    out.extend(u16::try_from(message.attributes().count()).ok()?.to_le_bytes());
    out.extend(topic);
    for (name, value) in message.attributes() {
        out.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
        out.extend(u32::try_from(value.len()).ok()?.to_le_bytes());
        out.extend(name.as_bytes());
        out.extend(value);
    }
    out.extend(message.payload());
    Some(())
}

pub(super) fn checksum(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

/// Sequence and time of a body, without the work of the rest.
pub(super) fn place(body: &[u8]) -> Option<(u64, u64)> {
    if body.len() < FIXED {
        return None;
    }
    let mut body = body;
    Some((body.get_u64_le(), body.get_u64_le()))
}

/// The message of a body, which it shares. A session that was excluded in another run of the process is nobody now:
/// `first_of_run` is the first sequence of this one.
pub(super) fn decode(mut body: Bytes, epoch: u64, first_of_run: u64) -> Option<Message> {
    let (sequence, time) = place(&body)?;
    body.advance(16);
    let id = Uuid::from_bytes(body.split_to(16).as_ref().try_into().ok()?);
    let excluded = body.get_u64_le();
    let flags = body.get_u8();
    let (topic, attributes) = (body.get_u32_le() as usize, body.get_u16_le());
    let mut draft = Draft::new(Topic::new(part(&mut body, topic)?), Bytes::new(), Format::Bytes);
    for _ in 0..attributes {
        if body.len() < 6 {
            return None;
        }
        let (name, value) = (usize::from(body.get_u16_le()), body.get_u32_le() as usize);
        let name = part(&mut body, name)?;
        draft = draft.attribute(std::str::from_utf8(&name).ok()?, part(&mut body, value)?);
    }
    draft.payload = body;
    draft.format = if flags & JSON == 0 { Format::Bytes } else { Format::Json };
    let known = excluded != 0 && sequence >= first_of_run;
    let draft = draft.private(flags & PRIVATE != 0).exclude(known.then(|| SessionId::from(excluded)));
    Some(Message::stamped(draft, id, from_nanos(time), Cursor::new(epoch, sequence)))
}

fn part(body: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= body.len()).then(|| body.split_to(length))
}

/// Nanoseconds since 1970. They fit for 584 years; what is outside is put at the nearer end.
pub(super) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn from_nanos(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..40)
    }

    prop_compose! {
        fn message()(
            topic in bytes(), payload in bytes(), json: bool, private: bool, excluded in 0_u64..3, sequence in 1_u64..1000,
            nanos: u64, attributes in prop::collection::vec(("[a-z]{0,5}", bytes()), 0..3),
        ) -> Message {
            let format = if json { Format::Json } else { Format::Bytes };
            let mut draft = Draft::new(Topic::new(topic), payload.into(), format).private(private);
            draft = draft.exclude((excluded > 0).then(|| SessionId::from(excluded)));
            for (name, value) in attributes {
                draft = draft.attribute(&name, value);
            }
            Message::stamped(draft, Uuid::new_v4(), from_nanos(nanos), Cursor::new(7, sequence))
        }
    }

    proptest! {
        #[test]
        fn a_message_survives_its_record(message in message()) {
            let mut record = vec![1, 2, 3];
            prop_assert!(encode(&mut record, &message));
            let length: [u8; 4] = record[3..7].try_into().unwrap();
            let body = Bytes::from(record[3 + HEAD..].to_vec());
            prop_assert_eq!(u32::from_le_bytes(length) as usize, body.len());
            prop_assert_eq!(record[7..11].to_vec(), checksum(length, &body).to_le_bytes());
            let read = decode(body.clone(), 7, 0).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{message:?}"));
            prop_assert_eq!(decode(body, 7, 1000).unwrap().excluded(), None);
        }

        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = decode(body.into(), 7, 0);
        }
    }
}
