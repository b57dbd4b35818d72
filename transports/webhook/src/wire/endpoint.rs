//! Paths and headers of HTTP. Every request is a `POST`; a deployment may have a prefix before `/v1`.

use super::InterestKind;

/// The header with the hash of the message, in requests to [`Endpoint::Receive`] and
/// [`Endpoint::ReceiveForWebsockets`]; see [`digest`](super::digest).
pub const REPR_DIGEST: &str = "repr-digest";

/// `Content-Type` of every body with fields.
pub const CONTENT_TYPE: &str = "application/octet-stream";

/// A path of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// S2B: subscribe a URL.
    Subscribe(InterestKind),
    /// S2B: end a subscription.
    Unsubscribe(InterestKind),
    /// S2B: the etag of all subscriptions of a URL.
    CheckSubscriptions,
    /// S2B: replace all subscriptions of a URL.
    SetSubscriptions,
    /// S2B: a message for all who want its topic.
    Notify,
    /// S2B: where the websocket begins; the one path with `GET`.
    Websocket,
    /// B2S, between broadcasters: a message for the receiver's websockets.
    ReceiveForWebsockets,
    /// B2S, between broadcasters: the receiver's websockets may have missed something.
    MissedForWebsockets,
    /// B2S: a message for a subscriber. Where its receive url points by convention.
    Receive,
    /// B2S: a subscriber may have missed something. Where its recovery url points by convention.
    Recover,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Subscribe(InterestKind::Exact),
        Self::Subscribe(InterestKind::Glob),
        Self::Unsubscribe(InterestKind::Exact),
        Self::Unsubscribe(InterestKind::Glob),
        Self::CheckSubscriptions,
        Self::SetSubscriptions,
        Self::Notify,
        Self::Websocket,
        Self::ReceiveForWebsockets,
        Self::MissedForWebsockets,
        Self::Receive,
        Self::Recover,
    ];

    /// Its path, without a prefix.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Subscribe(InterestKind::Exact) => "/v1/subscribe/exact",
            Self::Subscribe(InterestKind::Glob) => "/v1/subscribe/glob",
            Self::Unsubscribe(InterestKind::Exact) => "/v1/unsubscribe/exact",
            Self::Unsubscribe(InterestKind::Glob) => "/v1/unsubscribe/glob",
            Self::CheckSubscriptions => "/v1/check_subscriptions",
            Self::SetSubscriptions => "/v1/set_subscriptions",
            Self::Notify => "/v1/notify",
            Self::Websocket => "/v1/websocket",
            Self::ReceiveForWebsockets => "/v1/receive_for_websockets",
            Self::MissedForWebsockets => "/v1/missed_for_websockets",
            Self::Receive => "/v1/receive",
            Self::Recover => "/v1/recover",
        }
    }

    /// The endpoint of a path without prefix. It is matched exactly: a slash more is another path.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_as_it_is_and_with_nothing_more() {
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::of(endpoint.path()), Some(endpoint));
            assert_eq!(Endpoint::of(&format!("{}/", endpoint.path())), None);
        }
    }
}
