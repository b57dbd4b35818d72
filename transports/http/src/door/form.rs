//! In which form a client wants its stream.

use std::sync::LazyLock;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use eventhive_hub::{Hub, Message, ProtocolId};

use crate::wire::answers::{NDJSON_TYPE, SSE_TYPE, STREAM_TYPE};
use crate::wire::chunk::Chunk;
use crate::wire::{event, sse};

/// A form of a stream. Each chunk is one event, whatever the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// PyPubSub's: a line of JSON.
    Lines,
    /// The same with a NUL behind it.
    OldSchool,
    /// The same by the name that others know.
    NdJson,
    /// For browsers.
    Events,
}

static LINES: LazyLock<ProtocolId> = LazyLock::new(ProtocolId::new);
static OLD_SCHOOL: LazyLock<ProtocolId> = LazyLock::new(ProtocolId::new);
static EVENTS: LazyLock<ProtocolId> = LazyLock::new(ProtocolId::new);

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// What a request says of the form, and whether it names one: a client that does knows what it asks for.
pub(super) struct Wish {
    pub(super) form: Form,
    pub(super) by_name: bool,
}

impl Wish {
    pub(super) fn of(headers: &HeaderMap, oldschoolers: &[String]) -> Self {
        let named = [(SSE_TYPE, Form::Events), (NDJSON_TYPE, Form::NdJson), (STREAM_TYPE, Form::Lines)]
            .into_iter()
            .find(|(name, _)| accepts(headers, header::ACCEPT, name));
        match named {
            Some((_, form)) => Self { form, by_name: true },
            None if is_old(headers, oldschoolers) => Self { form: Form::OldSchool, by_name: false },
            None => Self { form: Form::Lines, by_name: false },
        }
    }
}

fn is_old(headers: &HeaderMap, oldschoolers: &[String]) -> bool {
    let agent = headers.get(header::USER_AGENT).map_or(&[][..], |value| value.as_bytes());
    let agent = String::from_utf8_lossy(agent);
    oldschoolers.iter().any(|old| agent.contains(old.as_str()))
}

/// Whether a header such as `Accept` has `wanted` in its list, and not with the weight 0.
pub(super) fn accepts(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let is_zero = |part: &str| {
            part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
        };
        named && !parts.any(is_zero)
    })
}

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Lines | Self::OldSchool => STREAM_TYPE,
            Self::NdJson => NDJSON_TYPE,
            Self::Events => SSE_TYPE,
        }
    }

    /// The chunk of an event. All streams of one form share it.
    pub(super) fn event(self, hub: &Hub, message: &Message) -> Chunk {
        let cursor = |message: &Message| hub.public(message.cursor(), message.is_private());
        let line = |message: &Message| Chunk::new(event::line(message, cursor(message)).as_bytes()).into_bytes();
        let sse = |message: &Message| Chunk::new(&sse::event(message, cursor(message))).into_bytes();
        Chunk::from_bytes(match self {
            Self::Lines | Self::NdJson => message.encoded(*LINES, line),
            Self::OldSchool => {
                // First the one, then the other: no form may be asked for while another is being made.
                let line = Chunk::from_bytes(message.encoded(*LINES, line)).content();
                message.encoded(*OLD_SCHOOL, |_| Chunk::new(&[&line[..], b"\0"].concat()).into_bytes())
            }
            Self::Events => message.encoded(*EVENTS, sse),
        })
    }

    /// The chunk of a ping of now.
    pub(super) fn ping(self) -> Chunk {
        self.own(event::ping, sse::ping)
    }

    /// The same for a stream that still looks for what lies in the past.
    pub(super) fn replaying(self) -> Chunk {
        self.own(event::replaying, sse::replaying)
    }

    fn own(self, line: fn() -> String, sse: fn() -> String) -> Chunk {
        let text = match self {
            Self::Lines | Self::NdJson => line(),
            Self::OldSchool => line() + "\0",
            Self::Events => sse(),
        };
        Chunk::new(text.as_bytes())
    }

    /// What comes before everything, if anything does. `gap` tells that events may have been missed.
    pub(super) fn opening(self, gap: bool) -> Option<Chunk> {
        (self == Self::Events).then(|| Chunk::new(sse::opening(RETRY, gap).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn form(accept: &'static str, agent: &'static str) -> (Form, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        let wish = Wish::of(&headers, &["svnwcsub".to_owned()]);
        (wish.form, wish.by_name)
    }

    #[test]
    fn the_form_is_the_original_unless_another_is_named() {
        assert_eq!(form("*/*", "curl"), (Form::Lines, false));
        assert_eq!(form("text/html, text/*", "curl"), (Form::Lines, false));
        assert_eq!(form("text/event-stream", "curl"), (Form::Events, true));
        assert_eq!(form("a/b, application/x-ndjson;q=0.5", "svnwcsub"), (Form::NdJson, true));
        assert_eq!(form("text/event-stream;q=0", "xx svnwcsub/1.0"), (Form::OldSchool, false));
        assert_eq!(form("application/vnd.pypubsub-stream", ""), (Form::Lines, true));
    }

    #[test]
    fn the_user_agents_of_the_vectors_are_told_apart() {
        let all: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/pypubsub.json")).unwrap();
        for row in all["oldschool"]["user_agents"].as_array().unwrap() {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, row[0].as_str().unwrap().parse().unwrap());
            assert_eq!(row[1], is_old(&headers, &["svnwcsub".to_owned()]), "{row}");
        }
    }
}
