//! What is said to Redis, and what its answers mean.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhive_transport::{Delivery, Filter, LinkError, Topic};
use redis::{Cmd, Pipeline, Value};

use crate::config::{Keep, Mode, Streams};
use crate::pattern;
use crate::table::Key;

/// Fields of a stream's entry.
pub(crate) const TOPIC_FIELD: &str = "topic";
pub(crate) const PAYLOAD_FIELD: &str = "payload";

/// What the second segment of a hive's inbox for answers begins with; 32 hexadecimal digits follow.
const INBOX: &[u8] = b"inbox-";
/// After how many seconds without a new message the stream of such an inbox goes: each start of a hive has another one.
pub(crate) const INBOX_EXPIRY: u64 = 3600;

impl Mode {
    /// What a filter is subscribed by, and what must still be tried on what comes.
    pub(crate) fn plan(&self, filter: Filter) -> Result<(Key, Option<Filter>), LinkError> {
        let filter = match &filter {
            Filter::Glob(glob) => glob.literal().map_or(filter, Filter::exact),
            _ => filter,
        };
        match (self, filter) {
            (Self::PubSub | Self::Sharded, Filter::Exact(topic)) => Ok((Key::Name(topic), None)),
            (Self::PubSub, Filter::All) => Ok((Key::Pattern(Topic::from_static("*")), None)),
            (Self::PubSub, filter) => {
                let pattern = pattern::of(&filter).unwrap_or_else(|| Topic::from_static("*"));
                Ok((Key::Pattern(pattern), Some(filter)))
            }
            (Self::Sharded, _) => Err(LinkError::Unsupported(
                "sharded pub/sub has exact topics only: subscribe them one by one, or remove `sharded`".into(),
            )),
            (Self::Streams(streams), filter) => Ok((Key::Name(streams.of_filter(&filter)?), Some(filter))),
        }
    }

    /// What decides which node of a cluster a message goes to.
    pub(crate) fn place_of(&self, topic: &Topic) -> Topic {
        match self {
            Self::PubSub | Self::Sharded => topic.clone(),
            Self::Streams(streams) => streams.of_topic(topic),
        }
    }

    pub(crate) fn publish(&self, pipeline: &mut Pipeline, topic: &Topic, payload: &[u8]) {
        let (topic, stream) = (topic.as_bytes(), self.stream_of(topic));
        // Room for the arguments at once, which saves growing twice.
        let room = 64 + stream.as_ref().map_or(0, |stream| stream.as_bytes().len()) + topic.len() + payload.len();
        let mut command = Cmd::with_capacity(if stream.is_some() { 10 } else { 3 }, room);
        match (self, stream) {
            (Self::Streams(streams), Some(stream)) => {
                streams.keep.trim(command.arg("XADD").arg(stream.as_bytes()));
                command.arg("*").arg(TOPIC_FIELD).arg(topic).arg(PAYLOAD_FIELD).arg(payload)
            }
            (Self::Sharded, _) => command.arg("SPUBLISH").arg(topic).arg(payload),
            _ => command.arg("PUBLISH").arg(topic).arg(payload),
        };
        pipeline.add_command(command);
    }

    /// Lets the streams of inboxes among these topics expire. The answers come behind those to the messages, and nobody waits
    /// for them.
    pub(crate) fn expire<'a>(&self, pipeline: &mut Pipeline, topics: impl Iterator<Item = &'a Topic>) {
        let Self::Streams(streams) = self else { return };
        let inboxes = topics.filter(|topic| streams.is_inbox(topic.as_bytes())).map(|topic| streams.of_topic(topic));
        // Only streams that an inbox has to itself.
        let inboxes: HashSet<Topic> = inboxes.filter(|stream| streams.is_of_inbox(stream)).collect();
        inboxes.iter().for_each(|stream| expire(pipeline, stream));
    }

    fn stream_of(&self, topic: &Topic) -> Option<Topic> {
        match self {
            Self::Streams(streams) => Some(streams.of_topic(topic)),
            Self::PubSub | Self::Sharded => None,
        }
    }

    /// One command for each key, so that each has an answer of its own; two for a stream with a group.
    pub(crate) fn subscribe(&self, pipeline: &mut Pipeline, key: &Key) {
        match (self, key) {
            (Self::Streams(streams), _) => {
                if let Some(group) = &streams.group {
                    let create = pipeline.cmd("XGROUP").arg("CREATE").arg(key.topic().as_bytes());
                    create.arg(&group.name).arg("$").arg("MKSTREAM");
                }
                pipeline.cmd("XINFO").arg("STREAM")
            }
            (Self::Sharded, _) => pipeline.cmd("SSUBSCRIBE"),
            (_, Key::Name(_)) => pipeline.cmd("SUBSCRIBE"),
            (_, Key::Pattern(_)) => pipeline.cmd("PSUBSCRIBE"),
        };
        pipeline.arg(key.topic().as_bytes());
    }

    /// Answers for each key of [`subscribe`](Self::subscribe).
    pub(crate) const fn answers(&self) -> usize {
        match self {
            Self::Streams(Streams { group: Some(_), .. }) => 2,
            _ => 1,
        }
    }

    pub(crate) fn unsubscribe(&self, pipeline: &mut Pipeline, key: &Key) {
        match (self, key) {
            (Self::Sharded, _) => pipeline.cmd("SUNSUBSCRIBE"),
            // A stream's reader just stops.
            (Self::Streams(_), _) => return,
            (_, Key::Name(_)) => pipeline.cmd("UNSUBSCRIBE"),
            (_, Key::Pattern(_)) => pipeline.cmd("PUNSUBSCRIBE"),
        };
        pipeline.arg(key.topic().as_bytes());
    }
}

/// Lets a stream expire, counted from now.
pub(crate) fn expire(pipeline: &mut Pipeline, stream: &Topic) {
    pipeline.cmd("EXPIRE").arg(stream.as_bytes()).arg(INBOX_EXPIRY);
}

impl Keep {
    fn trim(self, command: &mut Cmd) {
        match self {
            Self::All => {}
            Self::Length(length) => {
                command.arg("MAXLEN").arg("~").arg(length);
            }
            Self::Age(age) => {
                command.arg("MINID").arg("~").arg(oldest(SystemTime::now(), age));
            }
        }
    }
}

/// The id of an entry of this age: milliseconds since the epoch.
fn oldest(now: SystemTime, age: Duration) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Streams {
    /// The key of the stream that a topic's messages are in.
    pub(crate) fn of_topic(&self, topic: &Topic) -> Topic {
        let bytes = topic.as_bytes();
        self.key(head(bytes, self.separator.as_bytes(), self.segments).unwrap_or(bytes))
    }

    /// Whether this is the stream of an inbox, and of nothing else.
    pub(crate) fn is_of_inbox(&self, stream: &Topic) -> bool {
        stream.as_bytes().strip_prefix(self.prefix.as_bytes()).is_some_and(|head| self.is_inbox(head))
    }

    fn is_inbox(&self, topic: &[u8]) -> bool {
        let separator = self.separator.as_bytes();
        let Some(network) = head(topic, separator, 1) else { return false };
        let id = topic.get(network.len() + separator.len()..).and_then(|rest| rest.strip_prefix(INBOX));
        let Some((id, rest)) = id.and_then(|id| id.split_at_checked(32)) else { return false };
        id.iter().all(u8::is_ascii_hexdigit) && (rest.is_empty() || rest.starts_with(separator))
    }

    fn of_filter(&self, filter: &Filter) -> Result<Topic, LinkError> {
        let prefix = match filter {
            Filter::Exact(topic) => return Ok(self.of_topic(topic)),
            Filter::Glob(glob) => glob.literal_prefix(),
            _ => String::new(),
        };
        // Only what stands before a separator is known to be a whole segment.
        head(prefix.as_bytes(), self.separator.as_bytes(), self.segments).map(|head| self.key(head)).ok_or_else(|| {
            LinkError::Unsupported(format!(
                "with `stream_segments: {}` a pattern must begin with as many whole segments as literal text, and this one \
                 would be in many streams: write them out, or set `stream_segments` lower in all hives",
                self.segments
            ))
        })
    }

    fn key(&self, head: &[u8]) -> Topic {
        Topic::new([self.prefix.as_bytes(), head].concat())
    }
}

/// The first `segments` segments, if a separator stands behind them.
fn head<'a>(text: &'a [u8], separator: &[u8], segments: usize) -> Option<&'a [u8]> {
    let mut end = 0;
    for segment in 0..segments {
        let from = if segment == 0 { 0 } else { end + separator.len() };
        let rest = text.get(from..)?;
        end = from + rest.windows(separator.len()).position(|window| window == separator)?;
    }
    text.get(..end)
}

/// What an answer says of a message.
pub(crate) enum Answer {
    Is(Result<Delivery, LinkError>),
    /// The node is not, or no longer, the one to talk to; whether the message arrived is as if the connection was lost.
    Elsewhere(String),
}

/// Reads the answer to a publish. `counted`: whether the number of receivers is that of all receivers.
pub(crate) fn answer(value: &Value, counted: bool) -> Answer {
    match value {
        Value::Int(receivers) if counted => Answer::Is(Ok(Delivery::Counted(u64::try_from(*receivers).unwrap_or(0)))),
        Value::ServerError(error) => match refusal(error) {
            Refusal::No(reason) => Answer::Is(Err(LinkError::Rejected(reason))),
            Refusal::Elsewhere(reason) => Answer::Elsewhere(reason),
        },
        Value::Int(_) | Value::BulkString(_) => Answer::Is(Ok(Delivery::Accepted)),
        other => Answer::Elsewhere(format!("a strange answer: {other:?}")),
    }
}

/// An error as an answer.
pub(crate) enum Refusal {
    /// This, and no other command, was refused.
    No(String),
    /// The node cannot serve now: a new connection, perhaps to another, must be made.
    Elsewhere(String),
}

pub(crate) fn refusal(error: &redis::ServerError) -> Refusal {
    const ELSEWHERE: &[&str] =
        &["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN", "NOAUTH"];
    let code = error.code();
    let text = error.details().map_or_else(|| code.to_owned(), |details| format!("{code} {details}"));
    if ELSEWHERE.contains(&code) { Refusal::Elsewhere(text) } else { Refusal::No(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(segments: usize) -> Streams {
        Streams { prefix: "e:".into(), segments, separator: "/".into(), keep: Keep::All, group: None }
    }

    fn packed(build: impl Fn(&mut Pipeline)) -> String {
        let mut pipeline = Pipeline::new();
        build(&mut pipeline);
        let text = String::from_utf8(pipeline.get_packed_pipeline()).unwrap();
        text.split("\r\n").filter(|part| !part.starts_with(['*', '$']) || part.len() < 2).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_stream_is_named_by_the_first_segments() {
        for (segments, topic, stream) in [
            (0, "a/b/c", "e:"),
            (1, "a/b/c", "e:a"),
            (2, "a/b/c", "e:a/b"),
            (2, "a/b", "e:a/b"),
            (2, "a", "e:a"),
            (3, "//", "e://"),
        ] {
            assert_eq!(streams(segments).of_topic(&topic.into()), stream.into(), "{segments} {topic}");
        }
    }

    #[test]
    fn a_filter_must_stay_in_one_stream() {
        let of = |segments, glob: &str| streams(segments).of_filter(&Filter::Glob(glob.parse().unwrap())).ok();
        assert_eq!(of(2, "a/b/*"), Some("e:a/b".into()));
        assert_eq!(of(2, "a/b*"), None);
        assert_eq!(of(1, "a/b*"), Some("e:a".into()));
        assert_eq!(of(0, "*"), Some("e:".into()));
        assert!(streams(1).of_filter(&Filter::All).is_err());
        assert_eq!(streams(0).of_filter(&Filter::All), Ok("e:".into()));
    }

    #[test]
    fn commands_are_trimmed_as_configured() {
        let add = |keep| {
            let mode = Mode::Streams(Streams { keep, ..streams(1) });
            packed(|pipeline| mode.publish(pipeline, &"n/x".into(), b"p"))
        };
        assert_eq!(add(Keep::All), "XADD e:n * topic n/x payload p ");
        assert_eq!(add(Keep::Length(5)), "XADD e:n MAXLEN ~ 5 * topic n/x payload p ");
        assert_eq!(oldest(UNIX_EPOCH + Duration::from_secs(100), Duration::from_secs(60)), 40_000);
    }

    #[test]
    fn only_the_stream_of_an_inbox_expires_and_once_for_many_answers() {
        let (inbox, other) = (format!("n/inbox-{:032x}", 7), format!("n/inbox-{:032x}", 8));
        let expire = |segments, topics: &[&str]| {
            let topics: Vec<Topic> = topics.iter().map(|topic| (*topic).into()).collect();
            packed(|pipeline| Mode::Streams(streams(segments)).expire(pipeline, topics.iter()))
        };
        let answers = [format!("{inbox}/1"), format!("{inbox}/2"), "n/worker/x".into()];
        let answers = answers.each_ref().map(String::as_str);
        assert_eq!(expire(2, &answers), format!("EXPIRE e:{inbox} 3600 "));
        assert_eq!(expire(3, &answers[..1]), format!("EXPIRE e:{inbox}/1 3600 "));
        for (segments, topic) in [
            (0, &*inbox),
            (1, &format!("{other}/1")),
            (2, "n/inbox-orders/1"),
            (2, "n/inbox-/1"),
            (2, &format!("{other}0/1")),
            (2, &format!("n/x/{}", &other[2..])),
        ] {
            assert_eq!(expire(segments, &[topic]), "", "{segments} {topic}");
        }
    }

    #[test]
    fn a_pattern_without_wildcards_is_a_name() {
        let plan = |glob: &str| Mode::PubSub.plan(Filter::Glob(glob.parse().unwrap())).unwrap();
        assert_eq!(plan("a[*]"), (Key::Name("a*".into()), None));
        assert!(matches!(plan("a*"), (Key::Pattern(_), Some(_))));
        assert!(matches!(Mode::Sharded.plan(Filter::All), Err(LinkError::Unsupported(_))));
    }
}
