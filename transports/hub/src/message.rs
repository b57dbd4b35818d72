//! What travels: a draft on its way in, a message once it is stamped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use eventhive_transport::Topic;
use uuid::Uuid;

use crate::{Cursor, SessionId, Tracker};

/// What a queued message is charged beside its topic and payload: its share of the message, the queue entry and the
/// allocator, rounded.
pub(crate) const ENTRY_BYTES: usize = 64;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The text of one JSON value of any kind. The door that made the draft has checked that it is valid.
    Json,
    /// Any bytes.
    Bytes,
}

/// What of a topic comes behind a first segment `private`.
pub(crate) fn behind_private(topic: &[u8]) -> Option<&[u8]> {
    let slashes = topic.iter().take_while(|byte| **byte == b'/').count();
    let rest = topic.get(slashes..)?.strip_prefix(b"private")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

/// A message on its way in. See [`Hub::publish`](crate::Hub::publish).
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) topic: Topic,
    pub(crate) payload: Bytes,
    pub(crate) format: Format,
    pub(crate) private: bool,
    pub(crate) exclude: Option<SessionId>,
    pub(crate) tracker: Option<Tracker>,
    pub(crate) attributes: Vec<(Box<str>, Bytes)>,
}

impl Draft {
    /// A draft whose payload is the text of a JSON value. The text must be valid: no door checks it again.
    #[must_use]
    pub fn json(topic: impl Into<Topic>, text: impl Into<Bytes>) -> Self {
        Self::new(topic.into(), text.into(), Format::Json)
    }

    /// A draft of any bytes.
    #[must_use]
    pub fn bytes(topic: impl Into<Topic>, payload: impl Into<Bytes>) -> Self {
        Self::new(topic.into(), payload.into(), Format::Bytes)
    }

    /// A draft.
    #[must_use]
    pub const fn new(topic: Topic, payload: Bytes, format: Format) -> Self {
        Self { topic, payload, format, private: false, exclude: None, tracker: None, attributes: Vec::new() }
    }

    /// Only sessions whose [`Access`](crate::Access) grants it may see it.
    #[must_use]
    pub const fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// This session is skipped, usually the publisher's own.
    #[must_use]
    pub fn exclude(mut self, session: impl Into<Option<SessionId>>) -> Self {
        self.exclude = session.into();
        self
    }

    /// A clone of `tracker` goes with each delivery.
    #[must_use]
    pub fn tracked(mut self, tracker: Tracker) -> Self {
        self.tracker = Some(tracker);
        self
    }

    /// Something that one protocol knows of the message and others need not: the path it came by, a trace id. Doors
    /// agree on names.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Bytes>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Private if its topic says so: the first segment is `private`, which is then none of the topic's.
    pub(crate) fn marked(self) -> Self {
        match behind_private(self.topic.as_bytes()) {
            Some(rest) if !self.private => {
                let topic = Topic::new(rest.to_vec());
                Self { topic, private: true, ..self }
            }
            _ => self,
        }
    }

    /// The topic.
    #[must_use]
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The payload.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The topic and the payload, given back.
    #[must_use]
    pub fn into_parts(self) -> (Topic, Bytes) {
        (self.topic, self.payload)
    }

    pub(crate) fn weight(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        ENTRY_BYTES + self.topic.as_bytes().len() + self.payload.len() + attributes
    }
}

/// A message of the hub: stamped once, then immutable and shared.
#[derive(Debug)]
pub struct Message {
    id: Uuid,
    time: SystemTime,
    cursor: Cursor,
    weight: usize,
    topic: Topic,
    payload: Bytes,
    format: Format,
    private: bool,
    exclude: Option<SessionId>,
    attributes: Box<[(Box<str>, Bytes)]>,
    encodings: Encodings,
}

impl Message {
    /// Stamps a draft. A [`Backlog`](crate::Backlog) that reads messages back from a disk makes them by this too.
    #[must_use]
    pub fn stamped(draft: Draft, id: Uuid, time: SystemTime, cursor: Cursor) -> Self {
        let weight = draft.weight();
        let Draft { topic, payload, format, private, exclude, attributes, tracker: _ } = draft;
        let (attributes, encodings) = (attributes.into_boxed_slice(), Encodings::default());
        Self { id, time, cursor, weight, topic, payload, format, private, exclude, attributes, encodings }
    }

    /// The draft again, for a publisher whose message could not be kept.
    pub(crate) fn to_draft(&self, tracker: Option<Tracker>) -> Draft {
        Draft {
            topic: self.topic.clone(),
            payload: self.payload.clone(),
            format: self.format,
            private: self.private,
            exclude: self.exclude,
            tracker,
            attributes: self.attributes.to_vec(),
        }
    }

    /// A version 7 UUID, given at the node where the message came in.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// When it came in. Never earlier than the time of the message before it.
    #[must_use]
    pub const fn time(&self) -> SystemTime {
        self.time
    }

    /// Its place in the hub's order.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// What it was published under.
    #[must_use]
    pub const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// What was published.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// What the payload is.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Whether only sessions with a matching [`Access`](crate::Access) see it.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// The session that does not get it.
    #[must_use]
    pub const fn excluded(&self) -> Option<SessionId> {
        self.exclude
    }

    /// An attribute, if the draft had it. See [`Draft::attribute`].
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Bytes> {
        self.attributes.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    /// Every attribute, in the draft's order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.attributes.iter().map(|(name, value)| (&**name, value))
    }

    /// Bytes that a queue or a backlog charges for it: topic, payload, attributes and a constant. Encoded forms are not
    /// counted.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// The message in the form of `protocol`. The first caller encodes, everyone else shares the bytes; the form lives as
    /// long as the message. Callers of one protocol that come while it is being encoded wait for it.
    pub fn encoded(&self, protocol: ProtocolId, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.encodings.get_or_init(protocol, || encode(self))
    }
}

/// Names a form that messages are encoded in; each is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolId(u32);

impl ProtocolId {
    /// A new one. Make one for each wire form, not for each session: a message keeps each form it was asked for.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// An append-only list of encoded forms; the first slot is in place, since one protocol is the usual case.
#[derive(Debug, Default)]
struct Encodings {
    form: OnceLock<(ProtocolId, Bytes)>,
    next: OnceLock<Box<Encodings>>,
}

impl Encodings {
    fn get_or_init(&self, protocol: ProtocolId, encode: impl FnOnce() -> Bytes) -> Bytes {
        let mut encode = Some(encode);
        let mut slot = self;
        loop {
            // Whoever takes a free slot encodes in it; one of another protocol goes on to the next.
            let (taken_by, bytes) =
                slot.form.get_or_init(|| (protocol, encode.take().map(|encode| encode()).unwrap_or_default()));
            if *taken_by == protocol {
                return bytes.clone();
            }
            slot = slot.next.get_or_init(Box::default);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn message() -> Message {
        Message::stamped(Draft::json("a", "1"), Uuid::now_v7(), SystemTime::now(), Cursor::origin().next())
    }

    #[test]
    fn each_protocol_encodes_a_message_once_whoever_asks() {
        let (message, protocols) = (message(), [ProtocolId::new(), ProtocolId::new(), ProtocolId::new()]);
        let encoded = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for turn in 0..12 {
                let (message, encoded, protocol) = (&message, &encoded, protocols[turn % 3]);
                scope.spawn(move || {
                    let bytes = message.encoded(protocol, |_| {
                        encoded.fetch_add(1, Ordering::Relaxed);
                        Bytes::from(format!("{protocol:?}"))
                    });
                    assert_eq!(bytes, format!("{protocol:?}"));
                });
            }
        });
        assert_eq!(encoded.into_inner(), 3);
    }

    #[test]
    fn the_first_segment_may_say_that_a_message_is_private() {
        let marked = |topic: &str, private| Draft::json(topic, "1").private(private).marked();
        for (topic, rest) in
            [("private/a/b", "a/b"), ("private", ""), ("//private//a", "/a"), ("private/private", "private")]
        {
            let draft = marked(topic, false);
            assert_eq!((draft.topic.as_str(), draft.private), (Some(rest), true), "{topic}");
        }
        for (topic, private) in
            [("privately/a", false), ("a/private", false), ("Private/a", false), ("private/a", true)]
        {
            let draft = marked(topic, private);
            assert_eq!((draft.topic.as_str(), draft.private), (Some(topic), private), "{topic}");
        }
    }

    #[test]
    fn attributes_are_found_by_name_and_charged() {
        let plain = message().weight();
        let draft = Draft::json("a", "1").attribute("path", "//a");
        let message = Message::stamped(draft, Uuid::now_v7(), SystemTime::now(), Cursor::origin());
        assert_eq!(message.attribute("path").map(|value| &value[..]), Some(&b"//a"[..]));
        assert_eq!(message.attribute("other"), None);
        assert!(message.weight() >= plain + "path//a".len());
    }
}
