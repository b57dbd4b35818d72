//! Answers of the stream commands.

use std::collections::HashMap;
use std::fmt;

use eventhive_transport::{Incoming, Topic};
use redis::{FromRedisValue, Value};

use crate::wire::{PAYLOAD_FIELD, TOPIC_FIELD};

/// The id of an entry: milliseconds and a number. The order of ids is the order of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct StreamId(pub(crate) u64, pub(crate) u64);

impl StreamId {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (milliseconds, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self(milliseconds.parse().ok()?, number.parse().ok()?))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// One entry of a stream.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: StreamId,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Message(Incoming),
    /// Something that another program put there.
    Foreign,
    /// Trimmed away while it was waiting for an acknowledgement.
    Gone,
}

/// The entries in the answer of `XREAD` and `XREADGROUP` for one stream. None, where the read waited in vain.
pub(super) fn read(answer: Value) -> Vec<Entry> {
    let of_stream = match answer {
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        // As RESP2 has it: pairs in an array.
        Value::Array(streams) => match streams.into_iter().next() {
            Some(Value::Array(pair)) => pair.into_iter().nth(1),
            _ => None,
        },
        _ => None,
    };
    of_stream.map(entries).unwrap_or_default()
}

/// The entries in the answer of `XAUTOCLAIM`, and where to go on.
pub(super) fn claimed(answer: Value) -> (Option<StreamId>, Vec<Entry>) {
    let Value::Array(parts) = answer else { return (None, Vec::new()) };
    let mut parts = parts.into_iter();
    let next = match parts.next() {
        Some(Value::BulkString(id)) => StreamId::parse(&id),
        _ => None,
    };
    (next, parts.next().map(entries).unwrap_or_default())
}

fn entries(value: Value) -> Vec<Entry> {
    let Value::Array(items) = value else { return Vec::new() };
    items.into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(id)) = parts.next() else { return None };
    let content = match parts.next() {
        Some(Value::Array(fields)) => message(fields),
        _ => Content::Gone,
    };
    Some(Entry { id: StreamId::parse(&id)?, content })
}

fn message(fields: Vec<Value>) -> Content {
    let (mut topic, mut payload) = (None, None);
    let mut fields = fields.into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) = (fields.next(), fields.next()) {
        match name.as_slice() {
            name if name == TOPIC_FIELD.as_bytes() => topic = Some(value),
            name if name == PAYLOAD_FIELD.as_bytes() => payload = Some(value),
            _ => {}
        }
    }
    match (topic, payload) {
        (Some(topic), Some(payload)) => {
            Content::Message(Incoming { topic: Topic::new(topic), payload: payload.into() })
        }
        _ => Content::Foreign,
    }
}

/// What `XINFO STREAM` says; all zero for a stream that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StreamInfo {
    /// The id that was given last, whether its entry is still there or not.
    pub(crate) last: StreamId,
    /// Entries that were ever added. `None` before Redis 7.
    pub(crate) added: Option<u64>,
    /// Entries that are there.
    pub(super) length: u64,
}

impl StreamInfo {
    pub(crate) fn read(answer: &Value) -> Self {
        let fields = fields(answer);
        Self {
            last: match fields.get("last-generated-id") {
                Some(Value::BulkString(id)) => StreamId::parse(id).unwrap_or_default(),
                _ => StreamId::default(),
            },
            added: count(&fields, "entries-added"),
            length: count(&fields, "length").unwrap_or(0),
        }
    }

    pub(crate) const NONE: Self = Self { last: StreamId(0, 0), added: Some(0), length: 0 };

    /// How many entries came before the oldest that is there.
    pub(super) fn trimmed(&self) -> Option<u64> {
        self.added.map(|added| added.saturating_sub(self.length))
    }
}

/// How many entries of its stream a group has been given, by `XINFO GROUPS`.
pub(super) fn read_by_group(answer: &Value, group: &str) -> Option<u64> {
    let Value::Array(groups) = answer else { return None };
    let named = |group: &Value| match fields(group).get("name") {
        Some(Value::BulkString(name)) => name.clone(),
        _ => Vec::new(),
    };
    let group = groups.iter().find(|candidate| named(candidate) == group.as_bytes())?;
    count(&fields(group), "entries-read")
}

fn fields(value: &Value) -> HashMap<String, Value> {
    HashMap::from_redis_value_ref(value).unwrap_or_default()
}

fn count(fields: &HashMap<String, Value>, name: &str) -> Option<u64> {
    match fields.get(name) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn one(id: &str, fields: Option<&[&str]>) -> Value {
        let fields = fields.map_or(Value::Nil, |fields| Value::Array(fields.iter().map(|field| bulk(field)).collect()));
        Value::Array(vec![bulk(id), fields])
    }

    #[test]
    fn entries_are_read_in_both_protocols() {
        let fields: &[&str] = &["topic", "a/b", "payload", "x"];
        let entries = Value::Array(vec![one("5-1", Some(fields)), one("5-2", Some(&["k", "v"])), one("6-0", None)]);
        let expected = [
            Entry {
                id: StreamId(5, 1),
                content: Content::Message(Incoming { topic: "a/b".into(), payload: "x".into() }),
            },
            Entry { id: StreamId(5, 2), content: Content::Foreign },
            Entry { id: StreamId(6, 0), content: Content::Gone },
        ];
        assert_eq!(read(Value::Map(vec![(bulk("s"), entries.clone())])), expected);
        assert_eq!(read(Value::Array(vec![Value::Array(vec![bulk("s"), entries.clone()])])), expected);
        assert_eq!(claimed(Value::Array(vec![bulk("0-0"), entries])), (Some(StreamId(0, 0)), Vec::from(expected)));
        assert_eq!(read(Value::Nil), []);
    }

    #[test]
    fn what_was_trimmed_is_counted_where_the_server_counts() {
        let field = |name: &str, value| (Value::SimpleString(name.into()), value);
        let answer = |added: bool| {
            let mut fields = vec![field("length", Value::Int(3)), field("last-generated-id", bulk("9-0"))];
            fields.extend(added.then(|| field("entries-added", Value::Int(10))));
            Value::Map(fields)
        };
        let info = StreamInfo::read(&answer(true));
        assert_eq!((info.last, info.trimmed()), (StreamId(9, 0), Some(7)));
        assert_eq!(StreamInfo::read(&answer(false)).trimmed(), None);
    }
}
