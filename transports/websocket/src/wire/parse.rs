//! Reading a message.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::mend::{self, Mended};

/// One message. Both parts may be there; the request goes first then.
#[derive(Debug, Default)]
pub struct Frame<'a> {
    /// A call of the other end's.
    pub request: Option<Request<'a>>,
    /// The answer to a call of ours.
    pub response: Option<Response<'a>>,
}

/// A call.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method's name.
    pub method: Cow<'a, str>,
    /// Its arguments; none of them when the message has none.
    pub arguments: Arguments<'a>,
    /// What the answer has to repeat; absent and `null` are the same. A number is read as its digits, as pydantic 1 does.
    pub call_id: Option<Cow<'a, str>>,
}

/// The arguments of every method of the protocol in one struct, because the method's name may come behind them.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    /// `subscribe`, `unsubscribe`, `publish`: what they are about.
    pub topics: Option<Topics<'a>>,
    /// `subscribe`, `unsubscribe` of a link of ours: what they are about beside `topics`.
    pub patterns: Option<Topics<'a>>,
    /// `publish`, `notify`: the event's data as it came.
    pub data: Option<&'a RawValue>,
    /// `publish`: whether the answer waits for the subscribers; what Python counts as true is true.
    pub sync: Option<bool>,
    /// `publish`: whose subscriptions are skipped. Outer `None`: absent. Inner `None`: `null`.
    pub notifier_id: Option<Option<Cow<'a, str>>>,
    /// `notify`: the topic in `subscription`.
    pub subscription: Option<Subscription<'a>>,
    /// The first argument that no method has.
    pub unknown: Option<Cow<'a, str>>,
}

/// What a `notify` says of its subscription; the identifiers in it are of no use to anyone.
#[derive(Debug, Default)]
pub struct Subscription<'a> {
    /// The topic of the event, not of the subscription: they differ for [`ALL_TOPICS`](super::ALL_TOPICS).
    pub topic: Option<Cow<'a, str>>,
}

/// The argument `topics`, or `patterns`.
#[derive(Debug, PartialEq, Eq)]
pub enum Topics<'a> {
    /// A bare text. `publish` takes it as one topic, `subscribe` as a list of its characters.
    Text(Cow<'a, str>),
    /// A list of texts.
    List(SmallVec<[Cow<'a, str>; 2]>),
    /// `null`.
    Null,
    /// Anything else, such as a list with a number in it.
    Other,
}

/// An answer.
#[derive(Debug, Default)]
pub struct Response<'a> {
    /// The value, as it came.
    pub result: Option<&'a RawValue>,
    /// Which call it answers.
    pub call_id: Option<Cow<'a, str>>,
}

impl Response<'_> {
    /// Whether the result is the `true` with which `subscribe`, `unsubscribe` and `publish` succeed.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.result.is_some_and(|result| result.get() == "true")
    }
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It is not JSON, not even as Python's `json` writes it. The peer cannot be understood: close.
    #[error("the message is not JSON: {0}")]
    Syntax(String),
    /// `arguments` is neither absent nor an object. The Python ends break off the connection then.
    #[error("`arguments` is not an object")]
    Arguments,
    /// It is JSON of another form. Such messages are ignored, as pydantic 2 makes the Python ends do.
    #[error("the message is not of the protocol's form: {0}")]
    Form(String),
}

/// Reads a message. `mended` keeps the text that the result borrows from where the message had to be [mended](mend).
///
/// # Errors
/// [`FrameError`]; no text makes it panic.
pub fn read<'a>(text: &'a str, mended: &'a mut Mended) -> Result<Frame<'a>, FrameError> {
    if mend::has_lone_surrogate(text) {
        return parse(mended.mend(text));
    }
    match parse(text) {
        Err(FrameError::Syntax(_)) if mend::has_literals(text) => parse(mended.mend(text)),
        parsed => parsed,
    }
}

fn parse(text: &str) -> Result<Frame<'_>, FrameError> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        if !error.is_data() {
            FrameError::Syntax(message)
        } else if message.starts_with(NOT_ARGUMENTS) {
            FrameError::Arguments
        } else {
            FrameError::Form(message)
        }
    })
}

/// How the error of ours begins that has to be told apart behind serde's one error type.
const NOT_ARGUMENTS: &str = "arguments of another kind";

/// Deserializes `$name` from a map with a visitor that reads each key by `$arm` and skips unknown ones.
macro_rules! from_map {
    ($name:ident, $what:literal, |$out:ident, $map:ident| { $($key:literal => $read:expr,)* }) => {
        impl<'de> Deserialize<'de> for $name<'de> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl<'de> Visitor<'de> for Reader {
                    type Value = $name<'de>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<Self::Value, A::Error> {
                        let mut $out = $name::default();
                        while let Some(Text(key)) = $map.next_key()? {
                            match &*key {
                                $($key => $read,)*
                                _ => { $map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok($out)
                    }
                }
                deserializer.deserialize_map(Reader)
            }
        }
    };
}

from_map!(Frame, "an object with a request or a response", |out, map| {
    "request" => out.request = map.next_value()?,
    "response" => out.response = map.next_value()?,
});

from_map!(Response, "a response object", |out, map| {
    "result" => out.result = Some(map.next_value()?),
    "call_id" => out.call_id = map.next_value::<Option<Word<'_>>>()?.map(|word| word.0),
});

from_map!(Subscription, "a subscription object", |out, map| {
    "topic" => out.topic = Some(map.next_value::<Text<'_>>()?.0),
});

/// A request while its parts come in; the method may be missing.
#[derive(Default)]
struct Parts<'a> {
    method: Option<Cow<'a, str>>,
    arguments: Arguments<'a>,
    call_id: Option<Cow<'a, str>>,
}

from_map!(Parts, "a request object", |out, map| {
    "method" => out.method = Some(map.next_value::<Text<'_>>()?.0),
    "arguments" => out.arguments = map.next_value()?,
    "call_id" => out.call_id = map.next_value::<Option<Word<'_>>>()?.map(|word| word.0),
});

impl<'de> Deserialize<'de> for Request<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { method, arguments, call_id } = Parts::deserialize(deserializer)?;
        let method = method.ok_or_else(|| serde::de::Error::missing_field("method"))?;
        Ok(Self { method, arguments, call_id })
    }
}

/// `arguments`: an object. Every other kind is an error of its own, `NOT_ARGUMENTS`.
impl<'de> Deserialize<'de> for Arguments<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgumentsReader)
    }
}

struct ArgumentsReader;

impl ArgumentsReader {
    fn wrong<E: serde::de::Error>() -> E {
        E::custom(NOT_ARGUMENTS)
    }
}

impl<'de> Visitor<'de> for ArgumentsReader {
    type Value = Arguments<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Arguments::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "topics" => out.topics = Some(map.next_value()?),
                "patterns" => out.patterns = Some(map.next_value()?),
                "data" => out.data = Some(map.next_value()?),
                "sync" => out.sync = Some(map.next_value::<Truth>()?.0),
                "notifier_id" => out.notifier_id = Some(map.next_value::<Notifier<'_>>()?.0),
                "subscription" => out.subscription = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    out.unknown.get_or_insert(key);
                }
            }
        }
        Ok(out)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(Self::wrong())
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(Self::wrong())
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(Self::wrong())
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(Self::wrong())
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(Self::wrong())
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(Self::wrong())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(Self::wrong())
    }
}

/// A text, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextReader).map(Text)
    }
}

struct TextReader;

impl<'de> Visitor<'de> for TextReader {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A text, or a number as its digits.
struct Word<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes().first() {
            Some(b'"') => match plain(raw) {
                Some(text) => Ok(Self(Cow::Borrowed(text))),
                None => serde_json::from_str(raw).map(|text| Self(Cow::Owned(text))).map_err(serde::de::Error::custom),
            },
            Some(b'-' | b'0'..=b'9') => Ok(Self(Cow::Borrowed(raw))),
            _ => Err(serde::de::Error::custom("a call_id that is neither text nor number")),
        }
    }
}

/// The inside of a JSON string without escapes.
pub(super) fn plain(raw: &str) -> Option<&str> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    memchr::memchr(b'\\', inside.as_bytes()).is_none().then_some(inside)
}

/// Whether Python counts a value as true.
struct Truth(bool);

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let compact = !raw.contains(|c: char| !c.is_ascii_whitespace() && !"[]{}".contains(c));
        let falsy = matches!(raw, "false" | "null" | "\"\"") || compact || is_zero(raw);
        Ok(Self(!falsy))
    }
}

fn is_zero(raw: &str) -> bool {
    raw.parse::<f64>().is_ok_and(|number| number == 0.0)
}

/// `notifier_id`: a text or null; anything else is a text that is nobody's id.
struct Notifier<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Notifier<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match (raw, plain(raw)) {
            ("null", _) => None,
            (_, Some(text)) => Some(Cow::Borrowed(text)),
            (other, None) => Some(serde_json::from_str(other).map_or(Cow::Borrowed(other), Cow::Owned)),
        }))
    }
}

impl<'de> Deserialize<'de> for Topics<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopicsReader)
    }
}

struct TopicsReader;

impl<'de> Visitor<'de> for TopicsReader {
    type Value = Topics<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of topics")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Topics::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Topics::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = SmallVec::new();
        let mut other = false;
        // Each item is one pass: a nested list or an object in it is read as `Other`.
        while let Some(item) = items.next_element::<Topics<'_>>()? {
            match item {
                Topics::Text(text) => list.push(text),
                _ => other = true,
            }
        }
        Ok(if other { Topics::Other } else { Topics::List(list) })
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Topics::Other)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Topics::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Topics::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Topics::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Topics::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Topics::Other)
    }
}
