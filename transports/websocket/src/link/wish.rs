//! What a link may ask its server for.

use std::fmt;

use eventhive_transport::{Filter, Glob, LinkError, Topic};

use crate::wire::ALL_TOPICS;

/// A filter as the wire knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// A topic that is text.
    Topic(Topic),
    /// What matches a pattern. Only doors of ours take it.
    Pattern(Glob),
}

impl Wish {
    /// Everything is a topic to the protocol.
    pub(super) const EVERYTHING: Self = Self::Topic(Topic::from_static(ALL_TOPICS));

    /// The text of the topic or pattern.
    pub(super) fn as_str(&self) -> &str {
        match self {
            // Checked below.
            Self::Topic(topic) => topic.as_str().unwrap_or_default(),
            Self::Pattern(glob) => glob.as_str(),
        }
    }

    /// What to say of it where the server is not ours.
    pub(super) fn unsupported(&self) -> LinkError {
        LinkError::Unsupported(format!(
            "only servers of eventhive know patterns, and this is none: subscribe the topics that `{self}` matches one by \
             one, or everything"
        ))
    }
}

impl TryFrom<Filter> for Wish {
    type Error = LinkError;

    fn try_from(filter: Filter) -> Result<Self, LinkError> {
        let unsupported = |text: &str| Err(LinkError::Unsupported(text.to_owned()));
        match filter {
            Filter::All => Ok(Self::EVERYTHING),
            Filter::Exact(topic) if topic.as_bytes() == ALL_TOPICS.as_bytes() => {
                unsupported("this topic stands for all topics: subscribe everything")
            }
            Filter::Exact(topic) if topic.as_str().is_none() => {
                unsupported("a topic of this wire is text: this one is not UTF-8")
            }
            Filter::Exact(topic) => Ok(Self::Topic(topic)),
            Filter::Glob(glob) => Ok(Self::Pattern(glob)),
            _ => unsupported("this wire has topics and patterns only: subscribe them one by one, or everything"),
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
